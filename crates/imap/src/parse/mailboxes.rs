//! Commands about mailboxes: CREATE to STATUS, and LIST with what extends it (RFC 5258, 5819, 6154, 8440, 9590).

use super::notify::entry;
use super::scan::Scan;
use super::{Parsed, bad};
use crate::syntax::{List, Request, StatusItem};

/// RFC 6154 §2, RFC 8457.
const SPECIAL: &[&str] =
    &["\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important"];

/// A command that names a mailbox and nothing else.
pub(super) fn named(scan: &mut Scan<'_>, request: fn(String) -> Request) -> Parsed<Request> {
    scan.blank()?;
    scan.mailbox().map(request)
}

/// `mailbox [SP (USE (\Sent ...))]`. RFC 6154 §3.
pub(super) fn create(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    let mut special = Vec::new();
    if scan.more() {
        scan.list(false, |scan| {
            if !scan.eat_word("USE") || !special.is_empty() {
                return Err(bad("There is no such parameter"));
            }
            scan.blank()?;
            special = scan.list(false, attribute)?;
            Ok(())
        })?;
    }
    Ok(Request::Create { mailbox, special })
}

/// An attribute; one that is known, as it is spelled here.
fn attribute(scan: &mut Scan<'_>) -> Parsed<String> {
    scan.expect(b'\\', "An attribute was expected")?;
    let name = scan.atom()?;
    let known = SPECIAL.iter().find(|known| known[1..].eq_ignore_ascii_case(name));
    Ok(known.map_or_else(|| format!("\\{name}"), |known| (*known).to_owned()))
}

pub(super) fn rename(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let from = scan.mailbox()?;
    scan.blank()?;
    Ok(Request::Rename { from, to: scan.mailbox()? })
}

pub(super) fn lsub(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let reference = scan.pattern()?;
    scan.blank()?;
    Ok(Request::Lsub { reference, pattern: scan.pattern()? })
}

pub(super) fn status(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    scan.blank()?;
    Ok(Request::Status { mailbox, items: scan.list(false, status_item)? })
}

fn status_item(scan: &mut Scan<'_>) -> Parsed<StatusItem> {
    Ok(match scan.word().as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "DELETED" => StatusItem::Deleted,
        "DELETED-STORAGE" => StatusItem::DeletedStorage,
        "SIZE" => StatusItem::Size,
        "HIGHESTMODSEQ" => StatusItem::HighestModSeq,
        "APPENDLIMIT" => StatusItem::AppendLimit,
        "MAILBOXID" => StatusItem::MailboxId,
        _ => return Err(bad("There is no such STATUS item")),
    })
}

/// `[SP (select options)] SP mailbox SP patterns [SP RETURN (options)]`.
pub(super) fn list(scan: &mut Scan<'_>) -> Parsed<Request> {
    let mut list = List::default();
    scan.blank()?;
    if scan.peek() == Some(b'(') {
        list.extended = true;
        scan.list(true, |scan| select_option(scan, &mut list))?;
        scan.blank()?;
        if list.select_recursive && !list.select_subscribed && !list.select_special {
            return Err(bad("RECURSIVEMATCH needs another option"));
        }
    }
    // RFC 3501 §6.3.8: the reference is a mailbox name; that of a client may hold wildcards all the same.
    list.reference = scan.pattern()?;
    scan.blank()?;
    if scan.peek() == Some(b'(') {
        list.extended = true;
        list.patterns = scan.list(false, Scan::pattern)?;
    } else {
        list.patterns = vec![scan.pattern()?];
    }
    if scan.more() {
        list.extended = true;
        if !scan.eat_word("RETURN") {
            return Err(bad("RETURN was expected"));
        }
        scan.blank()?;
        scan.list(true, |scan| return_option(scan, &mut list))?;
    }
    Ok(Request::List(list))
}

fn select_option(scan: &mut Scan<'_>, list: &mut List) -> Parsed<()> {
    let option = match scan.word().as_str() {
        "SUBSCRIBED" => &mut list.select_subscribed,
        "REMOTE" => &mut list.select_remote,
        "RECURSIVEMATCH" => &mut list.select_recursive,
        "SPECIAL-USE" => &mut list.select_special,
        _ => return Err(bad("There is no such selection option")),
    };
    *option = true;
    Ok(())
}

fn return_option(scan: &mut Scan<'_>, list: &mut List) -> Parsed<()> {
    let option = match scan.word().as_str() {
        "SUBSCRIBED" => &mut list.return_subscribed,
        "CHILDREN" => &mut list.return_children,
        "SPECIAL-USE" => &mut list.return_special,
        "MYRIGHTS" => &mut list.return_rights,
        "STATUS" => {
            scan.blank()?;
            list.return_status = scan.list(false, status_item)?;
            return Ok(());
        }
        "METADATA" => {
            scan.blank()?;
            list.return_metadata = scan.list(false, entry)?;
            return Ok(());
        }
        _ => return Err(bad("There is no such return option")),
    };
    *option = true;
    Ok(())
}
