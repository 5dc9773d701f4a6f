//! Words to a client: strings, literals, mailbox names. RFC 9051 §4.3, §5.1.
//!
//! Whatever an octet string holds, it is one word of the answer: nothing in it ends a line or a quotation.

use std::io::{self, Write};

use crate::utf7::encode_mailbox;

/// `string`: quoted if that can be, else a literal. A NUL, which no literal may hold either, becomes a blank.
pub fn write_string(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    if text.iter().all(|octet| matches!(octet, b' '..=b'~')) {
        return quoted(text, out);
    }
    write_literal(text, out)
}

/// `nstring`.
pub fn write_nstring(text: Option<&[u8]>, out: &mut dyn Write) -> io::Result<()> {
    match text {
        None => out.write_all(b"NIL"),
        Some(text) => write_string(text, out),
    }
}

/// Text for people, such as an error's reason or an annotation; `utf8`: the client reads UTF-8 between quotation
/// marks (RFC 6855, RFC 9051).
pub fn write_text(text: &str, utf8: bool, out: &mut dyn Write) -> io::Result<()> {
    if utf8 && !text.chars().any(char::is_control) {
        return quoted(text.as_bytes(), out);
    }
    write_string(text.as_bytes(), out)
}

/// `astring`: an atom if that can be.
pub fn write_astring(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    if is_plain(text) { out.write_all(text) } else { write_string(text, out) }
}

/// `mailbox`: in modified UTF-7, or in UTF-8 if the client has asked for that.
pub fn write_mailbox(name: &str, utf8: bool, out: &mut dyn Write) -> io::Result<()> {
    match name.is_ascii() && !name.contains('&') {
        true => write_astring(name.as_bytes(), out),
        false if utf8 => write_text(name, utf8, out),
        false => write_astring(encode_mailbox(name).as_bytes(), out),
    }
}

/// A literal. RFC 9051 §4.3.
pub fn write_literal(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{{{}}}\r\n", text.len())?;
    let mut pieces = text.split(|octet| *octet == 0);
    out.write_all(pieces.next().unwrap_or_default())?;
    pieces.try_for_each(|piece| {
        out.write_all(b" ")?;
        out.write_all(piece)
    })
}

fn quoted(text: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut rest = text;
    while let Some(place) = memchr::memchr2(b'"', b'\\', rest) {
        out.write_all(&rest[..place])?;
        out.write_all(&[b'\\', rest[place]])?;
        rest = &rest[place + 1..];
    }
    out.write_all(rest)?;
    out.write_all(b"\"")
}

/// An atom, that no reader takes for `NIL` or a number.
fn is_plain(text: &[u8]) -> bool {
    let fits = |octet: &u8| octet.is_ascii_graphic() && !b"(){%*\"\\]&~".contains(octet);
    text.first().is_some_and(u8::is_ascii_alphabetic)
        && text.iter().all(fits)
        && !text.eq_ignore_ascii_case(b"NIL")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_word_stays_one_word_whatever_it_holds() {
        for (text, word) in [
            ("INBOX", "INBOX"),
            ("a.b/c", "a.b/c"),
            ("", "\"\""),
            ("NIL", "\"NIL\""),
            ("12", "\"12\""),
            ("a b", "\"a b\""),
            ("a\"b\\", "\"a\\\"b\\\\\""),
            ("a\r\n* BYE", "{8}\r\na\r\n* BYE"),
            ("a\0b", "{3}\r\na b"),
            ("{3}", "\"{3}\""),
            ("ü", "{2}\r\nü"),
        ] {
            assert_eq!(written(|out| write_astring(text.as_bytes(), out)), word);
        }
        assert_eq!(written(|out| write_nstring(None, out)), "NIL");
    }

    #[test]
    fn a_mailbox_is_written_as_the_client_reads_it() {
        for (name, old, new) in [
            ("Sent", "Sent", "Sent"),
            ("Entwürfe", "\"Entw&APw-rfe\"", "\"Entwürfe\""),
            ("A & B", "\"A &- B\"", "\"A & B\""),
            ("x\ny", "{3}\r\nx\ny", "{3}\r\nx\ny"),
        ] {
            assert_eq!(written(|out| write_mailbox(name, false, out)), old);
            assert_eq!(written(|out| write_mailbox(name, true, out)), new);
        }
    }
}
