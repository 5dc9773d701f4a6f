//! Talks with servers, good and bad, as lines: `S:` what it says, `C:` what we must have said by then.

use super::transaction::path;
use super::*;

fn peer() -> Peer {
    Peer { helo: "us.test".into(), host: "192.0.2.1".into(), ..Peer::default() }
}

fn parcel(recipients: &[&str]) -> Parcel {
    Parcel {
        sender: "bob@x.test".into(),
        recipients: recipients.iter().map(|one| (*one).to_owned()).collect(),
        size: 1000,
        eight_bit: false,
        requiretls: false,
    }
}

/// Runs a dialog. The letters are those of the fates, then `+` if another server is worth trying.
fn run(parcel: Parcel, dialog: &str) -> (String, Outcome) {
    run_with(peer(), parcel, dialog)
}

/// The same, as `peer`. `T:` the handshake is done. After the end of the parcel we say QUIT.
fn run_with(peer: Peer, parcel: Parcel, dialog: &str) -> (String, Outcome) {
    let (mut client, mut out) = (Client::new(peer, parcel), Vec::new());
    let mut step = Step::Talk;
    for line in dialog.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_at(2) {
            ("S:", text) => {
                assert_ne!(step, Step::Over, "{line} after the end");
                step = client.feed(format!("{}\r\n", text.trim_start()).as_bytes(), &mut out);
                if step == Step::Ready {
                    client.quit(&mut out);
                    step = Step::Over;
                }
            }
            ("T:", _) => {
                assert_eq!(step, Step::Secure);
                client.secured(&mut out);
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
        let mut out = Vec::new();
        let mut client = Client::new(peer(), parcel(&["a@y.test", "b@y.test"]));
        let (mut dots, mut yes_after_dot) = (0, false);
        for _ in 0..14 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let word = WORDS[random as usize % WORDS.len()];
            yes_after_dot |= dots > 0;
            match client.feed(word.as_bytes(), &mut out) {
                Step::Message => dots += 1,
                Step::Over | Step::Ready => break,
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
    Client::new(Peer { tls: Tls::May, ..peer() }, parcel(recipients))
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

#[test]
fn a_session_takes_one_parcel_after_the_other_and_begins_anew_where_one_was_left_unfinished() {
    let (mut client, mut out) = (Client::new(peer(), parcel(&["a@y.test"])), Vec::new());
    for word in ["220 x", "250 y", "250 ok", "250 ok", "354 go"] {
        client.feed(format!("{word}\r\n").as_bytes(), &mut out);
    }
    assert_eq!(client.feed(b"250 taken\r\n", &mut out), Step::Ready);
    assert!(client.outcome().fates[0].is_done());
    out.clear();
    client.give(parcel(&["b@y.test"]), &mut out);
    assert_eq!(out, b"MAIL FROM:<bob@x.test>\r\n");
    assert!(!client.has_heard());
    client.feed(b"250 ok\r\n", &mut out);
    assert!(client.has_heard());
    assert_eq!(client.feed(b"550 no\r\n", &mut out), Step::Ready);
    assert_eq!(client.outcome().fates[0].letter(), b'D');
    out.clear();
    client.give(parcel(&["c@y.test"]), &mut out);
    assert_eq!(out, b"RSET\r\n");
    assert_eq!(client.feed(b"250 ok\r\n", &mut out), Step::Talk);
    assert!(out.ends_with(b"MAIL FROM:<bob@x.test>\r\n"));
}

#[test]
fn those_who_are_too_many_go_in_the_next_transaction() {
    let dialog = "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250 PIPELINING\nC: MAIL FROM:<bob@x.test>\n\
        C: RCPT TO:<a@y.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\nS: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\n\
        S: 550 no\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: MAIL FROM:<bob@x.test>\nC: RCPT TO:<b@y.test>\n\
        S: 250 ok\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    assert_eq!(letters(&["a@y.test", "b@y.test", "c@y.test"], dialog), "KKD");
    // Whoever can't be first is put off: it is the server that is full.
    let dialog = format!("{}S: 452 full\nC: QUIT", TO_DATA.replace("S: 250 ok\nC: DATA\n", ""));
    assert_eq!(letters(&["a@y.test"], &dialog), "Z");
}

#[test]
fn a_transaction_has_a_hundred_recipients_at_most() {
    let all: Vec<String> = (0..250).map(|n| format!("u{n}@y.test")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let (mut client, mut out) = (Client::new(peer(), parcel(&all)), Vec::new());
    client.feed(b"220 x\r\n250-y\r\n250 PIPELINING\r\n", &mut out);
    let mut sizes = Vec::new();
    loop {
        let said = String::from_utf8(std::mem::take(&mut out)).unwrap();
        let rcpts = said.matches("RCPT TO").count();
        sizes.push(rcpts);
        client.feed("250 ok\r\n".repeat(rcpts + 1).as_bytes(), &mut out);
        assert_eq!(client.feed(b"354 go\r\n", &mut out), Step::Message);
        out.clear();
        if client.feed(b"250 ok\r\n", &mut out) == Step::Ready {
            break;
        }
    }
    assert_eq!(sizes, [100, 100, 50]);
    assert!(client.outcome().fates.iter().all(Fate::is_done));
}

#[test]
fn where_tls_has_to_be_nothing_is_said_of_mail_without_it() {
    let must = || Peer { tls: Tls::Must, ..peer() };
    for dialog in [
        "S: 220 x\nC: EHLO us.test\nS: 250 y\nC: QUIT",
        "S: 220 x\nC: EHLO us.test\nS: 250 STARTTLS\nC: STARTTLS\nS: 454 not now\nC: QUIT",
        "S: 220 x\nC: EHLO us.test\nS: 502 what\nC: HELO us.test\nS: 250 y\nC: QUIT",
    ] {
        assert_eq!(run_with(must(), parcel(&["a@y.test"]), dialog).0, "Z+", "{dialog}");
    }
}

#[test]
fn what_requires_tls_goes_only_to_servers_that_promise_it() {
    let parcel = || Parcel { requiretls: true, ..parcel(&["a@y.test"]) };
    let may = || Peer { tls: Tls::Must, ..peer() };
    let start = "S: 220 x\nC: EHLO us.test\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nT:\nC: EHLO us.test\n";
    let dialog = format!(
        "{start}S: 250 REQUIRETLS\nC: MAIL FROM:<bob@x.test> REQUIRETLS\nS: 250 ok\nC: RCPT TO:<a@y.test>\nS: 250 ok\n\
         C: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT"
    );
    assert_eq!(run_with(may(), parcel(), &dialog).0, "K");
    assert_eq!(run_with(may(), parcel(), &format!("{start}S: 250 y\nC: QUIT")).0, "D+");
    assert_eq!(run_with(peer(), parcel(), "S: 220 x\nC: EHLO us.test\nS: 250 REQUIRETLS\nC: QUIT").0, "D+");
}

#[test]
fn we_log_in_where_that_is_asked_for_and_no_refusal_of_it_gives_mail_up() {
    let login = Login { user: "bob".into(), password: "pw".into() };
    let peer = |tls| Peer { tls, login: Some(login.clone()), ..peer() };
    let plain = "AUTH PLAIN AGJvYgBwdw==";
    let mail = "C: MAIL FROM:<bob@x.test>\nS: 250 ok\nC: RCPT TO:<a@y.test>\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";
    let start = "S: 220 x\nC: EHLO us.test\nS: 250";
    for (tls, rest, expect) in [
        (Tls::Begun, format!(" AUTH PLAIN LOGIN\nC: {plain}\nS: 235 yes\n{mail}"), "K"),
        (
            Tls::Begun,
            format!(
                " AUTH PLAIN LOGIN\nC: {plain}\nS: 535 no\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: Ym9i\nS: 334 UGFzc3dvcmQ6\n\
                 C: cHc=\nS: 235 yes\n{mail}"
            ),
            "K",
        ),
        (Tls::Begun, format!(" AUTH PLAIN\nC: {plain}\nS: 535 5.7.8 no\nC: QUIT"), "Z+"),
        (Tls::Begun, " AUTH GSSAPI\nC: QUIT".into(), "Z+"),
        (Tls::Begun, " y\nC: QUIT".into(), "Z+"),
        (Tls::No, " AUTH PLAIN LOGIN\nC: QUIT".into(), "Z+"),
        (
            Tls::No,
            format!(
                " AUTH=CRAM-MD5\nC: AUTH CRAM-MD5\nS: 334 PGE+\nC: Ym9iIDVjMzk1OWUxYmU2ZmY1Zjg1NWViNGE0NzlhMzZlMjNl\nS: 235 yes\n{mail}"
            ),
            "K",
        ),
        (
            Tls::Begun,
            " AUTH SCRAM-SHA-256\nC: AUTH SCRAM-SHA-256 biwsbj1ib2Iscj0wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==\nS: 235 yes\nC: QUIT".into(),
            "Z+",
        ),
    ] {
        assert_eq!(run_with(peer(tls), parcel(&["a@y.test"]), &format!("{start}{rest}")).0, expect, "{rest}");
    }
}
