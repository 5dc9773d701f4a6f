//! Records that are kept of messages: what their headers and parts are, as opaque octets.
//!
//! `fulmar-cache` is a head (with a number that the index names too) and records, `length, UID, CRC, octets`;
//! the index has each record's place. Everybody appends without a lock, since an append goes to the end whoever
//! else writes. The file may be lost or damaged at any time: then messages are read again.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;

use imap::Uid;
use sys::durable::Folder;

use crate::place::mode;
use crate::record::Octets;

/// Its name.
pub(crate) const NAME: &str = "fulmar-cache";
const MAGIC: &[u8; 8] = b"fulmarKC";
/// Octets of the file's head.
const HEAD: usize = 16;
/// Octets of a record's head.
const RECORD: usize = 12;
/// A record that says it is longer is damaged.
const LONGEST: usize = 16 << 20;
/// Octets that are read when records are read one after the other, and when they are not.
const WINDOW: (usize, usize) = (128 * 1024, 4096);
/// So much is gathered before it is written.
const GATHERED: usize = 64 * 1024;
/// Smaller files are never made shorter.
const SMALL: u64 = 1 << 20;

/// Looks at a record: its UID, place and octets, head included.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Uid, u64, &[u8]) -> io::Result<()>;

/// Where messages' records are.
pub(crate) type Places = Vec<(Uid, u64)>;

/// The file, as one session uses it.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    file: Option<File>,
    pub(crate) number: u64,
    /// Records that lie in turns at two places, since those of some messages were made later, need two.
    windows: [Window; 2],
    /// Which of them was read in last.
    last: usize,
    gathered: Vec<u8>,
    /// Where in `gathered` the records are.
    waiting: Vec<(Uid, u32)>,
    /// Records that have been written; the index does not know yet.
    pub(crate) placed: Vec<(Uid, u64)>,
}

/// Some of the file.
#[derive(Debug, Default)]
struct Window {
    octets: Vec<u8>,
    /// Where that is.
    at: u64,
    /// Where the last record that was read in it ends.
    last_end: u64,
}

impl Window {
    fn holds(&self, at: u64, count: usize) -> bool {
        at >= self.at && at + count as u64 <= self.at + self.octets.len() as u64
    }

    /// Would a record there follow the last one?
    fn goes_on_at(&self, at: u64) -> bool {
        at.wrapping_sub(self.last_end) < WINDOW.0 as u64
    }

    /// Sees to it that the octets are there.
    fn need(&mut self, file: &File, at: u64, count: usize, sequential: bool) -> Option<()> {
        if self.holds(at, count) {
            return Some(());
        }
        let size = if sequential { WINDOW.0 } else { WINDOW.1 };
        self.octets.resize(count.max(size), 0);
        let read = read_at(file, &mut self.octets, at);
        self.octets.truncate(read);
        self.at = at;
        (read >= count).then_some(())
    }

    /// What of the record of `uid` is whole.
    fn find(&mut self, file: &File, uid: Uid, at: u64) -> Option<&[u8]> {
        let sequential = self.goes_on_at(at);
        self.need(file, at, RECORD, sequential)?;
        let start = (at - self.at) as usize;
        let mut head = Octets(&self.octets[start..]);
        let (length, owner, crc) = (head.u32()? as usize, head.u32()?, head.u32()?);
        if owner != uid || length > LONGEST {
            return None;
        }
        self.need(file, at, RECORD + length, sequential)?;
        self.last_end = at + (RECORD + length) as u64;
        let found = &self.octets[(at - self.at) as usize + RECORD..][..length];
        (crc32fast::hash(found) == crc).then_some(found)
    }
}

impl Cache {
    /// Opens the file with this number; when there is none, nothing is kept.
    pub(crate) fn open(folder: &Folder, number: u64, writable: bool) -> Cache {
        let file = open(folder, number, writable).ok();
        Cache { file, number, ..Cache::default() }
    }

    /// Is there a file?
    pub(crate) fn is_there(&self) -> bool {
        self.file.is_some()
    }

    /// Makes an empty file with a new number.
    pub(crate) fn create(folder: &Folder) -> io::Result<Cache> {
        let number = u64::from_ne_bytes(sys::random()?).max(1);
        replace(folder, number, |_| Ok(()))?;
        Ok(Cache::open(folder, number, true))
    }

    /// Puts the record of `uid`, which is at `at`, into `record`; false: it is damaged.
    pub(crate) fn read(&mut self, uid: Uid, at: u64, record: &mut Vec<u8>) -> bool {
        record.clear();
        let Some(file) = &self.file else { return false };
        let fits = |window: &Window| window.holds(at, RECORD) || window.goes_on_at(at);
        self.last = self.windows.iter().position(fits).unwrap_or(1 - self.last);
        let found = self.windows[self.last].find(file, uid, at);
        record.extend_from_slice(found.unwrap_or_default());
        found.is_some()
    }

    /// Does this session know a record of `uid` that is not written yet?
    pub(crate) fn waits(&self, uid: Uid) -> bool {
        self.waiting.iter().any(|(waiting, _)| *waiting == uid)
    }

    /// Keeps a record. Gives as [`Cache::write_out`] does.
    pub(crate) fn keep(&mut self, uid: Uid, record: &[u8]) -> Option<usize> {
        if record.len() > LONGEST || self.file.is_none() {
            return None;
        }
        self.waiting.push((uid, self.gathered.len() as u32));
        self.gathered.extend((record.len() as u32).to_le_bytes());
        self.gathered.extend(uid.to_le_bytes());
        self.gathered.extend(crc32fast::hash(record).to_le_bytes());
        self.gathered.extend(record);
        if self.gathered.len() >= GATHERED { self.write_out() } else { None }
    }

    /// Writes what was gathered. From the place it gives on, `placed` is new.
    pub(crate) fn write_out(&mut self) -> Option<usize> {
        let (gathered, waiting) = (std::mem::take(&mut self.gathered), std::mem::take(&mut self.waiting));
        let file = self.file.as_mut().filter(|_| !gathered.is_empty())?;
        // After an append the position is where its octets end, whoever else has appended meanwhile.
        let end = file.write_all(&gathered).and_then(|()| io::Seek::stream_position(file));
        let Ok(end) = end else {
            self.file = None;
            return None;
        };
        let (start, before) = (end.saturating_sub(gathered.len() as u64), self.placed.len());
        self.placed.extend(waiting.iter().map(|(uid, at)| (*uid, start + u64::from(*at))));
        Some(before)
    }

    /// Gives memory back.
    pub(crate) fn rest(&mut self) {
        self.windows = Default::default();
    }

    /// When less than half of the file is still of use, writes a new one of those records for which `live` (UID and
    /// place) says so. Gives the new number and where they are now.
    pub(crate) fn shorten(
        &self,
        folder: &Folder,
        live: impl Fn(Uid, u64) -> bool,
    ) -> io::Result<Option<(u64, Places)>> {
        let Some(file) = &self.file else { return Ok(None) };
        let size = file.metadata()?.len();
        if size < SMALL {
            return Ok(None);
        }
        let mut useful = 0;
        each(At(file, 0), size, &mut |uid, at, record| {
            useful += if live(uid, at) { record.len() as u64 } else { 0 };
            Ok(())
        })?;
        if useful > size / 2 {
            return Ok(None);
        }
        let number = u64::from_ne_bytes(sys::random()?).max(1);
        let (mut places, mut end) = (Vec::new(), HEAD as u64);
        replace(folder, number, |new| {
            each(At(file, 0), size, &mut |uid, at, record| {
                if live(uid, at) {
                    new.write_all(record)?;
                    places.push((uid, end));
                    end += record.len() as u64;
                }
                Ok(())
            })
        })?;
        Ok(Some((number, places)))
    }
}

fn open(folder: &Folder, number: u64, writable: bool) -> io::Result<File> {
    let mut head = [0; HEAD];
    folder.read(NAME)?.read_exact_at(&mut head, 0)?;
    if !head.starts_with(MAGIC) || head[8..] != number.to_le_bytes() {
        return Err(ErrorKind::InvalidData.into());
    }
    // For appending and reading, which `Folder` has no call for: the file has been seen to be a regular one.
    use nix::fcntl::{OFlag, openat};
    let access = if writable { OFlag::O_RDWR | OFlag::O_APPEND } else { OFlag::O_RDONLY };
    let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    Ok(openat(folder, NAME, flags, nix::sys::stat::Mode::empty())?.into())
}

fn replace(
    folder: &Folder,
    number: u64,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = format!(".{NAME}.{number:016x}.tmp");
    let file = folder.create(&temporary, mode(folder))?;
    let mut writer = io::BufWriter::new(file);
    let written = writer
        .write_all(MAGIC)
        .and_then(|()| writer.write_all(&number.to_le_bytes()))
        .and_then(|()| fill(&mut writer))
        .and_then(|()| writer.flush())
        .and_then(|()| folder.rename(&temporary, folder, NAME));
    if written.is_err() {
        let _ = folder.remove(&temporary);
    }
    written
}

/// Calls `each` with the UID, place and octets, head included, of every record of a file of this size; ends at one
/// that can't be. A record's CRC is for those to check who use it.
pub(crate) fn each(file: impl Read, size: u64, each: Each<'_>) -> io::Result<()> {
    let mut reader = io::BufReader::with_capacity(WINDOW.0, file);
    let mut record = vec![0; HEAD];
    reader.read_exact(&mut record)?;
    let mut at = HEAD as u64;
    while at + RECORD as u64 <= size {
        record.resize(RECORD, 0);
        reader.read_exact(&mut record)?;
        let mut head = Octets(&record);
        let (Some(length), Some(uid)) = (head.u32(), head.u32()) else { break };
        if length as usize > LONGEST || at + (RECORD as u64) + u64::from(length) > size {
            break;
        }
        record.resize(RECORD + length as usize, 0);
        reader.read_exact(&mut record[RECORD..])?;
        each(uid, at, &record)?;
        at += record.len() as u64;
    }
    Ok(())
}

/// Reads a file from a place on, without moving it.
struct At<'a>(&'a File, u64);

impl Read for At<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read_at(to, self.1)?;
        self.1 += read as u64;
        Ok(read)
    }
}

/// Reads as much as there is.
fn read_at(file: &File, to: &mut [u8], at: u64) -> usize {
    let mut done = 0;
    while done < to.len() {
        match file.read_at(&mut to[done..], at + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    done
}
