//! FETCH, STORE, COPY, MOVE, UID EXPUNGE.

use super::scan::Scan;
use super::{FaultKind, Parsed, bad};
use crate::frame::Frame;
use crate::syntax::{Change, FetchItem, Request, Section, What};

/// Numbers of a part: deeper than any message is taken apart.
const DEEPEST: usize = 100;
/// Items of one FETCH.
const MOST_ITEMS: usize = 1000;

/// `sequence-set SP items [SP ( modifiers )]`.
pub(super) fn fetch(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let set = scan.set()?;
    scan.blank()?;
    let items = if scan.peek() == Some(b'(') { items(scan)? } else { one_or_macro(scan)? };
    let (mut changed_since, mut vanished, mut partial) = (None, false, None);
    if scan.more() {
        scan.list(false, |scan| {
            match scan.word().as_str() {
                "CHANGEDSINCE" if changed_since.is_none() => {
                    scan.blank()?;
                    changed_since = Some(scan.number64()?);
                }
                "VANISHED" => vanished = true,
                "PARTIAL" if partial.is_none() => {
                    scan.blank()?;
                    partial = Some(scan.range()?);
                }
                _ => return Err(bad("There is no such modifier")),
            }
            Ok(())
        })?;
    }
    // RFC 7162 §3.2.6.
    if vanished && (!by_uid || changed_since.is_none()) {
        return Err(bad("VANISHED needs UID FETCH and CHANGEDSINCE"));
    }
    Ok(Request::Fetch { by_uid, set, items, changed_since, vanished, partial })
}

/// Items in parentheses.
pub(super) fn items(scan: &mut Scan<'_>) -> Parsed<Vec<FetchItem>> {
    let mut count = 0;
    scan.list(false, |scan| {
        count += 1;
        if count > MOST_ITEMS {
            return Err((FaultKind::Limit, "Too many items"));
        }
        let name = scan.word();
        item(scan, &name)
    })
}

fn one_or_macro(scan: &mut Scan<'_>) -> Parsed<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Rfc822Size};
    let name = scan.word();
    Ok(match name.as_str() {
        "ALL" => vec![Flags, InternalDate, Rfc822Size, Envelope],
        "FAST" => vec![Flags, InternalDate, Rfc822Size],
        "FULL" => vec![Flags, InternalDate, Rfc822Size, Envelope, Body],
        name => vec![item(scan, name)?],
    })
}

/// `fetch-att`, of which the name has been read.
fn item(scan: &mut Scan<'_>, name: &str) -> Parsed<FetchItem> {
    Ok(match name {
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "MODSEQ" => FetchItem::ModSeq,
        "SAVEDATE" => FetchItem::SaveDate,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "PREVIEW" => FetchItem::Preview { lazy: lazy(scan)? },
        "BODY" if scan.peek() != Some(b'[') => FetchItem::Body,
        "BODY" | "BODY.PEEK" => {
            let section = section(scan)?;
            FetchItem::Section { section, partial: octets(scan)?, peek: name == "BODY.PEEK" }
        }
        "BINARY" | "BINARY.PEEK" => {
            let part = whole_part(scan)?;
            FetchItem::Binary { part, partial: octets(scan)?, peek: name == "BINARY.PEEK" }
        }
        "BINARY.SIZE" => FetchItem::BinarySize(whole_part(scan)?),
        _ => return Err(bad("There is no such FETCH item")),
    })
}

/// `[SP (LAZY)]`: what else stands in parentheses belongs to the command. RFC 8970 §4.1.
fn lazy(scan: &mut Scan<'_>) -> Parsed<bool> {
    let next = scan.rest().first_chunk::<6>();
    if !next.is_some_and(|text| text.eq_ignore_ascii_case(b" (LAZY")) {
        return Ok(false);
    }
    scan.blank()?;
    scan.list(false, |scan| if scan.eat_word("LAZY") { Ok(()) } else { Err(bad("Only LAZY is known")) })?;
    Ok(true)
}

/// `[part]`. RFC 3516.
fn whole_part(scan: &mut Scan<'_>) -> Parsed<Vec<u32>> {
    scan.expect(b'[', "A section was expected")?;
    let mut part = Vec::new();
    while scan.peek() != Some(b']') {
        number(scan, &mut part)?;
        if !scan.eat(b'.') {
            break;
        }
        if scan.peek() == Some(b']') {
            return Err(bad("A part number was expected"));
        }
    }
    scan.expect(b']', "A bracket is not closed")?;
    Ok(part)
}

fn number(scan: &mut Scan<'_>, part: &mut Vec<u32>) -> Parsed<()> {
    if part.len() == DEEPEST {
        return Err(bad("No part is so deep"));
    }
    part.push(scan.nz_number()?);
    Ok(())
}

/// A section by itself, as a URL names it.
pub(crate) fn section_of(text: &str) -> Option<Section> {
    let frame = Frame { line: format!("[{text}]").into_bytes(), literals: Vec::new() };
    let mut scan = Scan::new(&frame, false);
    let section = section(&mut scan).ok()?;
    scan.end().is_ok().then_some(section)
}

/// `[part.what]`.
fn section(scan: &mut Scan<'_>) -> Parsed<Section> {
    scan.expect(b'[', "A section was expected")?;
    let mut part = Vec::new();
    let mut what = What::Whole;
    while scan.peek() != Some(b']') {
        if !scan.peek().is_some_and(|octet| octet.is_ascii_digit()) {
            what = named(scan, !part.is_empty())?;
            break;
        }
        number(scan, &mut part)?;
        if !scan.eat(b'.') {
            break;
        }
        if scan.peek() == Some(b']') {
            return Err(bad("Something was expected behind a part's dot"));
        }
    }
    scan.expect(b']', "A bracket is not closed")?;
    Ok(Section { part, what })
}

fn named(scan: &mut Scan<'_>, of_part: bool) -> Parsed<What> {
    Ok(match scan.word().as_str() {
        "HEADER" => What::Header,
        "TEXT" => What::Text,
        "MIME" if of_part => What::Mime,
        "HEADER.FIELDS" => What::HeaderFields(field_names(scan)?),
        "HEADER.FIELDS.NOT" => What::HeaderFieldsNot(field_names(scan)?),
        _ => return Err(bad("There is no such section")),
    })
}

fn field_names(scan: &mut Scan<'_>) -> Parsed<Vec<String>> {
    scan.blank()?;
    scan.list(false, field_name)
}

/// RFC 5322 §2.2: printable ASCII but a colon.
pub(super) fn field_name(scan: &mut Scan<'_>) -> Parsed<String> {
    let name = scan.name()?;
    let fits = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic() && octet != b':');
    if fits { Ok(name) } else { Err(bad("That is no field name")) }
}

/// `[<first.count>]`.
fn octets(scan: &mut Scan<'_>) -> Parsed<Option<(u32, u32)>> {
    if !scan.eat(b'<') {
        return Ok(None);
    }
    let first = scan.number()?;
    scan.expect(b'.', "A range of octets was expected")?;
    let count = scan.nz_number()?;
    scan.expect(b'>', "A range of octets is not closed")?;
    Ok(Some((first, count)))
}

/// `sequence-set [SP (UNCHANGEDSINCE n)] SP [+-]FLAGS[.SILENT] SP flags`.
pub(super) fn store(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let set = scan.set()?;
    scan.blank()?;
    let mut unchanged_since = None;
    if scan.peek() == Some(b'(') {
        scan.list(false, |scan| {
            if !scan.eat_word("UNCHANGEDSINCE") || unchanged_since.is_some() {
                return Err(bad("There is no such modifier"));
            }
            scan.blank()?;
            unchanged_since = Some(scan.number64()?);
            Ok(())
        })?;
        scan.blank()?;
    }
    let change = match () {
        () if scan.eat(b'+') => Change::Add,
        () if scan.eat(b'-') => Change::Remove,
        () => Change::Replace,
    };
    let silent = match scan.word().as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(bad("FLAGS was expected")),
    };
    scan.blank()?;
    let flags = if scan.peek() == Some(b'(') { scan.flags()? } else { bare_flags(scan)? };
    Ok(Request::Store { by_uid, set, change, silent, flags, unchanged_since })
}

/// Flags without parentheses.
fn bare_flags(scan: &mut Scan<'_>) -> Parsed<Vec<crate::flags::FlagWord>> {
    let mut count = 0;
    let mut flags = vec![scan.counted_flag(&mut count)?];
    while scan.more() {
        flags.push(scan.counted_flag(&mut count)?);
    }
    Ok(flags)
}

pub(super) fn copy(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let set = scan.set()?;
    scan.blank()?;
    Ok(Request::Copy { by_uid, set, mailbox: scan.mailbox()? })
}

pub(super) fn relocate(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let set = scan.set()?;
    scan.blank()?;
    Ok(Request::Move { by_uid, set, mailbox: scan.mailbox()? })
}

/// RFC 4315.
pub(super) fn expunge_these(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    Ok(Request::Expunge { uids: Some(scan.set()?) })
}
