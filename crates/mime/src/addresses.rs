//! Lists of addresses: RFC 5322 §3.4, with the old forms of its §4.4, as strangers write them.
//!
//! Reads from left to right once; comments may be nested as deep as they like, they are only counted.

/// Addresses of one field that are looked at.
const MOST: usize = 100_000;

/// What comes in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// One mailbox. All octets as written, quotes and backslashes taken away.
    Mailbox {
        /// The name before it, or in a comment after it; encoded words are as written.
        display: Option<Vec<u8>>,
        /// The hosts of an old route, such as `@a,@b`.
        route: Option<Vec<u8>>,
        /// What is before the `@`.
        local: Vec<u8>,
        /// What is after it; empty: nothing.
        domain: Vec<u8>,
    },
    /// The name of a group.
    GroupStart(Vec<u8>),
    /// Its end; comes for each start.
    GroupEnd,
}

/// Reads a list of addresses. What can't be one is passed over.
pub fn addresses(value: &[u8]) -> Vec<Listed> {
    let mut reader = Reader { rest: value, list: Vec::new(), in_group: false, now: Address::default() };
    while reader.list.len() < MOST && reader.step() {}
    reader.finish();
    if reader.in_group {
        reader.list.push(Listed::GroupEnd);
    }
    reader.list
}

struct Reader<'a> {
    rest: &'a [u8],
    list: Vec<Listed>,
    in_group: bool,
    now: Address,
}

/// An address that is being read.
#[derive(Default)]
struct Address {
    /// Words so far, a blank between them where there was one.
    words: Vec<u8>,
    /// The last of them that may be one address; blanks about a dot or an `@` are not in it. RFC 5322 §4.4.
    run: Vec<u8>,
    /// Where in `words` it begins.
    run_start: usize,
    blank: bool,
    any_word: bool,
    comment: Option<Vec<u8>>,
    /// Set by an `@` outside of angle brackets: what is read now is the domain.
    local: Option<(Option<Vec<u8>>, Vec<u8>)>,
    /// Set by angle brackets: what was in them.
    angle: Option<Angle>,
}

/// Route, local part, domain.
type Angle = (Option<Vec<u8>>, Vec<u8>, Vec<u8>);

enum Token {
    Word(Vec<u8>),
    Comment(Vec<u8>),
    Blank,
    Special(u8),
}

impl Reader<'_> {
    fn step(&mut self) -> bool {
        let Some(token) = token(&mut self.rest) else { return false };
        match token {
            Token::Blank => self.now.blank = true,
            Token::Comment(text) => self.now.comment = Some(text),
            Token::Word(word) => self.now.word(&word),
            Token::Special(b',') => self.finish(),
            Token::Special(b';') => self.end_group(),
            Token::Special(b':') => self.start_group(),
            Token::Special(b'<') => self.angle(),
            Token::Special(b'@') => self.now.at(),
            Token::Special(byte) => self.now.word(&[byte]),
        }
        true
    }

    fn finish(&mut self) {
        self.list.extend(std::mem::take(&mut self.now).listed());
    }

    fn end_group(&mut self) {
        self.finish();
        if std::mem::take(&mut self.in_group) {
            self.list.push(Listed::GroupEnd);
        }
    }

    fn start_group(&mut self) {
        let group = std::mem::take(&mut self.now);
        if !self.in_group {
            self.in_group = true;
            self.list.push(Listed::GroupStart(group.words));
        }
    }

    /// What is in angle brackets: a route perhaps, and an address. A missing `>` is thought before a comma.
    fn angle(&mut self) {
        let (mut route, mut local, mut text): (Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>) =
            (None, None, Vec::new());
        let mut first = true;
        let mut routing = false;
        while let Some(token) = ahead(self.rest, routing).and_then(|()| token(&mut self.rest)) {
            match token {
                Token::Blank | Token::Comment(_) => continue,
                Token::Special(b'>') => break,
                Token::Special(b'@') if first => {
                    routing = true;
                    text.push(b'@');
                }
                Token::Special(b':') if routing => {
                    routing = false;
                    route = Some(std::mem::take(&mut text));
                }
                Token::Special(b'@') if !routing && local.is_none() => {
                    local = Some(std::mem::take(&mut text))
                }
                Token::Special(byte) => text.push(byte),
                Token::Word(word) => text.extend_from_slice(&word),
            }
            first = false;
        }
        let (local, domain) = match local {
            Some(local) => (local, text),
            None => (text, Vec::new()),
        };
        self.now.angle = Some((route, local, domain));
    }
}

/// A comma or semicolon ends an address whose `>` is missing, but for the commas of a route.
fn ahead(rest: &[u8], routing: bool) -> Option<()> {
    (routing || !matches!(rest.first(), Some(b',' | b';'))).then_some(())
}

impl Address {
    fn word(&mut self, word: &[u8]) {
        if self.angle.is_some() {
            return;
        }
        if self.blank && !self.words.is_empty() {
            self.words.push(b' ');
            if self.local.is_none() && word != b"." && !self.run.ends_with(b".") {
                self.run_start = self.words.len();
                self.run.clear();
            }
        }
        self.blank = false;
        self.any_word = true;
        self.words.extend_from_slice(word);
        self.run.extend_from_slice(word);
    }

    fn at(&mut self) {
        if self.angle.is_some() {
            return;
        }
        if self.local.is_some() {
            return self.word(b"@");
        }
        self.words.truncate(self.run_start);
        let display = std::mem::take(&mut self.words).trim_ascii_end().to_vec();
        self.local = Some(((!display.is_empty()).then_some(display), std::mem::take(&mut self.run)));
        self.blank = false;
    }

    fn listed(self) -> Option<Listed> {
        let comment = self.comment.filter(|it| !it.is_empty());
        let words = (!self.words.is_empty()).then_some(self.words);
        if let Some((route, local, domain)) = self.angle {
            // `x@y <a@b>`: what was before is how he calls himself.
            let display = match self.local {
                Some((_, local)) => Some([&local[..], b"@", &self.run].concat()),
                None => words.or(comment),
            };
            let nothing = display.is_none() && local.is_empty() && domain.is_empty();
            return (!nothing).then_some(Listed::Mailbox { display, route, local, domain });
        }
        if let Some((display, local)) = self.local {
            let domain = self.run;
            let nothing = local.is_empty() && domain.is_empty();
            return (!nothing).then_some(Listed::Mailbox {
                display: display.or(comment),
                route: None,
                local,
                domain,
            });
        }
        let words = words.filter(|_| self.any_word)?;
        // Several words are a name, one is a user of this host.
        let (display, local) = if self.run_start > 0 { (Some(words), Vec::new()) } else { (comment, words) };
        Some(Listed::Mailbox { display, route: None, local, domain: Vec::new() })
    }
}

fn token(rest: &mut &[u8]) -> Option<Token> {
    let text = *rest;
    let (token, length) = match *text.first()? {
        b' ' | b'\t' | b'\r' | b'\n' | 0 => {
            (Token::Blank, run(text, |byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)))
        }
        b'(' => comment(text),
        b'"' => quoted(text),
        b'[' => literal(text),
        special @ (b',' | b';' | b':' | b'<' | b'>' | b'@') => (Token::Special(special), 1),
        // An escaped octet outside of quotes.
        b'\\' => {
            let escaped = text.get(1).filter(|it| !matches!(it, b'\r' | b'\n' | 0));
            (Token::Word(escaped.into_iter().copied().collect()), 2.min(text.len()))
        }
        _ => {
            let length = run(text, |byte| {
                !matches!(
                    byte,
                    0 | b' '
                        | b'\t'
                        | b'\r'
                        | b'\n'
                        | b'('
                        | b'"'
                        | b','
                        | b';'
                        | b':'
                        | b'<'
                        | b'>'
                        | b'@'
                        | b'\\'
                )
            })
            .max(1);
            (Token::Word(text[..length].to_vec()), length)
        }
    };
    *rest = &text[length..];
    Some(token)
}

fn run(text: &[u8], good: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !good(*byte)).unwrap_or(text.len())
}

fn comment(text: &[u8]) -> (Token, usize) {
    let (mut depth, mut at, mut words) = (0_usize, 0, Vec::new());
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                words.extend(text.get(at).filter(|it| !it.is_ascii_control()));
                at += 1;
            }
            b'(' if depth == 0 => depth = 1,
            b'(' => {
                depth += 1;
                words.push(b'(');
            }
            b')' if depth == 1 => break,
            b')' => {
                depth -= 1;
                words.push(b')');
            }
            b'\r' | b'\n' | 0 => {}
            _ => words.push(*byte),
        }
    }
    (Token::Comment(words.trim_ascii().to_vec()), at.min(text.len()))
}

fn quoted(text: &[u8]) -> (Token, usize) {
    let (mut at, mut words) = (1, Vec::new());
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => {
                words.extend(text.get(at).filter(|it| !matches!(it, b'\r' | b'\n' | 0)));
                at += 1;
            }
            b'\r' | b'\n' | 0 => {}
            _ => words.push(*byte),
        }
    }
    (Token::Word(words), at.min(text.len()))
}

/// `[127.0.0.1]`, brackets and all.
fn literal(text: &[u8]) -> (Token, usize) {
    let end = run(text, |byte| !matches!(byte, b']' | b'\r' | b'\n' | b',' | b'<' | b' ' | 0));
    let end = (end + usize::from(text.get(end) == Some(&b']'))).max(1);
    (Token::Word(text[..end].to_vec()), end)
}

#[cfg(test)]
#[path = "addresses_tests.rs"]
mod tests;
