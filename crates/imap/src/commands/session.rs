//! What concerns the session itself: CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE, IDLE, COMPRESS, NAMESPACE.

use std::io;

use crate::capability;
use crate::reply::Reply;
use crate::session::{Answer, Flow, Out, Session};
use crate::store::{NamespaceKind, Store};
use crate::syntax::Request;

pub(crate) fn capability<S: Store>(session: &mut Session<S>, _: Request, out: Out<'_>) -> Answer {
    write!(out, "* CAPABILITY {}\r\n", session.capabilities())?;
    Ok(Reply::DONE)
}

/// NOOP, and CHECK, as nothing waits to be written: what is new is told after each command.
pub(crate) fn nothing<S: Store>(_: &mut Session<S>, _: Request, _: Out<'_>) -> Answer {
    Ok(Reply::DONE)
}

pub(crate) fn logout<S: Store>(session: &mut Session<S>, _: Request, out: Out<'_>) -> Answer {
    session.open = None;
    session.flow = Flow::Close;
    out.write_all(Reply::LEAVING.as_bytes())?;
    Ok(Reply::DONE)
}

/// RFC 2971. What the client says of itself is not used.
pub(crate) fn id<S: Store>(session: &mut Session<S>, _: Request, out: Out<'_>) -> Answer {
    out.write_all(b"* ID (\"name\" \"Fulmar\"")?;
    if !session.options.version.is_empty() {
        write!(out, " \"version\" \"{}\"", session.options.version)?;
    }
    out.write_all(b")\r\n")?;
    Ok(Reply::DONE)
}

/// RFC 5161: names that are not known are passed over.
pub(crate) fn enable<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Enable(names) = request else { return Ok(Reply::WRONG) };
    let before = session.enabled.condstore;
    let known: Vec<&str> = names.iter().filter_map(|name| session.turn_on(name)).collect();
    out.write_all(b"* ENABLED")?;
    known.iter().try_for_each(|name| write!(out, " {name}"))?;
    out.write_all(b"\r\n")?;
    if session.enabled.condstore && !before {
        session.tell_highest(out)?;
    }
    Ok(Reply::DONE)
}

/// RFC 2177: the answer comes with DONE.
pub(crate) fn idle<S: Store>(session: &mut Session<S>, _: Request, out: Out<'_>) -> Answer {
    out.write_all(Reply::IDLING.as_bytes())?;
    session.idle = Some(session.tag.clone());
    session.frames.expect_line();
    Ok(Reply::NOT_YET)
}

/// RFC 4978.
pub(crate) fn compress<S: Store>(session: &mut Session<S>, _: Request, _: Out<'_>) -> Answer {
    if !session.options.compress {
        return Ok(Reply::NO_COMPRESSION);
    }
    if std::mem::replace(&mut session.compressed, true) {
        return Ok(Reply::COMPRESSED_ALREADY);
    }
    session.flow = Flow::Compress(0);
    Ok(Reply::COMPRESSED)
}

/// RFC 2342: ours, other users', shared ones.
pub(crate) fn namespace<S: Store>(session: &mut Session<S>, _: Request, out: Out<'_>) -> Answer {
    out.write_all(b"* NAMESPACE")?;
    for kind in [NamespaceKind::Personal, NamespaceKind::Other, NamespaceKind::Shared] {
        session.write_namespaces(kind, out)?;
    }
    out.write_all(b"\r\n")?;
    Ok(Reply::DONE)
}

impl<S: Store> Session<S> {
    /// Gives the name as it is written.
    fn turn_on(&mut self, name: &str) -> Option<&'static str> {
        let known = ["CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4rev2", "UIDONLY"];
        let name = known.into_iter().find(|known| known.eq_ignore_ascii_case(name))?;
        let enabled = &mut self.enabled;
        match name {
            "CONDSTORE" => enabled.condstore = true,
            "QRESYNC" => (enabled.condstore, enabled.qresync) = (true, true),
            "UTF8=ACCEPT" => enabled.utf8 = true,
            "IMAP4rev2" => enabled.rev2 = true,
            _ => enabled.uid_only = true,
        }
        Some(name)
    }

    /// Everything that is offered, in one line.
    pub(crate) fn capabilities(&self) -> String {
        capability::after_login(self.store.append_limit(), self.options.compress && !self.compressed)
    }

    fn write_namespaces(&self, kind: NamespaceKind, out: Out<'_>) -> io::Result<()> {
        let namespaces = self.store.namespaces();
        let mut these = namespaces.iter().filter(|namespace| namespace.kind == kind).peekable();
        if these.peek().is_none() {
            return out.write_all(b" NIL");
        }
        out.write_all(b" (")?;
        for namespace in these {
            let prefix = self.written(&namespace.prefix);
            let mark = if prefix.starts_with('"') { "" } else { "\"" };
            write!(out, "({mark}{prefix}{mark} \"{}\")", self.separator_escaped())?;
        }
        out.write_all(b")")
    }
}
