//! The words of the grammar: atoms, strings, numbers, lists. RFC 9051 §9.

use std::borrow::Cow;

use super::{Parsed, Refusal, bad};
use crate::frame::Frame;
use crate::syntax::Text;

pub(super) const NO_LITERAL: Refusal = bad("A literal was expected");
pub(super) const NO_STRING: Refusal = bad("A string was expected");

/// A place in a command.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    frame: &'a Frame,
    at: usize,
    literal: usize,
    spooled: usize,
    /// Names are UTF-8 and not modified UTF-7: the client has said so by ENABLE.
    pub(super) utf8: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(frame: &'a Frame, utf8: bool) -> Scan<'a> {
        Scan { frame, at: 0, literal: 0, spooled: 0, utf8 }
    }

    /// What is left of the line, up to its end or the next literal.
    pub(super) fn rest(&self) -> &'a [u8] {
        let end = self.frame.literals.get(self.literal).map_or(self.frame.line.len(), |next| next.at);
        self.frame.line.get(self.at..end).unwrap_or_default()
    }

    /// Is this the place in the line?
    pub(super) fn is_at(&self, place: usize) -> bool {
        self.at == place
    }

    /// The next octet of the line; `None` at its end and before a literal.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, octet: u8, or: &'static str) -> Parsed<()> {
        if self.eat(octet) { Ok(()) } else { Err(bad(or)) }
    }

    /// One blank, and something behind it.
    pub(super) fn blank(&mut self) -> Parsed<()> {
        self.expect(b' ', "A blank and more was expected")
    }

    /// The end of the command; blanks before it do no harm.
    pub(super) fn end(&mut self) -> Parsed<()> {
        while self.eat(b' ') {}
        match self.at == self.frame.line.len() && self.literal == self.frame.literals.len() {
            true => Ok(()),
            false => Err(bad("There is more than this command takes")),
        }
    }

    /// Is a blank next, with something behind it?
    pub(super) fn more(&mut self) -> bool {
        let blanks_only = self.rest().iter().all(|octet| *octet == b' ');
        let at_end = blanks_only && self.literal == self.frame.literals.len();
        !at_end && self.eat(b' ')
    }

    pub(super) fn take_while(&mut self, fits: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.iter().position(|octet| !octet.is_ascii() || !fits(*octet)).unwrap_or(rest.len());
        self.at += end;
        str::from_utf8(&rest[..end]).unwrap_or_default()
    }

    /// A name that the grammar knows, in upper case; may be empty.
    pub(super) fn word(&mut self) -> String {
        let word = self.take_while(|octet| octet.is_ascii_alphanumeric() || b"-.=".contains(&octet));
        word.to_ascii_uppercase()
    }

    /// Eats this word, in any case, and not only the beginning of a longer one.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let before = self.at;
        let found = self.word() == word;
        if !found {
            self.at = before;
        }
        found
    }

    pub(super) fn atom(&mut self) -> Parsed<&'a str> {
        match self.take_while(is_atom) {
            "" => Err(bad("An atom was expected")),
            atom => Ok(atom),
        }
    }

    /// Is a literal next?
    pub(super) fn at_literal(&self) -> bool {
        self.frame.literals.get(self.literal).is_some_and(|literal| literal.at == self.at)
    }

    /// A literal's text; `None` if it was spooled.
    fn literal(&mut self, binary: bool) -> Parsed<Option<&'a [u8]>> {
        let frame: &'a Frame = self.frame;
        let literal = frame.literals.get(self.literal).filter(|literal| literal.at == self.at);
        let literal = literal.ok_or(NO_LITERAL)?;
        (self.literal, self.at) = (self.literal + 1, literal.end);
        let text = literal.text.as_deref();
        if literal.binary && !binary {
            return Err(bad("No binary literal may stand here"));
        }
        if !literal.binary && text.is_some_and(|text| text.contains(&0)) {
            return Err(bad("A literal holds a NUL"));
        }
        Ok(text)
    }

    /// A literal that was kept; `binary`: or a literal8.
    pub(super) fn octets(&mut self, binary: bool) -> Parsed<&'a [u8]> {
        self.literal(binary)?.ok_or(bad("No message may stand here"))
    }

    /// A message's text, spooled or kept.
    pub(super) fn text(&mut self) -> Parsed<Text> {
        let text = self.literal(true)?.map(|octets| Text::Octets(octets.to_vec()));
        Ok(text.unwrap_or_else(|| {
            self.spooled += 1;
            Text::Spooled(self.spooled - 1)
        }))
    }

    /// `string`: quoted, or a literal.
    pub(super) fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.eat(b'"') {
            true => self.quoted(),
            false => self.octets(false).map(Cow::Borrowed),
        }
    }

    /// What follows a quotation mark. Octets beyond ASCII are taken as they are.
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        let rest = self.rest();
        let end = memchr::memchr2(b'"', b'\\', rest).ok_or(bad("A quoted string has no end"))?;
        if rest[end] == b'"' {
            self.at += end + 1;
            return clean(&rest[..end]).map(Cow::Borrowed);
        }
        let mut text = Vec::new();
        let mut octets = rest.iter();
        while let Some(octet) = octets.next() {
            match octet {
                b'"' => {
                    self.at += rest.len() - octets.as_slice().len();
                    clean(&text)?;
                    return Ok(Cow::Owned(text));
                }
                b'\\' => match octets.next() {
                    Some(escaped @ (b'"' | b'\\')) => text.push(*escaped),
                    _ => return Err(bad("Only \\ and \" can be escaped in a quoted string")),
                },
                octet => text.push(*octet),
            }
        }
        Err(bad("A quoted string has no end"))
    }

    /// `nstring`.
    pub(super) fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.eat_word("NIL") {
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// `astring`.
    pub(super) fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.string_or(|octet| is_atom(octet) || octet == b']')
    }

    /// A string, or octets that `fits` takes.
    pub(super) fn string_or(&mut self, fits: impl Fn(u8) -> bool) -> Parsed<Cow<'a, [u8]>> {
        if self.peek() == Some(b'"') || self.at_literal() {
            return self.string();
        }
        match self.take_while(fits) {
            "" => Err(NO_STRING),
            word => Ok(Cow::Borrowed(word.as_bytes())),
        }
    }

    /// An astring that is UTF-8 without control characters.
    pub(super) fn name(&mut self) -> Parsed<String> {
        let octets = self.astring()?;
        utf8(&octets)
    }

    /// A number of at most 63 bits.
    pub(super) fn number64(&mut self) -> Parsed<u64> {
        let number = self.take_while(|octet| octet.is_ascii_digit()).parse().ok();
        number.filter(|number| i64::try_from(*number).is_ok()).ok_or(bad("That is no number"))
    }

    /// A number of at most 32 bits.
    pub(super) fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.number64()?).map_err(|_| bad("That number is too large"))
    }

    /// The same, and not 0.
    pub(super) fn nz_number(&mut self) -> Parsed<u32> {
        Some(self.number()?).filter(|number| *number > 0).ok_or(bad("A number from 1 on was expected"))
    }

    /// `( item *(SP item) )`. `empty`: there may be none.
    pub(super) fn list<T>(
        &mut self,
        empty: bool,
        mut item: impl FnMut(&mut Scan<'a>) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(b'(', "A list in parentheses was expected")?;
        let mut items = Vec::new();
        if empty && self.eat(b')') {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(b')') {
                return Ok(items);
            }
            self.blank()?;
            // Some clients leave a blank before the parenthesis.
            if self.eat(b')') {
                return Ok(items);
            }
        }
    }
}

/// `ATOM-CHAR`.
pub(super) fn is_atom(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"(){%*\"\\]".contains(&octet)
}

/// No NUL, CR or LF: `QUOTED-CHAR`.
fn clean(octets: &[u8]) -> Parsed<&[u8]> {
    match octets.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
        true => Err(bad("A quoted string holds a control character")),
        false => Ok(octets),
    }
}

/// UTF-8 without control characters.
pub(super) fn utf8(octets: &[u8]) -> Result<String, Refusal> {
    let text = str::from_utf8(octets).ok().filter(|text| !text.chars().any(char::is_control));
    text.map(str::to_owned).ok_or(bad("That is no UTF-8 text, or holds a control character"))
}
