//! SEARCH, SORT, THREAD: RFC 9051 §6.4.4, RFC 5256, and what extends them. Strings come out as UTF-8.

mod key;

use super::fetch::items;
use super::scan::Scan;
use super::{FaultKind, Parsed, bad};
use crate::syntax::{Algorithm, Request, Returns, SearchKey, SortKey};
use key::{Charset, program};

/// Criteria of one SORT.
const MOST_CRITERIA: usize = 32;

/// `[SP RETURN (...)] [SP CHARSET charset] 1*(SP key)`.
pub(super) fn search(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let results = results(scan)?;
    let charset = match scan.eat_word("CHARSET") {
        true => {
            scan.blank()?;
            let name = scan.name()?;
            scan.blank()?;
            Some(name)
        }
        false => None,
    };
    let key = program(scan, Charset::named(charset.as_deref())?)?;
    Ok(Request::Search { by_uid, charset, key, results })
}

/// `[SP RETURN (...)] SP ( criteria ) SP charset 1*(SP key)`.
pub(super) fn sort(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let results = results(scan)?;
    let mut count = 0;
    let order = scan.list(false, |scan| {
        count += 1;
        if count > MOST_CRITERIA {
            return Err((FaultKind::Limit, "Too many sort criteria"));
        }
        criterion(scan)
    })?;
    scan.blank()?;
    let (charset, key) = charset_and_program(scan)?;
    Ok(Request::Sort { by_uid, charset, order, key, results })
}

/// `SP algorithm SP charset 1*(SP key)`.
pub(super) fn thread(scan: &mut Scan<'_>, by_uid: bool) -> Parsed<Request> {
    scan.blank()?;
    let algorithm = match scan.word().as_str() {
        "ORDEREDSUBJECT" => Algorithm::OrderedSubject,
        "REFERENCES" => Algorithm::References,
        "REFS" => Algorithm::Refs,
        _ => return Err(bad("There is no such algorithm")),
    };
    scan.blank()?;
    let (charset, key) = charset_and_program(scan)?;
    Ok(Request::Thread { by_uid, algorithm, charset, key })
}

fn charset_and_program(scan: &mut Scan<'_>) -> Parsed<(String, SearchKey)> {
    let charset = scan.name()?;
    scan.blank()?;
    let key = program(scan, Charset::named(Some(&charset))?)?;
    Ok((charset, key))
}

/// `sort-criterion`, and whether it is reversed.
fn criterion(scan: &mut Scan<'_>) -> Parsed<(SortKey, bool)> {
    let reverse = scan.eat_word("REVERSE");
    if reverse {
        scan.blank()?;
    }
    let key = match scan.word().as_str() {
        "ARRIVAL" => SortKey::Arrival,
        "CC" => SortKey::Cc,
        "DATE" => SortKey::Date,
        "FROM" => SortKey::From,
        "SIZE" => SortKey::Size,
        "SUBJECT" => SortKey::Subject,
        "TO" => SortKey::To,
        "DISPLAYFROM" => SortKey::DisplayFrom,
        "DISPLAYTO" => SortKey::DisplayTo,
        _ => return Err(bad("There is no such sort criterion")),
    };
    Ok((key, reverse))
}

/// `[RETURN ( options ) SP]`. No options at all are ALL: RFC 4731 §3.1.
fn results(scan: &mut Scan<'_>) -> Parsed<Option<Returns>> {
    if !scan.eat_word("RETURN") {
        return Ok(None);
    }
    scan.blank()?;
    let mut returns = Returns::default();
    scan.list(true, |scan| result_option(scan, &mut returns))?;
    scan.blank()?;
    if returns == Returns::default() {
        returns.all = true;
    }
    // RFC 9394 §3.1.
    if returns.all && returns.partial.is_some() {
        return Err(bad("ALL and PARTIAL exclude each other"));
    }
    Ok(Some(returns))
}

fn result_option(scan: &mut Scan<'_>, returns: &mut Returns) -> Parsed<()> {
    let option = match scan.word().as_str() {
        "MIN" => &mut returns.min,
        "MAX" => &mut returns.max,
        "ALL" => &mut returns.all,
        "COUNT" => &mut returns.count,
        "SAVE" => &mut returns.save,
        "UPDATE" => {
            returns.update = true;
            if scan.rest().starts_with(b" (") {
                scan.blank()?;
                returns.update_items = items(scan)?;
            }
            return Ok(());
        }
        "CONTEXT" => &mut returns.context,
        "PARTIAL" if returns.partial.is_none() => {
            scan.blank()?;
            returns.partial = Some(scan.range()?);
            return Ok(());
        }
        _ => return Err(bad("There is no such result option")),
    };
    *option = true;
    Ok(())
}

/// `1*(SP quoted)`. RFC 5267 §4.3.4.
pub(super) fn cancel_update(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mut tags = vec![scan.name()?];
    while scan.more() {
        tags.push(scan.name()?);
    }
    Ok(Request::CancelUpdate(tags))
}
