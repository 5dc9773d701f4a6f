//! Who is here, and who owns the mail.

use std::fs;

use crate::house::{House, MAIL, SOMEBODY, ask};

#[test]
fn domains_and_recipients_are_known() {
    let house = House::new().with_users();
    let lookup = house.connect("lookup");
    assert_eq!(ask(&lookup, &["domain", "Example.TEST"]), "K name=example.test");
    assert!(ask(&lookup, &["domain", "other.test"]).starts_with("D5.1.2"));
    assert_eq!(ask(&lookup, &["recipient", "ALICE+x@example.test"]), "K");
    assert_eq!(
        ask(&lookup, &["recipient", "nobody@example.test"]),
        "D5.1.1 User unknown in virtual mailbox table"
    );
    assert!(ask(&lookup, &["recipient", "x@other.test"]).starts_with("D5.1.2"));
    assert!(ask(&lookup, &["relay", "192.0.2.1", ""]).starts_with("D5.7.1"));
    house.admin(&["user-set", "bob@example.test", "disabled=over quota"]);
    assert!(ask(&lookup, &["recipient", "bob@example.test"]).starts_with("D5.2.1"));
    house.admin(&["domain-add", "alias.test", "alias-of=example.test"]);
    house.admin(&["domain-add", "archived.test", "journal=all@archive.test"]);
    assert_eq!(ask(&lookup, &["domain", "alias.test"]), "K name=example.test");
    assert_eq!(ask(&lookup, &["domain", "archived.test"]), "K name=archived.test journal=all@archive.test");
    assert_eq!(ask(&lookup, &["recipient", "alice@alias.test"]), "K");
}

fn owner(house: &House, address: &str) -> owner::Owner {
    let packet = house.connect("lookup-root").ask(&wire::packet(&[b"owner", address.as_bytes()])).unwrap();
    owner::Owner::from_packet(&packet.bytes).unwrap()
}

#[test]
fn an_owner_is_told_with_home_and_instructions() {
    let house = House::new().with_users();
    let alice = owner(&house, "Alice+Lists@Example.test");
    let uid = if sys::is_root() { SOMEBODY } else { sys::uid() };
    assert_eq!(alice.identity.uid, uid);
    assert_eq!(alice.home, house.path("mail/example.test/alice"));
    assert_eq!(alice.maildir, house.path("mail/example.test/alice/Maildir"));
    assert_eq!((alice.user.as_str(), alice.local.as_str()), ("alice@example.test", "Alice+Lists"));
    assert_eq!(
        (alice.dash.as_str(), alice.ext.as_str(), alice.domain.as_str()),
        ("-", "Lists", "example.test")
    );
    assert_eq!((alice.quota, alice.instructions), (100 << 20, vec!["./Maildir/".into()]));
    house.admin(&["alias-add", "team@example.test", "alice", "guest@elsewhere.example"]);
    let team = owner(&house, "team@example.test");
    assert_eq!(team.instructions, ["&alice@example.test", "&guest@elsewhere.example"]);
    assert_eq!(team.home, house.path("mail/example.test/.forwards"));
    for (address, answer) in [("nobody@example.test", "D5.1.1"), ("x@other.test", "D5.1.2"), ("", "D5.1.2")] {
        assert!(house.ask("lookup-root", &["owner", address]).starts_with(answer), "{address}");
    }
}

#[test]
fn started_by_root_mail_belongs_to_fulmar_mail_or_to_whom_the_domain_says() {
    let Some(house) = House::of_root() else { return };
    let house = house.with_users();
    assert_eq!(owner(&house, "alice@example.test").identity.uid, MAIL);
    assert!(house.admin(&["domain-add", "own.test", "owner=64300:64301"]).starts_with('K'));
    assert!(house.admin(&["user-add", "x@own.test", ""]).starts_with('K'));
    let x = owner(&house, "x@own.test");
    assert_eq!((x.identity.uid, x.identity.gid), (64300, 64301));
    assert!(house.admin(&["domain-add", "root.test", "owner=0:0"]).starts_with('D'));
}

// P12 A01
#[test]
fn no_name_has_an_effect_on_paths_or_ends_otherwise_than_in_a_refusal() {
    let house = House::new().with_users();
    let long = "x".repeat(1000);
    let lookup = house.connect("lookup");
    for name in ["../x", "/etc/passwd", "a%u%h", "' OR 1=1--", "a\nb", "..", ".", "", &long, "-rf", "a b"] {
        for address in [format!("{name}@example.test"), format!("alice@{name}"), name.to_owned()] {
            assert!(ask(&lookup, &["recipient", &address]).starts_with('D'), "{address}");
            assert!(ask(&lookup, &["domain", &address]).starts_with('D'), "{address}");
            assert!(house.ask("lookup-root", &["owner", &address]).starts_with('D'), "{address}");
        }
    }
    let invalid = lookup.ask(b"recipient\0\xff@example.test").unwrap();
    assert!(invalid.bytes.starts_with(b"D5.1.3"));
}

#[test]
fn questions_that_are_none_are_never_answered_by_yes_or_no() {
    let house = House::new().with_users();
    for socket in ["lookup", "lookup-root", "admin"] {
        let connection = house.connect(socket);
        for question in [
            &b"\0"[..],
            b"recipient",
            b"recipient\0a\0b",
            b"domain",
            b"RECIPIENT\0x",
            b"owner",
            b"login",
            b"auth",
            b"auth\0pop3",
            b"auth\0gopher\0\0\0PASS\0a\0b",
            b"auth\0pop3\0\0\0PASS\0a",
            b"auth\0pop3\0\0\0APOP\0a\0b",
            b"admin",
            &[b'x'; 65_536],
        ] {
            let answer = connection.ask(question).unwrap().bytes;
            assert_eq!(answer[0], b'Z', "{}", String::from_utf8_lossy(&question[..question.len().min(40)]));
        }
    }
}

// B01 B02
#[test]
fn a_broken_store_is_later_and_never_no_such_user() {
    let house = House::new().with_users();
    let lookup = house.connect("lookup");
    let cdb = house.path("users/example.test/cdb");
    let whole = fs::read(&cdb).unwrap();
    for length in [0, 1, 2047, 2048, whole.len() / 2, whole.len() - 1] {
        fs::write(&cdb, &whole[..length]).unwrap();
        for name in ["alice", "nobody"] {
            let address = format!("{name}@example.test");
            assert!(ask(&lookup, &["recipient", &address]).starts_with("Z4.3.0"), "{length}");
            assert!(house.ask("lookup-root", &["owner", &address]).starts_with("Z4.3.0"), "{length}");
        }
        let login = ask(&lookup, &["auth", "pop3", "192.0.2.1", "", "PASS", "alice@example.test", "secret"]);
        assert!(login.starts_with("Z4.3.0"), "{length}");
    }
    assert!(house.logged("users/example.test/cdb").contains("fulmar cdb"));
    fs::write(&cdb, &whole).unwrap();
    assert_eq!(ask(&lookup, &["recipient", "alice@example.test"]), "K");
}

// B02
#[test]
fn while_files_are_replaced_every_answer_is_the_old_or_the_new_one() {
    let house = House::new().with_users();
    let lookup = house.connect("lookup");
    std::thread::scope(|scope| {
        let asking = scope.spawn(move || {
            let (mut count, mut seen) = (0, 0);
            while seen < 20 || count < 1000 {
                assert_eq!(ask(&lookup, &["recipient", "alice@example.test"]), "K");
                let late = ask(&lookup, &["recipient", &format!("u{seen}@example.test")]);
                assert!(late == "K" || late.starts_with("D5.1.1"), "{late}");
                (count, seen) = (count + 1, seen + usize::from(late == "K" && seen < 20));
            }
        });
        for n in 0..20 {
            assert!(house.admin(&["user-add", &format!("u{n}@example.test"), ""]).starts_with('K'));
        }
        asking.join().unwrap();
    });
}

#[test]
fn many_connections_are_answered_at_once() {
    let house = House::new().with_users();
    let connections: Vec<_> = (0..500).map(|_| house.connect("lookup")).collect();
    for _ in 0..3 {
        for connection in &connections {
            connection.send(b"recipient\0alice@example.test", &[]).unwrap();
        }
        for connection in &connections {
            assert_eq!(connection.recv().unwrap().unwrap().bytes, b"K");
        }
    }
}
