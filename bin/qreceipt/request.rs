//! A sender's wish to hear of a delivery, `Notice-Requested-Upon-Delivery-To: address, ...`, and the
//! receipt that he gets.

use message::mailbox::mailboxes;

/// The message ids of `header` if it asks for a receipt from `address`.
pub(crate) fn find(header: &[u8], address: &[u8]) -> Option<Vec<u8>> {
    let mut asked = false;
    let mut id = Vec::new();
    for field in message::fields(header) {
        if field.is("Notice-Requested-Upon-Delivery-To") {
            // Who can't be understood has asked for nothing.
            asked |= mailboxes(field.body).unwrap_or_default().iter().any(|mailbox| {
                let host = mailbox.host.as_deref().unwrap_or_default();
                [&mailbox.local[..], b"@", host].concat().eq_ignore_ascii_case(address)
            });
        } else if field.is("Message-ID") && id.is_empty() {
            id = field.body.to_vec();
        }
    }
    asked.then_some(id)
}

/// The receipt.
pub(crate) fn receipt(address: &[u8], sender: &[u8], id: &[u8], now: i64) -> Vec<u8> {
    let (address, sender) = (message::quoted(&clean(address)), message::quoted(&clean(sender)));
    let (id, date) = (clean(id), message::date(now));
    let mut text = Vec::new();
    let mut line = |parts: &[&[u8]]| {
        text.extend(parts.concat());
        text.push(b'\n');
    };
    line(&[b"Date: ", date.as_bytes()]);
    line(&[b"From: Delivery notice <", &address, b">"]);
    line(&[b"To: <", &sender, b">"]);
    line(&[b"Subject: success notice"]);
    if !id.is_empty() {
        line(&[b"In-Reply-To: ", &id]);
    }
    // RFC 3834 §5
    line(&[b"Auto-Submitted: auto-replied"]);
    line(&[b""]);
    line(&[b"Your message has been delivered to this address, as you wanted to know:"]);
    line(&[b""]);
    line(&[b"    ", &address]);
    if !id.is_empty() {
        line(&[b""]);
        line(&[b"Its Message-ID: ", &id]);
    }
    text
}

/// One line, whatever a stranger has written.
fn clean(text: &[u8]) -> Vec<u8> {
    text.iter().take(900).map(|b| if b.is_ascii_control() { b' ' } else { *b }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_named_in_the_header_sends_a_receipt() {
        let header = b"Message-ID: <1@x>\nNotice-Requested-Upon-Delivery-To: A <a@x.y>,\n b@x.y\n\nNotice-Requested-Upon-Delivery-To: c@x.y\n";
        assert_eq!(find(header, b"B@x.Y"), Some(b"<1@x>".to_vec()));
        assert_eq!(find(header, b"a@x.y"), Some(b"<1@x>".to_vec()));
        assert_eq!(find(header, b"c@x.y"), None);
        assert_eq!(find(b"Notice-Requested-Upon-Delivery-To: \"a@x.y\n", b"a@x.y"), None);
    }

    #[test]
    fn a_stranger_writes_no_line_of_the_receipt() {
        let text = receipt(b"a@x.y", b"b\nBcc: c@d", b"<1@x>\r\nBcc: c", 0);
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("\nBcc"), "{text}");
        assert!(
            text.starts_with("Date: Thu, 01 Jan 1970 00:00:00 -0000\nFrom: Delivery notice <a@x.y>\n"),
            "{text}"
        );
    }
}
