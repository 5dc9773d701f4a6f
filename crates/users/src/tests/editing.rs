//! Edits: what they keep, what they refuse, and who gets in their way.

use super::*;

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
