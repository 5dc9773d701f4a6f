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

/// Does this machine relay from `sender`?
fn relays(house: &House, sender: &str) -> String {
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command(&format!("MAIL FROM:<{sender}>"));
    smtp.command("RCPT TO:<u@example.org>")
}

#[test]
fn relayclients_lets_listed_addresses_and_networks_relay_and_nobody_else() {
    let house = strangers_house();
    for (text, expect) in [
        ("127.0.0.1:\n", "250"),
        ("127.:\n", "250"),
        ("127.0.0.:\n", "250"),
        ("127.0.0.0/8:\n", "250"),
        ("127.0.0.2:\n128.:\n10.0.0.0/8:\n[::1]:\n", "553"),
        // Without a colon a line grants nothing.
        ("127.0.0.1\n", "553"),
        (":\n", "553"),
        ("", "553"),
    ] {
        house.write("control/relayclients", text);
        let reply = relays(&house, "u@example.net");
        assert!(reply.starts_with(expect), "{text:?}: {reply}");
    }
}

#[test]
fn what_relayclients_appends_and_what_is_dangerous_in_it_is_told() {
    let house = strangers_house();
    house.write("control/relayclients", "127.0.0.1:.example.test\n");
    let mut smtp = Smtp::connect(house.smtp());
    smtp.command("MAIL FROM:<u@example.net>");
    // bob@mail + .example.test: a name below ours, which has no users.
    assert!(smtp.command("RCPT TO:<bob@mail>").starts_with("250"));
    house.write("control/relayclients", "0.0.0.0/0:\n");
    let said = house.fulmar(&["check"]);
    assert!(String::from_utf8_lossy(&said.stdout).contains("an open relay"), "{said:?}");
    std::fs::remove_file(house.path("control/relayclients")).unwrap();
    std::fs::create_dir(house.path("control/relayclients")).unwrap();
    let greeted = Smtp::try_connect(house.smtp()).map(|mut smtp| smtp.command("NOOP"));
    assert!(!greeted.is_ok_and(|reply| reply.starts_with("250")), "a broken table is no reason to take mail");
}

#[test]
fn relaymailfrom_believes_a_sender_and_check_warns_of_it() {
    let house = strangers_house();
    house.write("control/relaymailfrom", "joe@trusted.test\n@all.test\n");
    for (sender, expect) in [
        ("joe@trusted.test", "250"),
        ("JOE@Trusted.Test", "250"),
        ("ann@trusted.test", "553"),
        ("ann@all.test", "250"),
        ("ann@sub.all.test", "553"),
        ("", "553"),
    ] {
        assert!(relays(&house, sender).starts_with(expect), "{sender}");
    }
    let said = house.well(&["check"]);
    assert!(said.contains("senders are easily forged"), "{said}");
    house.well(&["cdb"]);
}

#[test]
fn relaydomains_lets_clients_relay_whose_names_have_been_checked() {
    let house = strangers_house();
    house.write("control/relaydomains", "mail.friends.test:\n.offices.test:\n");
    let checked = ",REMOTEHOSTCHECKED=\"yes\"";
    for (host, more, expect) in [
        ("mail.friends.test", checked, "250"),
        ("x.y.offices.test", checked, "250"),
        ("offices.test", checked, "553"),
        ("friends.test", checked, "553"),
        ("mail.friends.test.evil.test", checked, "553"),
        ("mail.friends.test", "", "553"),
    ] {
        house.write("etc/tcp.smtp", &format!(":allow,TCPREMOTEHOST=\"{host}\"{more}\n"));
        house.well(&["cdb"]);
        let reply = relays(&house, "u@example.net");
        assert!(reply.starts_with(expect), "{host}{more}: {reply}");
    }
}
