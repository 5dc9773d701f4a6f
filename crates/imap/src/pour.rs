//! A message's text poured out as it goes over the wire, piece by piece: however large it is, little of it is in memory.

use std::io::{self, ErrorKind, Read, Write};

use crate::body::blank_nul;

const PIECE: usize = 64 * 1024;

/// A text with LF line ends, read as one with CR LF.
pub(crate) struct Pour<R> {
    text: R,
    /// As it is on disk.
    piece: Vec<u8>,
    /// As it goes over the wire, and how much of that is used up.
    wire: Vec<u8>,
    used: usize,
    after_cr: bool,
}

impl<R: Read> Pour<R> {
    pub(crate) fn new(text: R) -> Pour<R> {
        Pour {
            text,
            piece: vec![0; PIECE],
            wire: Vec::with_capacity(PIECE + PIECE / 8),
            used: 0,
            after_cr: false,
        }
    }

    /// Reads the next piece from disk; empty: there is none.
    fn read(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.text.read(&mut self.piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return Ok(self.piece.get(..result?).unwrap_or_default()),
            }
        }
    }

    /// Makes the next piece ready, once the last one is used up; false: there is none.
    fn fill(&mut self) -> io::Result<bool> {
        let after_cr = self.after_cr;
        let mut wire = std::mem::take(&mut self.wire);
        wire.clear();
        let piece = self.read()?;
        let (more, ends_in_cr) = (!piece.is_empty(), piece.last() == Some(&b'\r'));
        match piece.split_first() {
            Some((b'\n', rest)) if after_cr => {
                wire.push(b'\n');
                mime::to_wire(rest, &mut wire);
            }
            _ => mime::to_wire(piece, &mut wire),
        }
        blank_nul(&mut wire);
        (self.wire, self.used, self.after_cr) = (wire, 0, ends_in_cr);
        Ok(more)
    }

    /// Counts the octets of all of it.
    pub(crate) fn measure(mut self) -> io::Result<u64> {
        let (mut octets, mut after_cr) = (0, false);
        loop {
            let piece = self.read()?;
            if piece.is_empty() {
                return Ok(octets);
            }
            // The CR before it is in the last piece.
            let counted = u64::from(after_cr && piece.first() == Some(&b'\n'));
            octets += mime::wire_octets(piece) - counted;
            after_cr = piece.last() == Some(&b'\r');
        }
    }

    /// Passes over octets, as far as there are any.
    pub(crate) fn skip(&mut self, octets: u64) -> io::Result<()> {
        self.take(octets, &mut |_| Ok(()))?;
        Ok(())
    }

    /// Pours out exactly so many octets. A text that ends before, or can't be read on, is made up with blanks: the client
    /// has been told how many come, and would take what follows for mail.
    pub(crate) fn pour(&mut self, octets: u64, out: &mut dyn Write) -> io::Result<()> {
        let mut broken = None;
        let poured = self.take(octets, &mut |piece| {
            // An error of `out` is not one of the text.
            out.write_all(piece).inspect_err(|error| broken = Some(error.kind()))
        });
        if let Some(kind) = broken {
            return Err(kind.into());
        }
        let left = match poured {
            Ok(taken) => octets - taken,
            Err(left) => left.0,
        };
        io::copy(&mut io::repeat(b' ').take(left), out).map(drop)
    }

    /// Gives `done` the next octets; gives how many there were, or how many were still wanted when it failed.
    fn take(
        &mut self,
        octets: u64,
        done: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<u64, Unfinished> {
        let mut left = octets;
        while left > 0 {
            if self.used == self.wire.len() && !self.fill().map_err(|error| Unfinished(left, error))? {
                break;
            }
            let piece = self.wire.get(self.used..).unwrap_or_default();
            let piece = piece.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(piece);
            self.used += piece.len();
            left -= piece.len() as u64;
            done(piece).map_err(|error| Unfinished(left, error))?;
        }
        Ok(octets - left)
    }
}

/// So many octets were still wanted.
struct Unfinished(u64, io::Error);

impl From<Unfinished> for io::Error {
    fn from(unfinished: Unfinished) -> io::Error {
        unfinished.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one octet at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(buffer.len()).min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    fn poured(text: &[u8], skip: u64, count: u64) -> String {
        let mut out = Vec::new();
        let mut pour = Pour::new(Drops(text));
        pour.skip(skip).unwrap();
        pour.pour(count, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn line_ends_become_two_octets_wherever_the_pieces_end() {
        let text = b"a\nb\r\n\r\r\n\nc";
        let mut wire = Vec::new();
        mime::to_wire(text, &mut wire);
        assert_eq!(poured(text, 0, wire.len() as u64).as_bytes(), wire);
        assert_eq!(Pour::new(Drops(text)).measure().unwrap(), wire.len() as u64);
        assert_eq!(Pour::new(&text[..]).measure().unwrap(), wire.len() as u64);
    }

    #[test]
    fn exactly_what_was_announced_is_poured() {
        assert_eq!(poured(b"one\ntwo", 2, 4), "e\r\nt");
        assert_eq!(poured(b"one", 1, 5), "ne   ");
        assert_eq!(poured(b"one", 9, 2), "  ");
        assert_eq!(poured(b"one", 0, 0), "");
        let large = vec![b'x'; 3 * PIECE];
        let mut out = Vec::new();
        Pour::new(&large[..]).pour(200_000, &mut out).unwrap();
        assert_eq!(out.len(), 200_000);
    }
}
