//! LMTP (RFC 2033): what it has in another way than SMTP.

use wire::Session as _;

use super::{Desk, codes};
use crate::{Session, Settings};

fn talk(input: &[u8]) -> (Vec<u16>, Desk) {
    let run = |pieces: Vec<&[u8]>| {
        let desk = Desk::default();
        let settings = Settings { lmtp: true, ..Settings::default() };
        let (mut session, mut out) = (Session::new(desk.clone(), settings), Vec::new());
        session.greet(&mut out).unwrap();
        for piece in pieces {
            session.feed(piece, &mut out).unwrap();
        }
        (String::from_utf8(out).unwrap(), desk)
    };
    let (whole, desk) = run(vec![input]);
    for cut in 0..=input.len() {
        assert_eq!(run(vec![&input[..cut], &input[cut..]]).0, whole, "cut after {cut}");
    }
    (codes(&whole), desk)
}

const TO_TWO: &str = "LHLO me\r\nMAIL FROM:<c@d.test>\r\nRCPT TO:<alice@example.test>\r\n\
                      RCPT TO:<nobody@example.test>\r\nRCPT TO:<bob@example.test>\r\n";

#[test]
fn lmtp_has_one_reply_for_each_recipient_that_was_accepted() {
    // RFC 2033 §4.2
    let (replies, desk) = talk(format!("{TO_TWO}DATA\r\nhi\r\n.\r\nNOOP\r\n").as_bytes());
    let expected = [220, 250, 250, 250, 550, 250, 354, 250, 250, 250];
    assert_eq!(replies, expected);
    let seen = desk.seen.borrow();
    assert_eq!(seen.accepted.len(), 1);
    assert!(String::from_utf8_lossy(&seen.accepted[0].1).contains("with LMTP id"));
    // A message that is refused for what it is: as many refusals.
    let (replies, _) = talk(format!("{TO_TWO}DATA\r\nh\ri\r\n.\r\nNOOP\r\n").as_bytes());
    assert_eq!(replies[6..], [354, 550, 550, 250]);
    // RFC 2033 §4.3: by BDAT, one for each chunk and one for each recipient at the last.
    let (replies, _) = talk(format!("{TO_TWO}BDAT 4\r\nhi\r\nBDAT 0 LAST\r\nNOOP\r\n").as_bytes());
    assert_eq!(replies[6..], [250, 250, 250, 250]);
}

#[test]
fn lmtp_knows_no_helo_and_smtp_no_lhlo() {
    // RFC 2033 §4.1
    let (replies, _) = talk(b"HELO me\r\nEHLO me\r\nLHLO me\r\n");
    assert_eq!(replies, [220, 500, 500, 250]);
    let (replies, _) =
        talk(b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<x@example.test>\r\nDATA\r\nBDAT 2 LAST\r\nhi");
    assert_eq!(replies[3..], [550, 503, 503], "and none for recipients that were refused");
    let (mut session, mut out) = (Session::new(Desk::default(), Settings::default()), Vec::new());
    session.feed(b"LHLO me\r\n", &mut out).unwrap();
    assert!(out.starts_with(b"500 5.5.1"));
}
