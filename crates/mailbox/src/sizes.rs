//! Sizes of messages whose files' names tell a wrong one (`W=`): of those that another program has changed, or named badly. And
//! of those whose names tell none, once somebody has asked for the size of the whole mailbox.
//!
//! A text beside the index: the UIDVALIDITY, then a line of UID and octets for each that has been found out by reading it. It
//! may be removed at any time; where all names are right there is none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

use imap::{Flags, Trouble, Uid};
use maildir::Name;
use sys::durable::Folder;

use crate::mailbox::Mailbox;
use crate::place::mode;
use crate::texts;

const FILE: &str = "fulmar-sizes";
/// So many are remembered.
const MOST: usize = 100_000;

/// What has been found out.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    known: BTreeMap<Uid, u64>,
    changed: bool,
}

impl Sizes {
    /// Reads it. What can't be read, or is about other UIDs, is found out again.
    pub(crate) fn read(index: &Folder, uid_validity: u32) -> Sizes {
        let text = texts::read_if_there(index, FILE).unwrap_or_default();
        let mut lines = text.lines();
        if lines.next().and_then(|line| line.parse().ok()) != Some(uid_validity) {
            return Sizes::default();
        }
        let line = |line: &str| {
            let (uid, octets) = line.split_once(' ')?;
            Some((uid.parse().ok()?, octets.parse().ok()?))
        };
        Sizes { known: lines.filter_map(line).take(MOST).collect(), changed: false }
    }

    /// The message's size, if its name tells a wrong one or none.
    pub(crate) fn of(&self, uid: Uid) -> Option<u64> {
        self.known.get(&uid).copied()
    }

    /// It has been read: its name tells `told`, and it has `octets`.
    pub(crate) fn note(&mut self, uid: Uid, told: Option<u64>, octets: u64) {
        let before = self.of(uid);
        let wrong = told != Some(octets) && (told.is_some() || before.is_some());
        if before == Some(octets).filter(|_| wrong) || (wrong && before.is_none() && self.known.len() >= MOST)
        {
            return;
        }
        match wrong {
            true => self.known.insert(uid, octets),
            false => self.known.remove(&uid),
        };
        self.changed = true;
    }

    /// It has been read for its size, which its name does not tell.
    fn learn(&mut self, uid: Uid, octets: u64) {
        if self.known.len() < MOST {
            self.known.insert(uid, octets);
            self.changed = true;
        }
    }

    /// Writes what is new, of those messages that are still there. What fails here is found out again.
    pub(crate) fn write(&mut self, index: &Folder, uid_validity: u32, there: impl Fn(Uid) -> bool) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.known.retain(|uid, _| there(*uid));
        let lines = self.known.iter().map(|(uid, octets)| format!("{uid} {octets}\n"));
        let text: String = std::iter::once(format!("{uid_validity}\n")).chain(lines).collect();
        let _ = index.replace(FILE, text.as_bytes(), mode(index));
    }
}

impl Mailbox {
    /// Octets with CR LF line ends of all messages, and of those that are marked as deleted.
    pub(crate) fn sizes(&mut self) -> Result<(u64, u64), Trouble> {
        let (mut all, mut deleted) = (0, 0);
        for at in 0..self.state.messages.len() {
            let message = self.state.messages[at];
            let size = match self.wire(at) {
                Some(wire) => wire,
                None => match self.open_at(at).map(wire) {
                    Ok(wire) => {
                        let wire = wire?;
                        self.sizes.learn(message.uid, wire);
                        wire
                    }
                    Err(Trouble::Gone) => 0,
                    Err(trouble) => return Err(trouble),
                },
            };
            all += size;
            deleted += if message.flags.has(Flags::DELETED) { size } else { 0 };
        }
        Ok((all, deleted))
    }

    /// The message has been read, and has so many octets.
    pub(crate) fn note_size(&mut self, uid: Uid, octets: u64) {
        if let Ok(at) = self.at(uid) {
            let told = Name::read(self.state.base(at)).wire();
            self.sizes.note(uid, told, octets);
        }
    }

    /// Octets with CR LF line ends, where they are known.
    pub(crate) fn wire(&self, at: usize) -> Option<u64> {
        let found = self.sizes.of(self.state.messages[at].uid);
        found.or_else(|| Name::read(self.state.base(at)).wire())
    }

    pub(crate) fn write_sizes(&mut self) {
        let Mailbox { sizes, folders, state, .. } = self;
        if self.writable {
            sizes.write(&folders.index, self.uid_validity, |uid| state.position(uid).is_some());
        }
    }
}

/// Octets of a text with CR LF line ends.
fn wire(mut file: File) -> Result<u64, Trouble> {
    let (mut sizes, mut piece) = (message::Sizes::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(sizes.wire),
            read => sizes.feed(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::tests::Home;

    #[test]
    fn a_mailbox_whose_names_tell_no_sizes_is_read_for_its_size_once() {
        let home = Home::new();
        (1..=3).for_each(|number| home.put(&format!("cur/{number}.a.b:2,"), "Subject: x\n\nx\n"));
        let size = || Mailbox::peek(home.place(), true).unwrap().size;
        assert_eq!(size(), 3 * 17);
        // Nobody looks at what is in them again,
        (1..=3).for_each(|number| home.put(&format!("cur/{number}.a.b:2,"), "y\n"));
        assert_eq!(size(), 3 * 17);
        // but who has read one knows better.
        let mut mailbox = home.open();
        imap::Folder::size_is(&mut mailbox, 1, 3);
        drop(mailbox);
        assert_eq!(size(), 2 * 17 + 3);
        assert!(home.path().join(FILE).exists());
    }

    #[test]
    fn what_was_found_out_is_known_to_the_next_session_but_not_of_other_uids() {
        let home = tempfile::tempdir().unwrap();
        let index = Folder::open(home.path()).unwrap();
        let mut sizes = Sizes::read(&index, 7);
        sizes.note(1, Some(10), 10);
        sizes.note(2, None, 10);
        sizes.write(&index, 7, |_| true);
        assert!(!home.path().join(FILE).exists());
        sizes.note(3, Some(10), 11);
        sizes.note(4, Some(10), 12);
        sizes.note(5, Some(10), 13);
        sizes.note(4, Some(10), 10);
        sizes.write(&index, 7, |uid| uid != 5);
        let sizes = Sizes::read(&index, 7);
        assert_eq!((sizes.of(3), sizes.of(4), sizes.of(5)), (Some(11), None, None));
        assert_eq!(Sizes::read(&index, 8).of(3), None);
        std::fs::write(home.path().join(FILE), "7\nx\n3\n4 y\n6 60\n\u{1}").unwrap();
        let sizes = Sizes::read(&index, 7);
        assert_eq!((sizes.of(3), sizes.of(6)), (None, Some(60)));
    }
}
