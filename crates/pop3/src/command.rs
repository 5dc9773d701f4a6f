//! The grammar of both sessions: command lines, the table row of a verb, numbers.

use std::io::{self, Write};

use wire::{Line, Lines};

use crate::reply::Reply;

/// Octets of a command line without its CR LF. RFC 2449 §4 allows 255 with it.
const LINE: usize = 253;
/// Whoever sends so many octets without a line end speaks no POP3.
const ENDLESS: usize = 65_536;

/// What a verb's argument looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Maybe,
    Something,
}

/// One row of a session's table.
pub(crate) struct Command<S: 'static> {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) run: fn(&mut S, &[u8], &mut dyn Write) -> io::Result<Reply>,
}

/// A command line as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Line(Vec<u8>),
    TooLong,
    Endless,
}

/// Cuts the input into command lines. Line ends are taken leniently: nothing in POP3 hangs on them.
#[derive(Debug)]
pub(crate) struct CommandLines {
    lines: Lines,
    unended: usize,
}

impl CommandLines {
    pub(crate) fn new() -> CommandLines {
        CommandLines { lines: Lines::lenient(LINE), unended: 0 }
    }

    /// The next line; `None`: all eaten, the line is not complete.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Option<Said> {
        let room = input.len().min(ENDLESS - self.unended);
        let mut piece = &input[..room];
        let said = self.lines.take(&mut piece).map(|line| match line {
            Line::Whole(line) => Said::Line(line.to_vec()),
            Line::TooLong | Line::Stray => Said::TooLong,
        });
        *input = &input[room - piece.len()..];
        self.unended = if said.is_some() { 0 } else { self.unended + room };
        if self.unended == ENDLESS { Some(Said::Endless) } else { said }
    }
}

/// Splits a line into verb and argument. One blank is between them: a password may begin with another.
pub(crate) fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|b| *b == b' ') {
        Some(blank) => (&line[..blank], &line[blank + 1..]),
        None => (line, b""),
    }
}

/// Finds the row of `verb`.
pub(crate) fn find<'a, S>(table: &'a [Command<S>], verb: &[u8]) -> Option<&'a Command<S>> {
    table.iter().find(|row| row.name.as_bytes().eq_ignore_ascii_case(verb))
}

/// What is wrong with the argument for this row, if anything.
pub(crate) fn unfit(takes: Takes, rest: &[u8]) -> Option<Reply> {
    match (takes, rest.is_empty()) {
        (Takes::Nothing, false) => Some(Reply::WANTS_NOTHING),
        (Takes::Something, true) => Some(Reply::WANTS_SOMETHING),
        _ => None,
    }
}

/// A decimal number: digits and nothing else. One that is too large for us is as large as can be.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        Some(sum.saturating_mul(10).saturating_add(digit))
    };
    digits.iter().try_fold(0, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        for bad in ["", "-1", "+1", "1 ", " 1", "0x1", "1.0", "abc", "１"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(number(b"007"), Some(7));
        assert_eq!(number(b"99999999999999999999999"), Some(u64::MAX));
    }

    #[test]
    fn only_the_first_blank_divides() {
        assert_eq!(split(b"PASS  two  blanks "), (&b"PASS"[..], &b" two  blanks "[..]));
        assert_eq!(split(b"QUIT"), (&b"QUIT"[..], &b""[..]));
    }

    fn all(pieces: &[&[u8]]) -> Vec<Said> {
        let (mut lines, mut seen) = (CommandLines::new(), Vec::new());
        for piece in pieces {
            let mut piece = *piece;
            while let Some(said) = lines.take(&mut piece) {
                seen.push(said);
                if seen.last() == Some(&Said::Endless) {
                    return seen;
                }
            }
        }
        seen
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        for length in [253, 254, ENDLESS - 2, ENDLESS - 1, ENDLESS, ENDLESS + 1] {
            let mut input = b"NOOP\n".to_vec();
            input.resize(5 + length, b'x');
            input.extend_from_slice(b"\r\nQUIT\r\n");
            let whole = all(&[&input]);
            for cut in [0, 3, 5, 6, 250, length, length + 4, length + 5, length + 6, input.len()] {
                assert_eq!(all(&[&input[..cut], &input[cut..]]), whole, "{length} cut at {cut}");
            }
            assert_eq!(all(&input.chunks(1).collect::<Vec<_>>()), whole);
        }
    }
}
