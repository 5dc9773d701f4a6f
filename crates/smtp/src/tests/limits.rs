//! What there may be too much of, and what breaks off.

use super::*;

#[test]
fn recipients_beyond_the_limit_are_put_off_and_the_earlier_ones_kept() {
    // S27
    let rcpts = "RCPT TO:<alice@example.test>\r\n".repeat(2000);
    let input = format!("MAIL FROM:<>\r\n{rcpts}DATA\r\n.\r\n");
    let (replies, _, seen) = run(settings(), &[input.as_bytes()]);
    let codes = codes(&replies);
    assert_eq!(codes.iter().filter(|c| **c == 452).count(), 1000);
    assert_eq!(codes[2001..], [354, 250]);
    assert_eq!(seen.accepted[0].0.recipients.len(), 1000);
    let many = Settings { max_recipients: 10_000, ..settings() };
    let rcpts = "RCPT TO:<alice@example.test>\r\n".repeat(10_000);
    let input = format!("MAIL FROM:<>\r\n{rcpts}DATA\r\n.\r\n");
    assert_eq!(run(many, &[input.as_bytes()]).2.accepted[0].0.recipients.len(), 10_000);
}

#[test]
fn nobody_tries_a_thousand_names() {
    // S28
    let rcpts: String = (0..1000).map(|n| format!("RCPT TO:<user{n}@example.test>\r\n")).collect();
    let (replies, flow, seen) = run(settings(), &[format!("MAIL FROM:<>\r\n{rcpts}").as_bytes()]);
    let codes = codes(&replies);
    assert_eq!((codes.len(), codes[50], codes[51], flow), (52, 550, 421, Flow::Close));
    let counts: Vec<u32> = seen.faults.iter().map(|f| f.1).collect();
    assert_eq!(counts, (1..=51).collect::<Vec<u32>>(), "the house can let each wait longer");
}

#[test]
fn a_recipient_put_off_is_no_fault() {
    let (replies, _, seen) = run(settings(), &[b"MAIL FROM:<>\r\nRCPT TO:<later@x.y>\r\nDATA\r\n"]);
    assert_eq!(codes(&replies), [250, 451, 554]);
    assert_eq!(seen.faults, []);
}

#[test]
fn a_connection_that_breaks_delivers_nothing() {
    // S33, S48
    for tail in [
        "DATA\r\nSubject: a\r\n\r\nhalf",
        "DATA\r\nwhole\r\n",
        "DATA\r\nwhole\r\n.",
        "DATA\r\nwhole\r\n.\r",
        "BDAT 10 LAST\r\nhalf",
        "BDAT 4\r\nhalf",
        "BDAT 4\r\nhalfQUIT\r\n",
        "BDAT 4\r\nhalfRSET\r\n",
    ] {
        let input = format!("{ENVELOPE}{tail}");
        let (_, _, seen) = run(settings(), &[input.as_bytes()]);
        assert_eq!((seen.accepted.len(), seen.opened, seen.aborted), (0, 1, 1), "{tail}");
    }
}

#[test]
fn what_goes_over_the_limit_is_not_stored() {
    // S32
    let text = b"0123456789\r\n".repeat(100_000);
    let input = [ENVELOPE.as_bytes(), b"DATA\r\n", &text, b".\r\n", b"NOOP\r\n"].concat();
    let limit = Settings { max_size: 5000, ..settings() };
    let (replies, _, seen) = run(limit, &[&input]);
    assert_eq!(codes(&replies), [250, 250, 354, 552, 250]);
    assert!(seen.most_written < 5200, "{}", seen.most_written);
    assert_eq!((seen.aborted, seen.accepted.len()), (1, 0));
}

#[test]
fn a_queue_that_fails_is_never_answered_with_250() {
    // S58
    let desk = Desk { queue_down: true, ..Desk::default() };
    let mut session = Session::new(desk, settings());
    let mut out = Vec::new();
    session.feed(format!("{ENVELOPE}DATA\r\nx\r\n.\r\n").as_bytes(), &mut out).unwrap();
    session.feed(format!("{ENVELOPE}BDAT 1 LAST\r\nxNOOP\r\n").as_bytes(), &mut out).unwrap();
    assert_eq!(codes(&String::from_utf8(out).unwrap()), [250, 250, 354, 451, 250, 250, 451, 250]);
}
