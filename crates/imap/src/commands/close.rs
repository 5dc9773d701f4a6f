//! CLOSE and UNSELECT: RFC 9051 §6.4.1, §6.4.2.

use crate::commands::expunge::remove;
use crate::flags::Flags;
use crate::open::Open;
use crate::progress::Teller;
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Folder, Message, Store, Trouble, Uid};
use crate::syntax::Request;

/// Removes what is marked, in silence, unless the mailbox was opened for reading only.
pub(crate) fn close<S: Store>(session: &mut Session<S>, _: Request, out: Out<'_>) -> Answer {
    let (resynchronizes, tag, pace) =
        (session.resynchronizes(), session.tag.clone(), session.options.pace.clone());
    let open = session.selected()?;
    let marked = open.folder.messages().iter().filter(|message| message.flags.has(Flags::DELETED));
    // Only what the client knows of: another may have put more here meanwhile.
    let last = open.view.last_uid();
    let uids: Vec<Uid> = marked.map(|message| message.uid).filter(|uid| *uid <= last).collect();
    let removes = !open.folder.read_only() && !uids.is_empty();
    let mut teller = Teller::new(&tag, uids.len(), pace, out);
    let removed = if removes { remove(open, &uids, &mut teller) } else { Ok(()) };
    let highest = open.folder.status().highest_modseq;
    // RFC 7162 §3.2.8; but a client that goes on from here would never learn of what it has not been told.
    let tell = removes && resynchronizes && open.all_told(uids.len());
    session.open = None;
    teller.heard()?;
    match removed {
        // RFC 4314 §4: who may not expunge closes all the same.
        Err(Trouble::NotAllowed) => return Ok(Reply::DONE),
        removed => removed?,
    }
    Ok(if tell { Reply::DONE.with(format!("HIGHESTMODSEQ {highest}")) } else { Reply::DONE })
}

pub(crate) fn unselect<S: Store>(session: &mut Session<S>, _: Request, _: Out<'_>) -> Answer {
    session.open = None;
    Ok(Reply::DONE)
}

impl<F: Folder> Open<F> {
    /// Has the client been told of everything but what it has just removed, of which there are `removed`?
    fn all_told(&self, removed: usize) -> bool {
        let messages = self.folder.messages();
        let told = |message: &Message| message.modseq <= self.view.told_of(message.uid);
        messages.len() + removed == self.view.uids().len() && messages.iter().all(told)
    }
}
