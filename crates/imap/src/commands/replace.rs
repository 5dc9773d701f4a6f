//! REPLACE: RFC 8508. The new message is there before the old one goes; if that can't go, the new one goes again.

use crate::commands::append::append_uid;
use crate::open::Open;
use crate::reply::Reply;
use crate::sequence::Set;
use crate::session::{Answer, Out, Session, Stop};
use crate::store::{Folder, Store, Trouble, Uid};
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
    if let Err(trouble) = session.selected()?.folder.expunge(&[uid]) {
        // RFC 8508 wants both or neither. One that is not seen to be there has been replaced all the same.
        if session.selected()?.still_has(uid) {
            // Should that fail too, the log has been told, and both are there.
            let _ = session.store.take_back(&name, &arrived);
        }
        return Err(trouble.into());
    }
    write!(out, "* OK [{}] The new one is there.\r\n", append_uid(&arrived))?;
    Ok(Reply::DONE)
}

impl<F: Folder> Open<F> {
    /// Can the message be read now?
    fn still_has(&mut self, uid: Uid) -> bool {
        self.folder.refresh().is_ok() && self.folder.open(uid).is_ok()
    }
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
