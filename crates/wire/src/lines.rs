//! Cutting a stream into lines, with a limit on their length.
//!
//! Strict: only CR LF ends a line and a CR or LF alone is reported (SMTP smuggling starts
//! with servers that disagree about that). Lenient: LF ends a line, one CR before it is cut.

/// One line of input, or what was wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The line without its ending.
    Whole(&'a [u8]),
    /// The line was longer than the limit; all of it has been skipped.
    TooLong,
    /// Strict mode: the line held a CR or LF that was not part of CR LF; all of it has been skipped.
    Stray,
}

/// Assembles lines from pieces of any size, in bounded memory.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    strict: bool,
    line: Vec<u8>,
    fault: Option<Fault>,
    /// Strict mode: the last octet was a CR whose LF has not come yet.
    cr: bool,
    /// `line` has been handed out and is to be cleared first.
    taken: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Long,
    Stray,
}

impl Lines {
    /// Only CR LF ends a line. `limit`: octets of a line without its ending.
    pub fn strict(limit: usize) -> Lines {
        Lines { limit, strict: true, line: Vec::new(), fault: None, cr: false, taken: false }
    }

    /// LF or CR LF ends a line. `limit`: octets of a line without its ending.
    pub fn lenient(limit: usize) -> Lines {
        Lines { strict: false, ..Lines::strict(limit) }
    }

    /// Eats from `input` up to the end of one line. `None`: all eaten, the line is not complete.
    pub fn take(&mut self, input: &mut &[u8]) -> Option<Line<'_>> {
        if std::mem::take(&mut self.taken) {
            self.line.clear();
        }
        let ended = if self.strict { self.strict_line(input) } else { self.lenient_line(input) };
        if !ended {
            return None;
        }
        self.taken = true;
        self.cr = false;
        Some(match self.fault.take() {
            None => Line::Whole(&self.line),
            Some(Fault::Long) => Line::TooLong,
            Some(Fault::Stray) => Line::Stray,
        })
    }

    /// Nothing of an unfinished line is held.
    pub fn is_empty(&self) -> bool {
        (self.taken || self.line.is_empty()) && self.fault.is_none() && !self.cr
    }

    fn strict_line(&mut self, input: &mut &[u8]) -> bool {
        loop {
            let Some(first) = input.first().copied() else { return false };
            if self.cr && first == b'\n' {
                *input = &input[1..];
                return true;
            }
            if self.cr || first == b'\n' {
                self.blame(Fault::Stray);
                self.cr = false;
            }
            match first {
                // A bare LF ends the faulty line, so that the answer is not withheld for ever.
                b'\n' => {
                    *input = &input[1..];
                    return true;
                }
                b'\r' => {
                    self.cr = true;
                    *input = &input[1..];
                }
                _ => self.eat_until(input, |b| b == b'\r' || b == b'\n'),
            }
        }
    }

    fn lenient_line(&mut self, input: &mut &[u8]) -> bool {
        self.eat_until(input, |b| b == b'\n');
        if input.is_empty() {
            return false;
        }
        *input = &input[1..];
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        // The limit leaves room for the CR that has just been cut.
        if self.line.len() > self.limit {
            self.blame(Fault::Long);
        }
        true
    }

    fn eat_until(&mut self, input: &mut &[u8], stop: impl Fn(u8) -> bool) {
        let end = input.iter().position(|b| stop(*b)).unwrap_or(input.len());
        let (piece, rest) = input.split_at(end);
        *input = rest;
        let room = self.limit + usize::from(!self.strict);
        if self.fault.is_none() && self.line.len() + piece.len() <= room {
            self.line.extend_from_slice(piece);
        } else {
            self.blame(Fault::Long);
        }
    }

    fn blame(&mut self, fault: Fault) {
        self.line.clear();
        self.fault.get_or_insert(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut lines: Lines, pieces: &[&[u8]]) -> Vec<String> {
        let mut seen = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(line) = lines.take(&mut piece) {
                seen.push(match line {
                    Line::Whole(line) => String::from_utf8_lossy(line).into_owned(),
                    other => format!("{other:?}"),
                });
            }
        }
        seen
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let input = b"EHLO a\r\n\r\nlf\nNOOP\r\ncr\rx\r\ntoo long a line\r\r\n\rQUIT\r\nrest";
        for make in [Lines::strict as fn(usize) -> Lines, Lines::lenient] {
            let whole = all(make(8), &[input]);
            for cut in 0..=input.len() {
                assert_eq!(all(make(8), &[&input[..cut], &input[cut..]]), whole, "cut at {cut}");
            }
            let bytes: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(all(make(8), &bytes), whole);
        }
    }

    #[test]
    fn strict_lines_end_with_cr_lf_and_stray_ones_are_named() {
        let seen = all(Lines::strict(8), &[b"one\r\ntwo\nthree\r\n1234\r5\r\n"]);
        assert_eq!(seen, ["one", "Stray", "three", "Stray"]);
    }

    #[test]
    fn a_line_at_the_limit_passes_and_one_over_it_does_not() {
        for make in [Lines::strict as fn(usize) -> Lines, Lines::lenient] {
            assert_eq!(all(make(4), &[b"1234\r\n12345\r\n1\r\n"]), ["1234", "TooLong", "1"]);
        }
        assert_eq!(all(Lines::lenient(4), &[b"1234\n12345\n"]), ["1234", "TooLong"]);
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut lines = Lines::strict(512);
        for _ in 0..1000 {
            let mut piece: &[u8] = &[b'x'; 10_000];
            assert_eq!(lines.take(&mut piece), None);
        }
        assert!(lines.line.capacity() < 20_000);
    }
}
