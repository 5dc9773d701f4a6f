//! What is kept of a message: all that FETCH, SEARCH, SORT and THREAD want again and again, found in one pass over it.
//!
//! The record is octets for the store: a version, numbers, a table of places, and the strings. Strings that are found
//! in earlier ones share their octets. Where only the header was read, what needs the body is missing, and the record says so. Reading copies nothing and takes any octets; it says no to what is torn.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memmem;
use mime::Listed;

use crate::outline::without_extensions;
use crate::structure::{body_structure, envelope};
use crate::subject::base_subject;

/// Changes with what is in a record, or how it is found: an older record is made anew.
const VERSION: u8 = 2;

const HAS_SENT: u8 = 1;
const IS_REPLY: u8 = 2;
const HAS_ID: u8 = 4;
const OF_HEADER: u8 = 8;

/// Identifiers of References that are kept: the last ones.
const MOST_REFERENCES: usize = 1000;
/// Strings up to this long are looked for in as many octets of those before them.
const SHARED: usize = 1024;
const SHARED_IN: usize = 8 * 1024;

/// The strings of a record.
#[derive(Clone, Copy)]
enum Text {
    Envelope,
    Structure,
    From,
    To,
    Cc,
    Bcc,
    Subject,
    Base,
    SortFrom,
    SortTo,
    SortCc,
    DisplayFrom,
    DisplayTo,
    Id,
    References,
    Preview,
}

const TEXTS: usize = Text::Preview as usize + 1;

/// Takes a message apart and writes the record of it. `text`: the message as it is on disk, or its beginning;
/// `whole_octets`: of all of it there.
pub fn digest(text: &[u8], whole_octets: u64) -> Vec<u8> {
    let part = mime::scan(text);
    let mut letter = Letter::read(&text[part.header.clone()]);
    let mut record = Record::default();
    record.put(Text::Envelope, |out| envelope(&text[part.header.clone()], out));
    record.put(Text::Structure, |out| body_structure(&part, text, true, out));
    letter.put(&mut record);
    record.put_text(Text::Preview, &mime::preview(text, &part));
    let beyond = whole_octets.saturating_sub(text.len() as u64);
    record.finish(mime::wire_octets(text).saturating_add(beyond), letter.date, letter.is_reply)
}

/// As [`digest`], of a header alone.
pub(crate) fn digest_of_header(header: &[u8]) -> Vec<u8> {
    let mut letter = Letter::read(header);
    let mut record = Record { flags: OF_HEADER, ..Record::default() };
    record.put(Text::Envelope, |out| envelope(header, out));
    letter.put(&mut record);
    record.finish(0, letter.date, letter.is_reply)
}

/// What a header says, as it is searched and sorted.
#[derive(Default)]
struct Letter {
    date: Option<mime::Date>,
    is_reply: bool,
    subject: Option<String>,
    id: Option<String>,
    references: Vec<String>,
    in_reply_to: Option<String>,
    from: Party,
    to: Party,
    cc: Party,
    bcc: Party,
}

impl Letter {
    fn read(header: &[u8]) -> Letter {
        let mut letter = Letter::default();
        for (name, value) in mime::fields(header) {
            match name.to_ascii_lowercase().as_slice() {
                b"from" => letter.from.read(value),
                b"to" => letter.to.read(value),
                b"cc" => letter.cc.read(value),
                b"bcc" => letter.bcc.read(value),
                b"subject" if letter.subject.is_none() => letter.subject = Some(folded(value)),
                b"date" => letter.date = letter.date.or_else(|| mime::date(value)),
                b"message-id" if letter.id.is_none() => letter.id = ids(value).into_iter().next(),
                b"references" if letter.references.is_empty() => letter.references = ids(value),
                b"in-reply-to" if letter.in_reply_to.is_none() => {
                    letter.in_reply_to = ids(value).into_iter().next()
                }
                _ => {}
            }
        }
        if letter.references.is_empty() {
            letter.references.extend(letter.in_reply_to.take());
        }
        letter
    }

    fn put(&mut self, record: &mut Record) {
        let subject = self.subject.take().unwrap_or_default();
        let (base, is_reply) = base_subject(&subject);
        self.is_reply = is_reply;
        record.put_text(Text::From, &self.from.text);
        record.put_text(Text::To, &self.to.text);
        record.put_text(Text::Cc, &self.cc.text);
        record.put_text(Text::Bcc, &self.bcc.text);
        record.put_text(Text::Subject, &subject);
        record.put_text(Text::Base, &base);
        record.put_text(Text::SortFrom, &self.from.sort);
        record.put_text(Text::SortTo, &self.to.sort);
        record.put_text(Text::SortCc, &self.cc.sort);
        record.put_text(Text::DisplayFrom, &self.from.display);
        record.put_text(Text::DisplayTo, &self.to.display);
        if let Some(id) = &self.id {
            record.flags |= HAS_ID;
            record.put_text(Text::Id, id);
        }
        let first = self.references.len().saturating_sub(MOST_REFERENCES);
        record.put_text(Text::References, &self.references[first..].join(" "));
    }
}

/// A field of addresses.
#[derive(Default)]
struct Party {
    /// All of it.
    text: String,
    /// RFC 5256 §3: the local part of the first address.
    sort: String,
    /// RFC 5957 §3: its name, or itself.
    display: String,
}

impl Party {
    fn read(&mut self, value: &[u8]) {
        let list = mime::addresses(value);
        if self.sort.is_empty() {
            self.sort = list.iter().find_map(local_part).unwrap_or_default();
        }
        if self.display.is_empty() {
            self.display = list.first().map(shown).unwrap_or_default();
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        mime::fold_into(&mime::decode_words(value), &mut self.text);
    }
}

fn local_part(listed: &Listed) -> Option<String> {
    match listed {
        Listed::Mailbox { local, .. } => Some(mime::fold(&String::from_utf8_lossy(local))),
        _ => None,
    }
}

fn shown(listed: &Listed) -> String {
    match listed {
        Listed::Mailbox { display: Some(name), .. } | Listed::GroupStart(name) => folded(name),
        Listed::Mailbox { local, domain, .. } => folded(&[local, &b"@"[..], domain].concat()),
        Listed::GroupEnd => String::new(),
    }
}

fn folded(value: &[u8]) -> String {
    mime::fold(&mime::decode_words(value))
}

/// Identifiers without what only quotes. RFC 5256 §3: two that differ in that are the same.
fn ids(value: &[u8]) -> Vec<String> {
    let plain = |id: &[u8]| String::from_utf8_lossy(id).replace(['"', '\\'], "");
    mime::message_ids(value).into_iter().map(plain).collect()
}

/// A record that is being written.
#[derive(Default)]
struct Record {
    flags: u8,
    places: [Range<usize>; TEXTS],
    strings: Vec<u8>,
}

impl Record {
    fn put(&mut self, text: Text, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.strings.len();
        write(&mut self.strings);
        self.places[text as usize] = start..self.strings.len();
    }

    fn put_text(&mut self, text: Text, string: &str) {
        let string = string.as_bytes();
        let before = &self.strings[..self.strings.len().min(SHARED_IN)];
        let found = if string.len() <= SHARED { memmem::find(before, string) } else { None };
        match found {
            Some(at) => self.places[text as usize] = at..at + string.len(),
            None => self.put(text, |out| out.extend_from_slice(string)),
        }
    }

    fn finish(mut self, size: u64, date: Option<mime::Date>, is_reply: bool) -> Vec<u8> {
        self.flags |= if is_reply { IS_REPLY } else { 0 } | if date.is_some() { HAS_SENT } else { 0 };
        let mut record = Vec::with_capacity(self.strings.len() + 80);
        record.extend_from_slice(&[VERSION, self.flags]);
        put_number(size, &mut record);
        if let Some(date) = date {
            put_signed(date.seconds, &mut record);
            put_signed(date.local_day, &mut record);
        }
        for place in &self.places {
            put_number(place.start as u64, &mut record);
            put_number(place.len() as u64, &mut record);
        }
        put_number(self.strings.len() as u64, &mut record);
        record.extend_from_slice(&self.strings);
        record
    }
}

/// Seven bits an octet, the lowest first.
fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(number: i64, out: &mut Vec<u8>) {
    put_number((number << 1 ^ number >> 63) as u64, out);
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn signed(rest: &mut &[u8]) -> Option<i64> {
    let number = number(rest)?;
    Some((number >> 1) as i64 ^ -((number & 1) as i64))
}

/// A record that is being read.
#[derive(Clone, Debug)]
pub struct Digest<'a> {
    flags: u8,
    size: u64,
    sent: Option<(i64, i64)>,
    texts: [&'a [u8]; TEXTS],
}

impl<'a> Digest<'a> {
    /// Reads a record; `None`: of another version, or torn.
    pub fn read(record: &'a [u8]) -> Option<Digest<'a>> {
        let (head, mut rest) = record.split_first_chunk::<2>()?;
        let flags = head[1];
        if head[0] != VERSION {
            return None;
        }
        let size = number(&mut rest)?;
        let sent = match flags & HAS_SENT {
            0 => None,
            _ => Some((signed(&mut rest)?, signed(&mut rest)?)),
        };
        let mut places = [(0, 0); TEXTS];
        for place in &mut places {
            *place = (usize::try_from(number(&mut rest)?).ok()?, usize::try_from(number(&mut rest)?).ok()?);
        }
        let octets = number(&mut rest)?;
        let mut texts = [&b""[..]; TEXTS];
        for (text, (start, length)) in texts.iter_mut().zip(places) {
            *text = rest.get(start..start.checked_add(length)?)?;
        }
        (octets == rest.len() as u64).then_some(Digest { flags, size, sent, texts })
    }

    /// Is it known what stands in the body: size, structure, preview?
    pub(crate) fn is_whole(&self) -> bool {
        self.flags & OF_HEADER == 0
    }

    fn octets(&self, text: Text) -> &'a [u8] {
        self.texts[text as usize]
    }

    fn text(&self, text: Text) -> &'a str {
        std::str::from_utf8(self.octets(text)).unwrap_or_default()
    }

    /// Octets on the wire.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// ENVELOPE as it goes over the wire.
    pub fn envelope(&self) -> &'a [u8] {
        self.octets(Text::Envelope)
    }

    /// BODYSTRUCTURE as it goes over the wire.
    pub fn structure(&self) -> &'a [u8] {
        self.octets(Text::Structure)
    }

    /// BODY as it goes over the wire.
    pub fn body(&self) -> Cow<'a, [u8]> {
        let structure = self.structure();
        without_extensions(structure).map_or(Cow::Borrowed(structure), Cow::Owned)
    }

    /// The moment of the Date field, seconds since 1970.
    pub fn sent(&self) -> Option<i64> {
        self.sent.map(|(seconds, _)| seconds)
    }

    /// The day of the Date field as written, days since 1970-01-01.
    pub fn sent_day(&self) -> Option<i64> {
        self.sent.map(|(_, day)| day)
    }

    /// All From fields, decoded and folded.
    pub fn from(&self) -> &'a str {
        self.text(Text::From)
    }

    /// All To fields, decoded and folded.
    pub fn to(&self) -> &'a str {
        self.text(Text::To)
    }

    /// All Cc fields, decoded and folded.
    pub fn cc(&self) -> &'a str {
        self.text(Text::Cc)
    }

    /// All Bcc fields, decoded and folded.
    pub fn bcc(&self) -> &'a str {
        self.text(Text::Bcc)
    }

    /// The subject, decoded and folded.
    pub fn subject(&self) -> &'a str {
        self.text(Text::Subject)
    }

    /// RFC 5256 §2.1, folded.
    pub fn base_subject(&self) -> &'a str {
        self.text(Text::Base)
    }

    /// The subject has the mark of an answer or of a forwarded message.
    pub fn is_reply(&self) -> bool {
        self.flags & IS_REPLY != 0
    }

    /// SORT FROM: the local part of the first address, folded.
    pub fn sort_from(&self) -> &'a str {
        self.text(Text::SortFrom)
    }

    /// SORT TO.
    pub fn sort_to(&self) -> &'a str {
        self.text(Text::SortTo)
    }

    /// SORT CC.
    pub fn sort_cc(&self) -> &'a str {
        self.text(Text::SortCc)
    }

    /// SORT DISPLAYFROM (RFC 5957): the name of the first address, or the address, folded.
    pub fn display_from(&self) -> &'a str {
        self.text(Text::DisplayFrom)
    }

    /// SORT DISPLAYTO.
    pub fn display_to(&self) -> &'a str {
        self.text(Text::DisplayTo)
    }

    /// The Message-ID without angle brackets and quotes.
    pub fn message_id(&self) -> Option<&'a str> {
        (self.flags & HAS_ID != 0).then(|| self.text(Text::Id))
    }

    /// The identifiers of References in order, else the first of In-Reply-To, like [`Digest::message_id`]. RFC 5256 §3.
    pub fn references(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.text(Text::References).split(' ').filter(|id| !id.is_empty())
    }

    /// RFC 8970.
    pub fn preview(&self) -> &'a str {
        self.text(Text::Preview)
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
