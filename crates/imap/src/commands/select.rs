//! SELECT and EXAMINE: RFC 9051 §6.3.2, with CONDSTORE, QRESYNC (RFC 7162) and OBJECTID (RFC 8474).

use std::io;

use super::fetch::Style;
use crate::names::is_inbox;
use crate::open::{Open, uids};
use crate::ranges;
use crate::reply::Reply;
use crate::sequence::Set;
use crate::session::{Answer, Out, Session};
use crate::store::{Folder, Store, Trouble, Uid};
use crate::syntax::{Qresync, Request};
use crate::view::View;

pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Select { mailbox, read_only, condstore, qresync } = request else {
        return Ok(Reply::WRONG);
    };
    if qresync.is_some() && !session.enabled.qresync {
        return Ok(Reply::NO_QRESYNC);
    }
    // Even where the new one can't be opened, the old one is closed.
    session.close(out)?;
    session.enabled.condstore |= condstore;
    let name = session.mailbox(&mailbox)?;
    let folder = session.store.open_asleep(&name, read_only)?;
    let open = Open::new(name, folder)?;
    let read_only = open.folder.read_only();
    session.open = Some(open);
    session.describe(&mailbox, out)?;
    if let Some(qresync) = qresync {
        if let Err(stop) = session.selected() {
            // RFC 9051 §6.3.2: a SELECT that fails leaves none selected.
            session.open = None;
            return Err(stop);
        }
        session.resync(&qresync, out)?;
    }
    Ok(if read_only { Reply::SELECTED_READ_ONLY } else { Reply::SELECTED })
}

impl<F: Folder> Open<F> {
    pub(crate) fn new(name: String, mut folder: F) -> Result<Open<F>, Trouble> {
        let awake = folder.wake(false)?;
        let status = folder.status();
        let view = match awake {
            true => View::new(uids(&folder), status.highest_modseq),
            false => View::asleep(status.messages, status.highest_modseq),
        };
        Ok(Open { name, folder, view, saved: Vec::new(), watches: Vec::new(), keywords: 0, body: None })
    }
}

impl<S: Store> Session<S> {
    /// Leaves the open mailbox, if there is one.
    pub(crate) fn close(&mut self, out: Out<'_>) -> io::Result<()> {
        match self.open.take() {
            Some(_) => out.write_all(Reply::CLOSED.as_bytes()),
            None => Ok(()),
        }
    }

    fn describe(&mut self, asked: &str, out: Out<'_>) -> io::Result<()> {
        let (rev2, uid_only) = (self.enabled.rev2, self.enabled.uid_only);
        let Some(open) = &mut self.open else { return Ok(()) };
        let status = open.folder.status();
        open.write_known_flags(out)?;
        open.write_permanent_flags(out)?;
        write!(out, "* {} EXISTS\r\n", open.view.count())?;
        if !rev2 {
            write!(out, "* {} RECENT\r\n", open.recent())?;
            if !uid_only && let Some(number) = open.folder.first_unseen() {
                write!(out, "* OK [UNSEEN {number}] The first unseen message.\r\n")?;
            }
        }
        write!(out, "* OK [UIDVALIDITY {}] UIDs are valid.\r\n", status.uid_validity)?;
        write!(out, "* OK [UIDNEXT {}] The next UID.\r\n", status.uid_next)?;
        match status.highest_modseq {
            0 => out.write_all(b"* OK [NOMODSEQ] No mod-sequences.\r\n")?,
            highest => write!(out, "* OK [HIGHESTMODSEQ {highest}] The last change.\r\n")?,
        }
        write!(out, "* OK [MAILBOXID ({})] The mailbox's id.\r\n", status.id)?;
        if rev2 { self.list_open(asked, out) } else { Ok(()) }
    }

    /// RFC 9051 §6.3.2: a LIST of the mailbox, with the name the client gave where ours is another.
    fn list_open(&self, asked: &str, out: Out<'_>) -> io::Result<()> {
        let Some(open) = &self.open else { return Ok(()) };
        let name = self.written(&open.name);
        write!(out, "* LIST () \"{}\" {name}", self.separator_escaped())?;
        if open.name != asked && is_inbox(asked) {
            write!(out, " (\"OLDNAME\" ({}))", self.written(asked))?;
        }
        out.write_all(b"\r\n")
    }

    /// RFC 7162 §3.2.5: what the client missed since it was last here.
    fn resync(&mut self, qresync: &Qresync, out: Out<'_>) -> io::Result<()> {
        let style = Style::new(&self.enabled, true);
        let Some(open) = &self.open else { return Ok(()) };
        if open.folder.status().uid_validity != qresync.uid_validity {
            return Ok(());
        }
        let known = open.known_to(qresync);
        let vanished = ranges::written(&open.vanished(qresync, &known));
        if !vanished.is_empty() {
            write!(out, "* VANISHED (EARLIER) {vanished}\r\n")?;
        }
        for (message, number) in open.folder.messages().iter().zip(1..) {
            if message.modseq > qresync.modseq && ranges::holds(&known, message.uid) {
                open.write_change(style, number, message, out)?;
            }
        }
        Ok(())
    }
}

impl<F: Folder> Open<F> {
    /// The UIDs that the client may have kept something of.
    fn known_to(&self, qresync: &Qresync) -> Vec<(Uid, Uid)> {
        let next = self.folder.status().uid_next;
        let all = [(1, next.saturating_sub(1).max(1))];
        match &qresync.known {
            Some(set) => ranges::both(&set.ranges(next.saturating_sub(1)), &all),
            None => all.to_vec(),
        }
    }

    /// Which of these are there no more. Where the history does not reach back so far, all that are not there; the client's
    /// numbers tell how far it is in step with us (RFC 7162 §3.2.5.2).
    fn vanished(&self, qresync: &Qresync, known: &[(Uid, Uid)]) -> Vec<(Uid, Uid)> {
        if let Some(vanished) = self.folder.vanished_since(qresync.modseq) {
            return ranges::both(&vanished, known);
        }
        let in_step = qresync.matching.as_ref().map_or(0, |(numbers, uids)| self.in_step(numbers, uids));
        let known = ranges::both(known, &[(in_step.saturating_add(1), Uid::MAX)]);
        ranges::without(&known, self.view.uids().iter().copied())
    }

    /// Up to which UID the client's numbers are ours.
    fn in_step(&self, numbers: &Set, uids: &Set) -> Uid {
        let (numbers, uids) = (numbers.ranges(self.view.count()), uids.ranges(self.view.last_uid()));
        // No more than there are messages: a client may name four thousand million.
        let most = self.view.uids().len();
        let each =
            |ranges: Vec<(u32, u32)>| ranges.into_iter().flat_map(|(first, last)| first..=last).take(most);
        let pairs = each(numbers).zip(each(uids));
        pairs
            .take_while(|(number, uid)| self.view.uid(*number) == Some(*uid))
            .last()
            .map_or(0, |(_, uid)| uid)
    }
}
