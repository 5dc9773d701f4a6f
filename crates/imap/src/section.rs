//! What is between the brackets of BODY[], cut out of a message: RFC 9051 §6.4.5.1.
//!
//! Works on the text as it is on disk and gives octets as they go over the wire.

use memchr::memchr;
use mime::{Children, Part};

use crate::syntax::{Section, What};

/// Where the header ends, with the empty line after it; `None`: there is none (yet).
pub(crate) fn header_end(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            rest => at += memchr(b'\n', rest)? + 1,
        }
    }
}

/// Appends a section of the message to `out`; false: there is no such part. `message` is asked for only where a part is
/// named.
pub(crate) fn cut<'p>(
    text: &[u8],
    section: &Section,
    message: impl FnOnce() -> &'p Part,
    out: &mut Vec<u8>,
) -> bool {
    let end = header_end(text).unwrap_or(text.len());
    let (header, body) = text.split_at_checked(end).unwrap_or((text, b""));
    if section.part.is_empty() {
        match section.what {
            What::Whole => mime::to_wire(text, out),
            What::Text => mime::to_wire(body, out),
            _ => cut_header(header, &section.what, out),
        }
        return true;
    }
    let Some(part) = message().at(&section.part) else { return false };
    let octets = |range: &std::ops::Range<usize>| text.get(range.clone()).unwrap_or_default();
    match (&section.what, &part.children) {
        (What::Whole, _) => mime::to_wire(octets(&part.body), out),
        (What::Mime, _) => mime::to_wire(octets(&part.header), out),
        (What::Text, Children::Message(inner)) => mime::to_wire(octets(&inner.body), out),
        (what, Children::Message(inner)) => cut_header(octets(&inner.header), what, out),
        _ => return false,
    }
    true
}

/// The header, or some of its fields and the empty line.
fn cut_header(header: &[u8], what: &What, out: &mut Vec<u8>) {
    let (names, listed) = match what {
        What::HeaderFields(names) => (names, true),
        What::HeaderFieldsNot(names) => (names, false),
        _ => return mime::to_wire(header, out),
    };
    let names = Names::of(names);
    let mut rest = header;
    while !rest.is_empty() && empty_line(rest) == 0 {
        let (field, after) = rest.split_at(field_end(rest));
        let name = memchr(b':', field).map_or(field, |colon| field[..colon].trim_ascii_end());
        if names.have(name) == listed {
            mime::to_wire(field, out);
        }
        rest = after;
    }
    mime::to_wire(rest, out);
}

/// Names of fields; many of them are sorted before they are compared with each of many fields.
enum Names<'a> {
    Few(&'a [String]),
    Many(Vec<Vec<u8>>),
}

impl Names<'_> {
    fn of(names: &[String]) -> Names<'_> {
        if names.len() <= 32 {
            return Names::Few(names);
        }
        let mut lower: Vec<Vec<u8>> = names.iter().map(|name| name.as_bytes().to_ascii_lowercase()).collect();
        lower.sort_unstable();
        Names::Many(lower)
    }

    fn have(&self, name: &[u8]) -> bool {
        match self {
            Names::Few(names) => names.iter().any(|it| it.as_bytes().eq_ignore_ascii_case(name)),
            Names::Many(names) => names.binary_search(&name.to_ascii_lowercase()).is_ok(),
        }
    }
}

/// The length of the empty line that `text` begins with; 0 if it begins with another.
fn empty_line(text: &[u8]) -> usize {
    match text {
        [b'\n', ..] => 1,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// Where the first field ends, with its further lines.
fn field_end(header: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += memchr(b'\n', &header[at..]).map_or(header.len() - at, |end| end + 1);
        match header.get(at) {
            Some(b' ' | b'\t') => {}
            _ => return at,
        }
    }
}

/// Of `octets`, those that `<first.count>` names.
pub(crate) fn slice(octets: &[u8], partial: Option<(u32, u32)>) -> &[u8] {
    let Some((first, count)) = partial else { return octets };
    let rest = octets.get(first as usize..).unwrap_or_default();
    rest.get(..count as usize).unwrap_or(rest)
}

/// Writes what stands between the brackets, as the client wrote it.
pub(crate) fn write_name(section: &Section, out: &mut Vec<u8>) {
    write_numbers(&section.part, out);
    let (word, names) = match &section.what {
        What::Whole => return,
        What::Header => ("HEADER", None),
        What::HeaderFields(names) => ("HEADER.FIELDS", Some(names)),
        What::HeaderFieldsNot(names) => ("HEADER.FIELDS.NOT", Some(names)),
        What::Text => ("TEXT", None),
        What::Mime => ("MIME", None),
    };
    if !section.part.is_empty() {
        out.push(b'.');
    }
    out.extend_from_slice(word.as_bytes());
    for (place, name) in names.into_iter().flatten().enumerate() {
        out.extend_from_slice(if place == 0 { b" (" } else { b" " });
        // A buffer in memory takes all.
        let _ = crate::write::write_astring(name.as_bytes(), out);
    }
    if names.is_some() {
        out.push(b')');
    }
}

/// `1.2.3`
pub(crate) fn write_numbers(part: &[u32], out: &mut Vec<u8>) {
    for (place, number) in part.iter().enumerate() {
        if place > 0 {
            out.push(b'.');
        }
        crate::scribe::number(out, (*number).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"From: a@example\nSubject: long\n subject\nX-Odd : 1\nTo: b@example\n\
        Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\nContent-Type: text/plain\n\none\ntwo\n\
        --b\nContent-Type: message/rfc822\n\nSubject: inner\nTo: c@example\n\ninner body\n--b--\n";

    fn section(part: &[u32], what: What) -> Option<String> {
        let message = mime::scan(MESSAGE);
        let mut out = Vec::new();
        let section = Section { part: part.to_vec(), what };
        cut(MESSAGE, &section, || &message, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_whole_is_header_and_text() {
        let whole = section(&[], What::Whole).unwrap();
        assert_eq!(whole, String::from_utf8_lossy(MESSAGE).replace('\n', "\r\n"));
        let (header, text) = (section(&[], What::Header).unwrap(), section(&[], What::Text).unwrap());
        assert!(header.ends_with("boundary=b\r\n\r\n"));
        assert_eq!(whole, header + &text);
    }

    #[test]
    fn fields_are_given_whole_in_their_order_and_with_the_empty_line() {
        let fields = |what| section(&[], what).unwrap();
        let some = fields(What::HeaderFields(names(&["SUBJECT", "from", "x-odd", "none"])));
        assert_eq!(some, "From: a@example\r\nSubject: long\r\n subject\r\nX-Odd : 1\r\n\r\n");
        let mut many = names(&["SUBJECT", "from", "x-odd"]);
        many.extend((0..100).map(|number| format!("X-{number}")));
        assert_eq!(fields(What::HeaderFields(many)), some);
        let others = fields(What::HeaderFieldsNot(names(&["subject", "from", "content-type"])));
        assert_eq!(others, "X-Odd : 1\r\nTo: b@example\r\n\r\n");
        assert_eq!(fields(What::HeaderFields(names(&["none"]))), "\r\n");
    }

    #[test]
    fn parts_are_found_by_number_through_messages() {
        assert_eq!(section(&[1], What::Whole).as_deref(), Some("one\r\ntwo"));
        assert_eq!(section(&[1], What::Mime).as_deref(), Some("Content-Type: text/plain\r\n\r\n"));
        let inner = "Subject: inner\r\nTo: c@example\r\n\r\n";
        assert_eq!(section(&[2], What::Header).as_deref(), Some(inner));
        assert_eq!(section(&[2], What::Text).as_deref(), Some("inner body"));
        assert_eq!(section(&[2], What::Whole), Some(format!("{inner}inner body")));
        assert_eq!(section(&[2, 1], What::Whole).as_deref(), Some("inner body"));
        let to = section(&[2], What::HeaderFields(names(&["to"])));
        assert_eq!(to.as_deref(), Some("To: c@example\r\n\r\n"));
    }

    #[test]
    fn a_part_that_is_not_there_is_nothing() {
        for part in [&[0][..], &[3], &[1, 1], &[2, 2], &[u32::MAX], &[1; 1000]] {
            assert_eq!(section(part, What::Whole), None, "{part:?}");
        }
        assert_eq!(section(&[1], What::Header), None);
        assert_eq!(section(&[1], What::Text), None);
    }

    #[test]
    fn a_message_without_an_empty_line_is_all_header() {
        for (text, header) in
            [(&b"Subject: x\n"[..], 11), (b"", 0), (b"\n", 1), (b"\r\nx", 2), (b"a: b\r\n\r\nc", 8)]
        {
            assert_eq!(header_end(text).unwrap_or(text.len()), header);
        }
        let mut out = Vec::new();
        cut_header(b"To: x\nCc: y", &What::HeaderFields(names(&["cc"])), &mut out);
        assert_eq!(out, b"Cc: y");
    }

    #[test]
    fn a_slice_beyond_the_end_is_empty_and_none_overflows() {
        assert_eq!(slice(b"octets", Some((2, 3))), b"tet");
        assert_eq!(slice(b"octets", Some((2, 30))), b"tets");
        assert_eq!(slice(b"octets", Some((u32::MAX, u32::MAX))), b"");
        assert_eq!(slice(b"octets", Some((0, 0))), b"");
        assert_eq!(slice(b"octets", None), b"octets");
    }

    #[test]
    fn names_are_written_back() {
        let name = |part: &[u32], what| {
            let mut out = Vec::new();
            write_name(&Section { part: part.to_vec(), what }, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(name(&[], What::Whole), "");
        assert_eq!(name(&[1, 2], What::Mime), "1.2.MIME");
        assert_eq!(
            name(&[], What::HeaderFields(names(&["Subject", "a b"]))),
            "HEADER.FIELDS (Subject \"a b\")"
        );
    }

    use proptest::prelude::*;

    proptest! {
        /// Any text falls into header and body, as it does for who takes it apart, and its fields into those that are named
        /// and the others.
        #[test]
        fn nothing_is_lost_between_the_pieces(text in r"([A-Ca-c]{0,2}:? ?[x ]{0,3}\r?\n){0,6}\PC{0,3}\n?") {
            let text = text.as_bytes();
            let message = mime::scan(text);
            let octets = |what| {
                let mut out = Vec::new();
                cut(text, &Section { part: Vec::new(), what }, || &message, &mut out);
                out
            };
            let (whole, header, body) = (octets(What::Whole), octets(What::Header), octets(What::Text));
            prop_assert_eq!(&whole, &[&header[..], &body].concat());
            prop_assert_eq!(header_end(text).unwrap_or(text.len()), message.header.end);
            let names = names(&["a", "BB"]);
            let (some, others) =
                (octets(What::HeaderFields(names.clone())), octets(What::HeaderFieldsNot(names)));
            let empty = if header.ends_with(b"\r\n\r\n") || header == b"\r\n" { 2 } else { 0 };
            prop_assert_eq!(some.len() + others.len() - empty, header.len());
        }
    }
}
