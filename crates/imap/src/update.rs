//! Tells the client what has become of the open mailbox: RFC 9051 §7.5, RFC 7162 §3.1, §3.2.10, RFC 9586 §3.
//!
//! The folder is looked at again, then compared with what the client knows; nothing is told twice, and nothing that
//! may not be told now is lost: it is still different the next time.

use std::io;

use crate::commands::fetch::{self, Style};
use crate::commands::search;
use crate::open::Open;
use crate::ranges;
use crate::scribe;
use crate::session::{Enabled, Out, Session};
use crate::store::{Folder, Message, Store, Trouble, Uid};

/// Whether the mailbox is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    Gone,
}

impl<S: Store> Session<S> {
    /// Tells what is new, as far as the client wants to know. `may_expunge`: numbers may change now.
    pub(crate) fn tell(&mut self, may_expunge: bool, out: Out<'_>) -> io::Result<Presence> {
        match self.wish().messages {
            true => self.tell_all(may_expunge, out),
            false => Ok(Presence::There),
        }
    }

    /// Tells what is new.
    pub(crate) fn tell_all(&mut self, may_expunge: bool, out: Out<'_>) -> io::Result<Presence> {
        let flags = self.wish().flags;
        let enabled = self.enabled;
        // RFC 5465 §5.1: with its UID.
        let style = Style::new(&enabled, self.notices.is_some());
        let items = self.wish().items.clone();
        let Some(open) = &mut self.open else { return Ok(Presence::There) };
        let changed =
            match open.wake(false).and_then(|awake| if awake { open.folder.refresh() } else { Ok(false) }) {
                Ok(_) if open.view.is_asleep() => return Ok(Presence::There),
                Ok(changed) => changed,
                Err(Trouble::MailboxGone) => return Ok(Presence::Gone),
                // What can't be learnt now is told later.
                Err(_) => return Ok(Presence::There),
            };
        if !changed && open.nothing_new() {
            return Ok(Presence::There);
        }
        open.tell_keywords(out)?;
        if may_expunge {
            open.tell_gone(enabled, out)?;
        }
        let known = open.view.last_uid();
        open.tell_new(enabled, known, out)?;
        if flags {
            open.tell_flags(style, known, out)?;
        }
        if !items.is_empty() {
            fetch::write_items(open, &items, known, &enabled, out)?;
        }
        open.view.told_all(open.folder.status().highest_modseq);
        if self.open.as_ref().is_some_and(|open| !open.watches.is_empty()) {
            search::tell(self, out)?;
        }
        Ok(Presence::There)
    }
}

impl<F: Folder> Open<F> {
    fn nothing_new(&self) -> bool {
        self.folder.messages().len() == self.view.uids().len()
            && self.folder.status().highest_modseq <= self.view.up_to()
            && self.folder.keywords().len() <= self.keywords
    }

    pub(crate) fn tell_keywords(&mut self, out: Out<'_>) -> io::Result<()> {
        if self.folder.keywords().len() <= self.keywords {
            return Ok(());
        }
        self.write_known_flags(out)?;
        self.write_permanent_flags(out)
    }

    /// What is not there any more.
    pub(crate) fn tell_gone(&mut self, enabled: Enabled, out: Out<'_>) -> io::Result<()> {
        search::tell_leaving(self, out)?;
        let mut there = self.folder.messages().iter().map(|message| message.uid).peekable();
        let gone = self.view.shrink(|uid| {
            while there.next_if(|known| *known < uid).is_some() {}
            there.peek() == Some(&uid)
        });
        if gone.is_empty() {
            return Ok(());
        }
        let uids: Vec<Uid> = gone.iter().map(|(_, uid)| *uid).collect();
        self.saved.retain(|uid| uids.binary_search(uid).is_err());
        if enabled.qresync || enabled.uid_only {
            return write!(out, "* VANISHED {}\r\n", ranges::written(&ranges::joined(uids)));
        }
        // From the last one, so that each number is still that which the client knows.
        gone.iter().rev().try_for_each(|(number, _)| write!(out, "* {number} EXPUNGE\r\n"))
    }

    /// What has come behind `known`.
    fn tell_new(&mut self, enabled: Enabled, known: Uid, out: Out<'_>) -> io::Result<()> {
        let messages = self.folder.messages();
        let from = messages.partition_point(|message| message.uid <= known);
        if from == messages.len() {
            return Ok(());
        }
        self.view.grow(messages[from..].iter().map(|message| message.uid));
        write!(out, "* {} EXISTS\r\n", self.view.count())?;
        if enabled.rev2 {
            return Ok(());
        }
        write!(out, "* {} RECENT\r\n", self.recent())
    }

    /// How many of the messages the client knows are recent.
    pub(crate) fn recent(&self) -> usize {
        if self.view.is_asleep() {
            return self.folder.status().recent as usize;
        }
        let from = self.folder.recent_from();
        self.view.uids().len() - self.view.uids().partition_point(|uid| *uid < from)
    }

    /// Whose flags have changed, among what is not new.
    fn tell_flags(&self, style: Style, known: Uid, out: Out<'_>) -> io::Result<()> {
        for message in self.folder.messages() {
            if message.uid > known {
                break;
            }
            if message.modseq <= self.view.told_of(message.uid) {
                continue;
            }
            if let Some(number) = self.view.number(message.uid) {
                self.write_change(style, number, message, out)?;
            }
        }
        Ok(())
    }

    /// A FETCH of a message's flags, unasked.
    pub(crate) fn write_change(
        &self,
        style: Style,
        number: u32,
        message: &Message,
        out: Out<'_>,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        style.begin(number, message.uid, &mut line);
        self.put_change(style, message, &mut line);
        line.extend_from_slice(b")\r\n");
        out.write_all(&line)
    }

    /// A message's flags, and their MODSEQ for a client that knows of such.
    pub(crate) fn put_change(&self, style: Style, message: &Message, line: &mut Vec<u8>) {
        line.extend_from_slice(b"FLAGS ");
        self.put_flags(message, style.recent, line);
        if style.with_modseq {
            line.push(b' ');
            scribe::modseq(line, message.modseq);
        }
    }
}
