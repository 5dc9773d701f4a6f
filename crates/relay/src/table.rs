//! The folder. One writer at a time; whoever asks sees a file as it was before a change or after it.
//!
//! Nothing is synced: what a power cut takes away is a permission that the next login gives again.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Key, Row};

/// Addresses that are kept at once; each is a file.
const ADDRESSES: usize = 1_000_000;
/// Names of one address; an office behind it may have many.
const NAMES: usize = 1000;
/// What is being written, until it has its name.
const NEW: &str = ".new";
/// Octets of a file that is read; what is longer was not written here.
const LARGEST: u64 = 512 * 1024;

/// The relay table in a folder.
#[derive(Debug)]
pub struct Table {
    folder: PathBuf,
    most: usize,
    /// How many files there are; `None`: not counted yet.
    count: Mutex<Option<usize>>,
}

impl Table {
    /// The table in `folder`, which has to be there.
    pub fn new(folder: impl Into<PathBuf>) -> Table {
        Table { folder: folder.into(), most: ADDRESSES, count: Mutex::new(None) }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The rows of an address. A line that is none is no row.
    pub fn rows(&self, key: Key) -> io::Result<Vec<Row>> {
        let path = self.folder.join(key.file());
        match fs::symlink_metadata(&path) {
            Ok(seen) if seen.is_file() && seen.len() <= LARGEST => {}
            Ok(_) => {
                let problem = format!("{} is no file of the relay table: remove it", path.display());
                return Err(io::Error::new(ErrorKind::InvalidData, problem));
            }
            // No table at all is not the same as no row: a disk may be missing.
            Err(error) if error.kind() == ErrorKind::NotFound && self.folder.is_dir() => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        }
        match fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().filter_map(Row::parse).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Writes a row in place of the one of the same login, unless that one is of a later time.
    pub fn add(&self, key: Key, row: Row) -> io::Result<()> {
        let mut count = self.lock();
        let mut rows = self.rows(key)?;
        match rows.iter_mut().find(|kept| kept.login == row.login) {
            Some(kept) if kept.time >= row.time => return Ok(()),
            Some(kept) => *kept = row,
            None => rows.push(row),
        }
        rows.sort_by_key(|row| row.time);
        rows.drain(..rows.len().saturating_sub(NAMES));
        let is_new = !self.folder.join(key.file()).exists();
        let known = self.counted(&mut count)?;
        if is_new && known >= self.most {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "the relay table is full; run relay-clear"));
        }
        self.write(key, &rows)?;
        *count = Some(known + usize::from(is_new));
        Ok(())
    }

    /// Removes all rows of an address; `false`: there were none.
    pub fn delete(&self, key: Key) -> io::Result<bool> {
        let mut count = self.lock();
        let gone = self.remove(key)?;
        *count = count.map(|count| count.saturating_sub(usize::from(gone)));
        Ok(gone)
    }

    /// Removes the rows that are not after `limit`; gives how many there were. Trouble with one address keeps no
    /// other row.
    pub fn expire(&self, limit: u64) -> io::Result<usize> {
        let (mut gone, mut trouble) = (0, None);
        for key in self.keys()? {
            match self.expire_one(key, limit) {
                Ok(count) => gone += count,
                Err(error) => trouble = Some(error),
            }
        }
        trouble.map_or(Ok(gone), Err)
    }

    /// The lock is given back after each, so that logins need not wait for the whole.
    fn expire_one(&self, key: Key, limit: u64) -> io::Result<usize> {
        let mut count = self.lock();
        let rows = self.rows(key)?;
        let kept: Vec<Row> = rows.iter().filter(|row| row.is_after(limit)).cloned().collect();
        if kept.is_empty() {
            let gone = self.remove(key)?;
            *count = count.map(|count| count.saturating_sub(usize::from(gone)));
        } else if kept.len() < rows.len() {
            self.write(key, &kept)?;
        }
        Ok(rows.len() - kept.len())
    }

    /// Every row there is, by address.
    pub fn all(&self) -> io::Result<Vec<(Key, Row)>> {
        let mut all = Vec::new();
        for key in self.keys()? {
            all.extend(self.rows(key)?.into_iter().map(|row| (key, row)));
        }
        Ok(all)
    }

    fn keys(&self) -> io::Result<Vec<Key>> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            keys.extend(entry?.file_name().to_str().and_then(Key::of_file));
        }
        keys.sort();
        Ok(keys)
    }

    fn lock(&self) -> MutexGuard<'_, Option<usize>> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self, count: &mut Option<usize>) -> io::Result<usize> {
        match count {
            Some(known) => Ok(*known),
            None => Ok(*count.insert(self.keys()?.len())),
        }
    }

    fn write(&self, key: Key, rows: &[Row]) -> io::Result<()> {
        let new = self.folder.join(NEW);
        let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
        fs::write(&new, text)?;
        fs::rename(&new, self.folder.join(key.file()))
    }

    fn remove(&self, key: Key) -> io::Result<bool> {
        match fs::remove_file(self.folder.join(key.file())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
