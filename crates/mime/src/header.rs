//! Fields of a header that lies in memory. What is no field is passed over and hides no later one.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// Octets of a header that are looked at; what comes after them is carried but not understood.
pub const HEADER_MOST: usize = 1024 * 1024;

/// The fields of `header` in order: name, and value as it is folded, without the blanks around it. Stops at an empty
/// line.
pub fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = &header[..header.len().min(HEADER_MOST)];
    std::iter::from_fn(move || {
        while !rest.is_empty() && !begins_with_empty_line(rest) {
            let (raw, after) = rest.split_at(field_end(rest));
            rest = after;
            if let Some(field) = split_field(raw) {
                return Some(field);
            }
        }
        None
    })
}

/// The value of the first field of this name, in any case.
pub fn field<'a>(header: &'a [u8], name: &str) -> Option<&'a [u8]> {
    fields(header).find(|(it, _)| it.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

/// A value on one line: RFC 5322 §2.2.3. A CR or LF that ends no line becomes a blank.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\r', b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut line = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = memchr2(b'\r', b'\n', rest) {
        line.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let end = 1 + usize::from(rest.starts_with(b"\r\n"));
        rest = &rest[end..];
        if !matches!(rest.first(), Some(b' ' | b'\t')) {
            line.push(b' ');
        }
    }
    line.extend_from_slice(rest);
    Cow::Owned(line)
}

/// The message identifiers in a value of References, In-Reply-To or Message-ID, without the angle brackets.
/// What holds blanks or control characters is none.
pub fn message_ids(value: &[u8]) -> Vec<&[u8]> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr(b'<', rest) {
        rest = &rest[open + 1..];
        let Some(end) = memchr2(b'<', b'>', rest) else { break };
        let id = &rest[..end];
        if rest[end] == b'>' && !id.is_empty() && id.iter().all(|byte| *byte > b' ' && *byte != 127) {
            ids.push(id);
        }
        rest = &rest[end..];
    }
    ids
}

pub(crate) fn begins_with_empty_line(text: &[u8]) -> bool {
    text.starts_with(b"\n") || text.starts_with(b"\r\n")
}

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

fn split_field(raw: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', raw)?;
    let name = raw[..colon].trim_ascii_end();
    let good = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    good.then(|| (name, raw[colon + 1..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_lines_hide_no_field() {
        let header = b" lead\nFrom me Sat\nSubject : a\n b\r\n\tc\nno colon\nTo:x\n: y\nCc:\n\nBcc: no\n";
        let seen: Vec<(&[u8], &[u8])> = fields(header).collect();
        let expect: &[(&[u8], &[u8])] = &[(b"Subject", b"a\n b\r\n\tc"), (b"To", b"x"), (b"Cc", b"")];
        assert_eq!(seen, expect);
        assert_eq!(field(header, "tO"), Some(&b"x"[..]));
        assert_eq!(field(b"a: 1\r\n\r\nb: 2\r\n", "b"), None);
    }

    #[test]
    fn unfolding_takes_line_ends_out_and_nothing_else() {
        assert_eq!(&*unfold(b"a\n b\r\n\tc"), b"a b\tc");
        assert_eq!(&*unfold(b"a\rb\nc"), b"a b c");
        assert!(matches!(unfold(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn identifiers_are_found_among_other_words() {
        assert_eq!(message_ids(b"<a@b>\n\t<c@d> said <e f> <<g@h> <>"), [&b"a@b"[..], b"c@d", b"g@h"]);
        assert_eq!(message_ids("<".repeat(100_000).as_bytes()).len(), 0);
    }
}
