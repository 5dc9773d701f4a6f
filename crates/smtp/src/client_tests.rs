//! Talks with servers, good and bad, as lines: `S:` what it says, `C:` what we must have said by then.

use super::*;

fn parcel(recipients: &[&str]) -> Parcel {
    Parcel {
        helo: "us.test".into(),
        sender: "bob@x.test".into(),
        recipients: recipients.iter().map(|one| (*one).to_owned()).collect(),
        size: 1000,
        eight_bit: false,
        host: "192.0.2.1".into(),
        tls: false,
    }
}

/// Runs a dialog. The letters are those of the fates, then `+` if another server is worth trying.
fn run(parcel: Parcel, dialog: &str) -> (String, Outcome) {
    let (mut client, mut out) = (Client::new(parcel), Vec::new());
    let mut step = Step::Talk;
    for line in dialog.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_at(2) {
            ("S:", text) => {
                assert_ne!(step, Step::Over, "{line} after the end");
                step = client.feed(format!("{}\r\n", text.trim_start()).as_bytes(), &mut out);
            }
            ("C:", text) => {
                let expect = format!("{}\r\n", text.trim_start());
                assert!(out.starts_with(expect.as_bytes()), "{line}, not {}", String::from_utf8_lossy(&out));
                out.drain(..expect.len());
            }
            ("D:", _) => assert_eq!(step, Step::Message),
            ("X:", how) => client.broken_off(how.trim()),
            other => panic!("{other:?}"),
        }
    }
    assert!(out.is_empty(), "unexpected: {}", String::from_utf8_lossy(&out));
    let outcome = client.outcome();
    let mut letters: String = outcome.fates.iter().map(|fate| char::from(fate.letter())).collect();
    if outcome.next {
        letters.push('+');
    }
    (letters, outcome)
}

fn letters(recipients: &[&str], dialog: &str) -> String {
    run(parcel(recipients), dialog).0
}

#[test]
fn a_message_is_sent_step_by_step_to_a_server_that_offers_nothing() {
    let dialog = "S: 220 hello\nC: EHLO us.test\nS: 250 them\nC: MAIL FROM:<bob@x.test>\nS: 250 ok\n\
        C: RCPT TO:<a@y.test>\nS: 250 ok\nC: RCPT TO:<b@y.test>\nS: 550 5.1.1 no\nC: DATA\nS: 354 go\nD:\n\
        S: 250 2.0.0 queued\nC: QUIT";
    let (letters, outcome) = run(parcel(&["a@y.test", "b@y.test"]), dialog);
    assert_eq!(letters, "KD");
    let text = |at: usize| outcome.fates[at].text().to_string();
    assert_eq!(text(0), "192.0.2.1 accepted message./Remote host said: 250 2.0.0 queued/");
    assert_eq!(text(1), "5.1.1 192.0.2.1 does not like the recipient./Remote host said: 550 5.1.1 no/");
}

#[test]
fn recipients_go_in_one_piece_where_pipelining_is_offered_but_never_the_message() {
    // R05
    let dialog = "S: 220-hello\nS: 220 you\nC: EHLO us.test\nS: 250-them\nS: 250-PIPELINING\nS: 250 SIZE 5000\n\
        C: MAIL FROM:<bob@x.test> SIZE=1000\nC: RCPT TO:<a@y.test>\nC: RCPT TO:<b@y.test>\n\
        S: 250 ok\nS: 450 later\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    assert_eq!(letters(&["a@y.test", "b@y.test"], dialog), "ZK");
}

#[test]
fn a_server_that_refuses_ehlo_is_greeted_with_helo() {
    // R05
    let dialog = "S: 220 hello\nC: EHLO us.test\nS: 502 what\nC: HELO us.test\nS: 250 hi\nC: MAIL FROM:<bob@x.test>\n\
        S: 250 ok\nC: RCPT TO:<a@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    assert_eq!(letters(&["a@y.test"], dialog), "K");
}

#[test]
fn an_offer_of_tls_is_not_taken_and_costs_nothing() {
    // R03
    let dialog = "S: 220 hello\nC: EHLO us.test\nS: 250-them\nS: 250 STARTTLS\nC: MAIL FROM:<bob@x.test>\n\
        S: 250 ok\nC: RCPT TO:<a@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    assert_eq!(letters(&["a@y.test"], dialog), "K");
    // One that demands it is told so to the sender, and that is not for this server's neighbours to mend.
    let dialog = "S: 220 x\nC: EHLO us.test\nS: 250 STARTTLS\nC: MAIL FROM:<bob@x.test>\nS: 530 5.7.0 Must issue STARTTLS\nC: QUIT";
    assert_eq!(letters(&["a@y.test"], dialog), "D");
}

#[test]
fn another_server_is_tried_where_this_one_has_had_no_say_about_the_message() {
    for (dialog, expect) in [
        ("S: 554 no service\nC: QUIT", "Z+"),
        ("S: 421 busy", "Z+"),
        ("S: 220 x\nC: EHLO us.test\nS: 450 no\nC: QUIT", "Z+"),
        ("S: 220 x\nC: EHLO us.test\nS: 500 no\nC: HELO us.test\nS: 500 no\nC: QUIT", "Z+"),
        ("S: 220 x\nC: EHLO us.test\nX: hung up", "Z+"),
        ("X: can't be reached", "Z+"),
        ("S: 220 x\nC: EHLO us.test\nS: 250 y\nC: MAIL FROM:<bob@x.test>\nS: 421 bye", "Z+"),
        ("S: 220 x\nC: EHLO us.test\nS: 250 y\nC: MAIL FROM:<bob@x.test>\nS: 550 no\nC: QUIT", "D"),
        ("S: 220 x\nC: EHLO us.test\nS: 250 y\nC: MAIL FROM:<bob@x.test>\nS: 451 no\nC: QUIT", "Z"),
        // R01
        ("S: hello\n", "Z+"),
    ] {
        assert_eq!(letters(&["a@y.test"], dialog), expect, "{dialog}");
    }
}

/// Up to the point where the answer to DATA is awaited.
const TO_DATA: &str = "S: 220 x\nC: EHLO us.test\nS: 250 y\nC: MAIL FROM:<bob@x.test>\nS: 250 ok\nC: RCPT TO:<a@y.test>\n\
    S: 250 ok\nC: DATA\n";

#[test]
fn only_a_yes_after_the_final_dot_is_a_yes() {
    // R04, R05
    for (rest, expect) in [
        ("S: 250 already?\nC: QUIT", "Z"),
        ("S: 354 go\nD:\nX: hung up", "Z"),
        ("S: 354 go\nD:\nS: 354 again\nC: QUIT", "Z"),
        ("S: 354 go\nD:\nS: 421 bye\nC: QUIT", "Z"),
        ("S: 354 go\nD:\nS: 451 disk\nC: QUIT", "Z"),
        ("S: 354 go\nD:\nS: 554 spam\nC: QUIT", "D"),
        ("S: 354 go\nD:\nS: 999 ?", "Z"),
        ("S: 554 no\nC: QUIT", "D"),
        ("S: 452 no\nC: QUIT", "Z"),
        ("X: hung up", "Z+"),
    ] {
        assert_eq!(letters(&["a@y.test"], &format!("{TO_DATA}{rest}")), expect, "{rest}");
    }
}

#[test]
fn a_refused_sender_is_the_fate_of_all_also_when_recipients_went_along() {
    let dialog = "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250 PIPELINING\nC: MAIL FROM:<bob@x.test>\nC: RCPT TO:<a@y.test>\n\
        C: RCPT TO:<b@y.test>\nS: 553 no\nS: 503 mail first\nS: 250 well\nC: QUIT";
    assert_eq!(letters(&["a@y.test", "b@y.test"], dialog), "DD");
}

#[test]
fn what_the_server_could_not_take_is_refused_before_it_is_offered() {
    // R05
    let small = "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250 SIZE 999\nC: QUIT";
    assert_eq!(letters(&["a@y.test"], small), "D");
    let ascii = "S: 220 x\nC: EHLO us.test\nS: 250 y\nC: MAIL FROM:<bob@x.test>\nS: 250 ok\nC: RCPT TO:<a@y.test>\n\
        S: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    assert_eq!(letters(&["ü@y.test", "a@y.test"], ascii), "DK");
}

#[test]
fn extensions_are_used_where_they_are_offered_and_needed() {
    let eight = Parcel { eight_bit: true, ..parcel(&["ü@y.test"]) };
    let dialog = "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250-8bitmime\nS: 250-SIZE\nS: 250 SMTPUTF8\n\
        C: MAIL FROM:<bob@x.test> SIZE=1000 BODY=8BITMIME SMTPUTF8\nS: 250 ok\nC: RCPT TO:<ü@y.test>\nS: 250 ok\n\
        C: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    assert_eq!(run(eight, dialog).0, "K");
}

#[test]
fn addresses_are_quoted_and_nothing_in_them_ends_the_command() {
    assert_eq!(path("al ice@x.test"), "\"al ice\"@x.test");
    assert_eq!(path(""), "");
    assert_eq!(path("a>\r\nDATA\r\n<b"), "aDATAb");
}

#[test]
fn no_bytes_at_all_make_a_message_delivered_without_a_yes() {
    const WORDS: [&str; 8] =
        ["220 x\r\n", "250 ok\r\n", "250-PIPELINING\r\n", "354 go\r\n", "421 x\r\n", "5", "\r\n", "\0"];
    let mut random = 88_172_645_463_325_252u64;
    for _ in 0..20_000 {
        let (mut client, mut out) = (Client::new(parcel(&["a@y.test", "b@y.test"])), Vec::new());
        let (mut dots, mut yes_after_dot) = (0, false);
        for _ in 0..14 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let word = WORDS[random as usize % WORDS.len()];
            yes_after_dot |= dots > 0;
            match client.feed(word.as_bytes(), &mut out) {
                Step::Message => dots += 1,
                Step::Over => break,
                Step::Talk | Step::Secure => {}
            }
        }
        client.broken_off("hung up");
        let outcome = client.outcome();
        assert!(outcome.fates.len() == 2);
        let done = outcome.fates.iter().any(Fate::is_done);
        assert!(!done || yes_after_dot);
        assert!(!(done && outcome.next));
    }
}

fn secret(recipients: &[&str]) -> Client {
    Client::new(Parcel { tls: true, ..parcel(recipients) })
}

#[test]
fn tls_is_begun_where_it_is_offered_and_everything_before_it_is_forgotten() {
    let (mut client, mut out) = (secret(&["a@y.test"]), Vec::new());
    assert_eq!(client.feed(b"220 x\r\n", &mut out), Step::Talk);
    assert_eq!(client.feed(b"250-x\r\n250-SIZE 10\r\n250 STARTTLS\r\n", &mut out), Step::Talk);
    assert!(out.ends_with(b"EHLO us.test\r\nSTARTTLS\r\n"));
    assert_eq!(client.feed(b"220 go\r\n", &mut out), Step::Secure);
    out.clear();
    client.secured(&mut out);
    assert_eq!(out, b"EHLO us.test\r\n");
    out.clear();
    assert_eq!(client.feed(b"250-x\r\n250 STARTTLS\r\n", &mut out), Step::Talk);
    assert_eq!(out, b"MAIL FROM:<bob@x.test>\r\n", "neither a second time nor with the SIZE of before");
}

#[test]
fn a_server_that_will_not_begin_tls_now_gets_the_mail_all_the_same() {
    let (mut client, mut out) = (secret(&["a@y.test"]), Vec::new());
    client.feed(b"220 x\r\n250-x\r\n250 STARTTLS\r\n", &mut out);
    assert_eq!(client.feed(b"454 not now\r\n", &mut out), Step::Talk);
    assert!(out.ends_with(b"STARTTLS\r\nMAIL FROM:<bob@x.test>\r\n"));
}

// R03
#[test]
fn what_a_server_sends_behind_its_word_for_tls_is_never_believed() {
    let (mut client, mut out) = (secret(&["a@y.test"]), Vec::new());
    client.feed(b"220 x\r\n250-x\r\n250 STARTTLS\r\n", &mut out);
    assert_eq!(client.feed(b"220 go\r\n250 SIZE 1\r\n", &mut out), Step::Secure);
    out.clear();
    client.secured(&mut out);
    out.clear();
    client.feed(b"250 y\r\n", &mut out);
    assert_eq!(out, b"MAIL FROM:<bob@x.test>\r\n", "no SIZE was offered by TLS");
}
