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
