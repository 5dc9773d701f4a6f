//! APPEND (RFC 9051, 3502, 4469, 6855) and REPLACE (RFC 8508).

use super::scan::{NO_LITERAL, NO_STRING, Scan};
use super::{Fault, Parsed, bad, tag_of};
use crate::frame::Frame;
use crate::syntax::{Append, Piece, Request, Text};

/// Octets of a URL in a CATENATE.
const MOST_URL: usize = 2000;

/// A command that is about to send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appending {
    /// Where to.
    pub mailbox: String,
    /// What is wrong with it already: better said before the message comes.
    pub fault: Option<Fault>,
}

/// Is the literal that [`crate::frame::Taken::Literal`] announced at the end of `head` a message's text (or a piece of
/// one)? Then it is better spooled; all others are short and kept.
pub fn appending(head: &Frame, utf8: bool) -> Option<Appending> {
    let mut scan = Scan::new(head, utf8);
    scan.take_while(|octet| octet != b' ');
    scan.eat(b' ');
    let mut verb = scan.word();
    let by_uid = verb == "UID" && scan.eat(b' ');
    if by_uid {
        verb = scan.word();
    }
    let mut whole = scan.clone();
    let read = match verb.as_str() {
        "APPEND" if !by_uid => append(&mut whole),
        "REPLACE" if scan.eat(b' ') => {
            scan.take_while(|octet| octet != b' ');
            replace(&mut whole, by_uid)
        }
        _ => return None,
    };
    scan.eat(b' ').then_some(())?;
    let mailbox = scan.mailbox().ok()?;
    scan.eat(b' ').then_some(())?;
    let here = whole.is_at(announcement(&head.line)?);
    let (kind, text) = match read {
        // All was well up to the literal that is not there yet.
        Err(NO_LITERAL) if here => return Some(Appending { mailbox, fault: None }),
        // The URL of a CATENATE.
        Err(NO_STRING) if here => return None,
        Err(refusal) => refusal,
        Ok(_) => bad("There is more than this command takes"),
    };
    let tag = tag_of(&head.line).unwrap_or_else(|| "*".to_owned());
    Some(Appending { mailbox, fault: Some(Fault { tag, kind, text }) })
}

/// Where the announcement at the end of a line begins.
fn announcement(line: &[u8]) -> Option<usize> {
    let brace = line.iter().rposition(|octet| *octet == b'{')?;
    Some(brace - usize::from(line[..brace].ends_with(b"~")))
}

/// `mailbox 1*(SP message)`.
pub(super) fn append(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    scan.blank()?;
    let mut messages = vec![message(scan)?];
    while scan.more() {
        messages.push(message(scan)?);
    }
    Ok(Request::Append { mailbox, messages })
}

/// `seq-number SP mailbox SP message`.
pub(super) fn replace(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let message_number = match scan.eat(b'*') {
        true => "*".to_owned(),
        false => scan.nz_number()?.to_string(),
    };
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    scan.blank()?;
    Ok(Request::Replace { by_uid, message: message_number, mailbox, with: message(scan)? })
}

/// `[flag-list SP] [date-time SP] text`.
fn message(scan: &mut Scan<'_>) -> Parsed<Append> {
    let (mut flags, mut date) = (Vec::new(), None);
    if scan.peek() == Some(b'(') {
        flags = scan.flags()?;
        scan.blank()?;
    }
    if scan.peek() == Some(b'"') {
        date = Some(scan.date_time()?);
        scan.blank()?;
    }
    Ok(Append { flags, date, text: text(scan)? })
}

fn text(scan: &mut Scan<'_>) -> Parsed<Text> {
    if scan.eat_word("CATENATE") {
        scan.blank()?;
        return scan.list(false, piece).map(Text::Parts);
    }
    utf8_or_plain(scan)
}

/// A literal, or `UTF8 (literal8)`: RFC 6855 §4.
fn utf8_or_plain(scan: &mut Scan<'_>) -> Parsed<Text> {
    if !scan.eat_word("UTF8") {
        return scan.text();
    }
    scan.blank()?;
    scan.expect(b'(', "A literal in parentheses was expected")?;
    let text = scan.text()?;
    scan.expect(b')', "A parenthesis is not closed")?;
    Ok(text)
}

fn piece(scan: &mut Scan<'_>) -> Parsed<Piece> {
    let word = scan.word();
    scan.blank()?;
    match word.as_str() {
        "TEXT" => utf8_or_plain(scan).map(Piece::Text),
        "URL" => {
            let url = scan.name()?;
            let fits = !url.is_empty() && url.len() <= MOST_URL && url.is_ascii();
            if fits { Ok(Piece::Url(url)) } else { Err(bad("That is no URL")) }
        }
        _ => Err(bad("TEXT or URL was expected")),
    }
}
