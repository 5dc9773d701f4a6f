//! Giving UIDs to messages: the list of UIDs on disk is written before anybody hears of a UID.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;

use imap::{Trouble, Uid};
use sys::durable::Folder;

use crate::mailbox::{Mailbox, hex};
use crate::place::Held;
use crate::place::mode;
use crate::uidlist::{List, write_line};

/// Its name.
pub(crate) const NAME: &str = "fulmar-uidlist";
/// So many UIDs are promised at a time.
pub(crate) const BLOCK: Uid = 10_000;
/// A longer list is none.
const LONGEST: u64 = 1 << 30;

/// The UID that the list promises to be above all that were given. `None`: there is no such list.
pub(crate) fn ceiling(folder: &Folder) -> Option<Uid> {
    head(&folder.read(NAME).ok()?).map(|head| head.next)
}

/// The id of the mailbox that has this list. `None`: there is no such list, or it names none.
pub(crate) fn id(folder: &Folder) -> Option<String> {
    head(&folder.read(NAME).ok()?).map(|head| head.id).filter(|id| !id.is_empty())
}

fn head(file: &File) -> Option<List> {
    let mut head = Vec::new();
    file.take(200).read_to_end(&mut head).ok()?;
    let end = head.iter().position(|octet| *octet == b'\n')?;
    List::read(&head[..=end])
}

/// Reads a file whole. `None`: there is none that could be read.
pub(crate) fn text(folder: &Folder, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut text = Vec::new();
    match folder.read(name) {
        Ok(file) => file.take(LONGEST).read_to_end(&mut text)?,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    Ok(Some(text))
}

impl Mailbox {
    /// Gives UIDs to messages in this order: writes them to the list, and gives the first of them. For each, what its
    /// EMAILID is made of and its base.
    pub(crate) fn assign(&mut self, held: &Held, messages: &[(u64, &[u8])]) -> Result<Uid, Trouble> {
        self.make_list_sound(held)?;
        let count = messages.len() as Uid;
        let first = self.state.facts.next;
        let next = first.checked_add(count).ok_or(Trouble::Limit("no UIDs are left in this mailbox"))?;
        if next > self.state.facts.ceiling {
            self.write_list(held, next.saturating_add(BLOCK))?;
        }
        let mut lines = Vec::with_capacity(messages.len() * 100);
        for (uid, (email, base)) in (first..next).zip(messages) {
            write_line(&mut lines, uid, *email, base);
        }
        self.append_lines(&lines).map_err(|error| self.cant("write", &error))?;
        self.state.facts.next = next;
        Ok(first)
    }

    fn append_lines(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = self.folders.index.append(NAME, mode(&self.folders.index))?;
        file.write_all(lines)?;
        self.state.facts.list += lines.len() as u64;
        Ok(())
    }

    /// The list is as the index says, or is made so. It is longer when a writer was killed before it could write the
    /// index: the UIDs in there are spent. If it is lost or shorter, all that it said is known here.
    fn make_list_sound(&mut self, held: &Held) -> Result<(), Trouble> {
        let list = self.folders.index.read(NAME).ok();
        let known = list.as_ref().and_then(|file| Some((head(file)?, file.metadata().ok()?.len())));
        match (list, known) {
            // Whoever wrote it was killed before the index could follow.
            (_, Some((head, _))) if head.uid_validity != self.uid_validity => {
                self.rebuild(held, Some(ErrorKind::InvalidData.into()))?;
                Err(Trouble::MailboxGone)
            }
            (_, Some((head, size)))
                if size == self.state.facts.list && head.next == self.state.facts.ceiling =>
            {
                Ok(())
            }
            (Some(file), Some((head, size))) => {
                self.state.facts.next = self.state.facts.next.max(self.spent(&file, &head, size)?);
                self.write_list(held, self.state.facts.next.saturating_add(BLOCK))
            }
            _ => self.write_list(held, self.state.facts.ceiling.saturating_add(BLOCK)),
        }
    }

    /// The first UID that nothing in the list has reached.
    fn spent(&self, file: &File, head: &List, size: u64) -> Result<Uid, Trouble> {
        let mut text = vec![0; size.min(LONGEST) as usize];
        file.read_exact_at(&mut text, 0)?;
        let sure = size > self.state.facts.list && head.next == self.state.facts.ceiling;
        let list = List::read(&text).filter(|list| sure && list.damaged == 0);
        Ok(list
            .and_then(|list| list.lines.last().map(|last| last.uid.saturating_add(1)))
            .unwrap_or(head.next))
    }

    /// Writes the list anew, synced, with a promise.
    pub(crate) fn write_list(&mut self, _held: &Held, ceiling: Uid) -> Result<(), Trouble> {
        let list =
            List { uid_validity: self.uid_validity, next: ceiling, id: hex(&self.id), ..List::default() };
        let mut text = list.write_head().into_bytes();
        for at in 0..self.state.messages.len() {
            let email = self.state.extra(at).email;
            write_line(&mut text, self.state.messages[at].uid, email, self.state.base(at));
        }
        let written = self.folders.index.replace(NAME, &text, mode(&self.folders.index));
        written.map_err(|error| self.cant("write", &error))?;
        (self.state.facts.ceiling, self.state.facts.list) = (ceiling, text.len() as u64);
        Ok(())
    }
}
