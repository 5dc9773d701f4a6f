//! The text of the message at hand, as much of it as the items of a FETCH ask for: in memory, or, where it is large,
//! poured out. A client that fetches a part in slices finds it as the last slice left it.

use std::io::Read;

use mime::Part;

use crate::pour::Pour;
use crate::records::read_all;
use crate::section::{cut, header_end, slice};
use crate::session::Out;
use crate::store::{Folder, MOST_TEXT, Trouble, Uid};
use crate::syntax::{Section, What};

/// Larger messages are not taken into memory, unless parts are cut out of them.
const LARGE: u64 = 2 * 1024 * 1024;
const PIECE: u64 = 8 * 1024;
/// Memory that is kept from one message to the next.
const KEPT: usize = 256 * 1024;

/// How much of a message is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    #[default]
    Nothing,
    Header,
    Whole,
    Parts,
}

/// The message at hand.
#[derive(Debug, Default)]
pub(crate) struct Body {
    uid: Uid,
    text: Vec<u8>,
    /// How much of it `text` is.
    reach: Reach,
    /// It is larger than what is in memory.
    large: bool,
    message: Option<Part>,
    /// A section as it goes over the wire, and which.
    wire: Vec<u8>,
    section: Option<Section>,
    /// The last slice was the end of a section.
    exhausted: bool,
}

impl Body {
    /// Goes to a message. `sliced`: the client wants slices of it, and will come back for others.
    pub(crate) fn load<F: Folder>(
        &mut self,
        folder: &mut F,
        uid: Uid,
        reach: Reach,
        sliced: bool,
    ) -> Result<(), Trouble> {
        if self.uid == uid && self.reach == Reach::Parts && !self.large {
            return Ok(());
        }
        self.forget();
        let most = if sliced || reach == Reach::Parts { MOST_TEXT } else { LARGE };
        self.large = reach >= Reach::Whole && folder.octets(uid)? > most;
        let text = folder.open(uid)?;
        match (reach, self.large) {
            (Reach::Nothing, _) => {}
            (Reach::Header, _) | (Reach::Whole, true) => self.load_header(text)?,
            (Reach::Whole, false) | (Reach::Parts, _) => {
                read_all(text, &mut self.text)?;
                self.reach = Reach::Parts;
                if (self.text.len() as u64) < MOST_TEXT {
                    folder.size_is(uid, mime::wire_octets(&self.text));
                }
            }
        }
        self.uid = uid;
        Ok(())
    }

    /// Will a next slice be wanted?
    pub(crate) fn has_more(&self) -> bool {
        !self.exhausted && self.reach == Reach::Parts
    }

    /// Keeps the memory for the next one, if it is not much.
    fn forget(&mut self) {
        let (mut text, mut wire) = (std::mem::take(&mut self.text), std::mem::take(&mut self.wire));
        text.clear();
        text.shrink_to(KEPT);
        wire.clear();
        wire.shrink_to(KEPT);
        *self = Body { text, wire, ..Body::default() };
    }

    fn load_header(&mut self, mut text: impl Read) -> Result<(), Trouble> {
        while (self.text.len() as u64) < MOST_TEXT {
            let before = self.text.len();
            // Ever more: a line that does not end is looked through again each time.
            let piece = PIECE.max(before as u64).min(MOST_TEXT - before as u64);
            text.by_ref().take(piece).read_to_end(&mut self.text)?;
            // The line before the new piece may be the one that ends it.
            let from =
                memchr::memrchr(b'\n', &self.text[..before.saturating_sub(1)]).map_or(0, |end| end + 1);
            let end = header_end(&self.text[from..]);
            if end.is_some() || self.text.len() == before {
                self.text.truncate(end.map_or(self.text.len(), |end| from + end));
                break;
            }
        }
        Ok(())
    }

    /// Is this a section that has to be poured?
    pub(crate) fn pours(&self, section: &Section) -> bool {
        self.large && section.part.is_empty() && matches!(section.what, What::Whole | What::Text)
    }

    /// How many octets a section has that has to be poured, and where in the whole it begins.
    pub(crate) fn place(&self, section: &Section, size: u64) -> (u64, u64) {
        let header = match section.what {
            What::Text => {
                let end = header_end(&self.text).unwrap_or(self.text.len());
                mime::wire_octets(self.text.get(..end).unwrap_or_default())
            }
            _ => 0,
        };
        (header, size.saturating_sub(header))
    }

    /// Pours out `count` octets of the whole from `first` on.
    pub(crate) fn pour<F: Folder>(
        folder: &mut F,
        uid: Uid,
        (first, count): (u64, u64),
        out: Out<'_>,
    ) -> std::io::Result<()> {
        match folder.open(uid) {
            Ok(text) => {
                let mut text = Pour::new(text);
                // What can't be skipped can't be poured either, and is made up.
                let _ = text.skip(first);
                text.pour(count, out)
            }
            Err(_) => Pour::new(std::io::empty()).pour(count, out),
        }
    }

    /// A section; `None`: there is none such.
    pub(crate) fn section(&mut self, section: &Section, partial: Option<(u32, u32)>) -> Option<&[u8]> {
        if self.section.as_ref() != Some(section) {
            self.wire.clear();
            let Body { text, message, wire, .. } = self;
            let there = cut(text, section, || message.get_or_insert_with(|| mime::scan(text)), wire);
            blank_nul(wire);
            self.section = there.then(|| section.clone());
        }
        self.exhausted = ends(self.wire.len(), partial);
        self.section.is_some().then(|| slice(&self.wire, partial))
    }

    /// A part without its transfer encoding: RFC 3516.
    pub(crate) fn binary(
        &mut self,
        numbers: &[u32],
        partial: Option<(u32, u32)>,
    ) -> Result<Option<&[u8]>, mime::Undecodable> {
        self.section = None;
        let Body { text, message, wire, .. } = self;
        let message = message.get_or_insert_with(|| mime::scan(text));
        let Some(part) = message.at(numbers) else { return Ok(None) };
        let body = text.get(part.body.clone()).unwrap_or_default();
        *wire = mime::decode_wire(body, part.encoding.as_deref().unwrap_or("7bit"))?;
        self.exhausted = ends(wire.len(), partial);
        Ok(Some(slice(wire, partial)))
    }
}

/// Does a slice reach to the end?
fn ends(octets: usize, partial: Option<(u32, u32)>) -> bool {
    partial.is_none_or(|(first, count)| u64::from(first) + u64::from(count) >= octets as u64)
}

/// A literal holds no NUL (RFC 9051 §4.3): it becomes a blank.
pub(crate) fn blank_nul(octets: &mut [u8]) {
    if memchr::memchr(0, octets).is_some() {
        octets.iter_mut().filter(|octet| **octet == 0).for_each(|octet| *octet = b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_one_endless_line_takes_no_square_of_time() {
        let line = 24 * 1024 * 1024;
        let text = [b"From: ", &b"(".repeat(line)[..], b"\n\nbody\n"].concat();
        let mut body = Body::default();
        body.load_header(&text[..]).unwrap();
        assert_eq!(body.text.len(), text.len() - b"body\n".len());
    }
}
