//! A part of a message, and where to find one by its number.

use std::borrow::Cow;
use std::ops::Range;

use crate::continued::decoded;

/// A part: the message itself, or what lies in it. Ranges are places in the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its header, with the empty line that ends it.
    pub header: Range<usize>,
    /// Its body, without the line end that belongs to the boundary after it.
    pub body: Range<usize>,
    /// The type as written, such as `text`.
    pub kind: String,
    /// The subtype as written.
    pub subtype: String,
    /// Parameters of Content-Type in order; continuations (RFC 2231 §3) have been joined, so that there is `name*` with
    /// a charset and percent signs as written, or `name`.
    pub params: Vec<(String, String)>,
    /// Content-ID.
    pub id: Option<String>,
    /// Content-Description, unfolded, encoded words as written.
    pub description: Option<String>,
    /// Content-Transfer-Encoding as written.
    pub encoding: Option<String>,
    /// Content-Disposition and its parameters.
    pub disposition: Option<(String, Vec<(String, String)>)>,
    /// Content-Language.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<String>,
    /// Content-MD5.
    pub md5: Option<String>,
    /// Octets of the body on the wire.
    pub octets: u64,
    /// Line ends in the body.
    pub lines: u64,
    /// What is in it.
    pub children: Children,
}

/// What is in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Children {
    /// Text or octets.
    None,
    /// multipart/*: its parts; may be none.
    Multipart(Vec<Part>),
    /// message/rfc822 or message/global.
    Message(Box<Part>),
}

impl Part {
    /// Of this type, in any case?
    pub fn is(&self, kind: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind)
    }

    /// Of this type and subtype, in any case?
    pub fn is_of(&self, kind: &str, subtype: &str) -> bool {
        self.is(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    /// The first parameter of this name.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The same, decoded if it was written with a charset (`name*`, RFC 2231 §4).
    pub fn decoded_param(&self, name: &str) -> Option<Cow<'_, str>> {
        let starred = |it: &str| it.strip_suffix('*').is_some_and(|it| it.eq_ignore_ascii_case(name));
        let encoded = || self.params.iter().find(|(it, _)| starred(it)).map(|(_, value)| decoded(value));
        self.param(name).map(Cow::Borrowed).or_else(|| encoded().map(Cow::Owned))
    }

    /// The part with this number: RFC 9051 §6.4.5.1. `self` is a message; no numbers: the message itself. Part 1 of a
    /// message that is no multipart is its body, so this gives the message.
    pub fn at(&self, numbers: &[u32]) -> Option<&Part> {
        let (mut part, mut rest) = (self, numbers);
        // The message whose parts the next number counts, if the last one did not name a part of a multipart.
        let mut message = Some(self);
        while let Some((number, after)) = rest.split_first() {
            let holder = message.unwrap_or(part);
            part = match &holder.children {
                Children::Multipart(parts) => nth(parts, *number)?,
                _ if message.is_some() && *number == 1 => holder,
                _ => return None,
            };
            message = match &part.children {
                Children::Message(inner) => Some(inner),
                _ => None,
            };
            rest = after;
        }
        Some(part)
    }
}

fn nth(parts: &[Part], number: u32) -> Option<&Part> {
    parts.get(usize::try_from(number).ok()?.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use crate::scan;

    const MESSAGE: &[u8] = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\n\
        Content-Type: message/rfc822\n\nSubject: x\n\ntwo\n--a\nContent-Type: message/rfc822\n\n\
        Content-Type: multipart/mixed; boundary=b\n\n--b\n\nthree\n--b\nContent-Type: multipart/alternative; \
        boundary=c\n\n--c\n\nfour\n--c--\n--b--\n--a--\n";

    fn body(numbers: &[u32]) -> Option<String> {
        let part = scan(MESSAGE);
        part.at(numbers).map(|it| String::from_utf8_lossy(&MESSAGE[it.body.clone()]).into_owned())
    }

    #[test]
    fn parts_have_the_numbers_of_rfc_9051() {
        assert_eq!(body(&[1]).as_deref(), Some("one"));
        assert_eq!(body(&[2]).as_deref(), Some("Subject: x\n\ntwo"));
        assert_eq!(body(&[2, 1]).as_deref(), Some("two"));
        assert_eq!(body(&[3, 1]).as_deref(), Some("three"));
        assert_eq!(body(&[3, 2, 1]).as_deref(), Some("four"));
        for none in
            [&[0][..], &[4], &[1, 1], &[2, 2], &[2, 1, 1], &[3, 3], &[3, 2, 1, 1], &[u32::MAX], &[1; 1000]]
        {
            assert_eq!(body(none), None, "{none:?}");
        }
    }

    #[test]
    fn part_1_of_a_message_that_is_no_multipart_is_its_body() {
        let message = scan(b"Subject: x\n\nbody");
        assert_eq!(message.at(&[1]), Some(&message));
        assert_eq!(message.at(&[]), Some(&message));
        assert_eq!(message.at(&[1, 1]), None);
        let nested = scan(b"Content-Type: message/rfc822\n\nSubject: x\n\nbody");
        assert_eq!(nested.at(&[1, 1]).map(|part| part.body.start), Some(42));
        assert_eq!(nested.at(&[1, 1, 1]), None);
    }
}
