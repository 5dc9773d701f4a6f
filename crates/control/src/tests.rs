use std::fs::{self, Permissions};
use std::io::BufReader;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::grammar::Lines;

struct House {
    folder: TempDir,
    home: Home,
}

impl House {
    fn new(files: &[(&str, &str)]) -> House {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        fs::create_dir(home.control()).unwrap();
        let house = House { folder, home };
        files.iter().for_each(|(name, text)| house.write(name, text));
        house
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.home.control().join(name), text).unwrap();
    }

    fn control(&self) -> Control {
        Control::open(&self.home)
    }
}

fn key(hit: Result<Option<Hit>, Broken>) -> Option<String> {
    hit.unwrap().map(|hit| String::from_utf8(hit.key).unwrap())
}

#[test]
fn every_name_stands_once_and_in_order() {
    assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    for file in TABLE {
        assert!(file.sentence.ends_with('.') && !file.sentence.contains('\n'), "{}", file.name);
        assert!(!matches!(file.default, Default::Me) || !matches!(file.kind, Kind::Number { .. }));
        if let (Kind::Number { min, max, .. }, Default::Value(value)) = (file.kind, file.default) {
            assert!((min..=max).contains(&value.parse().unwrap()), "{}", file.name);
        }
    }
}

#[test]
fn one_line_is_read_whatever_surrounds_it() {
    // K01
    for text in
        ["a.b", "a.b\n", "a.b\r\n", "a.b \t \n", "a.b\nsecond\n", "# x\n#y\na.b\n", "\u{feff}a.b\n", "a.b\n#"]
    {
        assert_eq!(House::new(&[("me", text)]).control().me().unwrap(), "a.b", "{text:?}");
    }
    assert_eq!(House::new(&[("me", "Mail.Example.ORG")]).control().me().unwrap(), "Mail.Example.ORG");
}

#[test]
fn a_missing_file_is_its_default_and_an_empty_one_the_empty_value() {
    // K01
    let control = House::new(&[("me", "a.b"), ("helohost", "# comment only\n"), ("smtpgreeting", "")]);
    let control = control.control();
    assert_eq!(control.text("idhost").unwrap(), "a.b");
    assert_eq!(control.text("helohost").unwrap(), "a.b");
    assert_eq!(control.text("bouncefrom").unwrap(), "MAILER-DAEMON");
    assert_eq!(control.line("smtpgreeting").unwrap().unwrap(), "");
    assert_eq!(control.line("batvkey").unwrap(), None);
    assert!(control.text("batvkey").is_err());
    assert_eq!(control.number("queuelifetime").unwrap(), 604_800);
    assert!(!control.flag("holdlocal").unwrap());
    assert_eq!(control.list("locals").unwrap().unwrap(), ["a.b"]);
    assert_eq!(control.list("rcpthosts").unwrap(), None);
}

#[test]
fn without_me_what_needs_it_is_an_error_and_never_a_guess() {
    // K01
    for files in [&[][..], &[("me", "")], &[("me", "#x\n")], &[("me", "\na.b")]] {
        let house = House::new(files);
        let control = house.control();
        assert!(control.me().is_err());
        assert!(control.text("helohost").is_err());
        assert!(control.table("locals").is_err());
        assert!(!control.receives("a.b").unwrap());
    }
}

#[test]
fn what_cannot_be_read_is_never_taken_for_missing() {
    // K01
    let house = House::new(&[("me", "a.b")]);
    let folder = house.home.control();
    for name in ["databytes", "rcpthosts", "helohost", "badmailfrom"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("/nowhere/at/all", folder.join("smtpgreeting")).unwrap();
    std::os::unix::fs::symlink("locals", folder.join("locals")).unwrap();
    let control = house.control();
    assert!(control.number("databytes").is_err());
    assert!(control.list("rcpthosts").is_err() && control.table("rcpthosts").is_err());
    assert!(control.receives("a.b").is_err());
    assert!(control.text("helohost").is_err());
    assert!(control.table("badmailfrom").is_err());
    assert!(control.text("smtpgreeting").is_err(), "a link that leads nowhere");
    assert!(control.table("locals").is_err(), "a link to itself");
    assert!(control.text("me").is_ok());
}

#[test]
fn a_file_that_may_not_be_read_is_never_taken_for_missing() {
    // K01
    let house = House::new(&[("rcpthosts", "a.b\n")]);
    fs::set_permissions(house.home.control().join("rcpthosts"), Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(house.home.control().join("rcpthosts")).is_ok() {
        eprintln!("SKIPPED: root may read every file");
        return;
    }
    let broken = house.control().list("rcpthosts").unwrap_err();
    assert!(broken.cure.contains("chmod"), "{broken}");
}

#[test]
fn a_fifo_does_not_hang() {
    // K01
    let house = House::new(&[]);
    sys::durable::make_fifo(&house.home.control().join("me"), 0o600).unwrap();
    sys::durable::make_fifo(&house.home.control().join("rcpthosts.cdb"), 0o600).unwrap();
    assert!(house.control().me().is_err());
    assert!(house.control().table("rcpthosts").is_err());
}

#[test]
fn nul_and_endless_lines_are_errors_and_take_no_memory() {
    // K01
    let house = House::new(&[]);
    house.write("me", b"a.b\0\n");
    house.write("rcpthosts", b"ok.example\nbad\0line\n");
    house.write("badmailfrom", vec![b'x'; 10 << 20]);
    house.write("bouncemessage", b"text\0");
    let control = house.control();
    assert_eq!(control.me().unwrap_err().line, Some(1));
    assert_eq!(control.list("rcpthosts").unwrap_err().line, Some(2));
    assert!(control.receives("ok.example").is_err());
    assert!(control.table("badmailfrom").unwrap_err().problem.contains("longer than 65536"));
    assert!(control.whole("bouncemessage").is_err());
}

#[test]
fn a_list_skips_comments_and_empty_lines_and_keeps_its_order() {
    let house = House::new(&[("qmqpservers", "# two\r\n\r\n10.0.0.2 \r\n\t\n10.0.0.1")]);
    assert_eq!(house.control().list("qmqpservers").unwrap().unwrap(), ["10.0.0.2", "10.0.0.1"]);
}

#[test]
fn a_number_that_is_none_is_an_error_with_file_line_and_cure() {
    // K04
    for text in
        ["-1", "12abc", "99999999999999999999", "", "\n5", "0x10", "1e9", "1 000", "+5", "5.5", "\u{661}"]
    {
        let broken = House::new(&[("databytes", text)]).control().number("databytes").unwrap_err();
        assert_eq!((&broken.file[..], broken.line), ("control/databytes", Some(1)), "{text:?}");
        assert!(broken.cure.contains("digits"), "{broken}");
    }
    for (text, value) in [("0", 0), ("1000000000\n", 1_000_000_000), ("# x\n007 \r\n", 7)] {
        assert_eq!(House::new(&[("databytes", text)]).control().number("databytes").unwrap(), value);
    }
    assert!(House::new(&[("timeoutsmtpd", "0")]).control().number("timeoutsmtpd").is_err());
    assert!(House::new(&[("concurrencyremote", "65536")]).control().number("concurrencyremote").is_err());
    assert!(House::new(&[("holdlocal", "yes")]).control().flag("holdlocal").is_err());
    assert!(House::new(&[("holdlocal", "1")]).control().flag("holdlocal").unwrap());
}

#[test]
fn without_rcpthosts_no_domain_is_received() {
    // K02
    let control = House::new(&[("me", "a.b")]);
    assert!(!control.control().receives("a.b").unwrap());
    assert!(!control.control().receives("").unwrap());
    let control = House::new(&[("rcpthosts", "")]);
    assert!(!control.control().receives("a.b").unwrap());
}

#[test]
fn rcpthosts_takes_a_domain_and_the_names_below_a_suffix() {
    let house =
        House::new(&[("rcpthosts", "Example.ORG\n.sub.example.org\n"), ("morercpthosts", "more.example\n")]);
    for (domain, received) in [
        ("example.org", true),
        ("EXAMPLE.org", true),
        ("x.example.org", false),
        ("sub.example.org", false),
        ("a.sub.example.org", true),
        ("a.b.sub.example.org", true),
        ("notexample.org", false),
        ("more.example", true),
        (".sub.example.org", true),
        ("", false),
    ] {
        assert_eq!(house.control().receives(domain).unwrap(), received, "{domain}");
    }
}

#[test]
fn virtualdomains_are_asked_from_the_address_to_everything() {
    let text = "bob@v.example:bob\nv.example:v\n.v.example:below\nold.v.example:\n:all\nno colon here\n";
    let table = House::new(&[("virtualdomains", text)]).control().table("virtualdomains").unwrap();
    for (address, expect) in [
        ("Bob@V.example", "bob@v.example"),
        ("x@v.example", "v.example"),
        ("x@a.b.v.example", ".v.example"),
        ("x@old.v.example", "old.v.example"),
        ("x@other", ""),
        ("nohost", ""),
    ] {
        assert_eq!(key(table.route(address)).unwrap(), expect, "{address}");
    }
    assert_eq!(table.route("x@old.v.example").unwrap().unwrap().value(), "");
    assert_eq!(table.route("x@v.example").unwrap().unwrap().value(), "v");
}

#[test]
fn a_line_that_names_no_host_breaks_a_table_of_hosts() {
    let hosts = |text| House::new(&[("mailhosts", text)]).control().hosts("mailhosts");
    assert_eq!(hosts("# ours\n\nB.test:tls\n").unwrap().get("b.test").unwrap().unwrap().value(), "tls");
    assert!(!House::new(&[]).control().hosts("mailhosts").unwrap().exists());
    let broken = hosts("b.test:10.0.0.2\nlocalhost tls\n").unwrap_err();
    let told =
        "control/mailhosts: line 2: no colon, so it is not known which host is meant; write name:address";
    assert!(broken.to_string().starts_with(told), "{broken}");
    assert!(hosts(" b.test:tls\n").is_err());
}

#[test]
fn a_line_that_names_no_host_is_not_compiled() {
    let house = House::new(&[("mailhosts", "b.test:10.0.0.2 tls\n")]);
    crate::compile(&house.home, "mailhosts").unwrap();
    assert!(house.control().hosts("mailhosts").unwrap().has("b.test").unwrap());
    let house = House::new(&[("mailhosts", "b.test:10.0.0.2\nlocalhost tls\n")]);
    assert_eq!(crate::compile(&house.home, "mailhosts").unwrap_err().line, Some(2));
}

#[test]
fn senders_are_asked_whole_and_by_host() {
    let table =
        House::new(&[("badmailfrom", "A@b.c\n@spam.example\n")]).control().table("badmailfrom").unwrap();
    assert_eq!(key(table.address("a@B.c")).unwrap(), "a@b.c");
    assert_eq!(key(table.address("x@y@SPAM.example")).unwrap(), "@spam.example");
    assert_eq!(key(table.address("x@b.c")), None);
    assert_eq!(key(table.address("")), None);
}

#[test]
fn routes_of_hosts_end_in_the_empty_key() {
    let table = House::new(&[("smtproutes", "a.b:r1:26\n.b:r2\n:r3\n[2001:db8::1]:r4\n")])
        .control()
        .table("smtproutes");
    let value = |host: &str| table.as_ref().unwrap().host(host).unwrap().unwrap().value();
    assert_eq!([value("a.b"), value("x.b"), value("x"), value("[2001:db8::1]")], ["r1:26", "r2", "r3", "r4"]);
}

#[test]
fn a_table_beside_the_text_is_read_alone_and_a_damaged_one_is_an_error() {
    // B01
    let house = House::new(&[("me", "a.b"), ("rcpthosts", "one.example\n")]);
    compile(&house.home, "rcpthosts").unwrap();
    assert!(house.control().receives("one.example").unwrap());
    house.write("rcpthosts", "two.example\n");
    assert!(!house.control().receives("two.example").unwrap(), "not compiled yet");
    assert!(house.control().receives("ONE.example").unwrap(), "a stale table goes on");
    compile(&house.home, "rcpthosts").unwrap();
    assert!(house.control().receives("two.example").unwrap());
    fs::remove_file(house.home.control().join("rcpthosts")).unwrap();
    assert!(house.control().receives("two.example").unwrap());
    house.write("rcpthosts.cdb", "");
    assert!(house.control().receives("two.example").is_err());
    assert!(!house.control().table("morercpthosts").unwrap().exists());
}

#[test]
fn a_table_cut_anywhere_never_says_that_a_domain_is_not_ours() {
    // B01
    let house = House::new(&[("rcpthosts", "one.example\n")]);
    compile(&house.home, "rcpthosts").unwrap();
    let whole = fs::read(house.home.control().join("rcpthosts.cdb")).unwrap();
    for length in (0..whole.len()).filter(|length| *length < 4 || *length > 2000) {
        house.write("rcpthosts.cdb", &whole[..length]);
        assert!(!matches!(house.control().receives("one.example"), Ok(false)), "cut to {length}");
    }
}

#[test]
fn a_stale_table_is_told_by_its_stamp_or_by_its_time() {
    let house = House::new(&[("badmailfrom", "a@b\n")]);
    let (text, path) =
        (house.home.control().join("badmailfrom"), house.home.control().join("badmailfrom.cdb"));
    let stale = || stamp::is_stale(&cdb::Cdb::open(&path).unwrap(), &text).unwrap();
    compile(&house.home, "badmailfrom").unwrap();
    assert!(!stale());
    let file = fs::File::options().write(true).open(&text).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    assert!(stale(), "older than what was compiled is not what was compiled");
    house.write("badmailfrom.cdb", cdb::build([("a@b", "")]).unwrap());
    assert!(!stale(), "without a stamp an old text is none the wiser");
    file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(9)).unwrap();
    assert!(stale());
}

#[test]
fn compiling_refuses_an_error_and_keeps_the_old_table() {
    // B03, B04
    let house = House::new(&[("rcpthosts", "good.example\n")]);
    compile(&house.home, "rcpthosts").unwrap();
    house.write("rcpthosts", "good.example\n*.bad.example\n");
    let broken = compile(&house.home, "rcpthosts").unwrap_err();
    assert_eq!((broken.line, broken.cure.contains(".bad.example")), (Some(2), true));
    assert!(house.control().receives("good.example").unwrap());
    assert!(compile(&house.home, "me").is_err());
    assert!(compile(&house.home, "nothing").is_err());
}

#[test]
fn what_holds_secrets_is_never_compiled() {
    let house = House::new(&[("smtplogins", "mine:bob:password\n")]);
    let refused = compile(&house.home, "smtplogins").unwrap_err().to_string();
    assert!(refused.contains("holds secrets"), "{refused}");
    assert!(!house.home.control().join("smtplogins.cdb").exists());
}

#[test]
fn everything_that_is_due_is_compiled() {
    let house = House::new(&[
        ("morercpthosts", "a.example\nb.example\n"),
        ("badrcptto", "x@y\n"),
        ("rcpthosts", "c\n"),
    ]);
    house.write("badrcptto.cdb", cdb::build([("old@y", "")]).unwrap());
    fs::create_dir(house.home.etc()).unwrap();
    fs::write(house.home.etc().join("tcp.smtp"), "127.:allow\n10.0.0.0/9:deny\n").unwrap();
    fs::write(house.home.etc().join("tcp.pop3"), "10:deny\n").unwrap();
    fs::write(house.home.etc().join("tcp.smtp~"), "nonsense\n").unwrap();
    let done = compile_all(&house.home);
    let files: Vec<_> =
        done.iter().map(|it| it.as_ref().map(|it| (&it.file[..], it.records)).map_err(|e| e.line)).collect();
    assert_eq!(
        files,
        [
            Ok(("control/badrcptto.cdb", 1)),
            Ok(("control/morercpthosts.cdb", 2)),
            Err(Some(1)),
            Ok(("etc/tcp.smtp.cdb", 129)),
        ]
    );
    assert!(!house.home.control().join("rcpthosts.cdb").exists());
    let rules = cdb::Cdb::open(&house.home.etc().join("tcp.smtp.cdb")).unwrap();
    let client = rules::Client { ip: "10.100.1.1", ..rules::Client::default() };
    assert!(rules::find(&client, |key| rules.get(key)).unwrap().unwrap().verdict.deny);
}

#[test]
fn a_reader_sees_all_of_the_old_or_all_of_the_new() {
    // K03
    let house = House::new(&[]);
    let (old, new) = ("old.example\n".repeat(3000), "new.example\n".repeat(3000));
    let path = house.home.control().join("rcpthosts");
    fs::write(&path, &old).unwrap();
    let writer = std::thread::spawn(move || {
        for round in 0..200 {
            let text = if round % 2 == 0 { &new } else { &old };
            sys::durable::replace(&path, text.as_bytes(), 0o644).unwrap();
        }
    });
    while !writer.is_finished() {
        let list = house.control().list("rcpthosts").unwrap().unwrap();
        assert!(list.len() == 3000 && list.iter().all(|name| *name == list[0]));
    }
    writer.join().unwrap();
}

#[test]
fn uids_come_from_the_file_and_never_are_root() {
    let house = House::new(&[("uids", "fulmar-net:nobody\nfulmar-queue:1234:5678\n")]);
    let uids = Uids::read(&house.home).unwrap();
    assert!(uids.holds(1234, Role::Queue) && !uids.holds(1235, Role::Queue));
    assert!(uids.holds(sys::uid(), Role::Net), "the process's own uid holds every role");
    match uids.identity(Role::Queue).unwrap() {
        Some(identity) => assert_eq!((identity.uid, identity.gid), (1234, 5678)),
        None => assert!(!sys::is_root()),
    }
    for line in
        ["fulmar-net:root", "fulmar-net:0:0", "fulmar-net:1:x", "fulmar-net:no such user", "fulmar-net:-1:1"]
    {
        house.write("uids", line);
        assert!(Uids::read(&house.home).is_err(), "{line}");
    }
}

#[test]
fn the_house_is_where_it_is_said_to_be() {
    let home = Home::at("/srv/mail");
    assert_eq!(home.run("queue"), std::path::Path::new("/srv/mail/run/queue"));
    assert_eq!(home.program("smtpd"), std::path::Path::new("/srv/mail/bin/smtpd"));
    assert!(Home::at("relative").path().is_absolute());
    let house = House::new(&[]);
    assert_eq!(house.home.path(), house.folder.path());
}

proptest! {
    #[test]
    fn cutting_the_reads_anywhere_changes_nothing(text in prop::collection::vec(prop_oneof![
        Just(b'\n'), Just(b'\r'), Just(b'#'), Just(b' '), Just(0u8), any::<u8>()], 0..80), size in 1..20usize) {
        let read = |size| Lines::new(BufReader::with_capacity(size, &text[..])).map(|it| it.map_err(|e| e.to_string())).collect::<Vec<_>>();
        prop_assert_eq!(read(size), read(1000));
    }

    #[test]
    fn a_compiled_table_answers_as_its_text(
        keys in prop::collection::vec("[a-cA-C.@]{0,5}", 0..20),
        asked in prop::collection::vec("[a-cA-C.@]{0,6}", 1..10),
    ) {
        let text: String = keys.iter().enumerate().map(|(n, key)| format!("{key}:{n}\n")).collect();
        let lines = grammar::entries(text.as_bytes()).map(Result::unwrap).collect();
        let text = Table::text(read::records(Kind::Map(Entry::Word), lines), true);
        let records = read::records(
            Kind::Map(Entry::Word),
            keys.iter().enumerate().map(|(n, key)| grammar::Line { number: n, text: format!("{key}:{n}").into() }).collect(),
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.cdb");
        let records = records.into_iter().map(|(key, (_, value))| (key, value));
        fs::write(&path, cdb::build(records).unwrap()).unwrap();
        let compiled = Table::compiled(cdb::Cdb::open(&path).unwrap(), path).unwrap();
        for key in asked {
            // A compiled table knows no lines.
            let said = |hit: Result<Option<Hit>, Broken>| hit.map(|hit| hit.map(|hit| (hit.key, hit.value)));
            prop_assert_eq!(said(text.get(&key)), said(compiled.get(&key)));
            prop_assert_eq!(said(text.route(&key)), said(compiled.route(&key)));
            prop_assert_eq!(said(text.domain(&key)), said(compiled.domain(&key)));
            prop_assert_eq!(said(text.address(&key)), said(compiled.address(&key)));
        }
    }
}

#[test]
fn networks_are_named_in_tables_and_rules_and_an_edit_of_one_makes_the_tables_stale() {
    let home = tempfile::tempdir().unwrap();
    for folder in ["control/networks", "etc"] {
        fs::create_dir_all(home.path().join(folder)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(home.path().join(name), text).unwrap();
    let house = Home::at(home.path());
    let control = Control::open(&house);
    let asked = |ip: &str| {
        let hit = control.table("relayclients").unwrap().network(ip.parse().unwrap()).unwrap();
        hit.map(|hit| (hit.value(), hit.line))
    };
    write("control/networks/office", "192.0.2.0/24\n2001:db8::1\n");
    write("control/relayclients", "10.1.1.:\n@office:@gw\n@nowhere:\n");
    write("etc/tcp.smtp", "@office:allow,RELAYCLIENT=\"\"\n:allow\n");
    assert_eq!(asked("192.0.2.77"), Some(("@gw".into(), Some(2))));
    assert_eq!(asked("2001:db8::1"), Some(("@gw".into(), Some(2))));
    assert_eq!((asked("10.1.1.9"), asked("198.51.100.1")), (Some((String::new(), Some(1))), None));
    let refused = compile(&house, "relayclients").unwrap_err().to_string();
    assert!(
        refused.contains("control/relayclients: line 3") && refused.contains("no such network"),
        "{refused}"
    );
    assert!(check(&house).iter().any(|problem| problem.line == Some(3) && problem.cure.contains("@nowhere")));
    write("control/relayclients", "@office:\n");
    compile(&house, "relayclients").unwrap();
    compile_rules(&home.path().join("etc/tcp.smtp")).unwrap();
    assert_eq!(asked("192.0.2.1"), Some((String::new(), None)));
    assert_eq!(control.line_of("relayclients", b"192.0.2.0/24"), Some(1));
    let stale = || check(&house).iter().filter(|problem| problem.problem == "older than its text").count();
    assert_eq!(stale(), 0);
    write("control/networks/office", "192.0.2.0/25\n");
    assert_eq!(stale(), 2);
    write("control/networks/office", "192.0.2.0/33\n");
    let refused = compile_rules(&home.path().join("etc/tcp.smtp")).unwrap_err().to_string();
    assert!(refused.contains("tcp.smtp: line 1"), "{refused}");
}

#[test]
fn a_folder_of_rules_that_cannot_be_read_is_not_one_without_rules() {
    let house = House::new(&[]);
    let etc = house.home.etc();
    std::fs::remove_dir_all(&etc).unwrap_or_default();
    assert!(compile_all(&house.home).iter().all(Result::is_ok));
    std::fs::write(&etc, "").unwrap();
    assert!(compile_all(&house.home).iter().any(Result::is_err));
}
