//! A client whose command takes long is told how far it is: RFC 9585.

use tests::imap::Value;
use tests::{House, Imap, PASSWORD};

const ALICE: &str = "alice@example.test";
const COUNT: usize = 60;

#[test]
fn whoever_waits_is_told_how_far_his_command_is() {
    let house = House::start();
    // The pace is ten seconds for everybody else.
    house.write("etc/tcp.imap", ":allow,INPROGRESS=\"0.000001\"\n");
    house.well(&["cdb"]);
    let mut imap = Imap::login(house.imap(), ALICE, PASSWORD);
    assert!(imap.good("CAPABILITY").lines()[0].contains(" INPROGRESS"));
    for number in 0..COUNT {
        let text = format!("Subject: number {number}\r\n\r\n{}", "Much text.\r\n".repeat(100));
        assert!(imap.try_append("INBOX", "", text.as_bytes()).unwrap().is_ok());
    }
    imap.good("SELECT INBOX");
    for command in [
        "SORT (SUBJECT) UTF-8 ALL",
        "FETCH 1:* (ENVELOPE)",
        "SEARCH BODY much",
        "SEARCH BODY none",
        "COPY 1:* Archive",
        "FETCH 1:* (BODY.PEEK[])",
        "MOVE 1:* Archive",
    ] {
        let answer = imap.good(command);
        let words = answer.lines().into_iter().filter(|line| line.contains("INPROGRESS")).count();
        assert!(words > 0, "{command}");
        let fetched = answer.fetches();
        assert!(fetched.is_empty() || fetched.len() == COUNT, "{command}: {}", fetched.len());
        let whole = |value: &Value| value.octets().ends_with(b"Much text.\r\n");
        let texts = fetched.iter().filter_map(|(_, items)| items.get("BODY[]"));
        assert!(texts.into_iter().all(whole), "{command}");
        if command.ends_with("much") {
            assert_eq!(answer.found("SEARCH").len(), COUNT);
        }
    }
    house.write("etc/tcp.imap", ":allow\n");
    house.well(&["cdb"]);
    let mut imap = Imap::login(house.imap(), ALICE, PASSWORD);
    imap.good("SELECT Archive");
    let said = imap.good("SORT (SUBJECT) UTF-8 BODY much").lines();
    assert!(said.iter().all(|line| !line.contains("INPROGRESS")), "{said:?}");
}
