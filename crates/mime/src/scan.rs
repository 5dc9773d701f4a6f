//! Finds the parts of a message: RFC 2046 §5.1.
//!
//! Goes from line to line. A boundary is a whole line (blanks may follow it); the innermost that fits counts, so that
//! a part that was never closed ends where the one around it does. Beyond the limits a part is octets of which
//! nothing is told. Time is linear in the message: each line is looked at once, and compared to at most
//! [`MOST_DEPTH`] boundaries.

use std::ops::Range;

use memchr::{memchr, memmem};

use crate::boundaries::Boundaries;
use crate::content::Content;
use crate::header::begins_with_empty_line;
use crate::part::{Children, Part};
use crate::wire::Ruler;

/// How deep parts may lie in parts.
pub const MOST_DEPTH: usize = 100;
/// How many parts a message may have.
pub const MOST_PARTS: usize = 10_000;
/// How many parameters and languages all of them may have; those of later parts are not told.
const MOST_WORDS: usize = 20_000;

/// Takes a message apart.
pub fn scan(message: &[u8]) -> Part {
    let mut scan = Scan {
        text: message,
        ruler: Ruler::new(message),
        finder: memmem::Finder::new(b"\n--"),
        boundaries: Boundaries::default(),
        parts: 0,
        words: 0,
    };
    scan.part(0, Usual::Text).0
}

struct Scan<'a> {
    text: &'a [u8],
    ruler: Ruler<'a>,
    finder: memmem::Finder<'static>,
    boundaries: Boundaries,
    parts: usize,
    words: usize,
}

/// A line that is a boundary.
#[derive(Clone, Copy)]
struct Delimiter {
    /// Which of those we are in.
    level: usize,
    closes: bool,
    start: usize,
    next: usize,
}

/// What a part is that does not say. RFC 2046 §5.1.5.
#[derive(Clone, Copy, PartialEq)]
enum Usual {
    Text,
    Message,
}

enum Holds {
    Nothing,
    Parts(String, Usual),
    Message,
}

impl Scan<'_> {
    /// The part that begins at `at`, and the boundary that ended it.
    fn part(&mut self, at: usize, usual: Usual) -> (Part, Option<Delimiter>) {
        self.parts += 1;
        let (header, ended) = self.header(at);
        let mut part = described(&self.text[header.clone()], usual);
        self.count_words(&mut part);
        let body = header.end;
        part.header = header;
        let next = match self.holds(&mut part) {
            Holds::Nothing => ended.or_else(|| self.delimiter(body)),
            Holds::Parts(boundary, usual) => {
                let (parts, next) = self.parts(body, boundary, usual, ended);
                part.children = Children::Multipart(parts);
                next
            }
            Holds::Message if ended.is_some() || encoded(&part) => {
                let next = ended.or_else(|| self.delimiter(body));
                part.children = Children::Message(Box::new(self.sealed(&part, body, next)));
                next
            }
            Holds::Message => {
                self.boundaries.enter_message();
                let (inner, next) = self.part(body, Usual::Text);
                self.boundaries.leave();
                part.children = Children::Message(Box::new(inner));
                next
            }
        };
        self.set_body(&mut part, body, next);
        (part, next)
    }

    fn count_words(&mut self, part: &mut Part) {
        let disposed = part.disposition.as_ref().map_or(0, |(_, params)| params.len());
        self.words += part.params.len() + disposed + part.language.len();
        if self.words > MOST_WORDS {
            (part.params, part.language, part.disposition) = (Vec::new(), Vec::new(), None);
        }
    }

    /// What to look for in a part; one that is beyond the limits, or that has no boundary, is made what it can be.
    fn holds(&self, part: &mut Part) -> Holds {
        let parts = part.is("multipart");
        let message = part.is_of("message", "rfc822") || part.is_of("message", "global");
        if !parts && !message {
            return Holds::Nothing;
        }
        if self.boundaries.depth() >= MOST_DEPTH || self.parts >= MOST_PARTS {
            become_octets(part);
            return Holds::Nothing;
        }
        if message {
            return Holds::Message;
        }
        let boundary = part.decoded_param("boundary").unwrap_or_default().trim_end().to_owned();
        if boundary.is_empty() {
            become_text(part);
            return Holds::Nothing;
        }
        let usual = if part.is_of("multipart", "digest") { Usual::Message } else { Usual::Text };
        Holds::Parts(boundary, usual)
    }

    /// The parts of a multipart whose body begins at `body`, and the boundary that ended it.
    fn parts(
        &mut self,
        body: usize,
        boundary: String,
        usual: Usual,
        ended: Option<Delimiter>,
    ) -> (Vec<Part>, Option<Delimiter>) {
        let own = self.boundaries.depth();
        self.boundaries.enter(&boundary);
        let mut parts = Vec::new();
        let mut next = ended.or_else(|| self.delimiter(body));
        while let Some(delimiter) = next.filter(|it| it.level == own && !it.closes) {
            let part;
            (part, next) = match self.parts < MOST_PARTS {
                true => self.part(delimiter.next, usual),
                false => self.rest(delimiter.next, own),
            };
            parts.push(part);
        }
        self.boundaries.leave();
        // After the closing boundary there is nothing for us.
        if let Some(delimiter) = next.filter(|it| it.level == own) {
            next = self.delimiter(delimiter.next);
        }
        (parts, next)
    }

    /// Too many parts: all that are left of this multipart are one.
    fn rest(&mut self, at: usize, own: usize) -> (Part, Option<Delimiter>) {
        let mut part = self.empty(at);
        become_octets(&mut part);
        let mut next = self.delimiter(at);
        while let Some(delimiter) = next.filter(|it| it.level == own && !it.closes) {
            next = self.delimiter(delimiter.next);
        }
        self.set_body(&mut part, at, next);
        (part, next)
    }

    /// The message in a part that does not show it: there is none, or it is encoded, as RFC 2046 §5.2.1 forbids. Then
    /// it has no header, and who decodes its body can read it.
    fn sealed(&self, outer: &Part, at: usize, next: Option<Delimiter>) -> Part {
        let mut part = self.empty(at);
        part.encoding.clone_from(&outer.encoding);
        self.set_body(&mut part, at, next);
        part
    }

    fn empty(&self, at: usize) -> Part {
        let mut part = described(b"", Usual::Text);
        part.header = at..at;
        part.body = at..at;
        part
    }

    /// A body goes to the line before the boundary; its line end belongs to the boundary.
    fn set_body(&self, part: &mut Part, start: usize, next: Option<Delimiter>) {
        let end = next.map_or(self.text.len(), |delimiter| self.before(start, delimiter.start));
        // The empty line after a header is no boundary's, though one may follow it at once.
        let inside = match &part.children {
            Children::None => None,
            Children::Multipart(parts) => parts.last(),
            Children::Message(inner) => Some(&**inner),
        };
        let end = end.max(inside.map_or(start, |part| part.body.end));
        part.body = start..end;
        (part.octets, part.lines) = self.ruler.measure(start, end);
    }

    /// Where what begins at `start` ends, if the line at `line` is a boundary.
    fn before(&self, start: usize, line: usize) -> usize {
        let before = &self.text[start..line.max(start)];
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        start + before.strip_suffix(b"\r").unwrap_or(before).len()
    }

    /// The header that begins at `at`: through its empty line, or to the boundary that cuts it off.
    fn header(&self, at: usize) -> (Range<usize>, Option<Delimiter>) {
        let mut line = at;
        while line < self.text.len() {
            if begins_with_empty_line(&self.text[line..]) {
                let end = line + if self.text[line] == b'\n' { 1 } else { 2 };
                return (at..end, None);
            }
            if self.text[line..].starts_with(b"--")
                && let Some(delimiter) = self.delimiter_at(line)
            {
                return (at..self.before(at, line), Some(delimiter));
            }
            line = self.line_after(line);
        }
        (at..self.text.len(), None)
    }

    /// The next boundary from the beginning of a line on.
    fn delimiter(&self, from: usize) -> Option<Delimiter> {
        if self.boundaries.none() {
            return None;
        }
        let mut line = from;
        loop {
            if !self.text[line..].starts_with(b"--") {
                // The line end before the two dashes may be that of the line before.
                let before = line.saturating_sub(1);
                line = before + self.finder.find(&self.text[before..])? + 1;
            }
            if let Some(delimiter) = self.delimiter_at(line) {
                return Some(delimiter);
            }
            line = self.line_after(line);
        }
    }

    fn line_after(&self, line: usize) -> usize {
        memchr(b'\n', &self.text[line..]).map_or(self.text.len(), |end| line + end + 1)
    }

    fn delimiter_at(&self, start: usize) -> Option<Delimiter> {
        let next = self.line_after(start);
        let (level, closes) = self.boundaries.find(&self.text[start..next])?;
        Some(Delimiter { level, closes, start, next })
    }
}

fn described(header: &[u8], usual: Usual) -> Part {
    let content = Content::read(header);
    let (kind, subtype, params) = content.kind.unwrap_or_else(|| match usual {
        Usual::Message if !typed(header) => ("message".into(), "rfc822".into(), Vec::new()),
        _ => ("text".into(), "plain".into(), Vec::new()),
    });
    Part {
        header: 0..0,
        body: 0..0,
        kind,
        subtype,
        params,
        id: content.id,
        description: content.description,
        encoding: content.encoding,
        disposition: content.disposition,
        language: content.language.unwrap_or_default(),
        location: content.location,
        md5: content.md5,
        octets: 0,
        lines: 0,
        children: Children::None,
    }
}

fn encoded(part: &Part) -> bool {
    let encoding = part.encoding.as_deref().unwrap_or_default();
    ["base64", "quoted-printable"].iter().any(|it| encoding.eq_ignore_ascii_case(it))
}

fn typed(header: &[u8]) -> bool {
    crate::field(header, "Content-Type").is_some()
}

fn become_octets(part: &mut Part) {
    become_text(part);
    (part.kind, part.subtype) = ("application".into(), "octet-stream".into());
}

fn become_text(part: &mut Part) {
    (part.kind, part.subtype) = ("text".into(), "plain".into());
    part.params.clear();
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
