//! One line of a rule file: `address:allow` or `address:deny`, then `,VAR="value"` or `,!VAR`.

use crate::address::Address;
use crate::fault::shown;
use crate::{Change, Fault, Verdict};

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is for, as it was written.
    pub address: Vec<u8>,
    /// What it says.
    pub verdict: Verdict,
    pub(crate) meant: Address,
}

impl Rule {
    /// Is it for everybody, or for everybody who has a host name?
    pub fn is_for_all(&self) -> bool {
        matches!(&self.address[..], b"" | b"=" | b"0.0.0.0/0" | b"::/0")
    }

    /// Does it judge clients by a host name, which the owner of the address chooses?
    pub fn is_by_name(&self) -> bool {
        self.address.contains(&b'=')
    }

    /// Does it set the variable `name`?
    pub fn sets(&self, name: &str) -> bool {
        let sets = |change: &Change| matches!(change, Change::Set(set, _) if set == name.as_bytes());
        self.verdict.changes.iter().any(sets)
    }
}

/// Reads line `number`; `None` for a comment or an empty line. A CR at its end is no matter.
pub fn line(text: &[u8], number: usize) -> Result<Option<Rule>, Fault> {
    let text = match number {
        1 => text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text),
        _ => text,
    };
    let text = text.trim_ascii_end();
    if text.is_empty() || text[0] == b'#' {
        return Ok(None);
    }
    rule(text).map(Some).map_err(|fault| Fault { line: number, ..fault })
}

fn rule(text: &[u8]) -> Result<Rule, Fault> {
    if text[0].is_ascii_whitespace() {
        return Err(Fault::new("a blank before the address", "begin the line with the address"));
    }
    if text.contains(&0) {
        return Err(Fault::new("a NUL octet", "this is no text file; write it anew"));
    }
    let colon = colon(text).ok_or_else(|| no_instruction(text))?;
    let (address, rest) = (&text[..colon], &text[colon + 1..]);
    if let Some(quote) = typographic(address) {
        return Err(typed(quote));
    }
    let meant = Address::read(address)?;
    let (deny, mut rest) = match rest.strip_prefix(b"deny") {
        Some(rest) => (true, rest),
        None => (false, &rest["allow".len()..]),
    };
    let mut changes = Vec::new();
    while !rest.is_empty() {
        let (change, left) = change(rest)?;
        changes.push(change);
        rest = left;
    }
    Ok(Rule { address: address.to_vec(), verdict: Verdict { deny, changes }, meant })
}

/// The colon before `allow` or `deny`: an IPv6 address has colons of its own.
fn colon(text: &[u8]) -> Option<usize> {
    (0..text.len()).find(|at| text[*at..].starts_with(b":allow") || text[*at..].starts_with(b":deny"))
}

fn no_instruction(text: &[u8]) -> Fault {
    if let Some(quote) = typographic(text) {
        return typed(quote);
    }
    let cure = "write address:allow or address:deny, without blanks";
    match text.contains(&b':') {
        true => Fault::new(format!("neither allow nor deny in {}", shown(text)), cure),
        false => Fault::new(format!("no colon in {}", shown(text)), cure),
    }
}

/// Reads one `,VAR="value"` or `,!VAR` from the start of `text`; gives it and what follows.
fn change(text: &[u8]) -> Result<(Change, &[u8]), Fault> {
    let Some(text) = text.strip_prefix(b",") else {
        let problem = format!("{} where a comma or the end must be", shown(text));
        return Err(typographic(text).map_or_else(|| Fault::new(problem, SAMPLE), typed));
    };
    if let Some(text) = text.strip_prefix(b"!") {
        let end = text.iter().position(|byte| *byte == b',').unwrap_or(text.len());
        return Ok((Change::Unset(name(&text[..end])?), &text[end..]));
    }
    let Some(equals) = text.iter().position(|byte| *byte == b'=') else {
        return Err(Fault::new(format!("no `=` in {}", shown(text)), SAMPLE));
    };
    let name = name(&text[..equals])?;
    let (value, rest) = quoted(&text[equals + 1..])?;
    Ok((Change::Set(name, value.to_vec()), rest))
}

/// What to write for a variable.
const SAMPLE: &str = "write ,VAR=\"value\" or ,!VAR after allow or deny";

fn name(name: &[u8]) -> Result<Vec<u8>, Fault> {
    if let Some(quote) = typographic(name) {
        return Err(typed(quote));
    }
    let good = |byte: &u8| byte.is_ascii_graphic() && !b"=\"',!:".contains(byte);
    if name.is_empty() || !name.iter().all(good) {
        return Err(Fault::new(format!("{} is no name of a variable", shown(name)), SAMPLE));
    }
    Ok(name.to_vec())
}

/// A value between two of whatever octet it begins with; gives it and what follows.
fn quoted(text: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let Some((quote, text)) = text.split_first() else {
        return Err(Fault::new("no value after `=`", "write VAR=\"value\", and VAR=\"\" for an empty one"));
    };
    if !quote.is_ascii() {
        let whole = [&[*quote], text].concat();
        let problem = "a value that begins with a character beyond ASCII";
        let fault = || Fault::new(problem, "put plain quotes around the value: VAR=\"value\"");
        return Err(typographic(&whole).map_or_else(fault, typed));
    }
    let Some(end) = text.iter().position(|byte| byte == quote) else {
        let problem = format!("a value begins with {} that does not come again", shown(&[*quote]));
        return Err(Fault::new(problem, "end the value with the character it begins with: VAR=\"value\""));
    };
    Ok((&text[..end], &text[end + 1..]))
}

/// The first quote in `text` that a word processor made of a plain one.
fn typographic(text: &[u8]) -> Option<char> {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .find(|c| "\u{201c}\u{201d}\u{201e}\u{201f}\u{2018}\u{2019}\u{201a}\u{ab}\u{bb}\u{2033}".contains(*c))
}

fn typed(quote: char) -> Fault {
    Fault::new(format!("typographic quote {quote}"), "write the plain quote \" on both sides")
}
