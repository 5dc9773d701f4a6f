//! FETCH: RFC 9051 §6.4.5; CHANGEDSINCE and VANISHED (RFC 7162), PARTIAL (RFC 9394).
//!
//! Picks the messages, marks as seen what is about to be read, and has each written by [`Lines`].

mod lines;
mod vanished;

use std::io;

use crate::body::Reach;
use crate::flags::Flags;
use crate::open::Open;
use crate::progress::Teller;
use crate::reply::Reply;
use crate::session::{Answer, Enabled, Out, Session, Stop};
use crate::store::{Folder, Marks, Store, Trouble, Uid};
use crate::syntax::{Change, FetchItem, Request, What};
use lines::Lines;
pub(crate) use lines::Style;

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Fetch { by_uid, set, mut items, changed_since, vanished, partial } = request else {
        return Ok(Reply::WRONG);
    };
    if vanished && !session.enabled.qresync {
        return Ok(Reply::NO_QRESYNC);
    }
    if changed_since.is_some() && !items.contains(&FetchItem::ModSeq) {
        items.push(FetchItem::ModSeq);
    }
    if items.contains(&FetchItem::ModSeq) {
        session.use_condstore(out)?;
    }
    let style = Style::new(&session.enabled, by_uid || items.contains(&FetchItem::Uid));
    let (tag, pace) = (session.tag.clone(), session.options.pace.clone());
    let open = session.selected()?;
    let mut picked = open.pick(&set, by_uid)?;
    if let Some(since) = changed_since {
        if vanished {
            vanished::write(open, &set, since, out)?;
        }
        picked.retain(|(_, uid)| open.message(*uid).is_some_and(|message| message.modseq > since));
    }
    if let Some(range) = partial {
        picked = super::search::partial(&picked, range).to_vec();
    }
    let mut teller = Teller::new(&tag, picked.len(), pace, out);
    let seen = mark_seen(open, &items, &picked)?;
    let mut lines = Lines::new(open, &items, style, seen, &mut teller).by_uid(by_uid);
    for place in 0..picked.len() {
        lines.write(&picked[place..])?;
    }
    lines.end()
}

/// Writes items of the messages that have come behind `known`, unasked (RFC 5465 §5.2). Nothing is marked as seen by it.
pub(crate) fn write_items<F: Folder>(
    open: &mut Open<F>,
    items: &[FetchItem],
    known: Uid,
    enabled: &Enabled,
    out: Out<'_>,
) -> io::Result<()> {
    let uids = open.view.uids();
    let from = uids.partition_point(|uid| *uid <= known);
    let picked: Vec<(u32, Uid)> = (from as u32 + 1..).zip(uids[from..].iter().copied()).collect();
    write_picked(open, items, &picked, enabled, out)
}

/// Writes items of messages, unasked. One that is gone, or can't be read, is passed over.
pub(crate) fn write_picked<F: Folder>(
    open: &mut Open<F>,
    items: &[FetchItem],
    picked: &[(u32, Uid)],
    enabled: &Enabled,
    out: Out<'_>,
) -> io::Result<()> {
    let mut teller = Teller::silent(out);
    let mut lines = Lines::new(open, items, Style::new(enabled, true), Vec::new(), &mut teller);
    for place in 0..picked.len() {
        match lines.write(&picked[place..]) {
            Err(Stop::Broken(error)) => return Err(error),
            Err(Stop::Refused(_)) | Ok(()) => {}
        }
    }
    match lines.end() {
        Err(Stop::Broken(error)) => Err(error),
        _ => Ok(()),
    }
}

/// Sets `\Seen` on what is about to be read, in one call; gives the UIDs, whose new flags the client has to be told. Who may
/// not set it (RFC 4314 §4) may still read.
fn mark_seen<F: Folder>(
    open: &mut Open<F>,
    items: &[FetchItem],
    picked: &[(u32, Uid)],
) -> Result<Vec<Uid>, Stop> {
    if open.folder.read_only() || !items.iter().any(reads) {
        return Ok(Vec::new());
    }
    let unseen = |uid: &Uid| open.message(*uid).is_some_and(|message| !message.flags.has(Flags::SEEN));
    let uids: Vec<Uid> = picked.iter().map(|(_, uid)| *uid).filter(unseen).collect();
    if uids.is_empty() {
        return Ok(uids);
    }
    let marks = Marks { flags: Flags::SEEN, keywords: Vec::new() };
    match open.folder.store(&uids, Change::Add, &marks, None) {
        Err(Trouble::MailboxGone) => Err(Trouble::MailboxGone.into()),
        Err(_) => Ok(Vec::new()),
        Ok(_) => Ok(uids),
    }
}

/// Does it count as reading?
fn reads(item: &FetchItem) -> bool {
    match item {
        FetchItem::Section { peek, .. } | FetchItem::Binary { peek, .. } => !peek,
        FetchItem::Rfc822 | FetchItem::Rfc822Text => true,
        _ => false,
    }
}

/// How much of a message has to be read for an item.
fn reach(item: &FetchItem) -> Reach {
    match item {
        FetchItem::Rfc822Header => Reach::Header,
        FetchItem::Rfc822 | FetchItem::Rfc822Text => Reach::Whole,
        FetchItem::Section { section, .. } if section.part.is_empty() => match section.what {
            What::Whole | What::Text => Reach::Whole,
            _ => Reach::Header,
        },
        FetchItem::Binary { part, .. } | FetchItem::BinarySize(part) if part.is_empty() => Reach::Whole,
        FetchItem::Section { .. } | FetchItem::Binary { .. } | FetchItem::BinarySize(_) => Reach::Parts,
        _ => Reach::Nothing,
    }
}
