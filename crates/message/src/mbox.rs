//! A message in an mbox file: lines that look like the separator get a `>`, a blank line ends it all.

const FROM: &[u8] = b"From ";
/// More `>` than this before `From ` are nobody's quoting.
const MOST_QUOTES: usize = 1000;

/// Turns a message, piece by piece, into what stands in an mbox after its own head.
#[derive(Debug)]
pub struct Quoter {
    /// The start of a line that may yet turn out to be `>...From `; `None` further on in a line.
    held: Option<Vec<u8>>,
}

impl Default for Quoter {
    fn default() -> Quoter {
        Quoter { held: Some(Vec::new()) }
    }
}

impl Quoter {
    /// At the start of a message.
    pub fn new() -> Quoter {
        Quoter::default()
    }

    /// Adds to `out` what `piece` becomes.
    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for line in piece.split_inclusive(|b| *b == b'\n') {
            self.part_of_line(line, out);
            if line.ends_with(b"\n") {
                self.release(out);
                self.held = Some(Vec::new());
            }
        }
    }

    /// Ends the message: its last line, and a blank one.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let unfinished = self.held.as_ref().is_none_or(|held| !held.is_empty());
        self.release(out);
        out.extend_from_slice(if unfinished { b"\n\n" } else { b"\n" });
    }

    fn part_of_line(&mut self, part: &[u8], out: &mut Vec<u8>) {
        let Some(mut held) = self.held.take() else { return out.extend_from_slice(part) };
        for (place, byte) in part.iter().enumerate() {
            held.push(*byte);
            let quotes = held.iter().take_while(|b| **b == b'>').count();
            let rest = &held[quotes..];
            if rest == FROM {
                out.push(b'>');
            } else if FROM.starts_with(rest) && quotes <= MOST_QUOTES {
                continue;
            }
            out.extend_from_slice(&held);
            return out.extend_from_slice(&part[place + 1..]);
        }
        self.held = Some(held);
    }

    fn release(&mut self, out: &mut Vec<u8>) {
        out.extend(self.held.take().unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(pieces: &[&[u8]]) -> String {
        let (mut quoter, mut out) = (Quoter::new(), Vec::new());
        pieces.iter().for_each(|piece| quoter.feed(piece, &mut out));
        quoter.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_looks_like_a_separator_is_quoted_and_a_blank_line_ends_the_message() {
        for (text, expect) in [
            ("", "\n"),
            ("a\n", "a\n\n"),
            ("a", "a\n\n"),
            ("From x\n>From x\n>>>From \n", ">From x\n>>From x\n>>>>From \n\n"),
            ("From\nFrom:\nfrom x\n From x\n>Fro\n", "From\nFrom:\nfrom x\n From x\n>Fro\n\n"),
            ("x From y\n>", "x From y\n>\n\n"),
            ("From ", ">From \n\n"),
        ] {
            assert_eq!(quoted(&[text.as_bytes()]), expect, "{text:?}");
        }
    }

    #[test]
    fn cutting_a_message_anywhere_changes_nothing() {
        let text = b"From a\n\n>From b\nxFrom \n>>\nFrom\n>>From ";
        let whole = quoted(&[text]);
        for cut in 0..text.len() {
            assert_eq!(quoted(&[&text[..cut], &text[cut..]]), whole, "{cut}");
        }
        let single: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(quoted(&single), whole);
    }

    #[test]
    fn a_line_of_nothing_but_quotes_is_not_held_for_ever() {
        let mut quoter = Quoter::new();
        let mut out = Vec::new();
        quoter.feed(&[b'>'; 5000], &mut out);
        assert_eq!(out.len(), 5000);
    }
}
