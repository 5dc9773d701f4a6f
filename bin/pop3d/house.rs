//! A Maildir as a POP3 session sees it: a list of messages that was made once.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

use maildir::{Entry, Maildir, Quota};
use message::Sizes;
use pop3::Store;

const PIECE: usize = 64 * 1024;

/// A Maildir and what was in it when the session began.
pub(crate) struct House {
    maildir: Maildir,
    quota: Quota,
    entries: Vec<Entry>,
    opened: u64,
    deleted: usize,
}

impl House {
    pub(crate) fn open(maildir: Maildir, quota: Quota) -> io::Result<House> {
        let entries = maildir.scan()?;
        // Only tidiness: what can't be removed does no harm to who reads.
        let _ = maildir.clean(sys::now());
        Ok(House { maildir, quota, entries, opened: 0, deleted: 0 })
    }

    fn chosen(&self, places: &[usize]) -> Vec<&Entry> {
        places.iter().filter_map(|place| self.entries.get(*place)).collect()
    }

    fn remove(&self, deleted: &[usize]) -> usize {
        let gone = self.maildir.remove(self.chosen(deleted), &self.quota);
        gone.unwrap_or_else(|error| {
            sys::log!("pop3d: {} warning can't remove messages: {error}", std::process::id());
            deleted.len()
        })
    }
}

impl Store for House {
    type Text = File;

    fn count(&self) -> usize {
        self.entries.len()
    }

    /// The name tells it for what we have delivered; else it is counted, once.
    fn size(&mut self, place: usize) -> io::Result<u64> {
        let entry = self.entries.get_mut(place).ok_or(ErrorKind::NotFound)?;
        if let Some(octets) = entry.wire {
            return Ok(octets);
        }
        let octets = count(self.maildir.read(entry)?)?;
        entry.wire = Some(octets);
        Ok(octets)
    }

    fn name(&self, place: usize) -> Vec<u8> {
        self.entries.get(place).map_or_else(Vec::new, |entry| entry.file.clone())
    }

    fn open(&mut self, place: usize) -> io::Result<File> {
        let entry = self.entries.get(place).ok_or(ErrorKind::NotFound)?;
        self.opened += 1;
        self.maildir.read(entry)
    }

    fn commit(&mut self, deleted: &[usize], retrieved: &[usize]) -> usize {
        let left = self.remove(deleted);
        self.deleted = deleted.len() - left.min(deleted.len());
        if let Err(error) = self.maildir.settle(self.chosen(retrieved), b"") {
            sys::log!("pop3d: {} warning can't move messages to cur: {error}", std::process::id());
        }
        left
    }
}

impl fmt::Display for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.entries.len() - self.deleted;
        write!(
            f,
            "messages={} opened={} deleted={} left={left}",
            self.entries.len(),
            self.opened,
            self.deleted
        )
    }
}

/// Octets as RETR sends them: an unfinished last line is ended.
fn count(mut text: File) -> io::Result<u64> {
    let (mut sizes, mut piece) = (Sizes::new(), vec![0; PIECE]);
    loop {
        match text.read(&mut piece) {
            Ok(0) => return Ok(sizes.wire + if sizes.finished() { 0 } else { 2 }),
            Ok(count) => sizes.feed(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
