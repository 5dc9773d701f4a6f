use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::*;

struct House {
    _folder: tempfile::TempDir,
    home: Home,
}

impl House {
    fn new(files: &[(&str, &str)]) -> House {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        for folder in [home.control(), home.etc()] {
            fs::create_dir(&folder).unwrap();
            fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        }
        let house = House { _folder: folder, home };
        house.write("control/me", "mail.example.org\n");
        files.iter().for_each(|(name, text)| house.write(name, text));
        house
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    /// All problems but notes, as `severity file line: problem; cure`.
    fn problems(&self) -> Vec<String> {
        let told = check(&self.home).into_iter().filter(|it| it.severity > Severity::Note);
        told.map(|it| {
            let line = it.line.map(|line| format!(" line {line}")).unwrap_or_default();
            format!("{} {}{line}: {}; {}", it.severity.name(), it.file, it.problem, it.cure)
        })
        .collect()
    }
}

/// The one problem of a house with this one file.
fn problem(name: &str, text: &str) -> String {
    let problems = House::new(&[(name, text)]).problems();
    assert_eq!(problems.len(), 1, "{name} {text:?}: {problems:?}");
    problems[0].clone()
}

#[test]
fn a_sound_house_has_no_problems() {
    let house = House::new(&[
        ("control/rcpthosts", "example.org\n.example.org\nv.example\nlist.example\n"),
        ("control/locals", "example.org\n[192.0.2.1]\n"),
        ("control/virtualdomains", "v.example:alice\nbob@list.example:bob\n.example.net:\n:rest\n"),
        ("control/badmailfrom", "@spam.example\nx@y.example\n"),
        ("control/databytes", "20480000\n# 20 MB\n"),
        ("control/relayclients", "192.168.1.:\n10.0.0.0/8:\n[2001:db8::1]:\n"),
        ("control/bouncemessage", "\u{201c}Sorry\u{201d}\n"),
        ("control/me~", "old"),
        ("control/mailhosts", "# ours\nb.test:10.0.0.2 imap=1143 tls\nc.test:tls=x.test\nd.test:fd00::2\n"),
        ("etc/tcp.smtp", "# x\n127.:allow,RELAYCLIENT=\"\"\n:allow\n"),
    ]);
    crate::compile_rules(&house.home.join("etc/tcp.smtp")).unwrap();
    assert_eq!(house.problems(), Vec::<String>::new());
}

/// File, text, how the problem begins, a part of its cure.
#[rustfmt::skip]
const SLIPS: &[(&str, &str, &str, &str)] = &[
    ("control/databytes", "10M\n", "error control/databytes line 1: `10M` is not a number", "digits"),
    ("control/databytes", "10000000\nsecond\n", "warning control/databytes line 2: only the first line", "#"),
    ("control/smtpgreeting", " \n", "warning control/smtpgreeting: blank", "host name"),
    ("control/uids", "fulmar-nett:1:1\n", "error control/uids line 1: `fulmar-nett`: no such role", "mean fulmar-net?"),
    ("control/uids", "wizard:1:1\n", "error control/uids line 1: `wizard`: no such role", "lists the roles"),
    ("control/users", "cdb\noracle:/x\n", "error control/users: `oracle:/x` is not a place of users", "cdb"),
    ("control/databytes", "20\n", "warning control/databytes: hardly any", "bytes"),
    ("control/timeoutsmtpd", "5", "warning control/timeoutsmtpd: slow hosts", "seconds"),
    ("control/queuelifetime", "7", "warning control/queuelifetime: ", "604800"),
    ("control/me", "mail", "warning control/me: `mail` is not a full name", "mail.example.org"),
    ("control/me", "mail example.org", "error control/me: `mail example.org` is not a host name", "full host name"),
    ("control/me", "\u{201c}a.b\u{201d}", "error control/me: typographic quote", "plain"),
    ("control/me", "", "error control/me line 1: empty", "host name"),
    ("control/rcpthosts", "a.b\n*.example.org", "error control/rcpthosts line 2: `*.example.org`: a star", "write .example.org"),
    ("control/rcpthosts", "#\n@example.org", "error control/rcpthosts line 2: `@example.org`: an address", "write example.org"),
    ("control/rcpthosts", "example.org.", "error control/rcpthosts line 1: `example.org.`: a dot at the end", "write example.org"),
    ("control/rcpthosts", "example.org:", "error control/rcpthosts line 1: `example.org:`: a colon", "write example.org"),
    ("control/rcpthosts", " example.org", "error control/rcpthosts line 1: begins with a blank", "begin the line"),
    ("control/rcpthosts", "a.b c.d", "error control/rcpthosts line 1: `a.b c.d`: not a domain", "example.org"),
    ("control/rcpthosts", "\u{201c}a.b\u{201d}", "error control/rcpthosts line 1: typographic quote", "plain"),
    ("control/rcpthosts", ".org", "error control/rcpthosts: `.org` takes mail", "your own domains"),
    ("control/badmailfrom", "spam.example", "error control/badmailfrom line 1: `spam.example`: not an address", "@spam.example"),
    ("control/badmailfrom", "*@spam.example", "error control/badmailfrom line 1: `*@spam.example`: a wildcard", "@host"),
    ("control/virtualdomains", "v.example alice", "error control/virtualdomains line 1: no colon", "key:value"),
    ("control/virtualdomains", "@v.example:alice", "error control/virtualdomains line 1: `@v.example`", "write v.example"),
    ("control/virtualdomains", "*:alice", "error control/virtualdomains line 1: `*`: a star", "nothing before the colon"),
    ("control/virtualdomains", "a.b:x\na.b:y", "warning control/virtualdomains line 2: the key of line 1 again", "remove one"),
    ("control/virtualdomains", "a.b:x@y.z", "error control/virtualdomains: a.b: `x@y.z` is not the name", "domain:user"),
    ("control/virtualdomains", "mail.example.org:x", "warning control/virtualdomains: mail.example.org is in locals", "remove it"),
    ("control/mailhosts", "b.test:10.0.0.2\nlocalhost tls", "error control/mailhosts line 2: no colon", "write name:address imap=port pop3=port tls"),
    ("control/mailhosts", "b.test :tls", "error control/mailhosts line 1: `b.test ` is not a host name", "write name:address"),
    ("control/mailhosts", "b.test:imaps=993", "error control/mailhosts line 1: `imaps=993` in the line of b.test", "write name:address"),
    ("control/mailhosts", "c.test:10.0.0.2 tsl", "error control/mailhosts line 1: `tsl` in the line of c.test", "write name:address"),
    ("control/relayclients", "192.168.1:\n", "error control/relayclients line 1: 192.168.1 is not a whole", "192.168.1."),
    ("control/relaymailfrom", "a@b.c", "warning control/relaymailfrom: whoever writes", "relayclients"),
    ("control/holdlocal", "yes", "error control/holdlocal: neither 1 nor 0", "write 1"),
    ("control/rcpthost", "a.b", "warning control/rcpthost: no program reads", "did you mean control/rcpthosts?"),
    ("control/Me", "a.b", "warning control/Me: no program reads", "did you mean control/me?"),
    ("control/uids", "fulmar-net:no such user", "error control/uids: fulmar-net: there is no user", "make the user"),
    ("control/rcpthosts.cdb", "", "error control/rcpthosts.cdb: damaged database", "fulmar cdb"),
];

#[test]
fn every_slip_is_told_with_file_line_and_cure() {
    for (name, text, start, cure) in SLIPS {
        let found = problem(name, text);
        assert!(found.starts_with(start), "{name} {text:?}: {found}");
        assert!(found.contains("; ") && found.contains(cure), "{name} {text:?}: {found}");
    }
}

#[test]
fn slips_in_rules_are_told_and_so_are_rules_that_open_the_house() {
    for (text, start) in [
        (":allow,RELAYCLIENT=\"\"\n", "error etc/tcp.smtp line 1: everybody may relay"),
        ("#\n=:allow,RELAYCLIENT=\"\"\n", "error etc/tcp.smtp line 2: everybody may relay"),
        ("0.0.0.0/0:allow,RELAYCLIENT=\"\"\n", "error etc/tcp.smtp line 1: everybody may relay"),
        ("=.dom:allow,RELAYCLIENT=\"\"\n", "warning etc/tcp.smtp line 1: relaying by a host name"),
        ("127.:allow,RELAYCLIENT=\"@x\"\n", "warning etc/tcp.smtp line 1: the value of RELAYCLIENT"),
        ("127.:allow,RELAYCLIENT=\u{201d}\u{201d}\n", "error etc/tcp.smtp line 1: typographic quote"),
        (":allow,DATABYTES=\"10M\"\n", "error etc/tcp.smtp line 1: DATABYTES is `10M`, no number"),
        ("127.:allow\n:allow,DATABYTES=\"\"\n", "error etc/tcp.smtp line 2: DATABYTES is ``, no number"),
        ("127.:allow\n10:deny\n", "error etc/tcp.smtp line 2: 10 is not a whole address"),
    ] {
        let house = House::new(&[("etc/tcp.smtp", text)]);
        let problems = house.problems();
        assert!(problems.iter().any(|it| it.starts_with(start)), "{text:?}: {problems:?}");
        assert!(problems.contains(&"warning etc/tcp.smtp: has not been compiled; fulmar cdb".to_owned()));
    }
    assert!(problem("etc/tcp.smtp", "0.0.0.0/0:deny,RELAYCLIENT=\"\"\n").contains("not been compiled"));
}

#[test]
fn a_forgotten_compile_is_told() {
    let house = House::new(&[("etc/tcp.smtp", "127.:allow\n"), ("control/morercpthosts", "a.b\n")]);
    assert!(crate::compile_all(&house.home).iter().all(Result::is_ok));
    assert_eq!(house.problems(), Vec::<String>::new());
    house.write("etc/tcp.smtp", "127.:deny\n10.:deny\n");
    house.write("control/morercpthosts", "a.b\nc.d\n");
    let problems = house.problems();
    assert_eq!(
        problems,
        [
            "warning control/morercpthosts.cdb: older than its text; fulmar cdb",
            "warning etc/tcp.smtp.cdb: older than its text; fulmar cdb"
        ]
    );
}

#[test]
fn a_house_without_a_name_or_without_control_files_is_told() {
    let house = House::new(&[]);
    fs::remove_file(house.home.control().join("me")).unwrap();
    assert!(house.problems()[0].starts_with("error control/me: missing; write the full name"));
    fs::remove_dir(house.home.control()).unwrap();
    assert!(
        house.problems().iter().any(|it| it.contains("/control: No such file")),
        "{:?}",
        house.problems()
    );
}

#[test]
fn files_that_others_can_change_or_programs_cannot_read_are_told() {
    let house = House::new(&[
        ("control/rcpthosts", "example.org\nmail.example.org\n"),
        ("control/srs_secrets", "x\n"),
    ]);
    let change = |name: &str, mode| {
        fs::set_permissions(house.home.control().join(name), Permissions::from_mode(mode)).unwrap();
    };
    change("me", 0o666);
    change("rcpthosts", 0o600);
    let problems = house.problems().join("\n");
    assert!(
        problems.contains("error control/me: everybody on this host can change it; chmod o-w "),
        "{problems}"
    );
    assert!(problems.contains("warning control/srs_secrets: a secret"), "{problems}");
    assert_eq!(
        problems.contains("warning control/rcpthosts: programs that are not root"),
        sys::is_root(),
        "{problems}"
    );
}

#[test]
fn domains_that_are_delivered_and_not_received_are_told() {
    let house = House::new(&[
        ("control/rcpthosts", "example.org\n"),
        ("control/locals", "example.org\nother.example\n"),
        ("control/virtualdomains", "v.example:v\n"),
    ]);
    let problems = house.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("warning control/locals: other.example is not in rcpthosts"));
    assert!(problems[1].starts_with("warning control/virtualdomains: v.example is not in rcpthosts"));
}

#[test]
fn files_of_the_table_that_have_no_use_yet_or_never_are_notes() {
    let house =
        House::new(&[("control/surbldomain", "x.example\n"), ("control/qcount", "5\n"), ("control/x", "")]);
    let notes = check(&house.home);
    let told = |file: &str| notes.iter().find(|it| it.file == file).unwrap();
    assert!(told("control/surbldomain").problem.contains("no program uses it yet"));
    assert!(told("control/qcount").problem.contains("no effect: There is one queue."));
    assert!(told("control/x").problem.contains("no program reads"));
    assert!(notes.iter().all(|it| it.severity == Severity::Note));
}

#[test]
fn a_folder_in_place_of_a_file_is_told() {
    // K01
    let house = House::new(&[]);
    fs::create_dir(house.home.control().join("rcpthosts")).unwrap();
    fs::create_dir(house.home.control().join("databytes")).unwrap();
    fs::create_dir(house.home.etc().join("tcp.smtp")).unwrap();
    let problems = house.problems().join("\n");
    for file in ["control/rcpthosts", "control/databytes", "etc/tcp.smtp"] {
        assert!(problems.contains(&format!("error {file}: not a regular file")), "{problems}");
    }
}
