//! AUTH where dialogs do not reach: lines cut anywhere, floods, what stays closed.

use super::*;

fn required() -> Settings {
    Settings { login_required: true, ..settings() }
}

const LOGIN: &str = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQ=\r\n";

#[test]
fn where_a_login_is_required_nothing_is_sent_before_it() {
    let all = "EHLO x\r\nNOOP\r\nRSET\r\nVRFY a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n\
               BDAT 3 LAST\r\nx\r\n";
    let (replies, _, seen) = run(required(), &[all.as_bytes()]);
    assert_eq!(codes(&replies), [250, 250, 250, 530, 530, 530, 530, 503], "{replies}");
    assert_eq!((seen.opened, seen.accepted.len()), (0, 0));
    let (replies, ..) = run(required(), &[format!("{LOGIN}{ENVELOPE}").as_bytes()]);
    assert_eq!(codes(&replies), [235, 250, 250]);
}

#[test]
fn a_login_is_traced_and_offered_no_second_time() {
    let text = format!("EHLO x\r\n{LOGIN}EHLO x\r\n{ENVELOPE}DATA\r\nx\r\n.\r\n");
    let (replies, _, seen) = run(settings(), &[text.as_bytes()]);
    assert_eq!(replies.matches("250-AUTH PLAIN LOGIN").count(), 1, "{replies}");
    let message = String::from_utf8(seen.accepted[0].1.clone()).unwrap();
    assert!(message.contains(" with ESMTPA id "), "{message}");
}

// S38
#[test]
fn an_answer_without_end_or_beyond_the_limit_is_refused_and_a_reset_is_no_answer() {
    let long = format!("AUTH LOGIN\r\n{}\r\nNOOP\r\n", "A".repeat(20_000));
    let (replies, flow, _) = run(settings(), &[long.as_bytes()]);
    assert_eq!(codes(&replies), [334, 500, 250], "{replies}");
    assert_eq!(flow, Flow::More);
    let (replies, ..) = run(settings(), &[b"AUTH LOGIN\r\nRSET\r\nNOOP\r\n"]);
    // RSET is base64, of a name that nobody has.
    assert_eq!(codes(&replies), [334, 334, 535], "{replies}");
    let endless = "AUTH PLAIN\r\n=\r\n".repeat(30);
    let (replies, flow, _) = run(settings(), &[endless.as_bytes()]);
    assert!(replies.ends_with("closing connection\r\n") && flow == Flow::Close, "{replies}");
}

#[test]
fn without_mechanisms_there_is_no_auth() {
    let none = Settings { mechanisms: Vec::new(), ..settings() };
    let (replies, ..) = run(none, &[format!("EHLO x\r\n{LOGIN}").as_bytes()]);
    assert!(!replies.contains("AUTH") && codes(&replies) == [250, 502], "{replies}");
}

proptest! {
    #[test]
    fn cutting_a_login_anywhere_changes_nothing(cut in 0usize..200) {
        let text = format!("AUTH LOGIN\r\nYWxpY2VAZXhhbXBsZS50ZXN0\r\n*\r\nAUTH PLAIN\r\nAAA=\r\n{LOGIN}{ENVELOPE}");
        let cut = cut.min(text.len());
        let whole = run(settings(), &[text.as_bytes()]);
        prop_assert_eq!(run(settings(), &[&text.as_bytes()[..cut], &text.as_bytes()[cut..]]), whole);
    }
}

fn encrypted(before_login: bool, required: bool) -> Settings {
    Settings { encryption: crate::Encryption { offered: true, before_login, required }, ..settings() }
}

// S37
#[test]
fn where_tls_comes_first_no_password_is_heard_before_it() {
    let (replies, ..) = run(encrypted(true, false), &[format!("EHLO x\r\n{LOGIN}{ENVELOPE}").as_bytes()]);
    assert!(replies.contains("250-STARTTLS\r\n") && !replies.contains("AUTH"), "{replies}");
    assert_eq!(codes(&replies), [250, 530, 250, 250]);
    let (replies, ..) =
        run(encrypted(true, true), &[format!("NOOP\r\nEHLO x\r\n{LOGIN}{ENVELOPE}").as_bytes()]);
    assert_eq!(codes(&replies), [250, 250, 530, 530, 530]);
}

#[test]
fn after_starttls_everything_begins_anew() {
    let mut session = Session::new(Desk::default(), encrypted(true, true));
    let mut out = Vec::new();
    assert_eq!(session.feed(b"EHLO one\r\nSTARTTLS\r\n", &mut out).unwrap(), Flow::Secure);
    assert!(out.ends_with(b"220 2.0.0 Begin TLS now\r\n"));
    session.secured("version=TLSv1.3 cipher=X", false);
    let mut out = Vec::new();
    let input = format!("STARTTLS\r\nEHLO two\r\n{LOGIN}{ENVELOPE}DATA\r\nx\r\n.\r\n");
    assert_eq!(session.feed(input.as_bytes(), &mut out).unwrap(), Flow::More);
    let replies = String::from_utf8(out).unwrap();
    assert_eq!(codes(&replies), [503, 250, 235, 250, 250, 354, 250], "{replies}");
    assert!(!replies.contains("STARTTLS") && replies.contains("250-AUTH PLAIN LOGIN"), "{replies}");
    let house = session.end();
    let message = String::from_utf8(house.seen.borrow().accepted[0].1.clone()).unwrap();
    assert!(
        message.contains("from two ") && message.contains("with ESMTPSA (version=TLSv1.3 cipher=X) id"),
        "{message}"
    );
}

// S34, S35
#[test]
fn what_is_sent_behind_starttls_in_plain_text_ends_the_session() {
    let (replies, flow, seen) = run(encrypted(false, false), &[format!("STARTTLS\r\n{ENVELOPE}").as_bytes()]);
    assert_eq!((codes(&replies), flow), (vec![501], Flow::Close), "{replies}");
    assert!(!replies.contains("220"));
    assert_eq!(seen.opened, 0);
    let (replies, ..) = run(encrypted(false, false), &[b"STARTTLS now\r\nMAIL FROM:<>\r\nSTARTTLS\r\n"]);
    assert_eq!(codes(&replies), [501, 250, 503]);
    let (replies, ..) = run(settings(), &[b"EHLO x\r\nSTARTTLS\r\n"]);
    assert!(codes(&replies) == [250, 502] && !replies.contains("STARTTLS"), "{replies}");
}

#[test]
fn a_tlsd_that_is_full_is_told_before_tls_begins() {
    let house = Desk { queue_down: true, ..Desk::default() };
    let mut session = Session::new(house, encrypted(false, false));
    let mut out = Vec::new();
    assert_eq!(session.feed(b"STARTTLS\r\n", &mut out).unwrap(), Flow::More);
    assert!(out.starts_with(b"454 4.7.0"));
}
