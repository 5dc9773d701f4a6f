//! Dot-stuffing between the network's CR LF lines and the suite's LF lines.
//! RFC 5321 §4.5.2, RFC 1939 §3.
//!
//! Only CR LF . CR LF ends a text and a CR or LF alone is a fault: servers that were more
//! liberal let one message be smuggled inside another.

use std::io::{self, Write};

/// What a decoder says after a piece of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dotted {
    /// All eaten, the text goes on.
    More,
    /// The line with a single dot has been eaten.
    End,
    /// The terminator has been eaten, and a CR or LF stood alone somewhere before it.
    Stray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Dot,
    DotCr,
    Text,
    Cr,
}

/// Decodes a dot-stuffed text; its output has LF line ends.
#[derive(Debug)]
pub struct Undot {
    at: At,
    stray: bool,
}

impl Default for Undot {
    fn default() -> Self {
        Undot::new()
    }
}

impl Undot {
    /// A decoder that stands before the first line.
    pub fn new() -> Undot {
        Undot { at: At::LineStart, stray: false }
    }

    /// Has a CR or LF stood alone so far? What is decoded after that is not worth keeping.
    pub fn stray(&self) -> bool {
        self.stray
    }

    /// Decodes from `input` into `sink`; gives how much was eaten and where the text stands.
    pub fn feed(&mut self, input: &[u8], sink: &mut impl FnMut(&[u8])) -> (usize, Dotted) {
        let mut used = 0;
        while used < input.len() {
            if self.at == At::Text {
                let run = text_run(&input[used..]);
                sink(&input[used..used + run]);
                used += run;
                if used == input.len() {
                    break;
                }
            }
            let byte = input[used];
            used += 1;
            if self.step(byte, sink) {
                return (used, if self.stray { Dotted::Stray } else { Dotted::End });
            }
        }
        (used, Dotted::More)
    }

    /// One byte outside a run of plain text. True: the terminator is complete.
    fn step(&mut self, byte: u8, sink: &mut impl FnMut(&[u8])) -> bool {
        self.at = match (self.at, byte) {
            (At::DotCr, b'\n') => return true,
            (At::Cr, b'\n') => {
                sink(b"\n");
                At::LineStart
            }
            (At::LineStart, b'.') => At::Dot,
            (At::Dot, b'\r') => At::DotCr,
            (at, byte) => {
                self.stray |= matches!(at, At::Cr | At::DotCr) || byte == b'\n';
                match byte {
                    b'\r' => At::Cr,
                    b'\n' => At::Text,
                    _ => {
                        sink(&[byte]);
                        At::Text
                    }
                }
            }
        };
        false
    }
}

fn text_run(input: &[u8]) -> usize {
    input.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(input.len())
}

/// Encodes LF lines as dot-stuffed CR LF lines into a writer. A LF that has its CR already, as in a
/// file that some other program left, gets no second one.
#[derive(Debug)]
pub struct Dot<W> {
    out: W,
    line_start: bool,
    /// The last octet was a CR.
    cr: bool,
}

impl<W: Write> Dot<W> {
    /// An encoder that stands before the first line.
    pub fn new(out: W) -> Dot<W> {
        Dot { out, line_start: true, cr: false }
    }

    /// Encodes a piece of the text.
    pub fn write(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            if self.line_start && text[0] == b'.' {
                self.out.write_all(b".")?;
            }
            let end = text.iter().position(|b| *b == b'\n');
            let (line, rest) = text.split_at(end.unwrap_or(text.len()));
            self.out.write_all(line)?;
            self.cr = line.last().map_or(self.cr, |b| *b == b'\r');
            self.line_start = end.is_some();
            if end.is_some() {
                self.out.write_all(if self.cr { b"\n" } else { b"\r\n" })?;
                self.cr = false;
            }
            let rest = rest.get(1..).unwrap_or_default();
            text = rest;
        }
        Ok(())
    }

    /// Ends an unfinished last line and writes the terminator.
    pub fn end(mut self) -> io::Result<()> {
        if !self.line_start {
            self.out.write_all(if self.cr { b"\n" } else { b"\r\n" })?;
        }
        self.out.write_all(b".\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> (Vec<u8>, usize, Dotted) {
        let (mut text, mut total, mut state) = (Vec::new(), 0, Dotted::More);
        let mut undot = Undot::new();
        for piece in pieces {
            let (used, now) = undot.feed(piece, &mut |part| text.extend_from_slice(part));
            (total, state) = (total + used, now);
            if state != Dotted::More {
                break;
            }
        }
        (text, total, state)
    }

    #[test]
    fn exactly_one_leading_dot_is_removed() {
        // S09
        let (text, _, state) = decode(&[b"..\r\n...x\r\n.x\r\na.\r\n.\r\nQUIT\r\n"]);
        assert_eq!((&text[..], state), (&b".\n..x\nx\na.\n"[..], Dotted::End));
    }

    #[test]
    fn nothing_but_cr_lf_dot_cr_lf_ends_a_text() {
        // S01 to S06
        for fake in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r\n.\r",
            "\r.\n",
            "\r\n\0.\r\n",
            "\r\n.\n",
            "\r\r\n.\r\r\n",
            "\r\n.\r\r\n",
        ] {
            let input = format!("one{fake}MAIL FROM:<x@y>\r\n.\r\nNOOP\r\n");
            let (_, used, state) = decode(&[input.as_bytes()]);
            assert_eq!(&input[used..], "NOOP\r\n", "{fake:?}");
            let expect = if fake.contains('\0') { Dotted::End } else { Dotted::Stray };
            assert_eq!(state, expect, "{fake:?}");
        }
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let input = b".\r.\r\r\n..a\r\n\r\n.b\nc\rd\r\n.x\r\n.\r\nrest";
        let whole = decode(&[input]);
        for cut in 0..input.len() {
            assert_eq!(decode(&[&input[..cut], &input[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for text in [&b""[..], b".\n", b"a\n.b\n..\n\n", b"\n.\n.\n"] {
            let mut wire = Vec::new();
            let mut dot = Dot::new(&mut wire);
            for byte in text.chunks(1) {
                dot.write(byte).unwrap();
            }
            dot.end().unwrap();
            assert_eq!(decode(&[&wire]), (text.to_vec(), wire.len(), Dotted::End));
        }
    }

    #[test]
    fn a_line_that_has_its_cr_already_gets_no_second_one() {
        let text = b"a\r\n\r\n.b\rc\n";
        for size in 1..=text.len() {
            let mut wire = Vec::new();
            let mut dot = Dot::new(&mut wire);
            for piece in text.chunks(size) {
                dot.write(piece).unwrap();
            }
            dot.end().unwrap();
            assert_eq!(wire, b"a\r\n\r\n..b\rc\r\n.\r\n");
        }
    }

    #[test]
    fn an_unfinished_last_line_is_ended_once() {
        let mut wire = Vec::new();
        let mut dot = Dot::new(&mut wire);
        dot.write(b"a").unwrap();
        dot.end().unwrap();
        assert_eq!(wire, b"a\r\n.\r\n");
    }
}
