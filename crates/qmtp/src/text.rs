//! The text of a message: its line ends, its size, the trace lines that tell a loop.

use message::HeaderLines;
use wire::Fate;

use crate::Limits;

/// How lines end on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Lf,
    CrLf,
}

/// A text that is coming in.
#[derive(Debug)]
pub(crate) struct Text {
    ends: Ends,
    cr: bool,
    stray: bool,
    header: HeaderLines,
    hops: u32,
    size: u64,
}

impl Text {
    pub(crate) fn new(ends: Ends) -> Text {
        Text { ends, cr: false, stray: false, header: HeaderLines::new(), hops: 0, size: 0 }
    }

    /// Gives the text with LF line ends to `sink`.
    pub(crate) fn feed(&mut self, piece: &[u8], sink: &mut impl FnMut(&[u8])) {
        match self.ends {
            Ends::Lf => {
                self.stray |= piece.contains(&b'\r');
                self.count(piece, sink);
            }
            Ends::CrLf => self.convert(piece, sink),
        }
    }

    fn convert(&mut self, mut piece: &[u8], sink: &mut impl FnMut(&[u8])) {
        while let Some(first) = piece.first() {
            if std::mem::take(&mut self.cr) {
                if *first == b'\n' {
                    self.count(b"\n", sink);
                    piece = &piece[1..];
                    continue;
                }
                self.stray = true;
            }
            let run = piece.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(piece.len());
            self.count(&piece[..run], sink);
            match piece.get(run) {
                Some(b'\r') => self.cr = true,
                Some(_) => self.stray = true,
                None => return,
            }
            piece = &piece[run + 1..];
        }
    }

    fn count(&mut self, piece: &[u8], sink: &mut impl FnMut(&[u8])) {
        let hops = &mut self.hops;
        self.header.feed(piece, &mut |line| *hops += u32::from(message::hop(line)));
        self.size += piece.len() as u64;
        sink(piece);
    }

    /// Why the text, as far as it has come, is refused.
    pub(crate) fn fault(&self, limits: &Limits) -> Option<Fate> {
        if self.stray {
            Some(Fate::never(6, 11, "A CR or LF stands alone in the message"))
        } else if self.hops >= limits.hops {
            Some(Fate::never(4, 6, "Too many hops, this message is going in circles"))
        } else if limits.size > 0 && self.size > limits.size {
            Some(Fate::never(3, 4, "Sorry, that message size exceeds my databytes limit"))
        } else {
            None
        }
    }

    /// The text is over.
    pub(crate) fn end(&mut self) {
        self.stray |= self.cr;
    }
}
