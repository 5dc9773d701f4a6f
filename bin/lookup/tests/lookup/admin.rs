//! Changing users and domains.

use std::fs;

use sys::Packets;

use crate::house::{House, ask};

#[test]
fn users_and_domains_come_are_listed_and_go() {
    let house = House::new().with_users();
    assert_eq!(house.admin(&["domain-list"]), "K example.test");
    assert_eq!(house.admin(&["user-list", "example.test"]), "K alice@example.test bob@example.test");
    let shown = house.admin(&["user-show", "alice@example.test"]);
    assert!(
        shown.contains("address=alice@example.test deliver=mailbox") && shown.contains("password=plain"),
        "{shown}"
    );
    assert!(!shown.contains("secret"));
    assert!(house.admin(&["user-add", "alice@example.test", "x"]).starts_with("Dalice@example.test exists"));
    assert!(house.admin(&["user-add", "x@other.test", "x"]).contains("fulmar domain add other.test"));
    assert!(house.admin(&["domain-del", "example.test"]).contains("2 users are left"));
    assert!(house.admin(&["user-passwd", "bob@example.test", ""]).starts_with('D'));
    assert!(house.admin(&["user-passwd", "bob@example.test", "new"]).starts_with('K'));
    assert!(
        house
            .admin(&["user-set", "bob@example.test", "deliver=both", "forward=x@y.test, z@y.test"])
            .starts_with('K')
    );
    assert!(house.admin(&["user-show", "bob@example.test"]).contains("forward=x@y.test, z@y.test"));
    let gone = house.admin(&["user-del", "Bob@example.test"]);
    assert!(gone.contains("the mail stays in mail/example.test/bob"), "{gone}");
    assert!(house.admin(&["user-del", "alice@example.test"]).starts_with('K'));
    assert_eq!(house.admin(&["user-list", "example.test"]), "K");
    assert!(house.admin(&["domain-del", "example.test"]).starts_with('K'));
    assert_eq!(house.admin(&["domain-list"]), "K");
    let gone = house.admin(&["domain-del", "Example.test"]);
    assert!(gone.starts_with("Dthe domain example.test is not here;") && !gone.contains("add"), "{gone}");
    assert!(house.admin(&["domain-del", "../x"]).starts_with('D'));
    assert!(house.admin(&["shutdown"]).starts_with('D'));
    assert!(house.admin(&["user-del"]).starts_with('D'));
}

#[test]
fn an_edit_with_vi_is_live_after_compile_and_a_broken_one_is_told_by_line() {
    let mut house = House::new().with_users();
    let accounts = house.path("users/example.test/accounts");
    fs::write(&accounts, "alice:\ncarol:\n").unwrap();
    house.kill_and_restart();
    assert!(house.ask("lookup", &["recipient", "carol@example.test"]).starts_with('D'));
    house.logged("warning: users/example.test: its texts have been changed; run fulmar cdb");
    assert_eq!(house.admin(&["compile"]), "Kcompiled");
    assert_eq!(house.ask("lookup", &["recipient", "carol@example.test"]), "K");
    fs::write(&accounts, "alice:\ncarol quota=5\n").unwrap();
    let answer = house.admin(&["compile", "example.test"]);
    assert!(answer.starts_with("Z4.3.5 users/example.test/accounts: line 2: no colon"), "{answer}");
    assert_eq!(house.ask("lookup", &["recipient", "carol@example.test"]), "K");
}

#[test]
fn a_list_of_many_users_arrives_whole() {
    let house = House::new().with_users();
    let names: Vec<String> = (0..10_000).map(|n| format!("u{n:05}")).collect();
    fs::write(house.path("users/example.test/accounts"), names.join(":\n") + ":\n").unwrap();
    assert!(house.admin(&["compile"]).starts_with('K'));
    let connection = house.connect("admin");
    connection.send(&wire::packet(&[b"admin", b"user-list", b"example.test"]), &[]).unwrap();
    let mut found = 0;
    loop {
        let packet = connection.recv().unwrap().unwrap().bytes;
        let fields = wire::fields(&packet);
        found += fields.len() - 1;
        match fields[0] {
            b"K" => break,
            head => assert_eq!(head, b"K+"),
        }
    }
    assert_eq!(found, 10_000);
}

/// Adds users until the connection breaks; gives the names of those whose `K` has come.
fn add_until_the_end(connection: &Packets, round: usize) -> Vec<String> {
    let mut done = Vec::new();
    for n in 0.. {
        let address = format!("r{round}n{n}@example.test");
        let question = wire::packet(&[b"admin", b"user-add", address.as_bytes(), b"{PLAIN}x"]);
        match connection.ask(&question) {
            Ok(answer) if answer.bytes.starts_with(b"K") => done.push(address),
            Ok(answer) => panic!("{}", String::from_utf8_lossy(&answer.bytes)),
            Err(_) => return done,
        }
    }
    done
}

// B04
#[test]
fn kill_9_in_the_middle_of_edits_loses_no_user_and_leaves_no_half_file() {
    let mut house = House::new().with_users();
    let mut all = Vec::new();
    for round in 0..12 {
        let (edits, watch) = (house.connect("admin"), house.connect("admin"));
        let adding = std::thread::spawn(move || add_until_the_end(&edits, round));
        // At another moment in each round, seen through the eyes of another client.
        let count = || ask(&watch, &["admin", "user-list", "example.test"]).split(' ').count();
        let before = count();
        while count() < before + round % 4 {}
        house.kill_and_restart();
        all.extend(adding.join().unwrap());
        let lookup = house.connect("lookup");
        for address in &all {
            assert_eq!(ask(&lookup, &["recipient", address]), "K", "round {round}");
        }
        assert_eq!(ask(&lookup, &["recipient", "nobody@example.test"])[..6].to_owned(), "D5.1.1");
        assert_eq!(house.admin(&["compile"]), "Kcompiled");
    }
    assert!(all.len() >= 6, "{}", all.len());
    house.admin(&["user-add", "last@example.test", ""]);
    let left = fs::read_dir(house.path("users/example.test")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
}
