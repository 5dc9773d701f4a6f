//! COMPRESS=DEFLATE: both directions, in pieces of bounded size. RFC 4978, RFC 1951.
//!
//! A kilobyte can unfold to a megabyte: what comes out is taken a buffer at a time, so the limits of the session
//! hold for what it unfolds to.

use std::io::{self, ErrorKind};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Octets that are unfolded or packed at one time.
const PIECE: usize = 16 * 1024;

/// What the client sends.
pub(crate) struct Inflated {
    stream: Decompress,
    packed: Vec<u8>,
    taken: usize,
    /// The buffer was filled to its end: more may be there although no input is left.
    full: bool,
}

impl Inflated {
    pub(crate) fn new() -> Inflated {
        Inflated { stream: Decompress::new(false), packed: Vec::new(), taken: 0, full: false }
    }

    /// More of the compressed octets.
    pub(crate) fn give(&mut self, packed: &[u8]) {
        self.packed.drain(..self.taken);
        self.taken = 0;
        self.packed.extend_from_slice(packed);
    }

    pub(crate) fn has_more(&self) -> bool {
        self.full || self.taken < self.packed.len()
    }

    /// Fills `buffer` with what has been unfolded, reading more with `more` when there is none; 0: the end.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        mut more: impl FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            if self.has_more() {
                let count = self.unfold(buffer)?;
                if count > 0 {
                    return Ok(count);
                }
            }
            let mut piece = [0; PIECE];
            let count = more(&mut piece)?;
            if count == 0 {
                return Ok(0);
            }
            self.give(&piece[..count]);
        }
    }

    fn unfold(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (before_in, before_out) = (self.stream.total_in(), self.stream.total_out());
        let broken = |_| io::Error::new(ErrorKind::InvalidData, "the compressed stream is broken");
        self.stream.decompress(&self.packed[self.taken..], buffer, FlushDecompress::Sync).map_err(broken)?;
        let consumed = (self.stream.total_in() - before_in) as usize;
        let count = (self.stream.total_out() - before_out) as usize;
        self.taken += consumed;
        self.full = count == buffer.len();
        if count == 0 && consumed == 0 && self.taken < self.packed.len() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the compressed stream has ended"));
        }
        Ok(count)
    }
}

/// What the client gets.
pub(crate) struct Deflated {
    stream: Compress,
    packed: Vec<u8>,
}

impl Deflated {
    pub(crate) fn new() -> Deflated {
        Deflated { stream: Compress::new(Compression::new(3), false), packed: Vec::new() }
    }

    /// Takes `bytes` in; gives what is to be sent now.
    pub(crate) fn pack(&mut self, bytes: &[u8]) -> io::Result<&[u8]> {
        self.run(bytes, FlushCompress::None)
    }

    /// All that was taken in can be read by the client after this.
    pub(crate) fn end_of_reply(&mut self) -> io::Result<&[u8]> {
        self.run(&[], FlushCompress::Sync)
    }

    fn run(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<&[u8]> {
        self.packed.clear();
        loop {
            self.packed.reserve(PIECE);
            let before = self.stream.total_in();
            self.stream.compress_vec(bytes, &mut self.packed, flush).map_err(io::Error::other)?;
            bytes = &bytes[(self.stream.total_in() - before) as usize..];
            // Room left in the buffer: everything is out.
            if bytes.is_empty() && self.packed.len() < self.packed.capacity() {
                return Ok(&self.packed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unfold(inflated: &mut Inflated, buffer: usize) -> Vec<u8> {
        let (mut all, mut piece) = (Vec::new(), vec![0; buffer]);
        loop {
            match inflated.read(&mut piece, |_| Ok(0)).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&piece[..count]),
            }
        }
    }

    #[test]
    fn what_is_packed_unfolds_again_whatever_the_buffer() {
        let text: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(n) / 7) as u8).collect();
        let mut deflated = Deflated::new();
        let mut packed = Vec::new();
        for piece in text.chunks(7_001) {
            packed.extend_from_slice(deflated.pack(piece).unwrap());
            packed.extend_from_slice(deflated.end_of_reply().unwrap());
        }
        for buffer in [1, 7, 4096, 200_000] {
            let mut inflated = Inflated::new();
            for piece in packed.chunks(999) {
                inflated.give(piece);
            }
            assert_eq!(unfold(&mut inflated, buffer), text);
        }
    }

    #[test]
    fn a_reply_can_be_read_before_the_next_one_is_written() {
        let (mut deflated, mut inflated) = (Deflated::new(), Inflated::new());
        for reply in ["* OK hello\r\n", "a OK done\r\n", ""] {
            let mut packed = deflated.pack(reply.as_bytes()).unwrap().to_vec();
            packed.extend_from_slice(deflated.end_of_reply().unwrap());
            inflated.give(&packed);
            assert_eq!(unfold(&mut inflated, 100), reply.as_bytes());
        }
    }

    #[test]
    fn a_bomb_comes_out_a_buffer_at_a_time_and_garbage_is_an_error() {
        // I28
        let mut deflated = Deflated::new();
        let mut packed = Vec::new();
        for _ in 0..64 {
            packed.extend_from_slice(deflated.pack(&[b'x'; 1 << 20]).unwrap());
        }
        packed.extend_from_slice(deflated.end_of_reply().unwrap());
        assert!(packed.len() < 1 << 20);
        let (mut inflated, mut piece) = (Inflated::new(), [0; PIECE]);
        inflated.give(&packed);
        let mut octets = 0;
        while inflated.has_more() {
            octets += inflated.read(&mut piece, |_| Ok(0)).unwrap();
        }
        assert_eq!(octets, 64 << 20);
        let mut inflated = Inflated::new();
        inflated.give(b"a1 NOOP\r\n\xff\xff\xff\xff");
        assert!(inflated.read(&mut piece, |_| Ok(0)).is_err());
    }
}
