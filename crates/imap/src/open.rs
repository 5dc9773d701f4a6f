//! The open mailbox of a session: the folder, and what the client knows of it.

use std::io;

use crate::body::Body;
use crate::flags::Flags;
use crate::reply::Reply;
use crate::scribe;
use crate::sequence::Set;
use crate::session::Out;
use crate::store::{Folder, Message, Trouble, Uid};
use crate::syntax::{Returns, SearchKey, SortKey};
use crate::view::View;

/// A search whose result the client wants to be kept up to date: RFC 5267 §4.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Of the command that began it.
    pub(crate) tag: String,
    pub(crate) by_uid: bool,
    pub(crate) key: SearchKey,
    /// Empty: SEARCH.
    pub(crate) order: Vec<(SortKey, bool)>,
    pub(crate) returns: Returns,
    /// What the client knows the result to be, in order.
    pub(crate) found: Vec<Uid>,
}

/// An open mailbox.
pub(crate) struct Open<F> {
    /// Its name, as the store writes it.
    pub(crate) name: String,
    pub(crate) folder: F,
    pub(crate) view: View,
    /// What `$` stands for: RFC 5182.
    pub(crate) saved: Vec<Uid>,
    pub(crate) watches: Vec<Watch>,
    /// How many keywords the client has been told of in FLAGS.
    pub(crate) keywords: usize,
    /// What the last FETCH has read, if it was for a slice of it.
    pub(crate) body: Option<Box<Body>>,
}

/// The UIDs of all messages.
pub(crate) fn uids(folder: &impl Folder) -> Vec<Uid> {
    folder.messages().iter().map(|message| message.uid).collect()
}

impl<F: Folder> Open<F> {
    /// The messages that a client names, as numbers and UIDs in order.
    pub(crate) fn pick(&self, set: &Set, by_uid: bool) -> Result<Vec<(u32, Uid)>, Reply> {
        self.view.pick(set, by_uid, &self.saved)
    }

    /// Has the folder read its messages, and the view learnt of them? Without `always`, only if something has happened.
    pub(crate) fn wake(&mut self, always: bool) -> Result<bool, Trouble> {
        if !self.view.is_asleep() {
            return Ok(true);
        }
        if !self.folder.wake(always)? {
            return Ok(false);
        }
        match self.view.wake(uids(&self.folder)) {
            true => Ok(true),
            // The client counts others than there are.
            false => Err(Trouble::MailboxGone),
        }
    }

    /// A message as it is now; `None`: it is gone.
    pub(crate) fn message(&self, uid: Uid) -> Option<&Message> {
        let messages = self.folder.messages();
        let place = messages.binary_search_by_key(&uid, |message| message.uid).ok()?;
        messages.get(place)
    }

    /// Appends a message's flags, in their brackets: `(\Seen $Forwarded)`. `recent`: with `\Recent`, for rev1.
    pub(crate) fn put_flags(&self, message: &Message, recent: bool, line: &mut Vec<u8>) {
        let recent = recent && message.uid >= self.folder.recent_from();
        scribe::flags(line, message, self.folder.keywords(), recent);
    }

    /// FLAGS: what flags there are in this mailbox.
    pub(crate) fn write_known_flags(&mut self, out: Out<'_>) -> io::Result<()> {
        self.keywords = self.folder.keywords().len();
        out.write_all(b"* FLAGS (")?;
        self.write_flag_names(out)?;
        out.write_all(b")\r\n")
    }

    /// PERMANENTFLAGS: which of them the client can change.
    pub(crate) fn write_permanent_flags(&self, out: Out<'_>) -> io::Result<()> {
        out.write_all(b"* OK [PERMANENTFLAGS (")?;
        if !self.folder.read_only() {
            self.write_flag_names(out)?;
            out.write_all(if self.folder.takes_new_keywords() { b" \\*" } else { b"" })?;
        }
        out.write_all(b")] Flags that are kept.\r\n")
    }

    fn write_flag_names(&self, out: Out<'_>) -> io::Result<()> {
        let mut blank = "";
        let names = Flags::NAMES.iter().map(|(_, name)| *name);
        for name in names.chain(self.folder.keywords().iter().map(String::as_str)) {
            write!(out, "{blank}{name}")?;
            blank = " ";
        }
        Ok(())
    }
}
