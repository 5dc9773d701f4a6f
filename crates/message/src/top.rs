//! The top of a message: the header, the empty line, some lines of the body. RFC 1939 §7 (TOP).

/// Tells how much of a message, given in pieces, belongs to its top.
#[derive(Debug)]
pub struct Top {
    body_lines: u64,
    header: bool,
    line: Line,
    done: bool,
}

/// What the unfinished line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    /// Just a CR: an empty line, if a program left CR LF in the file.
    Cr,
    Text,
}

impl Top {
    /// The header and `lines` lines of the body.
    pub fn new(lines: u64) -> Top {
        Top { body_lines: lines, header: true, line: Line::Nothing, done: false }
    }

    /// How many octets at the start of `piece` belong to the top. Less than all of them only
    /// in the piece where the top ends; 0 in all after it.
    pub fn feed(&mut self, piece: &[u8]) -> usize {
        let mut at = 0;
        while at < piece.len() && !self.done {
            let rest = &piece[at..];
            let end = rest.iter().position(|b| *b == b'\n');
            at += end.map_or(rest.len(), |end| end + 1);
            self.line = match (self.line, &rest[..end.unwrap_or(rest.len())]) {
                (line, b"") => line,
                (Line::Nothing, b"\r") => Line::Cr,
                _ => Line::Text,
            };
            if end.is_some() {
                self.line_ended();
            }
        }
        at
    }

    /// The top is complete: no later piece belongs to it.
    pub fn done(&self) -> bool {
        self.done
    }

    fn line_ended(&mut self) {
        let empty = std::mem::replace(&mut self.line, Line::Nothing) != Line::Text;
        match self.header {
            true => self.header = !empty,
            false => self.body_lines -= 1,
        }
        self.done = !self.header && self.body_lines == 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn top(lines: u64, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut top, mut seen) = (Top::new(lines), Vec::new());
        for piece in pieces {
            let used = top.feed(piece);
            seen.extend_from_slice(&piece[..used]);
        }
        seen
    }

    #[test]
    fn the_top_is_the_header_the_empty_line_and_so_many_lines() {
        let message: &[u8] = b"a: 1\nb: 2\n\none\n\nthree\nfour";
        assert_eq!(top(0, &[message]), b"a: 1\nb: 2\n\n");
        assert_eq!(top(1, &[message]), b"a: 1\nb: 2\n\none\n");
        assert_eq!(top(2, &[message]), b"a: 1\nb: 2\n\none\n\n");
        assert_eq!(top(4, &[message]), message);
        assert_eq!(top(u64::MAX, &[message]), message);
    }

    #[test]
    fn a_message_without_body_or_without_header_has_a_top_too() {
        assert_eq!(top(3, &[b"a: 1\nb"]), b"a: 1\nb");
        assert_eq!(top(1, &[b"\none\ntwo\n"]), b"\none\n");
        assert_eq!(top(1, &[b""]), b"");
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let message: &[u8] = b"a: 1\n\n\nx\ny\n\nz";
        for lines in 0..6 {
            let whole = top(lines, &[message]);
            for cut in 0..=message.len() {
                assert_eq!(top(lines, &[&message[..cut], &message[cut..]]), whole);
            }
            let bytes: Vec<&[u8]> = message.chunks(1).collect();
            assert_eq!(top(lines, &bytes), whole);
        }
    }
}
