//! Reading a Maildir: what is there, opening it, removing it, moving it from `new` to `cur`.
//!
//! Only regular files are messages: folders, FIFOs, devices and symbolic links are passed over, and
//! so are names that begin with a dot. Any other octets in a name are allowed, blanks and line
//! ends included. Other programs may rename and remove files at any time: a message whose flags
//! have changed is found again by its base.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;

use sys::durable::{Folder, Kind};

use crate::{Maildir, Name, Quota};

/// Which of the two folders a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// No reader has taken notice of it.
    New,
    /// A reader has.
    Cur,
}

/// A message in a Maildir, as of a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file's name, flags included.
    pub file: Vec<u8>,
    /// The folder it is in.
    pub place: Place,
    /// Octets on disk.
    pub octets: u64,
    /// Octets with CR LF line ends, if the name tells.
    pub wire: Option<u64>,
}

impl Entry {
    /// The file's name, read.
    pub fn name(&self) -> Name<'_> {
        Name::read(&self.file)
    }

    fn path(&self) -> &OsStr {
        OsStr::from_bytes(&self.file)
    }
}

impl Maildir {
    fn place(&self, place: Place) -> &Folder {
        match place {
            Place::New => &self.new,
            Place::Cur => &self.cur,
        }
    }

    /// All messages, oldest first (see [`Name::order`]). No file is looked at whose name tells its size.
    pub fn scan(&self) -> io::Result<Vec<Entry>> {
        // First new, then cur: what moves meanwhile is seen twice rather than missed.
        let mut entries = Vec::new();
        self.scan_place(Place::New, &mut entries)?;
        let new: HashSet<Vec<u8>> = entries.iter().map(|entry| entry.name().base.to_vec()).collect();
        let first_in_cur = entries.len();
        self.scan_place(Place::Cur, &mut entries)?;
        let twice: Vec<Entry> =
            entries[first_in_cur..].iter().filter(|entry| new.contains(entry.name().base)).cloned().collect();
        for entry in twice {
            self.merge(&entry, &mut entries)?;
        }
        entries.sort_by(|a, b| a.name().order(&b.name()));
        Ok(entries)
    }

    fn scan_place(&self, place: Place, entries: &mut Vec<Entry>) -> io::Result<()> {
        let folder = self.place(place);
        folder.each_entry(|file, kind| entries.extend(entry(folder, place, file, kind)))
    }

    /// A power cut between the link and the removal of a move left `entry` in `new` too (or another
    /// program is at it now): ends the move, so that a message does not come back after it was removed.
    fn merge(&self, entry: &Entry, entries: &mut Vec<Entry>) -> io::Result<()> {
        let base = entry.name().base;
        let twin = entries.iter().position(|e| e.place == Place::New && e.name().base == base);
        let Some(twin) = twin.filter(|twin| self.same(&entries[*twin], &entry.file)) else { return Ok(()) };
        self.cur.sync()?;
        let _ = self.new.remove(entries[twin].path());
        entries.remove(twin);
        Ok(())
    }

    /// Opens a message for reading. `NotFound` when it is gone.
    pub fn read(&self, entry: &Entry) -> io::Result<File> {
        self.wherever(entry, |entry| self.place(entry.place).read(entry.path()))
    }

    /// Removes messages and takes them off the quota's count; afterwards, a power cut brings none of them
    /// back. Gives how many could not be removed; one that is gone already is not among them.
    pub fn remove<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Entry>,
        quota: &Quota,
    ) -> io::Result<usize> {
        let (mut failed, mut octets, mut messages) = (0, 0, 0);
        for entry in entries {
            match self.wherever(entry, |entry| self.place(entry.place).remove(entry.path())) {
                Ok(()) => (octets, messages) = (octets + entry.octets as i64, messages + 1),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(_) => failed += 1,
            }
        }
        if messages > 0 {
            self.count(quota, -octets, -messages);
            self.new.sync()?;
            self.cur.sync()?;
        }
        Ok(failed)
    }

    /// Moves the messages that are in `new` to `cur`, with `flags` added, such that a power cut leaves each
    /// in at least one of them. Those that are gone or have been moved by another are passed over.
    pub fn settle<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>, flags: &[u8]) -> io::Result<()> {
        let mut linked = Vec::new();
        for entry in entries.into_iter().filter(|entry| entry.place == Place::New) {
            let file = entry.name().and(flags);
            match self.new.link(entry.path(), &self.cur, OsStr::from_bytes(&file)) {
                Ok(()) => linked.push(entry),
                // Left behind by a power cut between the link and the removal.
                Err(error) if error.kind() == ErrorKind::AlreadyExists && self.same(entry, &file) => {
                    linked.push(entry);
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {}
                Err(error) => return Err(error),
            }
        }
        if !linked.is_empty() {
            self.cur.sync()?;
        }
        for entry in linked {
            match self.new.remove(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn same(&self, entry: &Entry, file: &[u8]) -> bool {
        match (self.new.stat(entry.path()), self.cur.stat(OsStr::from_bytes(file))) {
            (Ok(one), Ok(other)) => (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino),
            _ => false,
        }
    }

    /// Does `act` on the message under the name it has now.
    fn wherever<T>(&self, entry: &Entry, act: impl Fn(&Entry) -> io::Result<T>) -> io::Result<T> {
        match act(entry) {
            Err(error) if error.kind() == ErrorKind::NotFound => match self.find(entry.name().base)? {
                Some(now) => act(&now),
                None => Err(error),
            },
            other => other,
        }
    }

    /// The message with this base, wherever it is now.
    pub fn find(&self, base: &[u8]) -> io::Result<Option<Entry>> {
        for place in [Place::New, Place::Cur] {
            let (folder, mut found) = (self.place(place), None);
            folder.each_entry(|file, kind| {
                if Name::read(file).base == base {
                    found = entry(folder, place, file, kind).or(found.take());
                }
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

fn entry(folder: &Folder, place: Place, file: &[u8], kind: Kind) -> Option<Entry> {
    if file.starts_with(b".") || matches!(kind, Kind::Folder | Kind::Other) {
        return None;
    }
    let name = Name::read(file);
    let octets = match name.octets() {
        Some(octets) if kind == Kind::File => octets,
        told => {
            // Gone meanwhile: no message.
            let seen = folder.stat(OsStr::from_bytes(file)).ok()?;
            const KIND: u32 = 0o170_000;
            const REGULAR: u32 = 0o100_000;
            if seen.st_mode & KIND != REGULAR {
                return None;
            }
            told.unwrap_or(seen.st_size as u64)
        }
    };
    Some(Entry { file: file.to_vec(), place, octets, wire: name.wire() })
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
