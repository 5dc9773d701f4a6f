//! EXPUNGE and UID EXPUNGE: RFC 9051 §6.4.3, §6.4.9.

use crate::commands::store::PIECE;
use crate::flags::Flags;
use crate::open::Open;
use crate::progress::Teller;
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Folder, Store, Trouble, Uid};
use crate::syntax::Request;

/// Serves it. What has gone is told after the command.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Expunge { uids } = request else { return Ok(Reply::WRONG) };
    let (enabled, resynchronizes) = (session.enabled, session.resynchronizes());
    let (tag, pace) = (session.tag.clone(), session.options.pace.clone());
    let open = session.selected()?;
    if open.folder.read_only() {
        return Ok(Reply::READ_ONLY);
    }
    let known = match uids {
        Some(set) => open.pick(&set, true)?.into_iter().map(|(_, uid)| uid).collect(),
        None => open.view.uids().to_vec(),
    };
    let deleted = deleted(open, &known);
    if deleted.is_empty() {
        return Ok(Reply::DONE);
    }
    let mut teller = Teller::new(&tag, deleted.len(), pace, out);
    remove(open, &deleted, &mut teller)?;
    teller.heard()?;
    open.tell_gone(enabled, out)?;
    let highest = open.folder.status().highest_modseq;
    // RFC 7162 §3.2.5: the client may use this for its next resynchronization.
    Ok(if resynchronizes { Reply::DONE.with(format!("HIGHESTMODSEQ {highest}")) } else { Reply::DONE })
}

/// Removes what is marked of these messages, piece by piece, also when nobody listens any more.
pub(super) fn remove<F: Folder>(
    open: &mut Open<F>,
    uids: &[Uid],
    teller: &mut Teller<'_>,
) -> Result<(), Trouble> {
    for (number, piece) in uids.chunks(PIECE).enumerate() {
        teller.progress().reached(number * PIECE, uids.len());
        open.folder.expunge_deleted(piece)?;
    }
    Ok(())
}

/// Those of `uids` that have `\Deleted`. A message that the client has not been told of yet stays: it may be one that
/// another client has just put here to undo something.
fn deleted<F: Folder>(open: &Open<F>, uids: &[Uid]) -> Vec<Uid> {
    let has = |uid: &Uid| open.message(*uid).is_some_and(|message| message.flags.has(Flags::DELETED));
    uids.iter().copied().filter(has).collect()
}
