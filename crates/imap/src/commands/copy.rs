//! COPY: RFC 9051 §6.4.7; COPYUID (RFC 4315).

use crate::names::fit;
use crate::open::Open;
use crate::progress::Teller;
use crate::reply::Reply;
use crate::sequence::compact;
use crate::session::{Answer, Out, Session};
use crate::store::{Arrived, Folder, Store, Trouble, Uid};
use crate::syntax::Request;

/// Serves it.
pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Copy { by_uid, set, mailbox } = request else { return Ok(Reply::WRONG) };
    let (tag, pace) = (session.tag.clone(), session.options.pace.clone());
    let (open, store) = session.both()?;
    let picked = open.pick(&set, by_uid)?;
    let there = there(open, &picked, by_uid)?;
    if there.is_empty() {
        return Ok(Reply::DONE);
    }
    let name = fit(&mailbox, store.separator())?;
    let mut teller = Teller::new(&tag, there.len(), pace, out).cleared();
    let arrived = store.copy(&mut open.folder, &there, &name, &mut teller.progress()).map_err(refused)?;
    teller.heard()?;
    Ok(match code(&arrived) {
        Some(code) => Reply::DONE.with(code),
        None => Reply::DONE,
    })
}

/// Those that are still there: now, not when the client was last told. A UID that is not is passed over (RFC 9051 §6.4.9);
/// where messages were named by number all are copied or none, and the client does not know yet that some are gone. His
/// numbers stay what they are until he is told (§7.5.1).
pub(super) fn there<F: Folder>(
    open: &mut Open<F>,
    picked: &[(u32, Uid)],
    by_uid: bool,
) -> Result<Vec<Uid>, Trouble> {
    open.folder.refresh()?;
    let uids = picked.iter().map(|(_, uid)| *uid);
    let there: Vec<Uid> = uids.filter(|uid| open.message(*uid).is_some()).collect();
    if by_uid || there.len() == picked.len() { Ok(there) } else { Err(Trouble::Gone) }
}

/// The answer where the target is missing tells the client to make it.
pub(super) fn refused(trouble: Trouble) -> Reply {
    match trouble {
        Trouble::NoMailbox => Reply::TRY_CREATE,
        trouble => trouble.into(),
    }
}

/// `COPYUID 38505 304,319:320 3956:3958`; none if nothing has arrived.
pub(super) fn code(arrived: &Arrived) -> Option<String> {
    if arrived.uids.is_empty() {
        return None;
    }
    let here = compact(arrived.uids.iter().map(|(here, _)| *here));
    let there = compact(arrived.uids.iter().map(|(_, there)| *there));
    Some(format!("COPYUID {} {here} {there}", arrived.uid_validity))
}
