//! SEARCH, and how results are told: RFC 9051 §6.4.4, ESEARCH (RFC 4731), `$` (RFC 5182), CONTEXT (RFC 5267), PARTIAL (RFC
//! 9394), MODSEQ (RFC 7162 §3.1.5).

use std::io;

use crate::commands::fetch;
use crate::find::find;
use crate::open::{Open, Watch};
use crate::progress::{Progress, Teller};
use crate::reply::Reply;
use crate::scribe;
use crate::sequence::compact;
use crate::session::{Answer, Enabled, Out, Session, Stop};
use crate::store::{Folder, Store, Trouble, Uid};
use crate::syntax::{Request, Returns, SearchKey, SortKey};
use crate::write::write_string;

/// So many results are kept up to date at one time.
const MOST_WATCHES: usize = 32;

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Search { by_uid, key, results, .. } = request else { return Ok(Reply::WRONG) };
    let asked = Asked { word: "SEARCH", by_uid, key, order: Vec::new(), results };
    serve(session, asked, out)
}

/// What SEARCH and SORT are asked.
pub(super) struct Asked {
    pub(super) word: &'static str,
    pub(super) by_uid: bool,
    pub(super) key: SearchKey,
    /// Empty: by number.
    pub(super) order: Vec<(SortKey, bool)>,
    pub(super) results: Option<Returns>,
}

/// Finds, keeps what is to be kept, and tells.
pub(super) fn serve<S: Store>(session: &mut Session<S>, asked: Asked, out: Out<'_>) -> Answer {
    // Where MODSEQ stands in it the answer has one.
    let with_modseq = asked.key.any(&mut |key| matches!(key, SearchKey::ModSeq(_)));
    if with_modseq {
        session.use_condstore(out)?;
    }
    let (now, tag, rev2) = (session.store.now(), session.tag.clone(), session.enabled.rev2);
    let pace = session.options.pace.clone();
    let open = session.selected()?;
    let save = asked.results.as_ref().is_some_and(|returns| returns.save);
    let mut teller = Teller::new(&tag, open.view.uids().len(), pace, out);
    let rows = match look(open, &asked.key, &asked.order, now, &mut teller.progress()) {
        Ok(rows) => rows,
        Err(trouble) => {
            // RFC 5182 §2.1: a search that fails leaves nothing in `$`.
            if save {
                open.saved.clear();
            }
            return Err(trouble.into());
        }
    };
    teller.heard()?;
    let mut line = Vec::new();
    let shown = Shown { tag: &tag, by_uid: asked.by_uid, rows: &rows, with_modseq };
    match &asked.results {
        Some(returns) => {
            if save {
                open.saved = to_save(&rows, returns);
            }
            if returns.update {
                watch(open, &tag, &asked, returns, &rows, out)?;
            }
            shown.extended(open, returns, &mut line);
        }
        None if rev2 && asked.order.is_empty() => shown.extended(open, &Returns::default(), &mut line),
        None => shown.plain(open, asked.word, &mut line),
    }
    out.write_all(&line)?;
    Ok(Reply::DONE)
}

/// The messages that a key holds for, in order.
fn look<F: Folder>(
    open: &mut Open<F>,
    key: &SearchKey,
    order: &[(SortKey, bool)],
    now: i64,
    progress: &mut Progress<'_>,
) -> Result<Vec<(u32, Uid)>, Trouble> {
    if order.is_empty() {
        return find(open, key, now, progress);
    }
    let rows = find(open, key, now, &mut progress.part(0, 2))?;
    super::sort::sorted(open, rows, order, &mut progress.part(1, 2))
}

/// The rows of a range, from 1, or from the last one, -1, backwards: RFC 9394 §3.1.
pub(super) fn partial<T>(rows: &[T], (one, other): (i64, i64)) -> &[T] {
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let place = |number: i64| if number < 0 { count + 1 + number.max(-count - 1) } else { number };
    let (first, last) = (place(one).min(place(other)).max(1), place(one).max(place(other)).min(count));
    let range = usize::try_from(first - 1).unwrap_or(0)..usize::try_from(last).unwrap_or(0);
    rows.get(range).unwrap_or_default()
}

/// What `$` stands for after a search: RFC 5182 §2.4, RFC 9394 §3.1.
fn to_save(rows: &[(u32, Uid)], returns: &Returns) -> Vec<Uid> {
    let some = returns.min || returns.max || returns.partial.is_some();
    let mut saved: Vec<Uid> = match some && !returns.all && !returns.count {
        false => rows.iter().map(|(_, uid)| *uid).collect(),
        true => {
            let part = returns.partial.map_or(&[][..], |range| partial(rows, range));
            let first = rows.first().filter(|_| returns.min);
            let last = rows.last().filter(|_| returns.max);
            part.iter().chain(first).chain(last).map(|(_, uid)| *uid).collect()
        }
    };
    saved.sort_unstable();
    saved.dedup();
    saved
}

/// A result that is told.
struct Shown<'a> {
    tag: &'a str,
    by_uid: bool,
    rows: &'a [(u32, Uid)],
    with_modseq: bool,
}

impl Shown<'_> {
    fn name(&self, row: &(u32, Uid)) -> u32 {
        if self.by_uid { row.1 } else { row.0 }
    }

    /// `* SEARCH 2 84 882`
    fn plain<F: Folder>(&self, open: &Open<F>, word: &str, line: &mut Vec<u8>) {
        line.extend_from_slice(b"* ");
        line.extend_from_slice(word.as_bytes());
        for row in self.rows {
            line.push(b' ');
            scribe::number(line, self.name(row).into());
        }
        if let Some(modseq) = self.modseq(open, self.rows) {
            line.extend_from_slice(b" (MODSEQ ");
            scribe::number(line, modseq);
            line.push(b')');
        }
        line.extend_from_slice(b"\r\n");
    }

    /// `* ESEARCH (TAG "A1") UID MIN 2 COUNT 3`
    fn extended<F: Folder>(&self, open: &Open<F>, returns: &Returns, line: &mut Vec<u8>) {
        let nothing = Returns { save: false, ..returns.clone() } == Returns::default();
        if nothing && returns.save {
            return;
        }
        begin(line, self.tag, self.by_uid);
        let mut part = self.rows;
        let mut ends = Vec::new();
        let item = |line: &mut Vec<u8>, word: &str, value: u64| {
            line.extend_from_slice(word.as_bytes());
            scribe::number(line, value);
        };
        if let (true, Some(first)) = (returns.min, self.rows.first()) {
            item(line, " MIN ", self.name(first).into());
            ends.push(*first);
        }
        if let (true, Some(last)) = (returns.max, self.rows.last()) {
            item(line, " MAX ", self.name(last).into());
            ends.push(*last);
        }
        if returns.count {
            item(line, " COUNT ", self.rows.len() as u64);
        }
        if (returns.all || nothing) && !self.rows.is_empty() {
            line.extend_from_slice(b" ALL ");
            line.extend_from_slice(self.set(self.rows).as_bytes());
        } else if (returns.min || returns.max) && !returns.count {
            part = &ends;
        }
        if let Some(range) = returns.partial {
            self.partial(range, line);
        }
        if let Some(modseq) = self.modseq(open, part) {
            item(line, " MODSEQ ", modseq);
        }
        line.extend_from_slice(b"\r\n");
    }

    /// `PARTIAL (-1:-100 1:3)`
    fn partial(&self, range: (i64, i64), line: &mut Vec<u8>) {
        let rows = partial(self.rows, range);
        let set = if rows.is_empty() { "NIL".to_owned() } else { self.set(rows) };
        line.extend_from_slice(format!(" PARTIAL ({}:{} {set})", range.0, range.1).as_bytes());
    }

    fn set(&self, rows: &[(u32, Uid)]) -> String {
        compact(rows.iter().map(|row| self.name(row)))
    }

    /// The highest mod-sequence of `rows`, if it is wanted.
    fn modseq<F: Folder>(&self, open: &Open<F>, rows: &[(u32, Uid)]) -> Option<u64> {
        let rows = if self.with_modseq { rows } else { &[] };
        rows.iter().filter_map(|(_, uid)| Some(open.message(*uid)?.modseq)).max()
    }
}

fn begin(line: &mut Vec<u8>, tag: &str, by_uid: bool) {
    line.extend_from_slice(b"* ESEARCH (TAG ");
    // A vector takes everything.
    let _ = write_string(tag.as_bytes(), line);
    line.extend_from_slice(if by_uid { b") UID" } else { b")" });
}

/// Begins to keep a result up to date: RFC 5267 §4.3.
fn watch<F: Folder>(
    open: &mut Open<F>,
    tag: &str,
    asked: &Asked,
    returns: &Returns,
    rows: &[(u32, Uid)],
    out: Out<'_>,
) -> Result<(), Stop> {
    if open.watches.len() >= MOST_WATCHES {
        let mut line = b"* NO [NOUPDATE ".to_vec();
        write_string(tag.as_bytes(), &mut line)?;
        line.extend_from_slice(b"] Too many results are kept up to date.\r\n");
        return Ok(out.write_all(&line)?);
    }
    open.watches.push(Watch {
        tag: tag.to_owned(),
        by_uid: asked.by_uid,
        key: asked.key.clone(),
        order: asked.order.clone(),
        returns: returns.clone(),
        found: rows.iter().map(|(_, uid)| *uid).collect(),
    });
    Ok(())
}

/// CANCELUPDATE (RFC 5267 §4.3.2).
pub(crate) fn cancel<S: Store>(session: &mut Session<S>, request: Request, _out: Out<'_>) -> Answer {
    let Request::CancelUpdate(tags) = request else { return Ok(Reply::WRONG) };
    session.selected()?.watches.retain(|watch| !tags.contains(&watch.tag));
    Ok(Reply::DONE)
}

/// Tells what has become of the results that the client watches: called after the changes have been told.
pub(crate) fn tell<S: Store>(session: &mut Session<S>, out: Out<'_>) -> io::Result<()> {
    let (now, enabled) = (session.store.now(), session.enabled);
    let Some(open) = &mut session.open else { return Ok(()) };
    let mut watches = std::mem::take(&mut open.watches);
    let told = watches.iter_mut().try_for_each(|watch| update(open, watch, now, &enabled, out));
    open.watches = watches;
    told
}

/// Tells which messages leave the results because they are no more. Comes before their EXPUNGE: the numbers in it are those
/// that the client knows.
pub(crate) fn tell_leaving<F: Folder>(open: &mut Open<F>, out: Out<'_>) -> io::Result<()> {
    let mut watches = std::mem::take(&mut open.watches);
    let told = watches.iter_mut().try_for_each(|watch| {
        let there: Vec<Uid> =
            watch.found.iter().copied().filter(|uid| open.message(*uid).is_some()).collect();
        if there.len() == watch.found.len() { Ok(()) } else { change(open, watch, there, out) }
    });
    open.watches = watches;
    told
}

/// Tells the difference between what a result was and what it is.
fn update<F: Folder>(
    open: &mut Open<F>,
    watch: &mut Watch,
    now: i64,
    enabled: &Enabled,
    out: Out<'_>,
) -> io::Result<()> {
    // What can't be learnt now is told later.
    let rows = look(open, &watch.key, &watch.order, now, &mut Progress::unheard());
    let Ok(rows) = rows else { return Ok(()) };
    write_new(open, watch, &rows, enabled, out)?;
    change(open, watch, rows.iter().map(|(_, uid)| *uid).collect(), out)
}

fn change<F: Folder>(open: &Open<F>, watch: &mut Watch, found: Vec<Uid>, out: Out<'_>) -> io::Result<()> {
    let places = |place: usize| if watch.order.is_empty() { 0 } else { place + 1 };
    let name = |uid: Uid| if watch.by_uid { Some(uid) } else { open.view.number(uid) };
    let (before, after) = (Members::of(&watch.found), Members::of(&found));
    let gone = watch.found.iter().enumerate().rev().filter(|(_, uid)| !after.has(**uid));
    let new = found.iter().enumerate().filter(|(_, uid)| !before.has(**uid));
    let told = |(place, uid): (usize, &Uid)| Some(format!("{} {}", places(place), name(*uid)?));
    // From the last one, so that each position is that which the client knows.
    write_changes(&watch.tag, watch.by_uid, "REMOVEFROM", gone.filter_map(told), out)?;
    write_changes(&watch.tag, watch.by_uid, "ADDTO", new.filter_map(told), out)?;
    watch.found = found;
    Ok(())
}

/// What the client wants to see of messages before it is told that they are found: RFC 5465 §7.
fn write_new<F: Folder>(
    open: &mut Open<F>,
    watch: &Watch,
    rows: &[(u32, Uid)],
    enabled: &Enabled,
    out: Out<'_>,
) -> io::Result<()> {
    let items = &watch.returns.update_items;
    if items.is_empty() {
        return Ok(());
    }
    let before = Members::of(&watch.found);
    let new: Vec<(u32, Uid)> = rows.iter().copied().filter(|(_, uid)| !before.has(*uid)).collect();
    fetch::write_picked(open, items, &new, enabled, out)
}

/// UIDs, sorted.
struct Members(Vec<Uid>);

impl Members {
    fn of(uids: &[Uid]) -> Members {
        let mut sorted = uids.to_vec();
        sorted.sort_unstable();
        Members(sorted)
    }

    fn has(&self, uid: Uid) -> bool {
        self.0.binary_search(&uid).is_ok()
    }
}

fn write_changes(
    tag: &str,
    by_uid: bool,
    word: &str,
    changes: impl Iterator<Item = String>,
    out: Out<'_>,
) -> io::Result<()> {
    let changes: Vec<String> = changes.collect();
    if changes.is_empty() {
        return Ok(());
    }
    let mut line = Vec::new();
    begin(&mut line, tag, by_uid);
    line.extend_from_slice(format!(" {word} ({})\r\n", changes.join(" ")).as_bytes());
    out.write_all(&line)
}
