//! The message as it may leave: read from its file, without stray CRs.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use message::Sizes;
use wire::dot::Dot;

const PIECE: usize = 64 * 1024;

/// A message in a file, which may hold more than it.
pub(crate) struct Letter<'a> {
    file: &'a File,
    length: u64,
    /// Octets on the wire, without the dots that are added.
    pub(crate) size: u64,
    /// It holds octets beyond ASCII.
    pub(crate) eight_bit: bool,
    /// It may go by TLS only (RFC 8689); the envelope says so.
    pub(crate) requiretls: bool,
    /// Its header says `TLS-Required: No`.
    pub(crate) tls_not_required: bool,
}

impl Letter<'_> {
    /// The first `length` octets of `file`.
    pub(crate) fn open(file: &File, length: u64) -> io::Result<Letter<'_>> {
        let mut letter =
            Letter { file, length, size: 0, eight_bit: false, requiretls: false, tls_not_required: false };
        let (mut sizes, mut eight_bit, mut start) = (Sizes::new(), false, Vec::new());
        letter.each(|piece| {
            sizes.feed(piece);
            if start.is_empty() {
                start.extend_from_slice(piece);
            }
            eight_bit |= !piece.is_ascii();
            Ok(())
        })?;
        let end = if sizes.finished() { 0 } else { 2 };
        (letter.size, letter.eight_bit) = (sizes.wire + end, eight_bit);
        letter.tls_not_required = says_no(&start);
        Ok(letter)
    }

    /// Sends it, dot-stuffed, lines ended by CR LF, and the final dot.
    pub(crate) fn send(&self, out: &mut impl Write) -> io::Result<()> {
        let mut dot = Dot::new(out);
        self.each(|piece| dot.write(piece))?;
        dot.end()
    }

    fn each(&self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (mut clean, mut buffer, mut at) = (Clean::default(), vec![0; PIECE], 0);
        while at < self.length {
            let want = (self.length - at).min(PIECE as u64) as usize;
            let count = match self.file.read_at(&mut buffer[..want], at) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            };
            at += count as u64;
            each(&clean.feed(&buffer[..count], at == self.length))?;
        }
        Ok(())
    }
}

/// RFC 8689 §3. Only the first piece of a message is looked at, which is longer than any header.
fn says_no(start: &[u8]) -> bool {
    let header = start.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let ours = |line: &&[u8]| line.len() > 13 && line[..13].eq_ignore_ascii_case(b"TLS-Required:");
    header.filter(ours).any(|line| line[13..].trim_ascii().eq_ignore_ascii_case(b"no"))
}

/// RFC 5321 §2.3.8: CR and LF leave as a pair or not at all. A CR LF becomes LF, which is sent as CR LF
/// again; a CR alone becomes a blank, as some servers would take it for the end of a line, and others not.
#[derive(Default)]
struct Clean {
    cr: bool,
}

impl Clean {
    fn feed(&mut self, piece: &[u8], last: bool) -> Vec<u8> {
        let mut clean = Vec::with_capacity(piece.len() + 1);
        for byte in piece {
            if std::mem::take(&mut self.cr) && *byte != b'\n' {
                clean.push(b' ');
            }
            match byte {
                b'\r' => self.cr = true,
                byte => clean.push(*byte),
            }
        }
        if last && std::mem::take(&mut self.cr) {
            clean.push(b' ');
        }
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &[u8]) -> (Vec<u8>, u64) {
        let file = tempfile::tempfile().unwrap();
        (&file).write_all(text).unwrap();
        (&file).write_all(b"Fenvelope").unwrap();
        let letter = Letter::open(&file, text.len() as u64).unwrap();
        let mut out = Vec::new();
        letter.send(&mut out).unwrap();
        (out, letter.size)
    }

    #[test]
    fn only_cr_lf_leaves_dots_are_stuffed_and_the_end_is_unambiguous() {
        // R06
        for (text, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\n..\na\n.b", b"..\r\n...\r\na\r\n..b\r\n.\r\n"),
            (b"a\r\nb\rc\r\r\nd\r", b"a\r\nb c \r\nd \r\n.\r\n"),
            (b"a\n.\r\nQUIT\n", b"a\r\n..\r\nQUIT\r\n.\r\n"),
            (b"a\r.\r\n", b"a .\r\n.\r\n"),
        ] {
            let (out, size) = sent(text);
            assert_eq!(out, wire, "{text:?}");
            let stuffed = text.split(|b| *b == b'\n').filter(|line| line.starts_with(b".")).count() as u64;
            assert_eq!(size + 3 + stuffed, out.len() as u64, "{text:?}");
        }
    }

    #[test]
    fn the_sender_may_say_that_tls_is_not_required() {
        for (text, expect) in [
            ("Subject: x\nTLS-Required: No\n\nx", true),
            ("tls-required:no\r\n\r\nx", true),
            ("TLS-Required: Yes\n\nx", false),
            ("Subject: x\n\nTLS-Required: No\n", false),
            ("TLS-Required", false),
        ] {
            assert_eq!(says_no(text.as_bytes()), expect, "{text}");
        }
    }

    #[test]
    fn a_line_of_a_hundred_thousand_octets_and_a_cr_at_a_pieces_end_are_no_trouble() {
        // R06
        let mut text = vec![b'x'; PIECE - 1];
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(&[b'y'; 100_000]);
        let (out, _) = sent(&text);
        assert_eq!(out.len(), PIECE - 1 + 2 + 100_000 + 2 + 3);
        assert!(!out.windows(2).any(|two| (two[0] == b'\r') != (two[1] == b'\n')));
    }
}
