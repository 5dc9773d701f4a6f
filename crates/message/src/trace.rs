//! The lines that a mail system puts above a message. RFC 5321 §4.4.
//!
//! Addresses come from strangers: each line built here is one physical line whatever they hold.

use crate::{asctime, date};

const DELIVERED_TO: &str = "Delivered-To: ";

/// `Return-Path: <sender>` LF. The local part is quoted where RFC 5321 §4.1.2 wants it so.
pub fn return_path(sender: &[u8]) -> Vec<u8> {
    let mut line = b"Return-Path: <".to_vec();
    quote(sender, &mut line);
    line.push(b'>');
    one_line(line)
}

/// `Delivered-To: local@domain` LF, unquoted as qmail-local writes it: it is compared octet by
/// octet when the message comes again.
pub fn delivered_to(local: &[u8], domain: &[u8]) -> Vec<u8> {
    one_line([DELIVERED_TO.as_bytes(), local, b"@", domain].concat())
}

/// mbox's separator, `From sender Thu Nov 14 19:33:20 1996` LF: blanks of the sender become dashes, and
/// nobody is MAILER-DAEMON. `unix`: seconds since 1970.
pub fn from_line(sender: &[u8], unix: i64) -> Vec<u8> {
    let sender = if sender.is_empty() { b"MAILER-DAEMON" } else { sender };
    let sender: Vec<u8> = sender.iter().map(|b| if matches!(b, b' ' | b'\t') { b'-' } else { *b }).collect();
    one_line([b"From ", &sender[..], b" ", asctime(unix).as_bytes()].concat())
}

/// `Received: what; date` LF on one line. `unix`: seconds since 1970.
pub fn received(what: &[u8], unix: i64) -> Vec<u8> {
    one_line([b"Received: ", what, b"; ", date(unix).as_bytes()].concat())
}

/// Is the header line (without LF, perhaps cut after [`crate::LINE_LIMIT`]) the trace line
/// `ours` (with LF)? Octet by octet, as qmail-local compares.
pub fn same_line(line: &[u8], ours: &[u8]) -> bool {
    let ours = ours.strip_suffix(b"\n").unwrap_or(ours);
    !ours.is_empty() && line == &ours[..ours.len().min(crate::LINE_LIMIT)]
}

fn one_line(mut line: Vec<u8>) -> Vec<u8> {
    line.iter_mut().filter(|b| b.is_ascii_control()).for_each(|b| *b = b'_');
    line.push(b'\n');
    line
}

/// An envelope address as a header has it: the local part is quoted where RFC 5322 §3.4.1 wants it so.
pub fn quoted(address: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(address.len());
    quote(address, &mut out);
    out
}

fn quote(address: &[u8], out: &mut Vec<u8>) {
    let (local, domain) = match address.iter().rposition(|b| *b == b'@') {
        Some(at) => address.split_at(at),
        None => (address, &b""[..]),
    };
    if local.is_empty() || dot_atom(local) {
        out.extend_from_slice(local);
    } else {
        out.push(b'"');
        for byte in local {
            if matches!(byte, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*byte);
        }
        out.push(b'"');
    }
    out.extend_from_slice(domain);
}

/// RFC 5322 §3.2.3, and RFC 6531's octets above ASCII.
fn dot_atom(local: &[u8]) -> bool {
    local.split(|b| *b == b'.').all(|atom| {
        let fine = |b: &u8| b.is_ascii_alphanumeric() || *b >= 0x80 || b"!#$%&'*+-/=?^_`{|}~".contains(b);
        !atom.is_empty() && atom.iter().all(fine)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(line: Vec<u8>) -> String {
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn trace_lines_are_written_as_qmail_writes_them() {
        assert_eq!(text(return_path(b"alice@example.test")), "Return-Path: <alice@example.test>\n");
        assert_eq!(text(return_path(b"")), "Return-Path: <>\n");
        assert_eq!(text(return_path(b"#@[]")), "Return-Path: <#@[]>\n");
        assert_eq!(text(return_path(b"a b\"c@x")), "Return-Path: <\"a b\\\"c\"@x>\n");
        assert_eq!(text(return_path(b"a..b@x")), "Return-Path: <\"a..b\"@x>\n");
        assert_eq!(text(delivered_to(b"bob-x", b"example.test")), "Delivered-To: bob-x@example.test\n");
        assert_eq!(
            text(received(b"(fulmar 7 invoked by uid 5)", 0)),
            "Received: (fulmar 7 invoked by uid 5); Thu, 01 Jan 1970 00:00:00 -0000\n"
        );
    }

    #[test]
    fn a_strangers_address_never_makes_a_second_header_line() {
        // L13
        let long = [&b"a\r\nX-Evil: 1\n\n\0\x7f\t"[..], &[b'x'; 1000], b"$'`@h\n"].concat();
        for line in [return_path(&long), delivered_to(&long, &long), received(&long, 0)] {
            assert_eq!(line.iter().filter(|b| b.is_ascii_control()).count(), 1);
            assert_eq!(line.last(), Some(&b'\n'));
        }
    }

    #[test]
    fn only_the_octet_equal_line_is_ours() {
        // S50, L14
        let ours = delivered_to(b"bob", b"example.test");
        assert!(same_line(b"Delivered-To: bob@example.test", &ours));
        for other in
            ["delivered-to: bob@example.test", "Delivered-To: bob@example.test ", "Delivered-To: bo", ""]
        {
            assert!(!same_line(other.as_bytes(), &ours), "{other}");
        }
        let long = delivered_to(&[b'x'; 20_000], b"y");
        assert!(same_line(&long[..crate::LINE_LIMIT], &long));
    }
}
