//! MOVE: RFC 6851.

use super::copy::{code, refused, there};
use crate::names::fit;
use crate::progress::Teller;
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Folder, Store};
use crate::syntax::Request;

/// Serves it. Where the messages have got to is told before they go (§4.3).
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Move { by_uid, set, mailbox } = request else { return Ok(Reply::WRONG) };
    let (enabled, resynchronizes) = (session.enabled, session.resynchronizes());
    let (tag, pace) = (session.tag.clone(), session.options.pace.clone());
    let (open, store) = session.both()?;
    if open.folder.read_only() {
        return Ok(Reply::READ_ONLY);
    }
    let picked = open.pick(&set, by_uid)?;
    let there = there(open, &picked, by_uid)?;
    if there.is_empty() {
        return Ok(Reply::DONE);
    }
    let name = fit(&mailbox, store.separator())?;
    let mut teller = Teller::new(&tag, there.len(), pace, out).cleared();
    let arrived = store.relocate(&mut open.folder, &there, &name, &mut teller.progress()).map_err(refused)?;
    teller.heard()?;
    if let Some(code) = code(&arrived) {
        write!(out, "* OK [{code}] Moved.\r\n")?;
    }
    open.tell_gone(enabled, out)?;
    let highest = open.folder.status().highest_modseq;
    Ok(if resynchronizes { Reply::DONE.with(format!("HIGHESTMODSEQ {highest}")) } else { Reply::DONE })
}
