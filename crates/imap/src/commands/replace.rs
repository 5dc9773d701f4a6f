//! REPLACE: RFC 8508. The new message is there before the old one goes.

use crate::commands::append::append_uid;
use crate::reply::Reply;
use crate::sequence::Set;
use crate::session::{Answer, Out, Session, Stop};
use crate::store::{Folder, Store, Trouble};
use crate::syntax::Request;

pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Replace { by_uid, message, mailbox, with } = request else { return Ok(Reply::WRONG) };
    let number = if message == "*" { None } else { message.parse().ok() };
    let set = Set::Ranges(vec![(number, number)]);
    let picked = session.selected()?.pick(&set, by_uid)?;
    let [(_, uid)] = picked[..] else { return Ok(Reply::NO_SUCH_MESSAGE) };
    if session.selected()?.message(uid).is_none() {
        return Err(Trouble::Gone.into());
    }
    session.may_remove()?;
    let name = session.target(&mailbox)?;
    let letter = session.letter(with)?;
    let arrived = session.store.append(&name, vec![letter])?;
    write!(out, "* OK [{}] The new one is there.\r\n", append_uid(&arrived))?;
    session.selected()?.folder.expunge(&[uid])?;
    Ok(Reply::DONE)
}

impl<S: Store> Session<S> {
    /// Asked before the new message is there: whoever may not remove the old one has nothing replaced (RFC 4314 §4).
    fn may_remove(&mut self) -> Result<(), Stop> {
        let name = self.selected()?.name.clone();
        match self.store.rights(&name) {
            Ok(rights) if !rights.contains('t') || !rights.contains('e') => Err(Trouble::NotAllowed.into()),
            // Another may have renamed the mailbox; then it is for the folder to say.
            _ => Ok(()),
        }
    }
}
