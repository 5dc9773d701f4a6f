//! The index file: a snapshot of the mailbox and after it every change since, only ever appended to.
//!
//! `fulmar-index` begins with a head, then frames (see `record.rs`) that make the whole mailbox, then a frame for
//! each change. When the changes have become longer than the snapshot, a new file takes its place, with the
//! next generation number: a session that has read the old one to its end goes on where the snapshot of the
//! new one ends. A file that is damaged is never mended in place but replaced by one whose generation is unrelated,
//! so that every session reads it whole. Appended without a sync: the file may be lost at any time.
//! Only the holder of the lock writes.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};

use sys::durable::Folder;

use crate::place::mode;
use crate::rebuild::KEYWORDS;
use crate::record::{AROUND, Facts, Frame, Octets, Record, frame, last_frame, read_frame};
use crate::state::{Damaged, State};
use crate::{cache, uids};

/// Its name.
pub(crate) const NAME: &str = "fulmar-index";
const MAGIC: &[u8; 8] = b"fulmarIX";
const VERSION: u32 = 2;
const HEAD: usize = 8 + 4 + 4 + 8 + 8 + 8 + 16 + 4;
/// Octets of records in a frame of a snapshot.
const PIECE: usize = 128 * 1024;
/// Changes shorter than this are never folded into a new snapshot.
const SHORT: u64 = 128 * 1024;
/// A frame that says it is longer is damaged.
const LONGEST: usize = 256 << 20;
/// Seconds by which the file's ctime may be later than its mtime: from its last octet to its name, on a busy disk. Whoever brings it back
/// sets its mtime back.
const NAMING: i64 = 60;
/// Octets of the end of the file that a reader of the last facts looks at first.
const END: u64 = 4096;

/// The beginning of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) uid_validity: u32,
    pub(crate) generation: u64,
    /// Where the changes begin.
    pub(crate) changes: u64,
    /// The file's own inode: it is another one in what was brought back from a backup.
    pub(crate) inode: u64,
    /// The mailbox's id.
    pub(crate) id: [u8; 16],
}

impl Head {
    fn write(&self) -> Vec<u8> {
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(self.uid_validity.to_le_bytes());
        head.extend(self.generation.to_le_bytes());
        head.extend(self.changes.to_le_bytes());
        head.extend(self.inode.to_le_bytes());
        head.extend(self.id);
        head.extend(crc32fast::hash(&head).to_le_bytes());
        head
    }

    fn read(head: &[u8; HEAD]) -> Option<Head> {
        let (text, crc) = head.split_at(HEAD - 4);
        if Octets(crc).u32()? != crc32fast::hash(text) {
            return None;
        }
        let mut rest = Octets(text.strip_prefix(MAGIC)?);
        if rest.u32()? != VERSION {
            return None;
        }
        let (uid_validity, generation) = (rest.u32()?, rest.u64()?);
        let (changes, inode) = (rest.u64()?, rest.u64()?);
        Some(Head { uid_validity, generation, changes, inode, id: rest.0.try_into().ok()? })
    }
}

/// The file, open, and how far it has been read.
#[derive(Debug)]
pub(crate) struct Index {
    file: File,
    inode: u64,
    pub(crate) head: Head,
    offset: u64,
    copy: bool,
}

/// What catching up has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caught {
    /// Nothing was new.
    Nothing,
    /// Something was, and is in the state now.
    Up,
    /// The end is not (yet) a whole frame: one that is being written, or that was left half-written.
    Unfinished,
    /// The file is another one or is gone, or this one is damaged: it has to be read whole.
    Lost,
}

impl Index {
    /// Opens the file and reads all of it. `InvalidData` when it is damaged or of another version.
    pub(crate) fn open(folder: &Folder, writable: bool) -> io::Result<(Index, State, Caught)> {
        let file = match writable {
            true => folder.edit(NAME)?,
            false => folder.read(NAME)?,
        };
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)?;
        let head = Head::read(&head).ok_or(ErrorKind::InvalidData)?;
        let seen = file.metadata()?;
        let (inode, copy) = (seen.ino(), !is_original(&seen, &head));
        let mut index = Index { file, inode, head, offset: HEAD as u64, copy };
        let mut state = State::default();
        let caught = index.read_to_end(&mut state)?;
        if caught == Caught::Lost || index.offset < head.changes {
            return Err(ErrorKind::InvalidData.into());
        }
        if index.is_copy() {
            // Its next UID may have been given long ago, and those that it promised too.
            state.facts.boot = 0;
            let spent = state.facts.next.max(state.facts.ceiling);
            // On a file system whose inodes change by themselves this happens often: not until none are left.
            let more = if spent < u32::MAX / 2 { uids::BLOCK } else { 0 };
            state.facts.next = spent + more;
        }
        Ok((index, state, caught))
    }

    /// Opens the file of which [`last_facts`] can be had, as if all had been read.
    pub(crate) fn open_at_end(folder: &Folder, writable: bool) -> Option<(Index, Facts)> {
        let file = if writable { folder.edit(NAME) } else { folder.read(NAME) }.ok()?;
        let (head, facts, offset) = facts_of(&file)?;
        Some((Index { file, inode: head.inode, head, offset, copy: false }, facts))
    }

    /// Of a file that was opened so: reads what was passed over. False: it is damaged.
    pub(crate) fn read_passed_over(&mut self, state: &mut State) -> io::Result<bool> {
        let end = std::mem::replace(&mut self.offset, HEAD as u64);
        let read = self.read_on(state, end);
        let whole = self.offset == end;
        self.offset = end;
        Ok(read? == Caught::Up && whole)
    }

    /// Is there more in the file than has been read, or another file in its place?
    pub(crate) fn has_news(&self, folder: &Folder) -> bool {
        let seen = folder.stat(NAME);
        !seen.is_ok_and(|seen| seen.st_ino == self.inode && seen.st_size as u64 == self.offset)
    }

    /// Was this a copy of the file that was written, such as one from a backup, when it was opened?
    pub(crate) fn is_copy(&self) -> bool {
        self.copy
    }

    /// Learns what others have written. `Lost` leaves the state as far as it could be read.
    pub(crate) fn catch_up(&mut self, folder: &Folder, state: &mut State) -> io::Result<Caught> {
        let seen = match folder.stat(NAME) {
            Ok(seen) => seen,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Caught::Lost),
            Err(error) => return Err(error),
        };
        if seen.st_ino == self.inode {
            return match (seen.st_size as u64).cmp(&self.offset) {
                std::cmp::Ordering::Equal => Ok(Caught::Nothing),
                std::cmp::Ordering::Less => Ok(Caught::Lost),
                std::cmp::Ordering::Greater => self.read_to_end(state),
            };
        }
        if !matches!(self.read_to_end(state)?, Caught::Nothing | Caught::Up) {
            return Ok(Caught::Lost);
        }
        self.go_on(folder, state)
    }

    /// In the file that follows this one.
    fn go_on(&mut self, folder: &Folder, state: &mut State) -> io::Result<Caught> {
        let file = folder.edit(NAME).or_else(|_| folder.read(NAME));
        let Ok(file) = file else { return Ok(Caught::Lost) };
        let mut head = [0; HEAD];
        let read = file.read_exact_at(&mut head, 0).ok().and_then(|()| Head::read(&head));
        let Some(head) = read else { return Ok(Caught::Lost) };
        let follows =
            head.generation == self.head.generation + 1 && head.uid_validity == self.head.uid_validity;
        if !follows {
            return Ok(Caught::Lost);
        }
        let inode = file.metadata()?.ino();
        *self = Index { file, inode, head, offset: head.changes, copy: false };
        match self.read_to_end(state)? {
            Caught::Nothing => Ok(Caught::Up),
            other => Ok(other),
        }
    }

    /// Reads from where it stands to the end.
    fn read_to_end(&mut self, state: &mut State) -> io::Result<Caught> {
        let size = self.file.metadata()?.len();
        self.read_on(state, size)
    }

    /// Reads from where it stands to the file's `size`-th octet.
    fn read_on(&mut self, state: &mut State, size: u64) -> io::Result<Caught> {
        let (mut caught, mut buffer, mut want) = (Caught::Nothing, Vec::new(), 64 * 1024);
        while self.offset < size {
            let rest = (size - self.offset).min(want as u64) as usize;
            buffer.resize(rest, 0);
            if let Err(error) = self.file.read_exact_at(&mut buffer, self.offset) {
                return if error.kind() == ErrorKind::UnexpectedEof { Ok(Caught::Lost) } else { Err(error) };
            }
            match self.apply(&buffer, state) {
                Ok((0, needed)) if needed > LONGEST || self.offset + needed as u64 > size => {
                    return Ok(Caught::Unfinished);
                }
                Ok((0, needed)) => want = needed.max(64 * 1024),
                Ok((used, _)) => (self.offset, caught) = (self.offset + used as u64, Caught::Up),
                Err(Damaged) => {
                    return Ok(if caught == Caught::Lost { caught } else { self.bad_end(size, &buffer) });
                }
            }
        }
        Ok(caught)
    }

    /// A frame at the very end may be one that is being written: of several pages, the last may be there first.
    fn bad_end(&self, size: u64, buffer: &[u8]) -> Caught {
        let length = Octets(buffer).u32().unwrap_or_default();
        let ends_here = self.offset + u64::from(length) + AROUND as u64 >= size;
        if ends_here { Caught::Unfinished } else { Caught::Lost }
    }

    /// Applies all whole frames of `buffer`; gives the octets they have, and those that the next one needs.
    fn apply(&self, buffer: &[u8], state: &mut State) -> Result<(usize, usize), Damaged> {
        let mut used = 0;
        loop {
            match read_frame(&buffer[used..]) {
                _ if used == buffer.len() => return Ok((used, 0)),
                Frame::Short(needed) => return Ok((used, needed)),
                // What was before it stands.
                Frame::Damaged if used > 0 => return Ok((used, 0)),
                Frame::Damaged => return Err(Damaged),
                Frame::Whole(facts, records, length) => {
                    let floor = state.facts.floor;
                    state.apply_all(records, facts.modseq)?;
                    let floor = floor.max(state.facts.floor);
                    let floor = facts.floor.max(floor);
                    state.facts = Facts { floor, modseq: facts.modseq.max(floor), ..facts };
                    used += length;
                }
            }
        }
    }

    /// Appends a frame that is in the state already. What can't be written whole is taken back.
    pub(crate) fn append(&mut self, facts: &Facts, records: &[u8]) -> io::Result<()> {
        let frame = frame(facts, records);
        if let Err(error) = self.file.write_all_at(&frame, self.offset) {
            let _ = self.file.set_len(self.offset);
            return Err(error);
        }
        self.offset += frame.len() as u64;
        Ok(())
    }

    /// Have the changes become so long that a new snapshot is due?
    pub(crate) fn is_long(&self) -> bool {
        let snapshot = self.head.changes.max(SHORT);
        self.offset - self.head.changes > snapshot
    }

    /// Are these records alone as long as that?
    pub(crate) fn is_long_with(&self, records: &[u8]) -> bool {
        records.len() as u64 > self.head.changes.max(SHORT)
    }

    /// Puts a new file of the whole state into the place of the old one.
    pub(crate) fn replace(folder: &Folder, head: &Head, state: &State) -> io::Result<Index> {
        let temporary = format!(".{NAME}.{:016x}.tmp", u64::from_ne_bytes(sys::random()?));
        let written = write_whole(&folder.create(&temporary, mode(folder))?, head, state);
        let made = written.and_then(|changes| {
            folder.rename(&temporary, folder, NAME)?;
            let file = folder.edit(NAME)?;
            let inode = file.metadata()?.ino();
            let head = Head { changes, inode, ..*head };
            Ok(Index { file, inode, head, offset: changes, copy: false })
        });
        if made.is_err() {
            let _ = folder.remove(&temporary);
        }
        made
    }
}

/// Removes what writers that were killed have left. Whoever holds the lock is the only one who has such files.
pub(crate) fn sweep(folder: &Folder) -> io::Result<()> {
    let left = |name: &[u8]| {
        let ours = [NAME, cache::NAME, uids::NAME, KEYWORDS].iter().any(|file| {
            let rest = name.strip_prefix(b".").and_then(|name| name.strip_prefix(file.as_bytes()));
            rest.is_some_and(|rest| rest.starts_with(b"."))
        });
        ours && name.ends_with(b".tmp")
    };
    let mut names = Vec::new();
    folder.each_name(|name| names.extend(left(name).then(|| OsStr::from_bytes(name).to_owned())))?;
    names.iter().try_for_each(|name| folder.remove(name))
}

/// Writes the snapshot; gives its length.
fn write_whole(mut file: &File, head: &Head, state: &State) -> io::Result<u64> {
    let mut length = HEAD as u64;
    file.write_all(&[0; HEAD])?;
    let mut records = Vec::with_capacity(PIECE + 1024);
    let mut put = |record: Record<'_>| -> io::Result<()> {
        record.put(&mut records);
        if records.len() >= PIECE {
            let frame = frame(&state.facts, &records);
            file.write_all(&frame)?;
            length += frame.len() as u64;
            records.clear();
        }
        Ok(())
    };
    for name in &state.keywords {
        put(Record::Keyword(name.as_bytes()))?;
    }
    for (first, last, modseq) in &state.gone {
        put(Record::Gone { first: *first, last: *last, modseq: *modseq })?;
    }
    for at in 0..state.messages.len() {
        put(Record::New(state.as_new(at)))?;
    }
    let frame = frame(&state.facts, &records);
    file.write_all(&frame)?;
    length += frame.len() as u64;
    let inode = file.metadata()?.ino();
    file.write_all_at(&Head { changes: length, inode, ..*head }.write(), 0)?;
    Ok(length)
}

/// The head of a file that has been read, and what comes after that.
pub(crate) fn split_head(octets: &[u8]) -> Option<(Head, &[u8])> {
    let (head, rest) = octets.split_first_chunk()?;
    Some((Head::read(head)?, rest))
}

/// The UIDVALIDITY in the head of the file, whatever may come after that.
pub(crate) fn uid_validity(folder: &Folder) -> Option<u32> {
    let mut head = [0; HEAD];
    folder.read(NAME).ok()?.read_exact_at(&mut head, 0).ok()?;
    Some(Head::read(&head)?.uid_validity)
}

/// Is this the file that was written, in which nobody has put back what it was? The inode alone does not tell: what is brought
/// back over a file, or after its removal, may have its inode.
fn is_original(seen: &Metadata, head: &Head) -> bool {
    seen.ino() == head.inode && seen.ctime().saturating_sub(seen.mtime()) <= NAMING
}

/// Head and last facts of the file, read from its two ends. `None`: not to be had so, or not to be trusted.
pub(crate) fn last_facts(folder: &Folder) -> Option<(Head, Facts)> {
    facts_of(&folder.read(NAME).ok()?).map(|(head, facts, _)| (head, facts))
}

/// And the size of the file.
fn facts_of(file: &File) -> Option<(Head, Facts, u64)> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, 0).ok()?;
    let head = Head::read(&head)?;
    let seen = file.metadata().ok().filter(|seen| is_original(seen, &head))?;
    let size = seen.len();
    let mut end = vec![0; size.checked_sub(HEAD as u64)?.min(END) as usize];
    let at = size - end.len() as u64;
    file.read_exact_at(&mut end, at).ok()?;
    if last_frame(&end).is_none() {
        let length = Octets(end.get(end.len().checked_sub(4)?..)?).u32()? as usize + AROUND;
        end = vec![0; length.min(LONGEST).min(size as usize - HEAD)];
        let at = size - end.len() as u64;
        file.read_exact_at(&mut end, at).ok()?;
    }
    match read_frame(last_frame(&end)?) {
        Frame::Whole(facts, _, _) => Some((head, facts, size)),
        _ => None,
    }
}
