//! Who may send to everywhere: by tcp.smtp alone, and when anything is broken nobody.

use tests::{House, Smtp};

/// A house in which this machine is a stranger.
fn strangers_house() -> House {
    let house = House::start();
    house.write("etc/tcp.smtp", ":allow\n");
    house.well(&["cdb"]);
    house
}

/// Every way that was ever found to make a server relay.
const TRICKS: &[&str] = &[
    "u@example.org",
    "u%example.org@example.test",
    "example.org!u",
    "@example.test:u@example.org",
    "\"u@example.org\"",
    "u@example.org@example.test",
    "\"u@example.org\"@example.test",
    "u@example.test.example.org",
    "u@[127.0.0.1]",
    "u@[192.0.2.1]",
    "example.org!u@example.test",
    "\"u%example.org\"@example.test",
];

fn all_are_refused(house: &House, why: &str) {
    let mut smtp = Smtp::connect(house.smtp());
    for trick in TRICKS {
        smtp.command("RSET");
        let reply = smtp.command("MAIL FROM:<u@example.net>");
        assert!(reply.starts_with('2'), "{why}: {reply}");
        let reply = smtp.command(&format!("RCPT TO:<{trick}>"));
        assert!(reply.starts_with('4') || reply.starts_with('5'), "{why}: {trick}: {reply}");
    }
    assert_eq!(house.queued(), 0, "{why}");
}

#[test]
fn no_trick_makes_a_stranger_relay() {
    // S26
    all_are_refused(&strangers_house(), "a stranger");
}

#[test]
fn a_missing_or_empty_rcpthosts_relays_nothing() {
    // K02
    let house = strangers_house();
    house.write("control/rcpthosts", "");
    all_are_refused(&house, "empty rcpthosts");
    std::fs::remove_file(house.path("control/rcpthosts")).unwrap();
    all_are_refused(&house, "no rcpthosts");
}

#[test]
fn a_damaged_or_missing_table_relays_nothing() {
    // B01, B02
    let house = House::start();
    let table = house.path("etc/tcp.smtp.cdb");
    let whole = std::fs::read(&table).unwrap();
    for length in [0, 100, 2047, 2048, whole.len() - 1] {
        std::fs::write(&table, &whole[..length]).unwrap();
        let Ok(mut smtp) = Smtp::try_connect(house.smtp()) else { continue };
        smtp.command("MAIL FROM:<u@example.net>");
        let reply = smtp.command("RCPT TO:<u@example.org>");
        assert!(!reply.starts_with('2'), "table of {length} octets: {reply}");
    }
    std::fs::remove_file(&table).unwrap();
    all_are_refused(&house, "no table");
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<u@example.net>");
    let reply = smtp.command("RCPT TO:<alice@example.test>");
    assert!(reply.starts_with('2'), "our own domain, without a table: {reply}");
}

#[test]
fn who_may_relay_is_taken_for_every_domain() {
    let house = House::start();
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<alice@example.test>");
    let reply = smtp.command("RCPT TO:<u@example.org>");
    assert!(reply.starts_with('2'), "{reply}");
}

#[test]
fn a_broken_rule_is_refused_with_its_line_and_the_old_table_stays() {
    // B03
    let house = House::start();
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n10.:refuse\n");
    let output = house.fulmar(&["cdb"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("line 2"), "{said}");
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<alice@example.test>");
    assert!(smtp.command("RCPT TO:<u@example.org>").starts_with('2'), "the old table still holds");
}
