//! NOTIFY (RFC 5465) and METADATA (RFC 5464).

use super::fetch::items;
use super::scan::Scan;
use super::{FaultKind, Parsed, bad};
use crate::syntax::{Depth, Event, Notify, Request, Watched};

/// Octets of the name of an annotation.
const MOST_ENTRY: usize = 1024;
/// Groups of one NOTIFY.
const MOST_GROUPS: usize = 100;

/// `NONE`, or `SET [SP STATUS] 1*(SP group)`.
pub(super) fn notify(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    match scan.word().as_str() {
        "NONE" => return Ok(Request::Notify(None)),
        "SET" => scan.blank()?,
        _ => return Err(bad("SET or NONE was expected")),
    }
    let mut notify = Notify { status: scan.eat_word("STATUS"), groups: Vec::new() };
    if notify.status {
        scan.blank()?;
    }
    loop {
        if notify.groups.len() == MOST_GROUPS {
            return Err((FaultKind::Limit, "Too many groups of mailboxes"));
        }
        notify.groups.push(group(scan)?);
        if !scan.more() {
            return Ok(Request::Notify(Some(notify)));
        }
    }
}

/// `( mailboxes SP events )`.
fn group(scan: &mut Scan<'_>) -> Parsed<(Watched, Vec<Event>)> {
    scan.expect(b'(', "Mailboxes and events in parentheses were expected")?;
    let watched = match scan.word().as_str() {
        "SELECTED" => Watched::Selected,
        "SELECTED-DELAYED" => Watched::SelectedDelayed,
        "INBOXES" => Watched::Inboxes,
        "PERSONAL" => Watched::Personal,
        "SUBSCRIBED" => Watched::Subscribed,
        "SUBTREE" => Watched::Subtree(mailboxes(scan)?),
        "MAILBOXES" => Watched::Mailboxes(mailboxes(scan)?),
        _ => return Err(bad("There is no such group of mailboxes")),
    };
    scan.blank()?;
    let selected = matches!(watched, Watched::Selected | Watched::SelectedDelayed);
    let events = match scan.eat_word("NONE") {
        true => Vec::new(),
        false => scan.list(false, |scan| event(scan, selected))?,
    };
    scan.expect(b')', "A parenthesis is not closed")?;
    Ok((watched, events))
}

/// One, or a list of them.
fn mailboxes(scan: &mut Scan<'_>) -> Parsed<Vec<String>> {
    scan.blank()?;
    if scan.peek() == Some(b'(') { scan.list(false, Scan::mailbox) } else { Ok(vec![scan.mailbox()?]) }
}

fn event(scan: &mut Scan<'_>, selected: bool) -> Parsed<Event> {
    Ok(match scan.word().as_str() {
        "MESSAGENEW" => {
            let wanted = scan.rest().starts_with(b" (");
            if wanted && !selected {
                return Err(bad("Only of the selected mailbox can items be fetched"));
            }
            if wanted {
                scan.blank()?;
            }
            Event::MessageNew(if wanted { items(scan)? } else { Vec::new() })
        }
        "MESSAGEEXPUNGE" => Event::MessageExpunge,
        "FLAGCHANGE" => Event::FlagChange,
        "ANNOTATIONCHANGE" => Event::AnnotationChange,
        "MAILBOXNAME" => Event::MailboxName,
        "SUBSCRIPTIONCHANGE" => Event::SubscriptionChange,
        "MAILBOXMETADATACHANGE" => Event::MailboxMetadataChange,
        "SERVERMETADATACHANGE" => Event::ServerMetadataChange,
        _ => return Err(bad("There is no such event")),
    })
}

/// What GETMETADATA may be told.
#[derive(Default)]
struct Options {
    max_size: Option<u64>,
    depth: Depth,
}

/// `[(options) SP] mailbox SP entries`; some clients name the options behind the mailbox, as RFC 5464 itself once does.
pub(super) fn get_metadata(scan: &mut Scan<'_>) -> Parsed<Request> {
    let mut options = Options::default();
    scan.blank()?;
    let first = scan.peek() == Some(b'(');
    if first {
        scan.list(false, |scan| option(scan, &mut options))?;
        scan.blank()?;
    }
    let mailbox = scan.mailbox()?;
    scan.blank()?;
    let mut entries = one_or_more(scan, &mut options, !first)?;
    if entries.is_empty() {
        scan.blank()?;
        entries = one_or_more(scan, &mut options, false)?;
    }
    Ok(Request::GetMetadata { mailbox, entries, max_size: options.max_size, depth: options.depth })
}

/// Entries; none if the list was one of options.
fn one_or_more(scan: &mut Scan<'_>, options: &mut Options, may_be_options: bool) -> Parsed<Vec<String>> {
    if scan.peek() != Some(b'(') {
        return Ok(vec![entry(scan)?]);
    }
    let named = scan.rest().get(1).is_some_and(u8::is_ascii_alphabetic);
    if may_be_options && named {
        scan.list(false, |scan| option(scan, options))?;
        return Ok(Vec::new());
    }
    scan.list(false, entry)
}

fn option(scan: &mut Scan<'_>, options: &mut Options) -> Parsed<()> {
    let name = scan.word();
    scan.blank()?;
    match name.as_str() {
        "MAXSIZE" => options.max_size = Some(scan.number64()?),
        "DEPTH" => {
            options.depth = match scan.word().as_str() {
                "0" => Depth::Zero,
                "1" => Depth::One,
                "INFINITY" => Depth::Infinity,
                _ => return Err(bad("There is no such depth")),
            }
        }
        _ => return Err(bad("There is no such option")),
    }
    Ok(())
}

/// The name of an annotation: RFC 5464 §3.2.
pub(super) fn entry(scan: &mut Scan<'_>) -> Parsed<String> {
    let name = scan.name()?;
    let fits = name.starts_with('/')
        && !name.ends_with('/')
        && !name.contains("//")
        && name.bytes().all(|octet| matches!(octet, b' '..=b'~') && octet != b'*' && octet != b'%')
        && name.len() <= MOST_ENTRY;
    if fits { Ok(name) } else { Err(bad("That is no name of an annotation")) }
}

/// `mailbox SP ( entry SP value ... )`.
pub(super) fn set_metadata(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.blank()?;
    let mailbox = scan.mailbox()?;
    scan.blank()?;
    let entries = scan.list(false, |scan| {
        let name = entry(scan)?;
        scan.blank()?;
        Ok((name, value(scan)?))
    })?;
    Ok(Request::SetMetadata { mailbox, entries })
}

/// `nstring / literal8`.
fn value(scan: &mut Scan<'_>) -> Parsed<Option<Vec<u8>>> {
    if scan.at_literal() {
        return scan.octets(true).map(|octets| Some(octets.to_vec()));
    }
    Ok(scan.nstring()?.map(std::borrow::Cow::into_owned))
}
