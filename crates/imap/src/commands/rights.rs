//! GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS: RFC 4314.

use std::io;

use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Store, Trouble};
use crate::syntax::Request;

/// RFC 4314 §2.1.
const RIGHTS: &str = "lrswipkxtea";

pub(crate) fn get<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::GetAcl(mailbox) = request else { return Ok(Reply::WRONG) };
    let name = session.administered(&mailbox)?;
    let acl = session.store.acl(&name)?;
    write!(out, "* ACL {}", session.written(&name))?;
    for (who, rights) in &acl {
        out.write_all(b" ")?;
        session.write_word(who, out)?;
        out.write_all(b" ")?;
        session.write_word(rights, out)?;
    }
    out.write_all(b"\r\n")?;
    Ok(Reply::DONE)
}

pub(crate) fn set<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::SetAcl { mailbox, who, change, rights } = request else { return Ok(Reply::WRONG) };
    let name = session.administered(&mailbox)?;
    // RFC 4314 §2: `-` before a name takes rights away from somebody who has them as one of a group.
    if who.starts_with('-') {
        return Err(Trouble::Cannot("Rights are granted, not denied.").into());
    }
    let wanted = spelled_out(&rights).ok_or(Reply::BAD_RIGHTS)?;
    let acl = session.store.acl(&name)?;
    let before = acl.iter().find(|(known, _)| *known == who).map_or("", |(_, rights)| rights.as_str());
    let holds = |right: &char| match change {
        '+' => before.contains(*right) || wanted.contains(*right),
        '-' => before.contains(*right) && !wanted.contains(*right),
        _ => wanted.contains(*right),
    };
    let rights: String = RIGHTS.chars().filter(holds).collect();
    session.store.set_acl(&name, &who, &rights)?;
    Ok(Reply::DONE)
}

pub(crate) fn delete<S: Store>(session: &mut Session<S>, request: Request, _: Out<'_>) -> Answer {
    let Request::DeleteAcl { mailbox, who } = request else { return Ok(Reply::WRONG) };
    let name = session.administered(&mailbox)?;
    session.store.set_acl(&name, &who, "")?;
    Ok(Reply::DONE)
}

/// Every right may be given to anybody, each for itself; an owner has all in any case.
pub(crate) fn list<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::ListRights { mailbox, who } = request else { return Ok(Reply::WRONG) };
    let name = session.administered(&mailbox)?;
    write!(out, "* LISTRIGHTS {} ", session.written(&name))?;
    session.write_word(&who, out)?;
    match who == session.options.user {
        true => write!(out, " {RIGHTS}\r\n")?,
        false => {
            out.write_all(b" \"\"")?;
            RIGHTS.chars().try_for_each(|right| write!(out, " {right}"))?;
            out.write_all(b"\r\n")?;
        }
    }
    Ok(Reply::DONE)
}

pub(crate) fn mine<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::MyRights(mailbox) = request else { return Ok(Reply::WRONG) };
    let name = session.mailbox(&mailbox)?;
    let rights = session.store.rights(&name)?;
    // RFC 4314 §4: who has none of these rights is not told that the mailbox is there.
    if !rights.contains(['l', 'r', 'i', 'k', 'x', 'a']) {
        return Err(Trouble::NoMailbox.into());
    }
    session.write_my_rights(&name, &rights, out)?;
    Ok(Reply::DONE)
}

/// The rights of RFC 2086, `c` and `d`, stand for several (RFC 4314 §2.1.1). `None`: there is no such right.
fn spelled_out(rights: &str) -> Option<String> {
    let all = rights.replace('c', "kx").replace('d', "te");
    all.chars().all(|right| RIGHTS.contains(right)).then_some(all)
}

impl<S: Store> Session<S> {
    /// A mailbox whose rights this user may see and change.
    fn administered(&mut self, mailbox: &str) -> Result<String, crate::session::Stop> {
        let name = self.mailbox(mailbox)?;
        let rights = self.store.rights(&name)?;
        match (rights.contains('a'), rights.contains('l')) {
            (true, _) => Ok(name),
            (false, true) => Err(Trouble::NotAllowed.into()),
            (false, false) => Err(Trouble::NoMailbox.into()),
        }
    }

    pub(crate) fn write_my_rights(&self, name: &str, rights: &str, out: Out<'_>) -> io::Result<()> {
        write!(out, "* MYRIGHTS {} ", self.written(name))?;
        self.write_word(rights, out)?;
        out.write_all(b"\r\n")
    }
}
