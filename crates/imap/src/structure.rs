//! ENVELOPE, BODY and BODYSTRUCTURE: RFC 9051 §7.5.2.
//!
//! Octets of a header go out as they came: what can't be in a quoted string goes into a literal, whatever charset it
//! is in. NUL, which no string may hold, becomes a blank. Types and encodings keep the case they were written in.

use std::io::Write;

use memchr::memchr2;
use mime::{Children, Listed, Part};

/// A longer string goes into a literal.
const LONGEST_QUOTED: usize = 1000;

/// Writes an `nstring` or `string`.
pub(crate) fn string(text: &[u8], out: &mut Vec<u8>) {
    let quotable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    if text.len() > LONGEST_QUOTED || !text.iter().all(quotable) {
        // Writing to memory does not fail.
        let _ = write!(out, "{{{}}}\r\n", text.len());
        out.extend(text.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
        return;
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr2(b'"', b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn nstring(text: Option<&[u8]>, out: &mut Vec<u8>) {
    match text {
        Some(text) => string(text, out),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Of what comes after so many octets of a structure, only types and sizes are told.
const LONGEST_STRUCTURE: usize = 1024 * 1024;
/// Addresses of one kind in an envelope.
const MOST_ADDRESSES: usize = 100_000;

/// The fields of an envelope as they are in a header.
#[derive(Default)]
struct Fields<'a> {
    date: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    in_reply_to: Option<&'a [u8]>,
    message_id: Option<&'a [u8]>,
    /// From, Sender, Reply-To, To, Cc, Bcc; of those that come more than once all are taken.
    lists: [Vec<Listed>; 6],
}

const LISTS: [&str; 6] = ["from", "sender", "reply-to", "to", "cc", "bcc"];

impl<'a> Fields<'a> {
    fn of(header: &'a [u8]) -> Fields<'a> {
        let mut fields = Fields::default();
        for (name, value) in mime::fields(header) {
            let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
            if let Some(at) = LISTS.iter().position(|word| is(word)) {
                let list = &mut fields.lists[at];
                if list.len() < MOST_ADDRESSES {
                    list.extend(mime::addresses(value));
                }
            }
            let place = match name.len() {
                4 if is("date") => &mut fields.date,
                7 if is("subject") => &mut fields.subject,
                11 if is("in-reply-to") => &mut fields.in_reply_to,
                10 if is("message-id") => &mut fields.message_id,
                _ => continue,
            };
            *place = place.or(Some(value));
        }
        fields
    }
}

/// Writes the envelope of the message with this header.
pub(crate) fn envelope(header: &[u8], out: &mut Vec<u8>) {
    let fields = Fields::of(header);
    let unfolded = |value: Option<&'_ [u8]>, out: &mut Vec<u8>| {
        let value = value.map(|it| mime::unfold(it).into_owned());
        nstring(value.as_deref(), out);
    };
    out.push(b'(');
    unfolded(fields.date, out);
    out.push(b' ');
    unfolded(fields.subject, out);
    let [from, sender, reply_to, to, cc, bcc] = &fields.lists;
    let or_from = |list| if <[Listed]>::is_empty(list) { from } else { list };
    for list in [&from[..], or_from(sender), or_from(reply_to), to, cc, bcc] {
        out.push(b' ');
        addresses(list, out);
    }
    out.push(b' ');
    unfolded(fields.in_reply_to, out);
    out.push(b' ');
    unfolded(fields.message_id, out);
    out.push(b')');
}

fn addresses(list: &[Listed], out: &mut Vec<u8>) {
    if list.is_empty() {
        return out.extend_from_slice(b"NIL");
    }
    out.push(b'(');
    for listed in list {
        match listed {
            Listed::Mailbox { display, route, local, domain } => {
                // NIL for the host would make it a group: one that is missing is empty.
                address([display.as_deref(), route.as_deref(), Some(local), Some(domain)], out);
            }
            Listed::GroupStart(name) => address([None, None, Some(name), None], out),
            Listed::GroupEnd => address([None; 4], out),
        }
    }
    out.push(b')');
}

fn address(words: [Option<&[u8]>; 4], out: &mut Vec<u8>) {
    for (at, word) in words.into_iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        nstring(word, out);
    }
    out.push(b')');
}

/// Writes the structure of a part; `extended`: as BODYSTRUCTURE has it, else as BODY.
/// `message`: what the part was found in.
pub(crate) fn body_structure(part: &Part, message: &[u8], extended: bool, out: &mut Vec<u8>) {
    out.push(b'(');
    match &part.children {
        Children::Multipart(parts) => multipart(part, parts, message, extended, out),
        _ => single(part, message, extended, out),
    }
    out.push(b')');
}

fn multipart(part: &Part, parts: &[Part], message: &[u8], extended: bool, out: &mut Vec<u8>) {
    for part in parts {
        body_structure(part, message, extended, out);
    }
    if parts.is_empty() {
        // The grammar wants one at least.
        out.extend_from_slice(b"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
        out.extend_from_slice(if extended { b" NIL NIL NIL NIL)" } else { b")" });
    }
    out.push(b' ');
    string(part.subtype.as_bytes(), out);
    if extended && out.len() > LONGEST_STRUCTURE {
        out.extend_from_slice(b" NIL NIL NIL NIL");
    } else if extended {
        out.push(b' ');
        params(&part.params, out);
        ending(part, out);
    }
}

fn single(part: &Part, message: &[u8], extended: bool, out: &mut Vec<u8>) {
    let brief = out.len() > LONGEST_STRUCTURE;
    string(part.kind.as_bytes(), out);
    out.push(b' ');
    string(part.subtype.as_bytes(), out);
    if brief {
        out.extend_from_slice(b" NIL NIL NIL");
    } else {
        what_it_says(part, out);
    }
    out.push(b' ');
    string(part.encoding.as_deref().unwrap_or("7bit").as_bytes(), out);
    let _ = write!(out, " {}", part.octets);
    if let Children::Message(inner) = &part.children {
        out.push(b' ');
        envelope(if brief { b"" } else { &message[inner.header.clone()] }, out);
        out.push(b' ');
        body_structure(inner, message, extended, out);
    }
    if part.is("text") || matches!(part.children, Children::Message(_)) {
        let _ = write!(out, " {}", part.lines);
    }
    if extended && brief {
        out.extend_from_slice(b" NIL NIL NIL NIL");
    } else if extended {
        out.push(b' ');
        nstring(part.md5.as_ref().map(String::as_bytes), out);
        ending(part, out);
    }
}

/// Parameters, id, description.
fn what_it_says(part: &Part, out: &mut Vec<u8>) {
    out.push(b' ');
    if part.is("text") && part.decoded_param("charset").is_none() {
        // RFC 2045 §5.2; clients are used to being told.
        let usual = ("charset".to_owned(), "us-ascii".to_owned());
        params(part.params.iter().chain([&usual]), out);
    } else {
        params(&part.params, out);
    }
    for word in [&part.id, &part.description] {
        out.push(b' ');
        nstring(word.as_ref().map(String::as_bytes), out);
    }
}

/// Disposition, language, location.
fn ending(part: &Part, out: &mut Vec<u8>) {
    match &part.disposition {
        None => out.extend_from_slice(b" NIL"),
        Some((kind, values)) => {
            out.extend_from_slice(b" (");
            string(kind.as_bytes(), out);
            out.push(b' ');
            params(values, out);
            out.push(b')');
        }
    }
    out.push(b' ');
    list(part.language.iter(), out);
    out.push(b' ');
    nstring(part.location.as_ref().map(String::as_bytes), out);
}

fn params<'a>(params: impl IntoIterator<Item = &'a (String, String)>, out: &mut Vec<u8>) {
    list(params.into_iter().flat_map(|(name, value)| [name, value]), out);
}

fn list<'a>(words: impl Iterator<Item = &'a String>, out: &mut Vec<u8>) {
    let mut any = false;
    for word in words {
        out.push(if any { b' ' } else { b'(' });
        any = true;
        string(word.as_bytes(), out);
    }
    out.extend_from_slice(if any { b")" } else { b"NIL" });
}

#[cfg(test)]
#[path = "structure_tests.rs"]
mod tests;
