//! Sizes of messages whose files' names tell a wrong one (`W=`): of those that another program has changed, or named badly.
//!
//! A text beside the index: the UIDVALIDITY, then a line of UID and octets for each that has been found out by reading it. It
//! may be removed at any time; where all names are right there is none.

use std::collections::BTreeMap;

use imap::Uid;
use sys::durable::Folder;

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

    /// The message's size, if its name tells a wrong one.
    pub(crate) fn of(&self, uid: Uid) -> Option<u64> {
        self.known.get(&uid).copied()
    }

    /// It has been read: its name tells `told`, and it has `octets`.
    pub(crate) fn note(&mut self, uid: Uid, told: Option<u64>, octets: u64) {
        let wrong = told.is_some_and(|told| told != octets);
        let before = self.of(uid);
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

#[cfg(test)]
mod tests {
    use super::*;

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
