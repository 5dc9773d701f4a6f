//! The line grammar that all control files share.
//!
//! A line ends with LF or CR LF; blanks and tabs at its end are cut. A line that begins with `#`
//! is a comment. A file of one value holds it in its first line that is no comment; in a list
//! empty lines are skipped. NUL and lines beyond [`LONGEST`] are faults, and no line is kept in
//! memory beyond that.

use std::fmt;
use std::io::{self, BufRead};

/// Longest line, in octets.
pub const LONGEST: usize = 64 << 10;

/// Why a text cannot be read.
#[derive(Debug)]
pub enum Fault {
    /// Line so-and-so, from 1, passes [`LONGEST`].
    TooLong(usize),
    /// There is a NUL in line so-and-so, from 1.
    Nul(usize),
    /// The operating system's refusal.
    Io(io::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::TooLong(line) => write!(f, "line {line}: longer than {LONGEST} octets"),
            Fault::Nul(line) => write!(f, "line {line}: a NUL octet"),
            Fault::Io(error) => error.fmt(f),
        }
    }
}

/// A line without its end, and its number from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// Without line end and trailing blanks.
    pub text: Vec<u8>,
}

impl Line {
    /// Is it a comment?
    pub fn is_comment(&self) -> bool {
        self.text.first() == Some(&b'#')
    }
}

/// The lines of a text, comments and empty ones included. Ends after a fault.
#[derive(Debug)]
pub struct Lines<R> {
    from: R,
    number: usize,
    faulty: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads from the start of a text.
    pub fn new(from: R) -> Lines<R> {
        Lines { from, number: 0, faulty: false }
    }

    /// The next line; `None` at the end.
    fn read(&mut self) -> Result<Option<Line>, Fault> {
        let mut text = Vec::new();
        self.number += 1;
        loop {
            let part = match self.from.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(Fault::Io)?,
            };
            if part.is_empty() {
                return if text.is_empty() { Ok(None) } else { self.line(text).map(Some) };
            }
            let end = part.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(part.len(), |end| end + 1);
            if text.len() + length > LONGEST {
                return Err(Fault::TooLong(self.number));
            }
            text.extend_from_slice(&part[..length]);
            self.from.consume(length);
            if end.is_some() {
                return self.line(text).map(Some);
            }
        }
    }

    fn line(&self, mut text: Vec<u8>) -> Result<Line, Fault> {
        if text.contains(&0) {
            return Err(Fault::Nul(self.number));
        }
        if self.number == 1 && text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len());
        }
        text.truncate(text.trim_ascii_end().len());
        Ok(Line { number: self.number, text })
    }
}

/// What some editors write in front of a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.faulty {
            return None;
        }
        let line = self.read();
        self.faulty = line.is_err();
        line.transpose()
    }
}

/// The value of a one-value text. `None`: there is nothing but comments in it, which is as good as
/// no file; a text of no line at all, or whose first line is blank, holds the empty value.
pub fn single(from: impl BufRead) -> Result<Option<Line>, Fault> {
    let mut comments = false;
    for line in Lines::new(from) {
        let line = line?;
        if !line.is_comment() {
            return Ok(Some(line));
        }
        comments = true;
    }
    Ok((!comments).then_some(Line { number: 1, text: Vec::new() }))
}

/// The entries of a list: neither comments nor empty lines.
pub fn entries<R: BufRead>(from: R) -> impl Iterator<Item = Result<Line, Fault>> {
    Lines::new(from).filter(|line| !matches!(line, Ok(line) if line.is_comment() || line.text.is_empty()))
}

/// Cuts `key:value` at the first colon. A key in brackets may hold colons: `[2001:db8::1]:value`.
pub fn pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let from = match text.first() {
        Some(b'[') => text.iter().position(|byte| *byte == b']')?,
        _ => 0,
    };
    let colon = from + text[from..].iter().position(|byte| *byte == b':')?;
    Some((&text[..colon], &text[colon + 1..]))
}
