//! The store, resolution, edits and checks together, on real folders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use control::Severity;

use super::*;

mod check;
mod editing;

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

#[test]
fn one_question_has_one_answer_and_the_next_one_sees_the_edit() {
    let house = House::usual();
    house.compile();
    let store = house.store();
    let known = || store.entry("example.test", "zoe").unwrap().is_some();
    at_once(|| {
        assert!(!known());
        house.write("example.test", &[("accounts", &format!("{ACCOUNTS}zoe:\n"))]);
        house.compile();
        assert!(!known(), "as at its first look");
    });
    assert!(known());
    assert!(at_once(known));
    // Another folder's domain of the same name is another.
    let other = House::new();
    other.write("example.test", &[("accounts", "alice:\n")]);
    at_once(|| {
        assert!(known());
        assert!(other.store().entry("example.test", "zoe").unwrap().is_none());
    });
}

#[test]
fn a_compiled_file_of_the_same_size_and_time_in_the_same_place_is_another() {
    let house = House::new();
    let compiled = |to: &str| {
        house.write("x.test", &[("accounts", "u1:\nu3:\n"), ("aliases", &format!("info: {to}\n"))]);
        house.compile();
        fs::read(house.users.join("x.test/cdb")).unwrap()
    };
    let (other, _) = (compiled("u3"), compiled("u1"));
    let file = house.users.join("x.test/cdb");
    let store = house.store();
    assert_eq!(line(&store, "info@x.test"), "u1@x.test");
    // The clock of the file system may have ticks of some milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, other).unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
    assert_eq!(line(&store, "info@x.test"), "u3@x.test");
}
