//! STATUS: RFC 9051 §6.3.11, RFC 7162, 7889, 8438, 8474, 9208.

use std::io;

use crate::reply::Reply;
use crate::session::{Answer, Out, Session};
use crate::store::{Status, Store};
use crate::syntax::{Request, StatusItem};

pub(crate) fn run<S: Store>(session: &mut Session<S>, request: Request, out: Out<'_>) -> Answer {
    let Request::Status { mailbox, items } = request else { return Ok(Reply::WRONG) };
    let name = session.mailbox(&mailbox)?;
    let status = session.store.status(&name, wants_sizes(&items))?;
    if items.contains(&StatusItem::HighestModSeq) {
        session.use_condstore(out)?;
    }
    session.write_status(&name, &status, &items, out)?;
    Ok(Reply::DONE)
}

/// Do these need the sizes of messages?
pub(crate) fn wants_sizes(items: &[StatusItem]) -> bool {
    items.iter().any(|item| matches!(item, StatusItem::Size | StatusItem::DeletedStorage))
}

impl<S: Store> Session<S> {
    /// The untagged line.
    pub(crate) fn write_status(
        &self,
        name: &str,
        status: &Status,
        items: &[StatusItem],
        out: Out<'_>,
    ) -> io::Result<()> {
        write!(out, "* STATUS {} (", self.written(name))?;
        for (place, item) in items.iter().enumerate() {
            let blank = if place == 0 { "" } else { " " };
            let (word, value) = self.item(*item, status);
            write!(out, "{blank}{word} {value}")?;
        }
        out.write_all(b")\r\n")
    }

    fn item(&self, item: StatusItem, status: &Status) -> (&'static str, String) {
        match item {
            StatusItem::Messages => ("MESSAGES", status.messages.to_string()),
            StatusItem::Recent => ("RECENT", status.recent.to_string()),
            StatusItem::UidNext => ("UIDNEXT", status.uid_next.to_string()),
            StatusItem::UidValidity => ("UIDVALIDITY", status.uid_validity.to_string()),
            StatusItem::Unseen => ("UNSEEN", status.unseen.to_string()),
            StatusItem::Deleted => ("DELETED", status.deleted.to_string()),
            StatusItem::DeletedStorage => ("DELETED-STORAGE", status.deleted_size.div_ceil(1024).to_string()),
            StatusItem::Size => ("SIZE", status.size.to_string()),
            StatusItem::HighestModSeq => ("HIGHESTMODSEQ", status.highest_modseq.to_string()),
            StatusItem::AppendLimit => {
                ("APPENDLIMIT", self.store.append_limit().map_or("NIL".to_owned(), |limit| limit.to_string()))
            }
            StatusItem::MailboxId => ("MAILBOXID", format!("({})", status.id)),
        }
    }
}
