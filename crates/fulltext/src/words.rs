//! The folder of the index: files of segments, found by listing it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use sys::durable::Folder;

use crate::needle::patterns;
use crate::segment::{Builder, MOST, Segment, Sizes, uids};
use crate::terms::Terms;

const ENDING: &str = ".words";
const UNFINISHED: &str = ".tmp";
const LOCK: &str = "lock";
/// Files that are looked at; there are some dozens.
const MOST_FILES: usize = 2000;
const LONGEST_LISTS: u64 = 256 << 20;
/// A file of so many octets is not joined to others: of smaller ones, two at least make one.
const LARGE: u64 = 3 << 20;
/// So many files of one class are joined to one.
const JOINED: usize = 8;

/// The index of a mailbox. What fails here is never more than unknown messages.
#[derive(Debug)]
pub struct Words {
    folder: Folder,
    uid_validity: u32,
    files: Vec<Known>,
    builder: Builder,
    /// Held by who writes.
    lock: Option<File>,
}

#[derive(Debug)]
struct Known {
    name: OsString,
    uids: Vec<u32>,
    octets: u64,
}

impl Words {
    /// Opens the index in the folder at `path`, which is made if it is not there. What belongs to another
    /// `uid_validity`, or is broken, is removed. `None`: there can be no index there.
    pub fn open(path: &Path, uid_validity: u32) -> Option<Words> {
        let folder = match Folder::open(path) {
            Ok(folder) => folder,
            Err(_) => make(path).ok()?,
        };
        let mut words =
            Words { folder, uid_validity, files: Vec::new(), builder: Builder::new(), lock: None };
        words.look().ok()?;
        Some(words)
    }

    fn look(&mut self) -> io::Result<()> {
        let mut names = Vec::new();
        self.folder.each_name(|name| {
            if name.ends_with(ENDING.as_bytes()) && names.len() < MOST_FILES {
                names.push(OsString::from(String::from_utf8_lossy(name).into_owned()));
            }
        })?;
        for name in names {
            match self.numbers(&name) {
                Some((uids, octets)) => self.files.push(Known { name, uids, octets }),
                None => drop(self.folder.remove(&name)),
            }
        }
        Ok(())
    }

    fn numbers(&self, name: &OsStr) -> Option<(Vec<u32>, u64)> {
        let file = self.folder.read(name).ok()?;
        let sizes = sizes(&file)?;
        let mut beginning = vec![0; sizes.upto_uids()];
        file.read_exact_at(&mut beginning, 0).ok()?;
        let octets = file.metadata().ok()?.len();
        (sizes.uid_validity == self.uid_validity).then(|| (uids(&beginning), octets))
    }

    /// Those of `uids` that the index does not know.
    pub fn missing(&self, uids: &[u32]) -> Vec<u32> {
        let known: HashSet<u32> = self.files.iter().flat_map(|file| file.uids.iter().copied()).collect();
        uids.iter().copied().filter(|uid| !known.contains(uid)).collect()
    }

    /// Of the messages that the index knows, those that may hold `needle` (folded), ascending; some may not be there
    /// any more. `None`: any may.
    pub fn candidates(&mut self, needle: &str) -> Option<Vec<u32>> {
        let patterns = patterns(needle);
        if patterns.is_empty() {
            return None;
        }
        let mut all = Vec::new();
        for file in std::mem::take(&mut self.files) {
            match self.search(&file.name, &patterns) {
                Some(found) => {
                    all.extend(found);
                    self.files.push(file);
                }
                // Broken, or joined to another by somebody just now: they may all hold it.
                None => all.extend(file.uids),
            }
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    }

    fn search(&self, name: &OsStr, patterns: &[Vec<u8>]) -> Option<Vec<u32>> {
        let open = self.open_file(name)?;
        let found = open.segment.candidates(patterns, &|from, octets| open.lists(from, octets));
        if found.is_none() {
            let _ = self.folder.remove(name);
        }
        found
    }

    fn open_file(&self, name: &OsStr) -> Option<Open> {
        let file = self.folder.read(name).ok()?;
        let head = sizes(&file)?.head();
        let mut octets = vec![0; usize::try_from(head).ok()?];
        file.read_exact_at(&mut octets, 0).ok()?;
        Some(Open { segment: Segment::read(octets)?, file, head })
    }

    /// Takes the right to write, which [`Words::keep`] gives back. False: another session has it.
    pub fn lock(&mut self) -> bool {
        self.lock.is_some() || self.begin()
    }

    /// Puts a message into the index. False: that can't be done now, another session is at it, or the disk is full.
    pub fn add(&mut self, uid: u32, terms: &Terms) -> bool {
        if !self.lock() {
            return false;
        }
        if !self.builder.has_room(1) && self.flush().is_none() {
            return false;
        }
        self.builder.add(uid, terms);
        true
    }

    fn begin(&mut self) -> bool {
        let Ok(file) = self.folder.append(LOCK, mode(&self.folder)) else { return false };
        if !sys::durable::lock(&file).unwrap_or(false) {
            return false;
        }
        self.lock = Some(file);
        self.sweep();
        self.files.clear();
        self.look().is_ok()
    }

    /// Removes what a writer that was killed has left.
    fn sweep(&self) {
        let mut left = Vec::new();
        let _ = self.folder.each_name(|name| {
            if name.ends_with(UNFINISHED.as_bytes()) {
                left.extend(std::str::from_utf8(name).map(str::to_owned));
            }
        });
        left.iter().for_each(|name| drop(self.folder.remove(name)));
    }

    /// Writes what was added, joins small files, and forgets messages that are not among `live` (ascending) any more.
    pub fn keep(&mut self, live: &[u32]) {
        if self.lock.is_some() {
            // What fails here is done the next time.
            let _ = self.flush();
            let _ = self.tidy(live);
            self.lock = None;
        }
    }

    fn flush(&mut self) -> Option<()> {
        let builder = std::mem::replace(&mut self.builder, Builder::new());
        if builder.is_empty() {
            return Some(());
        }
        let name = OsString::from(format!("{:032x}{ENDING}", u128::from_ne_bytes(sys::random().ok()?)));
        let octets = builder.finish(self.uid_validity);
        // Not synced: sums tell what a power cut has left.
        let temporary = format!("{}{UNFINISHED}", name.display());
        let written =
            self.folder.create(&temporary, mode(&self.folder)).and_then(|mut file| file.write_all(&octets));
        let there = written.and_then(|()| self.folder.rename(&temporary, &self.folder, &name));
        if there.is_err() {
            let _ = self.folder.remove(&temporary);
        }
        there.ok()?;
        self.files.push(Known { name, uids: builder.uids().to_vec(), octets: octets.len() as u64 });
        Some(())
    }

    fn tidy(&mut self, live: &[u32]) -> Option<()> {
        let alive = |uid: u32| live.binary_search(&uid).is_ok();
        let few = |file: &Known| file.uids.iter().filter(|uid| alive(**uid)).count() * 2 < file.uids.len();
        let thin: Vec<usize> = (0..self.files.len()).filter(|place| few(&self.files[*place])).collect();
        self.join(&thin, &alive)?;
        let class = |file: &Known| file.uids.len().checked_ilog(JOINED).unwrap_or(0);
        for wanted in 0..MOST.ilog(JOINED) {
            let small = |place: &usize| {
                let file = &self.files[*place];
                class(file) == wanted && file.octets < LARGE
            };
            let small: Vec<usize> = (0..self.files.len()).filter(small).collect();
            if small.len() >= JOINED {
                self.join(&small, &alive)?;
            }
        }
        Some(())
    }

    /// Makes one file of those at `places`, or of as many as there is room for.
    fn join(&mut self, places: &[usize], alive: &dyn Fn(u32) -> bool) -> Option<()> {
        let mut done = Vec::new();
        for place in places {
            let file = &self.files[*place];
            if !self.builder.has_room(file.uids.len()) {
                break;
            }
            if let Some(open) = self.open_file(&file.name) {
                // What is broken is forgotten: its messages are unknown then.
                let _ = self.builder.absorb(&open.segment, &open.lists(0, None)?, alive);
            }
            done.push(*place);
        }
        let old: Vec<Known> = done.iter().rev().map(|place| self.files.remove(*place)).collect();
        self.flush()?;
        old.iter().try_for_each(|file| self.folder.remove(&file.name)).ok()
    }
}

/// A file's words, and where its lists are read from.
struct Open {
    segment: Segment,
    file: File,
    head: u64,
}

impl Open {
    fn lists(&self, from: u32, octets: Option<u32>) -> Option<Vec<u8>> {
        let from = self.head + u64::from(from);
        let left = self.file.metadata().ok()?.len().checked_sub(from)?;
        let wanted = octets.map_or(left, u64::from);
        if wanted > left.min(LONGEST_LISTS) {
            return None;
        }
        let mut octets = vec![0; wanted as usize];
        self.file.read_exact_at(&mut octets, from).ok()?;
        Some(octets)
    }
}

/// For those whom the folder above is for.
fn make(path: &Path) -> io::Result<Folder> {
    let above = Folder::open(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    std::fs::create_dir(path)?;
    let bits = if mode(&above) == 0o600 { 0o700 } else { 0o2770 };
    File::open(path)?.set_permissions(Permissions::from_mode(bits))?;
    Folder::open(path)
}

/// Permission bits for files in `folder`, which a group may share.
fn mode(folder: &Folder) -> u32 {
    const OF_GROUP: u32 = 0o2020;
    let shared = folder.stat(".").is_ok_and(|seen| seen.st_mode & OF_GROUP == OF_GROUP);
    if shared { 0o660 } else { 0o600 }
}

fn sizes(file: &File) -> Option<Sizes> {
    let mut fixed = [0; Sizes::OCTETS];
    file.read_exact_at(&mut fixed, 0).ok()?;
    Sizes::read(&fixed)
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
