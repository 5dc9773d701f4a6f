//! What one user has seen of a mailbox that several share: `\Seen` is then each user's own.
//!
//! A file of the user's with the UIDVALIDITY and a set of UIDs: `77 1:5,9`. It is written anew with each change.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use imap::{Flags, Trouble, Uid, compact};

use crate::mailbox::Mailbox;
use crate::place::unavailable;

/// The file, and what it says.
#[derive(Debug)]
pub(crate) struct Seen {
    path: PathBuf,
    text: Vec<u8>,
    /// Ascending ranges.
    ranges: Vec<(Uid, Uid)>,
    version: u64,
}

impl Seen {
    pub(crate) fn open(path: &Path) -> Seen {
        Seen { path: path.to_owned(), text: Vec::new(), ranges: Vec::new(), version: 0 }
    }

    /// Another one after each change.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    fn read(&mut self, uid_validity: u32) -> Result<(), Trouble> {
        let text = match std::fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => {
                other.map_err(|error| unavailable(&self.path, "can't read what has been seen", &error))?
            }
        };
        if text != self.text {
            self.ranges = read(&text, uid_validity).unwrap_or_default();
            self.text = text;
            self.version += 1;
        }
        Ok(())
    }

    pub(crate) fn has(&self, uid: Uid) -> bool {
        let at = self.ranges.partition_point(|(_, last)| *last < uid);
        self.ranges.get(at).is_some_and(|(first, _)| *first <= uid)
    }
}

fn read(text: &[u8], uid_validity: u32) -> Option<Vec<(Uid, Uid)>> {
    let (validity, set) = std::str::from_utf8(text).ok()?.trim_end().split_once(' ')?;
    if validity.parse() != Ok(uid_validity) {
        return None;
    }
    let range = |range: &str| {
        let (first, last) = range.split_once(':').unwrap_or((range, range));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let mut ranges: Vec<(Uid, Uid)> = set.split(',').filter_map(range).collect();
    ranges.sort_unstable();
    Some(ranges)
}

impl Mailbox {
    /// Shows `\Seen` as this user has it, if that is each user's own.
    pub(crate) fn show_own_seen(&mut self) -> Result<(), Trouble> {
        if let Some(seen) = &mut self.seen {
            seen.read(self.uid_validity)?;
            self.state.show_seen(|uid| seen.has(uid));
        }
        Ok(())
    }

    /// Remembers what this user has seen of the messages that are there.
    pub(crate) fn write_own_seen(&mut self) -> Result<(), Trouble> {
        let messages = self.state.messages.iter();
        let uids = messages.filter(|message| message.flags.has(Flags::SEEN)).map(|message| message.uid);
        let text = format!("{} {}\n", self.uid_validity, compact(uids));
        let Some(seen) = &mut self.seen else { return Ok(()) };
        let written = sys::durable::replace(&seen.path, text.as_bytes(), 0o600);
        written.map_err(|error| unavailable(&seen.path, "can't write what has been seen", &error))?;
        seen.read(self.uid_validity)
    }

    /// This user has seen these as well, which he has just added.
    pub(crate) fn add_own_seen(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        self.show_own_seen()?;
        if self.seen.is_none() || uids.is_empty() {
            return Ok(());
        }
        for uid in uids {
            if let Some(at) = self.state.position(*uid) {
                let flags = &mut self.state.messages[at].flags;
                *flags = *flags | Flags::SEEN;
            }
        }
        self.write_own_seen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_is_read_unless_it_is_of_another_uidvalidity() {
        assert_eq!(read(b"7 9,1:5,x\n", 7), Some(vec![(1, 5), (9, 9)]));
        assert_eq!((read(b"7 1:5\n", 8), read(b"", 7), read(b"\xff 1", 7)), (None, None, None));
    }
}
