//! The words of an address list: atoms, quoted strings, address literals, single characters with a
//! meaning. Comments and blanks part words and are passed over. RFC 5322 §3.2.

use super::Unreadable;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An atom; may hold backslashes and any letter above ASCII.
    Word,
    /// A quoted string with its quotes.
    Quoted,
    /// `[...]`.
    Literal,
    /// One of `<>@,;:.` or a bracket that opens nothing.
    Special(u8),
}

/// A token and its place in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn is_word(&self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Literal)
    }

    /// May it be a part of an address?
    pub(super) fn is_part(&self) -> bool {
        self.is_word() || matches!(self.kind, Kind::Special(b'.' | b'@'))
    }

    /// What it stands for: without quotes, backslashes and line ends.
    pub(super) fn content<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = u8> + use<'t> {
        let inside = if self.kind == Kind::Quoted { self.at + 1..self.end - 1 } else { self.at..self.end };
        let mut bytes = text[inside].iter().copied();
        std::iter::from_fn(move || {
            loop {
                match bytes.next()? {
                    b'\\' => return bytes.next(),
                    b'\r' | b'\n' => {}
                    b'\t' => return Some(b' '),
                    byte => return Some(byte),
                }
            }
        })
    }
}

/// Gives the tokens of a text one by one.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t [u8]) -> Lexer<'t> {
        Lexer { text, at: 0 }
    }

    /// The next token; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Unreadable> {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'(' => self.comment()?,
                _ => return self.token(*byte).map(Some),
            }
        }
        Ok(None)
    }

    fn token(&mut self, first: u8) -> Result<Token, Unreadable> {
        let at = self.at;
        let kind = match first {
            b'"' => {
                self.until(b'"', b'"')?;
                Kind::Quoted
            }
            b'[' => {
                self.until(b'[', b']')?;
                Kind::Literal
            }
            _ if is_special(first) => {
                self.at += 1;
                Kind::Special(first)
            }
            _ => {
                self.word();
                Kind::Word
            }
        };
        Ok(Token { kind, at, end: self.at })
    }

    fn word(&mut self) {
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b' ' | b'\t' | b'\r' | b'\n' | b'(' | b'"' | b'[' => break,
                byte if is_special(*byte) => break,
                _ => self.at += 1,
            }
        }
        self.at = self.at.min(self.text.len());
    }

    /// Stands after the closing character then.
    fn until(&mut self, open: u8, close: u8) -> Result<(), Unreadable> {
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == close {
                return Ok(());
            }
        }
        Err(Unreadable::NoEnd(open.into()))
    }

    /// Comments nest; counting them needs no stack.
    fn comment(&mut self) -> Result<(), Unreadable> {
        let mut depth = 0_usize;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            match byte {
                b'(' => depth += 1,
                b')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(Unreadable::NoEnd('('))
    }
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'@' | b',' | b';' | b':' | b'.' | b')' | b']')
}
