//! URLs of our own messages, for CATENATE: RFC 5092 §6, RFC 4469 §3.
//!
//! `/mailbox;UIDVALIDITY=1/;UID=2/;SECTION=1.2`, or `;UID=2/;SECTION=1.2` of the mailbox that is open. Another server's mail
//! is not fetched.

use std::io::Read;

use crate::parse::section_of;
use crate::section::cut;
use crate::store::{Folder, MOST_TEXT, Trouble, Uid};
use crate::syntax::Section;

/// What a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// `None`: the one that is open.
    pub(crate) mailbox: Option<String>,
    pub(crate) uid_validity: Option<u32>,
    pub(crate) uid: Uid,
    pub(crate) section: Section,
    /// First octet, and how many.
    pub(crate) partial: Option<(u32, Option<u32>)>,
}

impl Url {
    /// Reads one. `None`: it is none of ours.
    pub(crate) fn new(text: &str) -> Option<Url> {
        let (place, message) = split_uid(text)?;
        let (mailbox, uid_validity) = mailbox(place)?;
        let mut parts = message.split("/;");
        let uid = number(parts.next()?)?;
        let mut url = Url { mailbox, uid_validity, uid, section: Section::default(), partial: None };
        for part in parts {
            let (name, value) = part.split_once('=')?;
            match name.to_ascii_uppercase().as_str() {
                "SECTION" => url.section = section_of(&decoded(value)?)?,
                "PARTIAL" => url.partial = Some(partial(value)?),
                _ => return None,
            }
        }
        (url.uid > 0).then_some(url)
    }
}

impl Url {
    /// What it names, with CR LF line ends.
    pub(crate) fn octets<F: Folder>(&self, folder: &mut F) -> Result<Vec<u8>, Trouble> {
        if self.uid_validity.is_some_and(|validity| validity != folder.status().uid_validity) {
            return Err(Trouble::Gone);
        }
        let mut text = Vec::new();
        folder.open(self.uid)?.take(MOST_TEXT).read_to_end(&mut text)?;
        let message = mime::scan(&text);
        let mut octets = Vec::new();
        match cut(&text, &self.section, || &message, &mut octets) {
            true => Ok(self.slice(octets)),
            false => Err(Trouble::Gone),
        }
    }

    fn slice(&self, mut octets: Vec<u8>) -> Vec<u8> {
        let Some((first, count)) = self.partial else { return octets };
        let first = octets.len().min(first as usize);
        octets.drain(..first);
        octets.truncate(count.map_or(usize::MAX, |count| count as usize));
        octets
    }
}

/// What comes before `/;UID=`, and what after it.
fn split_uid(text: &str) -> Option<(&str, &str)> {
    let upper = text.to_ascii_uppercase();
    if let Some(start) = upper.find("/;UID=") {
        return Some((text.get(..start)?, text.get(start + 6..)?));
    }
    upper.starts_with(";UID=").then(|| ("", &text[5..]))
}

fn mailbox(place: &str) -> Option<(Option<String>, Option<u32>)> {
    if place.is_empty() {
        return Some((None, None));
    }
    // Two slashes: another server.
    let place = place.strip_prefix('/').filter(|rest| !rest.starts_with('/'))?;
    let (name, validity) = match place.split_once(';') {
        Some((name, parameter)) => {
            let (word, value) = parameter.split_once('=')?;
            word.eq_ignore_ascii_case("UIDVALIDITY").then_some(())?;
            (name, Some(number(value)?))
        }
        None => (place, None),
    };
    Some((Some(decoded(name)?), validity))
}

fn partial(value: &str) -> Option<(u32, Option<u32>)> {
    match value.split_once('.') {
        Some((first, count)) => Some((number(first)?, Some(number(count)?))),
        None => Some((number(value)?, None)),
    }
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// RFC 3986 §2.1.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    octets.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        octets.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::What;

    #[test]
    fn a_url_names_a_message_or_a_part_of_it() {
        let url = Url::new("/Drafts%20x;UIDVALIDITY=385759045/;UID=20/;SECTION=1.2").unwrap();
        assert_eq!(url.mailbox.as_deref(), Some("Drafts x"));
        assert_eq!((url.uid_validity, url.uid), (Some(385_759_045), 20));
        assert_eq!(url.section.part, [1, 2]);
        let url = Url::new("/;UID=7/;section=HEADER/;partial=5.10").unwrap();
        assert_eq!((url.mailbox, url.section.what, url.partial), (None, What::Header, Some((5, Some(10)))));
        assert_eq!(Url::new(";UID=7").unwrap().uid, 7);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for bad in [
            "",
            "imap://example.org/x/;UID=1",
            "//example.org/x/;UID=1",
            "/x",
            "/x/;UID=",
            "/x/;UID=0",
            "/x/;UID=-1",
            "/x;FOO=1/;UID=2",
            "/x/;UID=1/;SECTION=HEADER.X",
            "/x%f/;UID=1",
            "/x%ff/;UID=1",
            "/x/;UID=1;URLAUTH=anonymous",
        ] {
            assert_eq!(Url::new(bad), None, "{bad}");
        }
    }
}
