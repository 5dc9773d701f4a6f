//! The names in a folder, those of messages only, in one piece of memory.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

use maildir::Name;
use sys::durable::{Folder, Kind};

/// What could be messages in a folder, as of a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    names: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: usize,
    length: u16,
    base: u16,
}

impl Listing {
    /// Reads the folder. Only regular files are messages, and no names that begin with a dot.
    pub(crate) fn read(folder: &Folder) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let mut unknown = Vec::new();
        folder.each_entry(|name, kind| match kind {
            _ if name.starts_with(b".") => {}
            Kind::File => listing.add(name),
            Kind::Unknown => unknown.push(name.to_vec()),
            Kind::Folder | Kind::Other => {}
        })?;
        for name in unknown.iter().filter(|name| inode(folder, name).is_some()) {
            listing.add(name);
        }
        Ok(listing)
    }

    fn add(&mut self, name: &[u8]) {
        let base = Name::read(name).base.len() as u16;
        self.entries.push(Entry { at: self.names.len(), length: name.len() as u16, base });
        self.names.extend(name);
    }

    /// Makes it one that [`Listing::find`] can be asked of.
    pub(crate) fn sorted(mut self) -> Listing {
        let names = &self.names;
        self.entries.sort_unstable_by(|a, b| base_of(names, a).cmp(base_of(names, b)));
        self
    }

    /// A name that begins with this base. Of a sorted one only.
    pub(crate) fn find(&self, base: &[u8]) -> Option<&[u8]> {
        let at = self.entries.binary_search_by(|entry| base_of(&self.names, entry).cmp(base)).ok()?;
        Some(name_of(&self.names, &self.entries[at]))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().map(|entry| name_of(&self.names, entry))
    }
}

fn base_of<'a>(names: &'a [u8], entry: &Entry) -> &'a [u8] {
    &names[entry.at..][..entry.base.into()]
}

fn name_of<'a>(names: &'a [u8], entry: &Entry) -> &'a [u8] {
    &names[entry.at..][..entry.length.into()]
}

/// The inode of a regular file; `None`: there is none of this name.
pub(crate) fn inode(folder: &Folder, name: &[u8]) -> Option<u64> {
    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    let seen = folder.stat(OsStr::from_bytes(name)).ok()?;
    (seen.st_mode & KIND == REGULAR).then_some(seen.st_ino)
}
