//! GETQUOTA, GETQUOTAROOT, SETQUOTA: RFC 9208. Limits are the administrator's, not the client's.

use std::io;

use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{QuotaRoot, Store};
use crate::syntax::Request;

pub(crate) fn get<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::GetQuota(root) = request else { return Ok(Reply::WRONG) };
    let roots = session.store.quota("INBOX")?;
    let Some(root) = roots.iter().find(|known| known.name == root) else { return Ok(Reply::NO_ROOT) };
    session.write_quota(root, out)?;
    Ok(Reply::DONE)
}

pub(crate) fn get_root<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::GetQuotaRoot(mailbox) = request else { return Ok(Reply::WRONG) };
    let name = session.mailbox(&mailbox)?;
    let roots = session.store.quota(&name)?;
    write!(out, "* QUOTAROOT {}", session.written(&name))?;
    for root in &roots {
        out.write_all(b" ")?;
        session.write_word(&root.name, out)?;
    }
    out.write_all(b"\r\n")?;
    roots.iter().try_for_each(|root| session.write_quota(root, out))?;
    Ok(Reply::DONE)
}

pub(crate) fn set<S: Store>(_: &mut Session<S>, _: Request, _: Out<'_>) -> Answer {
    Ok(Reply::NO_PERMISSION)
}

impl<S: Store> Session<S> {
    /// Only what has a limit is a resource of the root.
    fn write_quota(&self, root: &QuotaRoot, out: Out<'_>) -> io::Result<()> {
        out.write_all(b"* QUOTA ")?;
        self.write_word(&root.name, out)?;
        // RFC 9208 §5.1: storage counts in units of 1024 octets.
        let units = |octets: u64| octets.div_ceil(1024);
        let (used, limit) = root.storage;
        let storage = limit.map(|limit| format!("STORAGE {} {}", units(used), units(limit)));
        let (used, limit) = root.messages;
        let messages = limit.map(|limit| format!("MESSAGE {used} {limit}"));
        let resources: Vec<String> = [storage, messages].into_iter().flatten().collect();
        write!(out, " ({})\r\n", resources.join(" "))
    }
}
