//! Address lists as people and programs write them into a header. RFC 5322 §3.4 and §4.4.
//!
//! Groups, comments, quoted strings, folded lines, source routes; beside them what is in use: lists
//! without commas, with semicolons, hosts with a dot at their end, 8-bit letters. Each address keeps
//! its place in the text, so that one can be spelled anew and all else stays as it was. What cannot
//! be read is a fault: no recipient is passed over. Time and memory grow with the text alone.

mod lexer;
mod respell;

use core::fmt;
use core::ops::Range;

use lexer::{Kind, Lexer, Token};
pub use respell::respell;

/// One address of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The local part, quotes and backslashes removed. Empty: `<>`.
    pub local: Vec<u8>,
    /// The host; without the dot at its end; an address literal with its brackets.
    pub host: Option<Vec<u8>>,
    /// Where the address stands in the text, its source route included.
    pub place: Range<usize>,
    /// Where its name or else the address begins.
    pub start: usize,
    /// Has to be spelled anew whatever its host: a source route, a second `@`, a dot at the end.
    pub odd: bool,
    /// The comma before it is missing.
    pub no_comma: bool,
}

/// Why a text is no list of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A quoted string, comment or address literal has no end.
    NoEnd(char),
    /// A character where it means nothing.
    Stray(char),
    /// An address without local part or without host behind its `@`.
    HalfAddress,
    /// Two words that neither a blank nor a dot parts.
    Glued,
    /// More than one address between `<` and `>`.
    Crowded,
    /// What stands before a group's colon is an address, or it is a group in a group.
    Group,
    /// No address, or several, where one is wanted.
    NotOne,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unreadable::NoEnd(open) => write!(f, "nothing closes the {open}"),
            Unreadable::Stray(' ') => f.write_str("a blank or control character in an address"),
            Unreadable::Stray(c) => write!(f, "a {c} that belongs to nothing"),
            Unreadable::HalfAddress => f.write_str("half an address"),
            Unreadable::Glued => f.write_str("a quoted string that runs into another word"),
            Unreadable::Crowded => f.write_str("not just one address between < and >"),
            Unreadable::Group => f.write_str("a colon after what is no group's name"),
            Unreadable::NotOne => f.write_str("not just one address"),
        }
    }
}

/// The addresses of `text`, which is a field's body, folded or not.
pub fn mailboxes(text: &[u8]) -> Result<Vec<Mailbox>, Unreadable> {
    let mut list = List {
        text,
        lexer: Lexer::new(text),
        run: Vec::new(),
        found: Vec::new(),
        parted: true,
        group: false,
    };
    while let Some(token) = list.lexer.next()? {
        list.take(token)?;
    }
    list.words()?;
    Ok(list.found)
}

/// The one address of `text`, which is a word of a command line: as headers have it, `Al <a@x>`, or as
/// envelopes have it, without quotes: `al smith@x`. Never several, whatever a stranger's address holds
/// that a script passes on.
pub fn mailbox(text: &[u8]) -> Result<Mailbox, Unreadable> {
    let read = mailboxes(text);
    if let Ok([one]) = read.as_deref() {
        return if one.local.is_empty() { Err(Unreadable::NotOne) } else { Ok(one.clone()) };
    }
    let mut parts = text.split(|b| *b == b'@');
    let odd = text.iter().any(|b| b"<>\"".contains(b));
    let (Some(local), Some(host), None) = (parts.next(), parts.next(), parts.next()) else {
        return read.and(Err(Unreadable::NotOne));
    };
    if odd || local.is_empty() || !is_host(host) {
        return read.and(Err(Unreadable::NotOne));
    }
    let (local, host) = (clean(local.to_vec())?, Some(host.to_vec()));
    Ok(Mailbox { local, host, place: 0..text.len(), start: 0, odd: true, no_comma: false })
}

fn is_host(text: &[u8]) -> bool {
    let read = mailboxes(&[b"x@", text].concat());
    matches!(read.as_deref(), Ok([one]) if one.host.as_deref() == Some(text))
}

struct List<'t> {
    text: &'t [u8],
    lexer: Lexer<'t>,
    /// Words, dots and `@` of which it is not known yet if they are addresses or a name.
    run: Vec<Token>,
    found: Vec<Mailbox>,
    /// A comma (or the beginning) was the last thing before `run`.
    parted: bool,
    group: bool,
}

impl List<'_> {
    fn take(&mut self, token: Token) -> Result<(), Unreadable> {
        match token.kind {
            Kind::Special(b',') => self.part(),
            Kind::Special(b';') => {
                self.group = false;
                self.part()
            }
            Kind::Special(b':') => self.begin_group(),
            Kind::Special(b'<') => self.angle(token),
            Kind::Special(b'.' | b'@') | Kind::Word | Kind::Quoted | Kind::Literal => {
                self.run.push(token);
                Ok(())
            }
            Kind::Special(other) => Err(Unreadable::Stray(other.into())),
        }
    }

    fn part(&mut self) -> Result<(), Unreadable> {
        self.words()?;
        self.parted = true;
        Ok(())
    }

    /// What came before a colon is a group's name; an address there must not be lost as one.
    fn begin_group(&mut self) -> Result<(), Unreadable> {
        let name = |token: &Token| matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Special(b'.'));
        if self.group || self.run.is_empty() || !self.run.iter().all(name) {
            return Err(Unreadable::Group);
        }
        self.run.clear();
        (self.group, self.parted) = (true, true);
        Ok(())
    }

    /// The words so far are addresses: one, or several that only blanks part.
    fn words(&mut self) -> Result<(), Unreadable> {
        let run = core::mem::take(&mut self.run);
        let mut from = 0;
        for at in 1..=run.len() {
            let ends = run.get(at).is_none_or(|next| run[at - 1].is_word() && next.is_word());
            if !ends {
                continue;
            }
            if run.get(at).is_some_and(|next| next.at == run[at - 1].end) {
                return Err(Unreadable::Glued);
            }
            self.add(&run[from..at], run[from].at, false)?;
            from = at;
        }
        Ok(())
    }

    /// Reads on to the `>`. The words before the `<` are a name.
    fn angle(&mut self, open: Token) -> Result<(), Unreadable> {
        let start = self.run.first().map_or(open.at, |first| first.at);
        self.run.clear();
        let mut inside = Vec::new();
        let close = loop {
            match self.lexer.next()? {
                None => return Err(Unreadable::NoEnd('<')),
                Some(token) if token.kind == Kind::Special(b'>') => break token,
                Some(token) => inside.push(token),
            }
        };
        if inside.is_empty() {
            self.push(Mailbox {
                local: Vec::new(),
                host: None,
                place: open.end..close.at,
                start,
                odd: false,
                no_comma: false,
            });
            return Ok(());
        }
        let route = route_end(&inside)?;
        let spec = &inside[route..];
        let glue = spec.windows(2).any(|two| two[0].is_word() && two[1].is_word());
        if glue || spec.is_empty() || spec.iter().any(|token| !token.is_part()) {
            return Err(Unreadable::Crowded);
        }
        self.add(spec, start, route > 0)?;
        if let Some(last) = self.found.last_mut() {
            last.place.start = inside[0].at;
        }
        Ok(())
    }

    /// One address of these words, dots and `@`.
    fn add(&mut self, spec: &[Token], start: usize, route: bool) -> Result<(), Unreadable> {
        let at = spec.iter().rposition(|token| token.kind == Kind::Special(b'@'));
        let (local, host) = match at {
            Some(at) => (&spec[..at], Some(&spec[at + 1..])),
            None => (spec, None),
        };
        let (Some(first), Some(last)) = (spec.first(), spec.last()) else {
            return Err(Unreadable::HalfAddress);
        };
        let mut odd = route || local.iter().any(|token| token.kind == Kind::Special(b'@'));
        let host = match host {
            None => None,
            Some(tokens) => {
                let (host, dot) = self.host(tokens)?;
                odd |= dot;
                Some(host)
            }
        };
        // `#@[]` and `list-@host-@[]` are senders of bounces and lists: their last @ means no host.
        let no_host = host.as_deref() == Some(b"[]");
        if !local.first().is_some_and(Token::is_word)
            || !local.last().is_some_and(|t| t.kind != Kind::Special(b'@'))
        {
            return Err(Unreadable::HalfAddress);
        }
        let local = self.local(local, if no_host { b'@' } else { b'%' })?;
        if local.is_empty() {
            return Err(Unreadable::HalfAddress);
        }
        let mailbox =
            Mailbox { local, host, place: first.at..last.end, start, odd: odd && !no_host, no_comma: false };
        self.push(mailbox);
        Ok(())
    }

    fn local(&self, tokens: &[Token], at: u8) -> Result<Vec<u8>, Unreadable> {
        let mut local = Vec::new();
        for token in tokens {
            match token.kind {
                Kind::Special(b'@') => local.push(at),
                _ => local.extend(token.content(self.text)),
            }
        }
        clean(local)
    }

    /// The host, and if it had dots at its end.
    fn host(&self, tokens: &[Token]) -> Result<(Vec<u8>, bool), Unreadable> {
        if tokens.iter().any(|token| token.kind == Kind::Quoted) {
            return Err(Unreadable::Stray('"'));
        }
        let whole: Vec<u8> = tokens.iter().flat_map(|token| token.content(self.text)).collect();
        let length = whole.len() - whole.iter().rev().take_while(|b| **b == b'.').count();
        if length == 0 || whole[0] == b'.' {
            return Err(Unreadable::HalfAddress);
        }
        let host = whole[..length].to_vec();
        // A literal may have colons, such as those of IPv6.
        let (inside, never) = match host.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            Some(literal) => (literal, &b"\"\\ @<>[](),;"[..]),
            None => (&host[..], &b"\"\\ @<>[](),;:"[..]),
        };
        match inside.iter().find(|b| never.contains(b)) {
            Some(byte) => Err(Unreadable::Stray(char::from(*byte))),
            None => Ok((clean(host)?, length < whole.len())),
        }
    }

    fn push(&mut self, mut mailbox: Mailbox) {
        mailbox.no_comma = !core::mem::take(&mut self.parted);
        self.found.push(mailbox);
    }
}

/// How many tokens a source route has, its colon included. RFC 5322 §4.4.
fn route_end(inside: &[Token]) -> Result<usize, Unreadable> {
    if inside[0].kind != Kind::Special(b'@') {
        return Ok(0);
    }
    let colon = inside.iter().rposition(|token| token.kind == Kind::Special(b':'));
    colon.map(|colon| colon + 1).ok_or(Unreadable::HalfAddress)
}

fn clean(word: Vec<u8>) -> Result<Vec<u8>, Unreadable> {
    if word.iter().any(u8::is_ascii_control) { Err(Unreadable::Stray(' ')) } else { Ok(word) }
}

#[cfg(test)]
mod tests;
