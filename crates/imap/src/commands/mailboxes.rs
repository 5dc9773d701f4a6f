//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: RFC 9051 §6.3.4 to §6.3.8, RFC 6154, RFC 8474.

use crate::names::fit;
use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Store, Trouble};
use crate::syntax::Request;

/// RFC 6154 §2, RFC 8457. `\All` and `\Flagged` would be mailboxes that nobody can make.
const USES: &[&str] = &["\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash"];

pub(crate) fn create<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::Create { mailbox, special } = request else { return Ok(Reply::WRONG) };
    let name = fit(&mailbox, session.store.separator())?;
    let known = |wanted: &String| USES.iter().any(|known| known.eq_ignore_ascii_case(wanted));
    if special.len() > 1 || !special.iter().all(known) {
        return Ok(Reply::BAD_USE);
    }
    let id = session.store.create(&name, &special)?;
    Ok(Reply::DONE.with(format!("MAILBOXID ({id})")))
}

pub(crate) fn delete<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Delete(mailbox) = request else { return Ok(Reply::WRONG) };
    let name = session.mailbox(&mailbox)?;
    session.store.delete(&name)?;
    // A client that deletes what it has open knows that it is closed now.
    if session.open.as_ref().is_some_and(|open| open.name == name) {
        session.close(out)?;
    }
    Ok(Reply::DONE)
}

pub(crate) fn rename<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::Rename { from, to } = request else { return Ok(Reply::WRONG) };
    let separator = session.store.separator();
    let (from, to) = (session.mailbox(&from)?, fit(&to, separator)?);
    if to.strip_prefix(&from).is_some_and(|rest| rest.starts_with(separator)) && from != "INBOX" {
        return Err(Trouble::Cannot("A mailbox can't be put into itself.").into());
    }
    session.store.rename(&from, &to)?;
    if let Some(open) = &mut session.open
        && from != "INBOX"
        && let Some(rest) = open.name.strip_prefix(&from)
        && (rest.is_empty() || rest.starts_with(separator))
    {
        open.name = format!("{to}{rest}");
    }
    Ok(Reply::DONE)
}

pub(crate) fn subscribe<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::Subscribe(mailbox) = request else { return Ok(Reply::WRONG) };
    let name = fit(&mailbox, session.store.separator())?;
    session.store.subscribe(&name, true)?;
    Ok(Reply::DONE)
}

pub(crate) fn unsubscribe<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::Unsubscribe(mailbox) = request else { return Ok(Reply::WRONG) };
    let name = session.mailbox(&mailbox)?;
    session.store.subscribe(&name, false)?;
    Ok(Reply::DONE)
}
