//! Looking at the Maildir: what has other programs' doing made of it?
//!
//! Only under the lock, when all records of others have been read: so what is still unknown then is nobody's of this
//! house, and it is recorded as a change of flags, a new message or one that has gone.
//!
//! A name that is not seen proves little: a folder that is read while files are renamed may show neither name. A
//! message has gone when its file is not there by its old name, and a reading during which the folder stood still does
//! not show its base.
//! Of two files with one base, the second gets a base of its own. A message in `new` is moved to `cur` such that a
//! power cut leaves it in at least one of them.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use imap::{Trouble, Uid};
use maildir::Name;
use nix::sys::stat::FileStat;

use crate::draft;
use crate::listing::{Listing, inode};
use crate::mailbox::Mailbox;
use crate::place::{Held, unavailable};
use crate::record::{New, Record};
use crate::state::fingerprint;

/// A longer base leaves no room for flags in a name, or for its line in a list.
const LONGEST: usize = 200;
/// So often a folder that does not stand still is read, with so much time between, longer in all than two changes can
/// have the same mtime.
const READINGS: usize = 12;
const PAUSE: Duration = Duration::from_millis(3);
/// Nobody takes so long, in microseconds, to rename a file by way of a second name.
const LEFT: i64 = if cfg!(test) { 50_000 } else { 10_000_000 };

/// What a look has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// By place in the state, the names that messages have now.
    renamed: HashMap<usize, Vec<u8>>,
    gone: Vec<Uid>,
    /// Names of files in `cur` that are no messages yet.
    fresh: Vec<Vec<u8>>,
    /// Some messages were not seen, but the folder never stood still: they may be there.
    restless: bool,
    /// A file has two names, or is being renamed.
    doubled: bool,
}

impl Mailbox {
    /// Finds out and records what is not known.
    pub(crate) fn look(&mut self, held: &Held) -> Result<(), Trouble> {
        let looked = self.look_around(held);
        if looked.is_err() {
            // What the watch has told is forgotten by now: the next look is at all names.
            (self.looked, self.looked_at) = (false, None);
        }
        looked
    }

    fn look_around(&mut self, held: &Held) -> Result<(), Trouble> {
        if self.watch.is_some() && self.looked && !self.happened.all {
            let found = self.look_at_what_happened()?;
            if let Some(mut found) = found {
                self.record(held, &mut found)?;
                self.looked = !found.doubled;
                return Ok(());
            }
        }
        self.look_at_all(held)
    }

    fn look_at_all(&mut self, held: &Held) -> Result<(), Trouble> {
        self.recall_keywords(held)?;
        let stamps = self.folders.stamps()?;
        let now = sys::unix_micros();
        let certain = stamps.0.is_certain(now) && stamps.1.is_certain(now);
        // What has happened up to now will be seen; what happens from now on will be told again.
        self.drain();
        self.happened = crate::watch::Happened::default();
        let mut found = Found::default();
        self.compare(&mut found)?;
        self.settle(&mut found)?;
        self.record(held, &mut found)?;
        let all = !found.restless && !found.doubled;
        self.looked = all;
        self.looked_at = Some(stamps).filter(|_| certain && all);
        self.unsure = None;
        Ok(())
    }

    fn reading(&self, error: &io::Error) -> Trouble {
        unavailable(&self.place.maildir, "can't read the mailbox", error)
    }

    /// Compares all names in `cur` with the state.
    fn compare(&mut self, found: &mut Found) -> Result<(), Trouble> {
        let listing = Listing::read(&self.folders.cur).map_err(|error| self.reading(&error))?;
        let mut seen = vec![false; self.state.messages.len()];
        let mut others = Vec::new();
        for name in listing.names() {
            match self.state.find(Name::read(name).base) {
                Some(at) if self.state.has_name(at, name) => seen[at] = true,
                Some(at) => others.push((at, name.to_vec())),
                None => found.fresh.push(name.to_vec()),
            }
        }
        for (at, name) in others {
            seen[at] |= self.resolve(at, name, found)?;
        }
        self.look_again(&seen, found)
    }

    /// A message has `name` too, or instead. True: its file is there.
    fn resolve(&mut self, at: usize, name: Vec<u8>, found: &mut Found) -> Result<bool, Trouble> {
        let Some(this) = inode(&self.folders.cur, &name) else { return Ok(false) };
        let old = found.renamed.get(&at).cloned().unwrap_or_else(|| self.state.name(at));
        match inode(&self.folders.cur, &old) {
            None => drop(found.renamed.insert(at, name)),
            // It is being renamed, or has two names.
            Some(that) if that == this => {
                self.doubles.insert(self.state.messages[at].uid);
                found.doubled |= !self.remove_second_name(&name, &old)?;
            }
            Some(_) => found.fresh.extend(self.give_new_base(&name)?),
        }
        Ok(true)
    }

    /// Removes the second name of a file that somebody meant to rename by way of it, and never came to an end. One that
    /// was seen by two names a moment ago, as it was being renamed, may have but this one by now, and how many it has tells
    /// nothing, since a copy in another mailbox is one of them. Every rename changes the file's ctime: where that is old, and
    /// the same by either name, it has both. False: it is left for the next look.
    pub(crate) fn remove_second_name(&self, name: &[u8], other: &[u8]) -> io::Result<bool> {
        let (name, other) = (OsStr::from_bytes(name), OsStr::from_bytes(other));
        let cur = &self.folders.cur;
        let (Ok(one), Ok(two)) = (cur.stat(name), cur.stat(other)) else { return Ok(false) };
        let file = |seen: &FileStat| (seen.st_dev, seen.st_ino, seen.st_ctime, seen.st_ctime_nsec);
        let changed = one.st_ctime.saturating_mul(1_000_000).saturating_add(one.st_ctime_nsec / 1000);
        let left = (sys::unix_micros() as i64).saturating_sub(changed) > LEFT;
        if file(&one) != file(&two) || one.st_nlink < 2 || !left {
            return Ok(false);
        }
        match cur.remove(name) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }

    /// Renames a file of `cur` to a base of its own; `None`: it has gone.
    fn give_new_base(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let new = new_base(name);
        let (old, to) = (OsStr::from_bytes(name), OsStr::from_bytes(&new));
        match self.folders.cur.rename_new(old, &self.folders.cur, to) {
            Ok(()) => Ok(Some(new)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(&self.place.maildir, "can't rename a message", &error)),
        }
    }

    /// Those whose names were not seen.
    fn look_again(&mut self, seen: &[bool], found: &mut Found) -> Result<(), Trouble> {
        let missing = (0..seen.len())
            .filter(|at| !seen[*at] && inode(&self.folders.cur, &self.state.name(*at)).is_none());
        let mut missing: Vec<usize> = missing.collect();
        found.restless = true;
        for _ in 0..READINGS {
            if missing.is_empty() || self.read_again(&mut missing, found)? {
                found.restless = false;
                break;
            }
            std::thread::sleep(PAUSE);
        }
        if !found.restless {
            found.gone.extend(missing.iter().map(|at| self.state.messages[*at].uid));
        }
        Ok(())
    }

    /// Reads the folder once more and keeps those that it does not show. True: it stood still meanwhile.
    fn read_again(&mut self, missing: &mut Vec<usize>, found: &mut Found) -> Result<bool, Trouble> {
        let before = self.folders.stamps()?.0;
        let certain = before.is_certain(sys::unix_micros());
        let again = Listing::read(&self.folders.cur).map_err(|error| self.reading(&error))?.sorted();
        missing.retain(|at| match again.find(self.state.base(*at)) {
            Some(name) if inode(&self.folders.cur, name).is_some() => {
                found.renamed.insert(*at, name.to_vec());
                false
            }
            _ => true,
        });
        Ok(certain && self.folders.stamps()?.0 == before)
    }

    /// Looks at those names only that the watch has told. `None`: that is not enough.
    fn look_at_what_happened(&mut self) -> Result<Option<Found>, Trouble> {
        let happened = std::mem::take(&mut self.happened);
        let mut found = Found::default();
        for (base, touch) in happened.touched {
            match (self.state.find(&base), touch.came) {
                (None, None) => {}
                (None, Some(name)) => found.fresh.extend(inode(&self.folders.cur, &name).map(|_| name)),
                (Some(at), came) => {
                    let told = came.is_some();
                    let there = match came {
                        Some(name) if !self.state.has_name(at, &name) => {
                            self.resolve(at, name, &mut found)?
                        }
                        _ => false,
                    };
                    if there || inode(&self.folders.cur, &self.state.name(at)).is_some() {
                        continue;
                    }
                    // It was renamed to a name that has not been told: it may still be there. Or it was renamed
                    // since it was told, or has a second name.
                    if touch.moved || told || self.doubles.contains(&self.state.messages[at].uid) {
                        return Ok(None);
                    }
                    found.gone.push(self.state.messages[at].uid);
                }
            }
        }
        if happened.new {
            self.settle(&mut found)?;
        }
        Ok(Some(found))
    }

    /// Moves what is in `new` to `cur`.
    fn settle(&mut self, found: &mut Found) -> Result<(), Trouble> {
        let listing = Listing::read(&self.folders.new).map_err(|error| self.reading(&error))?;
        if listing.len() == 0 {
            return Ok(());
        }
        let fresh: HashMap<Vec<u8>, usize> =
            found.fresh.iter().enumerate().map(|(at, name)| (Name::read(name).base.to_vec(), at)).collect();
        let mut moved = Vec::new();
        for name in listing.names() {
            let there = fresh.get(Name::read(name).base).map(|at| found.fresh[*at].clone());
            match self.settle_one(name, there).map_err(|error| self.reading(&error))? {
                Settled::Gone => continue,
                Settled::Before => {}
                Settled::As(new) => found.fresh.push(new),
            }
            moved.push(name);
        }
        if !moved.is_empty() {
            self.folders.cur.sync().map_err(|error| self.reading(&error))?;
        }
        for name in moved {
            match self.folders.new.remove(OsStr::from_bytes(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(self.reading(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Links a file of `new` into `cur`, where `there` has its base and is not known yet.
    fn settle_one(&mut self, name: &[u8], there: Option<Vec<u8>>) -> io::Result<Settled> {
        let base = Name::read(name).base;
        let known = self.state.find(base).map(|at| self.state.name(at));
        let twin = there.or(known).and_then(|twin| inode(&self.folders.cur, &twin));
        if twin.is_some() && twin == inode(&self.folders.new, name) {
            return Ok(Settled::Before);
        }
        let target = if twin.is_some() { new_base(name) } else { Name::read(name).and(b"") };
        match self.link(name, &target) {
            Ok(()) => Ok(Settled::As(target)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Settled::Gone),
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::InvalidFilename) => {
                let same = inode(&self.folders.cur, &target) == inode(&self.folders.new, name);
                let target = if same { target } else { new_base(name) };
                if !same {
                    self.link(name, &target)?;
                }
                Ok(Settled::As(target))
            }
            Err(error) => Err(error),
        }
    }

    fn link(&self, name: &[u8], target: &[u8]) -> io::Result<()> {
        let (name, target) = (OsStr::from_bytes(name), OsStr::from_bytes(target));
        match self.folders.new.link(name, &self.folders.cur, target) {
            // A file system without links.
            Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
                self.folders.new.rename_new(name, &self.folders.cur, target)
            }
            other => other,
        }
    }

    /// Records what was found.
    fn record(&mut self, held: &Held, found: &mut Found) -> Result<(), Trouble> {
        self.make_proper(found)?;
        if found.renamed.is_empty() && found.gone.is_empty() && found.fresh.is_empty() {
            return Ok(());
        }
        let modseq = self.next_modseq();
        let mut records = self.notes();
        for (at, name) in &found.renamed {
            let tail = &name[self.state.base(*at).len()..];
            Record::Tail { uid: self.state.messages[*at].uid, tail }.put(&mut records);
        }
        found.gone.sort_unstable();
        for (first, last) in self.state.ranges(&found.gone) {
            Record::Gone { first, last, modseq }.put(&mut records);
        }
        let names: Vec<Name<'_>> = found.fresh.iter().map(|name| Name::read(name)).collect();
        let messages: Vec<(u64, &[u8])> =
            names.iter().map(|name| (fingerprint(name.base), name.base)).collect();
        if !messages.is_empty() {
            let first = self.assign(held, &messages)?;
            let saved = sys::unix_seconds() as i64;
            for ((uid, name), (email, base)) in (first..).zip(&found.fresh).zip(messages) {
                let tail = &name[base.len()..];
                Record::New(New { uid, modseq, saved, email, base, tail, ..New::default() })
                    .put(&mut records);
            }
        }
        self.commit(held, &records, Some(modseq))
    }

    /// Puts the new ones in order, and gives those a base of their own whose base can't stay or is there twice.
    fn make_proper(&self, found: &mut Found) -> Result<(), Trouble> {
        Name::sort(&mut found.fresh);
        let mut in_order = true;
        let mut proper: Vec<Vec<u8>> = Vec::with_capacity(found.fresh.len());
        for name in std::mem::take(&mut found.fresh) {
            let base = Name::read(&name).base;
            let twin = proper.last().filter(|last| Name::read(last).base == base).cloned();
            let inode = |name: &[u8]| inode(&self.folders.cur, name);
            let same = |twin: &Vec<u8>| inode(twin).is_some() && inode(twin) == inode(&name);
            match twin {
                None if is_proper(base) => proper.push(name),
                Some(twin) if same(&twin) => found.doubled |= !self.remove_second_name(&name, &twin)?,
                _ => {
                    proper.extend(self.give_new_base(&name)?);
                    in_order = false;
                }
            }
        }
        if !in_order {
            Name::sort(&mut proper);
        }
        found.fresh = proper;
        Ok(())
    }

    /// Where nothing may be written: of the messages that have a UID, which are there, and by which names?
    pub(crate) fn look_only(&mut self) -> Result<(), Trouble> {
        let stamps = self.folders.stamps()?;
        self.drain();
        self.happened = crate::watch::Happened::default();
        let cur = Listing::read(&self.folders.cur).map_err(|error| self.reading(&error))?.sorted();
        let new = Listing::read(&self.folders.new).map_err(|error| self.reading(&error))?.sorted();
        let modseq = self.next_modseq();
        let (mut records, mut gone, mut in_new) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..self.state.messages.len() {
            let (uid, base) = (self.state.messages[at].uid, self.state.base(at));
            let name = cur.find(base).or_else(|| new.find(base));
            match name {
                None => gone.push(uid),
                Some(name) if !self.state.has_name(at, name) => {
                    Record::Tail { uid, tail: &name[base.len()..] }.put(&mut records);
                }
                Some(_) => {}
            }
            in_new.extend((name.is_some() && cur.find(base).is_none()).then_some(uid));
        }
        for (first, last) in self.state.ranges(&gone) {
            Record::Gone { first, last, modseq }.put(&mut records);
        }
        if !records.is_empty() {
            let applied = self.state.apply_all(crate::record::Octets(&records), modseq);
            self.state.facts.modseq = if applied.is_ok() { modseq } else { self.state.facts.modseq };
        }
        self.state.mark_in_new(&in_new);
        self.state.count();
        (self.looked, self.looked_at) = (true, Some(stamps));
        Ok(())
    }
}

enum Settled {
    /// Another program was faster.
    Gone,
    /// It is in `cur` and known.
    Before,
    /// It is in `cur` by this name.
    As(Vec<u8>),
}

/// Can this base be kept in a list, with flags after it?
fn is_proper(base: &[u8]) -> bool {
    !base.is_empty() && base.len() <= LONGEST && !base.contains(&b'\n')
}

/// A name for a message whose base another one has, with its flags and sizes.
fn new_base(name: &[u8]) -> Vec<u8> {
    let name = Name::read(name);
    let new = match name.octets() {
        Some(octets) => draft::base(&maildir::unique(), octets, name.wire()),
        None => maildir::unique(),
    };
    Name { base: new.as_bytes(), flags: name.flags }.and(b"")
}
