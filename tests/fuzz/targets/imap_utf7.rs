//! Mailbox names in modified UTF-7: one way to write each, and back.

use imap::{decode_mailbox, encode_mailbox, write_mailbox};

pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(name) = decode_mailbox(&text) {
        assert!(!name.chars().any(char::is_control));
        assert_eq!(encode_mailbox(&name), text);
    }
    let written = encode_mailbox(&text);
    assert!(written.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
    let back = decode_mailbox(&written);
    assert_eq!(back.as_deref(), (!text.chars().any(char::is_control)).then_some(&*text));
    for utf8 in [false, true] {
        let mut word = Vec::new();
        write_mailbox(&text, utf8, &mut word).unwrap();
        assert!(word.starts_with(b"{") || !word.iter().any(|octet| b"\r\n\0".contains(octet)));
    }
}
