//! The store, resolution, edits and checks together, on real folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use control::Severity;

use super::*;

/// A folder `users/` with the domain example.test of these texts.
struct House {
    _home: tempfile::TempDir,
    users: PathBuf,
}

const ACCOUNTS: &str = "\
# staff
alice: quota=100M
bob: deliver=both forward=bob@other.example
carol: forward=Carol@Other.Example,dave
dave: wildcard
erin: disabled=\"moved away\"
frank: deliver=qmail wildcard quota=none
dave-real:
";
const ALIASES: &str = "\
sales: alice
team: alice, bob, nobody, sales, erin
Outside: Guest@Elsewhere.example
mixed: alice, guest@elsewhere.example
gone: nobody, nobody2
gone-too: erin
round: about
about: round
half: round, alice
many: team, carol
abroad: x@second.test
news+daily: carol
";
const ROUTES: &str = "\
lists: alice/.Lists
alice+lists: alice/Maildir/.Lists
off: alice/.Off disabled
lost: nobody/.X
";

impl House {
    fn new() -> House {
        let home = tempfile::tempdir().unwrap();
        let users = home.path().join("users");
        fs::create_dir(&users).unwrap();
        House { _home: home, users }
    }

    fn usual() -> House {
        let house = House::new();
        house.write(
            "example.test",
            &[("domain", "quota 1G\n"), ("accounts", ACCOUNTS), ("aliases", ALIASES), ("routes", ROUTES)],
        );
        house.write("alias.test", &[("domain", "alias-of example.test\n")]);
        house.write(
            "second.test",
            &[("accounts", "x:\ndefault: wildcard deliver=qmail\n"), ("domain", "postmaster x\n")],
        );
        house.write(
            "third.test",
            &[("accounts", "default:\n"), ("aliases", "y: x@second.test"), ("domain", "plus no")],
        );
        house
    }

    fn write(&self, domain: &str, files: &[(&str, &str)]) {
        let folder = self.users.join(domain);
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
    }

    fn store(&self) -> Store {
        Store::new(&self.users)
    }

    fn compile(&self) {
        for compiled in compile_all(&self.users).unwrap() {
            assert_eq!(compiled.problems, [], "{}", compiled.domain);
        }
    }

    fn editor(&self) -> Editor {
        Editor::open(&self.users).unwrap()
    }
}

/// A resolution on one line.
fn line(source: &impl Source, address: &str) -> String {
    match resolve(source, address) {
        Resolution::Account(hit) => {
            let place = if hit.folder.is_empty() { String::new() } else { format!(" in {}", hit.folder) };
            let ext = format!(" {}{}", hit.dash, hit.ext);
            format!("{}{}{place}", hit.address, ext.trim_end())
        }
        Resolution::Forward { targets, .. } => format!("& {}", targets.join(" ")),
        Resolution::NotOurs => "not ours".into(),
        Resolution::NoSuchUser => "nobody".into(),
        Resolution::Disabled(why) => format!("disabled {why}").trim_end().to_owned(),
        Resolution::Later(broken) => format!("later {broken}"),
    }
}

const WAYS: &[(&str, &str)] = &[
    ("alice@example.test", "alice@example.test"),
    ("ALICE@Example.TEST", "alice@example.test"),
    ("alice@alias.test", "alice@example.test"),
    ("alice+x@example.test", "alice@example.test -x"),
    ("alice+x+y@example.test", "alice@example.test -x+y"),
    ("alice+lists@example.test", "alice@example.test in .Lists"),
    ("alice+lists+x@example.test", "alice@example.test in .Lists"),
    ("news+daily@example.test", "carol@example.test"),
    ("news+weekly@example.test", "nobody"),
    ("+x@example.test", "nobody"),
    ("carol@example.test", "carol@example.test"),
    ("dave-x@example.test", "dave@example.test -x"),
    ("dave-x-y@example.test", "dave@example.test -x-y"),
    ("dave-@example.test", "dave@example.test"),
    ("dave-real@example.test", "dave-real@example.test"),
    ("dave-real-x@example.test", "dave@example.test -real-x"),
    ("alice-x@example.test", "nobody"),
    ("erin@example.test", "disabled moved away"),
    ("erin+x@example.test", "disabled moved away"),
    ("sales@example.test", "alice@example.test"),
    ("team@example.test", "& alice@example.test bob@example.test"),
    ("outside@example.test", "& Guest@elsewhere.example"),
    ("mixed@example.test", "& alice@example.test guest@elsewhere.example"),
    ("gone@example.test", "nobody"),
    ("gone-too@example.test", "disabled moved away"),
    ("half@example.test", "alice@example.test"),
    ("many@example.test", "& alice@example.test bob@example.test carol@example.test"),
    ("abroad@example.test", "x@second.test"),
    ("lists@example.test", "alice@example.test in .Lists"),
    ("off@example.test", "disabled the route is switched off"),
    ("nobody@example.test", "nobody"),
    ("postmaster@example.test", "nobody"),
    ("postmaster@second.test", "x@second.test"),
    ("x@second.test", "x@second.test"),
    ("x-y@second.test", "default@second.test -x-y"),
    ("whoever@second.test", "default@second.test -whoever"),
    ("default@second.test", "default@second.test"),
    ("whoever@third.test", "nobody"),
    ("default@third.test", "default@third.test"),
    ("y@third.test", "x@second.test"),
    ("y+x@third.test", "nobody"),
    ("x@fourth.test", "not ours"),
    ("x", "not ours"),
    ("", "not ours"),
    ("../../etc/passwd@example.test", "nobody"),
    ("a b@example.test", "nobody"),
    ("x@../example.test", "not ours"),
    ("x@[127.0.0.1]", "not ours"),
];

#[test]
fn every_address_finds_its_way_compiled_or_not() {
    let house = House::usual();
    for compiled in [false, true] {
        let store = house.store();
        for (address, way) in WAYS {
            assert_eq!(line(&store, address), *way, "{address} compiled: {compiled}");
        }
        house.compile();
    }
}

#[test]
fn a_circle_of_aliases_ends_in_later_and_not_in_a_loop() {
    let house = House::usual();
    house.write("c1.test", &[("domain", "alias-of c2.test")]);
    house.write("c2.test", &[("domain", "alias-of c1.test")]);
    house.write("c3.test", &[("domain", "alias-of nowhere.test")]);
    for address in ["round@example.test", "lost@example.test", "x@c1.test", "x@c3.test"] {
        assert!(line(&house.store(), address).starts_with("later users/"), "{address}");
    }
}

#[test]
fn a_list_too_long_to_unfold_is_left_to_its_aliases() {
    let house = House::new();
    let members = |n: usize| {
        (0..600).map(|m| format!("member{n}-{m}@elsewhere.example")).collect::<Vec<_>>().join(", ")
    };
    let text = format!("one: {}\ntwo: {}\nall: one, two\n", members(1), members(2));
    house.write("example.test", &[("aliases", &text)]);
    assert_eq!(line(&house.store(), "all@example.test"), "& one@example.test two@example.test");
    assert!(line(&house.store(), "one@example.test").starts_with("& member1-0@"));
}

#[test]
fn a_wrong_line_makes_its_own_name_wait_and_nobody_else() {
    let house = House::new();
    house
        .write("example.test", &[("accounts", "alice: quota=lots\nbob quota=1M\ncarol:\ncarol: disabled\n")]);
    let store = house.store();
    assert!(line(&store, "alice@example.test").contains("line 1"));
    assert!(line(&store, "alice+x@example.test").contains("line 1"));
    assert!(line(&store, "bob@example.test").contains("no colon"));
    assert_eq!(line(&store, "carol@example.test"), "carol@example.test");
    assert_eq!(line(&store, "nobody@example.test"), "nobody");
    // It can't be told whom this line is about: so for no name it is said that it does not exist.
    house.write("example.test", &[("accounts", "carol:\n!! ??\n")]);
    assert!(line(&store, "nobody@example.test").starts_with("later"));
    assert_eq!(line(&store, "carol@example.test"), "carol@example.test");
    house.write("example.test", &[("accounts", "carol:\n"), ("domain", "alias-of ..\n")]);
    assert!(line(&store, "carol@example.test").starts_with("later"));
    house.write("example.test", &[("accounts", "car\0ol:\n"), ("domain", "")]);
    assert!(line(&store, "carol@example.test").starts_with("later"));
}

#[test]
fn a_broken_edit_leaves_the_old_state_in_force() {
    let house = House::usual();
    house.compile();
    let store = house.store();
    house.write("example.test", &[("accounts", "alice: quota=lots\n")]);
    let problems = compile(&house.users, "example.test").unwrap_err();
    assert_eq!((problems[0].file.as_str(), problems[0].line), ("users/example.test/accounts", Some(1)));
    assert_eq!(line(&store, "bob@example.test"), "bob@example.test");
    house.write("example.test", &[("accounts", "alice:\n")]);
    assert_eq!(line(&store, "bob@example.test"), "bob@example.test", "not compiled yet");
    compile(&house.users, "example.test").unwrap();
    assert_eq!(line(&store, "bob@example.test"), "nobody");
}

#[test]
fn a_domain_that_comes_or_goes_is_seen_at_the_next_question() {
    let house = House::usual();
    let store = house.store();
    assert_eq!(line(&store, "x@new.test"), "not ours");
    house.editor().domain_add("New.test", &[]).unwrap();
    assert_eq!(line(&store, "x@new.test"), "nobody");
    house.editor().user_add("x@new.test", None, &[]).unwrap();
    assert_eq!(line(&store, "x@new.test"), "x@new.test");
    house.editor().user_del("X@new.test").unwrap();
    house.editor().domain_del("new.test").unwrap();
    assert_eq!(line(&store, "x@new.test"), "not ours");
}

#[test]
fn a_missing_folder_of_users_is_not_a_world_without_domains() {
    let house = House::usual();
    let store = house.store();
    assert_eq!(line(&store, "x@fourth.test"), "not ours");
    fs::rename(&house.users, house.users.with_extension("gone")).unwrap();
    for address in ["x@fourth.test", "alice@example.test"] {
        assert!(line(&store, address).starts_with("later users"), "{address}");
    }
}

// B01
#[test]
fn a_cut_or_damaged_database_is_never_no_such_user() {
    let house = House::usual();
    house.compile();
    let path = house.users.join("example.test/cdb");
    let whole = fs::read(&path).unwrap();
    let store = house.store();
    let put = |bytes: &[u8]| {
        let new = path.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &path).unwrap();
    };
    for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
        put(&whole[..length]);
        assert!(line(&store, "alice@example.test").starts_with("later"), "cut at {length}");
        assert!(line(&store, "nobody@example.test").starts_with("later"), "cut at {length}");
    }
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        put(&bytes);
        assert!(line(&store, "alice@example.test").starts_with("later"), "octet {at}");
    }
    put(&cdb::build([("ealice", "Adeliver=mailbox")]).unwrap());
    assert!(line(&store, "alice@example.test").starts_with("later"), "not made here");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(line(&store, "alice@example.test").starts_with("later"), "a folder");
    fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(line(&store, "alice@example.test").starts_with("later"), "a link");
    assert_eq!(line(&store, "x@second.test"), "x@second.test", "no other domain suffers");
    fs::remove_file(&path).unwrap();
    put(&whole);
    assert_eq!(line(&store, "alice@example.test"), "alice@example.test");
}

#[test]
fn what_cannot_be_read_is_later() {
    if sys::is_root() {
        return; // root reads everything
    }
    let house = House::usual();
    let folder = house.users.join("example.test");
    fs::set_permissions(folder.join("accounts"), fs::Permissions::from_mode(0o000)).unwrap();
    assert!(line(&house.store(), "alice@example.test").starts_with("later"));
}

#[test]
fn edits_keep_comments_and_compile_and_passwords_are_private() {
    let house = House::usual();
    let editor = house.editor();
    editor.user_add("Grace@example.test", Some("{PLAIN}secret"), &["quota=5M", "deliver=mailbox"]).unwrap();
    let text = fs::read_to_string(house.users.join("example.test/accounts")).unwrap();
    assert_eq!(text, format!("{ACCOUNTS}grace: deliver=mailbox quota=5M\n"));
    let store = house.store();
    assert_eq!(line(&store, "grace@example.test"), "grace@example.test");
    assert_eq!(store.password("example.test", "grace").unwrap().unwrap(), b"{PLAIN}secret");
    let mode = |file: &str| {
        fs::metadata(house.users.join("example.test").join(file)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("passwords"), mode("cdb")), (0o600, 0o600));
    editor.user_passwd("grace@example.test", "{PLAIN}other").unwrap();
    assert_eq!(store.password("example.test", "grace").unwrap().unwrap(), b"{PLAIN}other");
    editor.user_set("grace@example.test", &["disabled=on leave", "quota="]).unwrap_err();
    editor.user_set("grace@example.test", &["disabled=\"on leave\"", "quota="]).unwrap();
    assert_eq!(line(&store, "grace@example.test"), "disabled on leave");
    editor.user_set("grace@example.test", &["disabled=", "forward=bob"]).unwrap();
    assert_eq!(
        store.account("example.test", "grace").unwrap().unwrap().to_string(),
        "deliver=forward forward=bob@example.test"
    );
    editor.alias_set("help@example.test", &["grace", "alice"]).unwrap();
    assert_eq!(line(&store, "help@example.test"), "& grace@example.test alice@example.test");
    let facts = show(&house.users, "grace@example.test").unwrap();
    assert!(
        facts.contains(&("aliases", "help@example.test".into()))
            && facts.contains(&("password", "plain".into()))
    );
    assert!(facts.contains(&("quota", "1G".into())));
    editor.alias_del("help@example.test").unwrap();
    editor.user_del("grace@example.test").unwrap();
    assert_eq!(fs::read_to_string(house.users.join("example.test/accounts")).unwrap(), ACCOUNTS);
    assert_eq!(store.password("example.test", "grace").unwrap(), None);
    assert_eq!(line(&store, "grace@example.test"), "nobody");
}

// A01
#[test]
fn strange_names_and_settings_are_refused_before_any_file_is_touched() {
    let house = House::usual();
    house.compile();
    let before = everything(&house.users);
    let editor = house.editor();
    let long = "x".repeat(300);
    for name in ["../x", "a b", "-rf", "a\nb", "", "x/y", ".", "..", &long, "a:b", "\u{202e}x"] {
        editor.user_add(&format!("{name}@example.test"), None, &[]).unwrap_err();
        editor.domain_add(name, &[]).unwrap_err();
        editor.domain_add(&format!("{name}@x"), &[]).unwrap_err();
    }
    for domain in ["..", "x;id", "a/../b", "example.test", "cdb", "defaults", ".new.x"] {
        editor.domain_add(domain, &[]).unwrap_err();
    }
    for setting in
        ["quota=x", "x\ny:", "forward=a@b\nroot:", "shell=/bin/sh", "deliver=forward", "disabled=a\"b"]
    {
        editor.user_add("new@example.test", None, &[setting]).unwrap_err();
        editor.domain_add("new.test", &[setting]).unwrap_err();
    }
    for address in ["alice@example.test", "sales@example.test", "x@alias.test", "x@nowhere.test", "alice"] {
        editor.user_add(address, None, &[]).unwrap_err();
    }
    editor.alias_set("alice@example.test", &["bob"]).unwrap_err();
    editor.alias_set("new@example.test", &["bob\nroot: x"]).unwrap_err();
    editor.alias_set("new@example.test", &[]).unwrap_err();
    editor.alias_set("#new@example.test", &["bob"]).unwrap_err();
    editor.alias_del("alice@example.test").unwrap_err();
    editor.user_del("sales@example.test").unwrap_err();
    editor.user_passwd("nobody@example.test", "{PLAIN}x").unwrap_err();
    editor.domain_del("example.test").unwrap_err();
    editor.domain_del("nowhere.test").unwrap_err();
    editor.domain_add("new.test", &["alias-of=nowhere.test"]).unwrap_err();
    assert_eq!(everything(&house.users), before);
}

fn everything(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        }
        all.push((path.clone(), fs::read(&path).unwrap_or_default()));
    }
    all.sort();
    all
}

#[test]
fn a_text_somebody_has_broken_is_not_edited() {
    let house = House::usual();
    house.write("example.test", &[("aliases", "x\n")]);
    let refused = house.editor().user_add("new@example.test", None, &[]).unwrap_err();
    assert!(matches!(refused, Refusal::Later(broken) if broken.file == "users/example.test/aliases"));
    assert_eq!(fs::read_to_string(house.users.join("example.test/accounts")).unwrap(), ACCOUNTS);
}

#[test]
fn what_a_killed_writer_left_is_swept_away() {
    let house = House::usual();
    house.write(".new.x.test", &[("accounts", "a:")]);
    house.write(".del.y.test", &[("accounts", "a:")]);
    house.write("example.test", &[(".accounts.0123.tmp", "half")]);
    house.editor().user_add("new@example.test", None, &[]).unwrap();
    assert!(!house.users.join(".new.x.test").exists() && !house.users.join(".del.y.test").exists());
    assert!(!house.users.join("example.test/.accounts.0123.tmp").exists());
}

#[test]
fn many_writers_at_once_lose_nothing() {
    let house = House::usual();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let users = &house.users;
            scope.spawn(move || {
                for n in 0..10 {
                    let editor = Editor::open(users).unwrap();
                    editor.user_add(&format!("w{writer}n{n}@example.test"), Some("{PLAIN}x"), &[]).unwrap();
                }
            });
        }
    });
    let all = accounts(&house.users, "example.test").unwrap();
    assert_eq!(all.iter().filter(|(address, _)| address.starts_with('w')).count(), 40);
    assert!(domains(&house.users).unwrap().contains(&"example.test".into()));
}

#[test]
fn check_names_file_line_and_cure() {
    let house = House::usual();
    house.compile();
    house.write(
        "bad.test",
        &[("accounts", "x: quota=lots\ndefault:\n"), ("passwords", "y:{PLAIN}z\nx:{ROT13}z\n")],
    );
    let problems = check(&house.users, None);
    let about = |file: &str| problems.iter().filter(|problem| problem.file == file).collect::<Vec<_>>();
    assert_eq!(about("users/bad.test/accounts")[0].line, Some(1));
    assert_eq!(about("users/bad.test/accounts")[0].severity, Severity::Error);
    assert_eq!(about("users/bad.test/accounts").len(), 2, "wrong line, and a default that is no catch-all");
    assert_eq!(
        about("users/bad.test/passwords").len(),
        4,
        "no account twice, unknown scheme, open to others"
    );
    assert!(about("users/bad.test/cdb")[0].problem.contains("never compiled"));
    let aliases: Vec<_> = about("users/example.test/aliases").iter().map(|p| p.problem.clone()).collect();
    assert!(aliases.iter().any(|p| p.contains("gone leads to nobody")), "{aliases:?}");
    assert!(aliases.iter().any(|p| p.contains("circle")), "{aliases:?}");
    assert!(about("users/example.test/routes")[0].problem.contains("who has no account"));
    assert!(about("users/example.test/domain")[0].problem.contains("postmaster"));
    assert!(about("users/second.test/domain").is_empty() && about("users/alias.test/domain").is_empty());
    assert!(problems.iter().all(|problem| !problem.cure.is_empty()));
}

#[test]
fn check_judges_the_texts_as_they_are_and_tells_a_damaged_database_once() {
    let house = House::usual();
    house.compile();
    let texts = format!("{ALIASES}here: there\nthere: here\n");
    house.write("example.test", &[("aliases", &texts)]);
    let told = |file: &str| -> Vec<_> {
        check(&house.users, None).into_iter().filter(|p| p.file == file).map(|p| p.problem).collect()
    };
    let aliases = told("users/example.test/aliases");
    for name in ["here", "there", "round", "about"] {
        assert!(aliases.contains(&format!("the alias {name} leads in a circle")), "{aliases:?}");
    }
    assert!(!aliases.contains(&"here leads to nobody".to_owned()), "{aliases:?}");
    house.write(
        "example.test",
        &[("aliases", "lost: nobody\n:: no line\n"), ("domain", "alias-of example.test x\n")],
    );
    for file in ["aliases", "domain"] {
        let broken = told(&format!("users/example.test/{file}"));
        assert_eq!(
            broken.len(),
            broken.iter().collect::<std::collections::BTreeSet<_>>().len(),
            "{broken:?}"
        );
    }
    house.write("example.test", &[("aliases", &texts), ("domain", "quota 1G\n")]);
    let aliases = told("users/example.test/aliases");
    fs::write(house.users.join("example.test/cdb"), "torn").unwrap();
    fs::set_permissions(house.users.join("example.test/cdb"), fs::Permissions::from_mode(0o600)).unwrap();
    let before = told("users/example.test/cdb");
    assert_eq!(before.len(), 1, "{before:?}");
    assert_eq!(told("users/example.test/aliases"), aliases, "the texts are judged all the same");
}

#[test]
fn what_root_saved_so_that_lookup_cannot_read_it_is_told_and_given_back() {
    use std::os::unix::fs::{MetadataExt, chown};
    if !sys::is_root() {
        return; // nobody else can give files away
    }
    let house = House::usual();
    house.compile();
    let lookup = sys::Identity { uid: 64_202, gid: 64_202, groups: Vec::new() };
    let folder = house.users.join("example.test");
    let saved = |name: &str, mode| {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        chown(folder.join(name), Some(0), Some(0)).unwrap();
    };
    fs::write(folder.join("passwords"), "").unwrap();
    saved("passwords", 0o644);
    saved("accounts", 0o600);
    let told: Vec<_> = check(&house.users, Some(&lookup));
    let told = told.iter().find(|problem| problem.file == "users/example.test/accounts").unwrap();
    assert_eq!(told.severity, Severity::Error);
    assert!(told.problem.contains("uid 64202") && told.cure.contains("chown 64202:64202"), "{told:?}");
    assert_eq!(give_back(&house.users, &lookup), []);
    compile(&house.users, "example.test").unwrap();
    let now = |name: &str| {
        let seen = folder.join(name).metadata().unwrap();
        (seen.uid(), seen.gid(), seen.mode() & 0o777)
    };
    assert_eq!(now("accounts"), (64_202, 64_202, 0o640));
    assert_eq!(now("passwords"), (64_202, 64_202, 0o600));
    assert_eq!(now("cdb"), (64_202, 64_202, 0o600));
    let shut: Vec<_> = check(&house.users, Some(&lookup));
    let shut: Vec<_> = shut
        .iter()
        .filter(|problem| problem.file.contains("example.test") && problem.problem.contains("uid"))
        .collect();
    assert!(shut.is_empty(), "{shut:?}");
}

#[test]
fn a_text_that_is_a_link_to_a_secret_is_never_given_away() {
    use std::os::unix::fs::MetadataExt;
    if !sys::is_root() {
        return;
    }
    let house = House::usual();
    let lookup = sys::Identity { uid: 64_202, gid: 64_202, groups: Vec::new() };
    let secret = house.users.parent().unwrap().join("shadow");
    fs::write(&secret, "").unwrap();
    fs::remove_file(house.users.join("example.test/accounts")).unwrap();
    fs::remove_file(house.users.join("example.test/aliases")).unwrap();
    fs::hard_link(&secret, house.users.join("example.test/accounts")).unwrap();
    std::os::unix::fs::symlink(&secret, house.users.join("example.test/aliases")).unwrap();
    assert_eq!(give_back(&house.users, &lookup).len(), 2);
    assert_eq!(secret.metadata().unwrap().uid(), 0);
}

#[test]
fn defaults_hold_for_all_domains_and_a_broken_one_is_later() {
    let house = House::usual();
    let store = house.store();
    assert_eq!(store.defaults().unwrap().quota, None);
    fs::write(house.users.join("defaults"), "quota 5G\n").unwrap();
    assert_eq!(store.defaults().unwrap().quota, Some(5 << 30));
    fs::write(house.users.join("defaults"), "quota five\n").unwrap();
    assert_eq!(store.defaults().unwrap_err().line, Some(1));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_fail_otherwise_than_by_saying_so(accounts: Vec<u8>, aliases in "[a-e:,@ .\n#-]{0,80}") {
        let house = House::new();
        house.write("example.test", &[("aliases", &aliases)]);
        fs::write(house.users.join("example.test/accounts"), &accounts).unwrap();
        let store = house.store();
        let before = line(&store, "a@example.test");
        if compile(&house.users, "example.test").is_ok() {
            proptest::prop_assert_eq!(line(&store, "a@example.test"), before);
        }
        check(&house.users, None);
    }
}
