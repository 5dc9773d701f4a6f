//! Where mail for one of our addresses goes: aliases, forwards, the catch-all, plus addresses.

use tests::{House, message};

fn lands(house: &House, to: &str, with: &str) {
    let before = house.mail(with).len();
    house.send("bob@example.test", to, &message(to));
    let mail = house.await_mail(with, before + 1);
    let subject = format!("\nSubject: {to}\n");
    assert!(mail.iter().any(|text| String::from_utf8_lossy(text).contains(&subject)), "{to}");
}

#[test]
fn plus_addresses_go_to_the_user_before_the_plus() {
    let house = House::start();
    lands(&house, "alice+lists@example.test", "alice");
    lands(&house, "ALICE@EXAMPLE.TEST", "alice");
}

#[test]
fn an_exact_user_beats_the_one_before_the_plus() {
    let house = House::start();
    house.user("alice+work", &[]);
    lands(&house, "alice+work@example.test", "alice+work");
    assert!(house.mail("alice").is_empty());
}

#[test]
fn forwards_reach_their_target_and_both_keeps_a_copy() {
    let house = House::start();
    house.user("carol", &["--forward", "alice@example.test"]);
    house.user("dave", &["--deliver", "both", "--forward", "alice@example.test"]);
    lands(&house, "carol@example.test", "alice");
    lands(&house, "dave@example.test", "alice");
    assert!(house.mail("carol").is_empty());
    house.await_mail("dave", 1);
}

#[test]
fn aliases_reach_all_their_members() {
    let house = House::start();
    house.well(&["alias", "add", "team@example.test", "alice@example.test", "bob@example.test"]);
    house.send("bob@example.test", "team@example.test", &message("to all"));
    house.await_mail("alice", 1);
    house.await_mail("bob", 1);
}

#[test]
fn an_alias_written_by_hand_counts_once_it_is_compiled() {
    let house = House::start();
    let path = house.path("users/example.test/aliases");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, format!("{text}info: bob\n")).unwrap();
    house.well(&["cdb"]);
    lands(&house, "info@example.test", "bob");
}

#[test]
fn the_user_default_gets_what_is_for_nobody_else() {
    let house = House::start();
    house.user("default", &["--wildcard"]);
    lands(&house, "alice@example.test", "alice");
    lands(&house, "whoever@example.test", "default");
    assert_eq!(house.mail("alice").len(), 1);
}

#[test]
fn two_who_forward_to_each_other_end_in_one_bounce() {
    // L14
    let house = House::start();
    house.user("carol", &["--forward", "dave@example.test"]);
    house.user("dave", &["--forward", "carol@example.test"]);
    house.send("bob@example.test", "carol@example.test", &message("round and round"));
    house.await_mail("bob", 1);
    house.await_empty_queue();
    assert_eq!(house.mail("bob").len(), 1);
}

#[test]
fn the_postmaster_of_the_hosts_own_name_is_somebody() {
    // RFC 5321 §4.5.1, from a client that may not relay.
    let house = House::start();
    house.write("etc/tcp.smtp", ":allow\n");
    house.well(&["cdb"]);
    for (count, postmaster) in
        ["postmaster", "Postmaster@mail.example.test", "MAILER-DAEMON@mail.example.test"].iter().enumerate()
    {
        house.send("eve@example.org", postmaster, &message("to whom it may concern"));
        house.await_mail("alice", count + 1);
    }
}
