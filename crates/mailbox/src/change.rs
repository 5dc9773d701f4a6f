//! Changing flags and removing messages. Everything under the lock, after what others have recorded has been read.
//!
//! Flags are file names: a change is a rename, which is not synced (a power cut may take back flags, but no mail).
//! Removals are synced.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;

use imap::{Change, Flags, Marks, Message, Progress, Trouble, Uid};
use maildir::Name;

use crate::draft::Draft;
use crate::keywords::{self, WITH_LETTER};
use crate::listing::inode;
use crate::mailbox::Mailbox;
use crate::place::{Held, unavailable};
use crate::record::Record;
use crate::state::MOST_KEYWORDS;
use crate::undelete;

/// After so many changes, what the watch tells of them is taken in, before there is too much of it.
pub(crate) const PIECE: usize = 5000;

/// A file whose name is longer is kept without its flags.
const LONGEST: usize = 240;

/// What is to be made of messages' flags.
#[derive(Clone, Copy, Debug)]
struct Wish {
    change: Change,
    flags: Flags,
    keywords: u64,
}

impl Wish {
    fn of(&self, message: &Message) -> Message {
        let (flags, keywords) = match self.change {
            Change::Add => (message.flags | self.flags, message.keywords | self.keywords),
            Change::Remove => (message.flags & !self.flags, message.keywords & !self.keywords),
            Change::Replace => (self.flags, self.keywords),
        };
        Message { flags, keywords, ..*message }
    }
}

/// Which of the messages that are named are to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those that have `\Deleted`, as they are when they go: others may have taken it from them.
    Deleted,
}

impl Which {
    fn takes(self, flags: Flags) -> bool {
        self == Which::All || flags.has(Flags::DELETED)
    }
}

/// What has come of a change so far.
#[derive(Debug, Default)]
struct Done {
    records: Vec<u8>,
    /// Messages whose files have other names by now.
    lost: Vec<Uid>,
    /// What the quota counts more or, negative, less.
    octets: i64,
    messages: i64,
    seen: Vec<(Uid, bool)>,
    changed: bool,
}

/// What has come of removing a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Done,
    /// Another program was faster.
    Gone,
    /// It is not to go any more.
    Spared,
}

impl Mailbox {
    /// Changes flags; gives the messages that `unchanged_since` kept from it.
    pub(crate) fn mark(
        &mut self,
        uids: &[Uid],
        change: Change,
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble> {
        let held = self.lock_to_change()?;
        let refused = self.mark_under_lock(&held, uids, change, marks, unchanged_since)?;
        self.after_change()?;
        Ok(refused)
    }

    /// As [`Mailbox::mark`], by whoever holds the lock.
    pub(crate) fn mark_under_lock(
        &mut self,
        held: &Held,
        uids: &[Uid],
        change: Change,
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble> {
        let keywords = self.bits(held, &marks.keywords, change != Change::Remove)?;
        let wish = Wish { change, flags: marks.flags, keywords };
        let mut done = Done { records: self.notes(), ..Done::default() };
        let (mut refused, mut name) = (Vec::new(), Vec::new());
        for (number, uid) in uids.iter().enumerate() {
            if number % PIECE == PIECE - 1 {
                self.finish(held, &mut done)?;
                self.hear_myself()?;
            }
            let Some(at) = self.state.position(*uid) else { continue };
            if unchanged_since.is_some_and(|since| self.state.messages[at].modseq > since) {
                refused.push(*uid);
                continue;
            }
            name.clear();
            self.state.put_name(at, &mut name);
            let failed = self.mark_one(at, &name, &wish, &mut done);
            self.finish_if(failed, held, &mut done)?;
        }
        for uid in std::mem::take(&mut done.lost) {
            let Some(at) = self.state.position(uid) else { continue };
            let Some(name) = self.renamed(at)? else { continue };
            let failed = self.mark_one(at, &name, &wish, &mut done);
            self.finish_if(failed, held, &mut done)?;
        }
        self.finish(held, &mut done)?;
        Ok(refused)
    }

    pub(crate) fn lock_to_change(&mut self) -> Result<Held, Trouble> {
        if !self.writable || self.options.read_only {
            return Err(Trouble::NotAllowed);
        }
        self.wake_up()?;
        let held = self.lock()?;
        self.catch_up(Some(&held))?;
        self.look_if_lost(&held)?;
        self.show_own_seen()?;
        self.before_change()?;
        Ok(held)
    }

    /// Takes in what the watch tells, most of which is this session's own doing.
    pub(crate) fn hear_myself(&mut self) -> Result<(), Trouble> {
        if let Some(watch) = &self.watch {
            let state = &mut self.state;
            watch.drain(&mut self.happened, |name| state.knows(name));
        }
        self.forget_known()
    }

    /// After a failure, what was done before it is recorded all the same.
    fn finish_if(
        &mut self,
        failed: Result<(), Trouble>,
        held: &Held,
        done: &mut Done,
    ) -> Result<(), Trouble> {
        let Err(trouble) = failed else { return Ok(()) };
        self.finish(held, done)?;
        Err(trouble)
    }

    fn finish(&mut self, held: &Held, done: &mut Done) -> Result<(), Trouble> {
        let modseq = if std::mem::take(&mut done.changed) { Some(self.next_modseq()) } else { None };
        let records = std::mem::take(&mut done.records);
        self.count(std::mem::take(&mut done.octets), std::mem::take(&mut done.messages));
        if !records.is_empty() {
            self.commit(held, &records, modseq)?;
        }
        if self.seen.is_none() {
            return Ok(());
        }
        self.show_own_seen()?;
        if done.seen.is_empty() {
            return Ok(());
        }
        for (uid, has) in std::mem::take(&mut done.seen) {
            let Some(at) = self.state.position(uid) else { continue };
            let flags = &mut self.state.messages[at].flags;
            *flags = if has { *flags | Flags::SEEN } else { *flags & !Flags::SEEN };
        }
        self.write_own_seen()
    }

    /// Marks a message whose file is called `name`.
    fn mark_one(&mut self, at: usize, name: &[u8], wish: &Wish, done: &mut Done) -> Result<(), Trouble> {
        let old_tail = &name[self.state.base(at).len().min(name.len())..];
        let mut message = self.state.messages[at];
        if !self.state.has_name(at, name) {
            let known = self.state.keywords.len();
            message.flags = keywords::flags(old_tail);
            message.keywords = keywords::with_letters(message.keywords, old_tail, known);
        }
        let mut wanted = wish.of(&message);
        if (wanted.flags, wanted.keywords) == (message.flags, message.keywords) {
            // As far as is known: another program may have changed them.
            if inode(&self.folders.cur, name).is_none() {
                done.lost.push(self.state.messages[at].uid);
            }
            return Ok(());
        }
        if self.seen.is_some() {
            if (wanted.flags & Flags::SEEN) != (message.flags & Flags::SEEN) {
                done.seen.push((message.uid, wanted.flags.has(Flags::SEEN)));
            }
            let others = keywords::flags(old_tail) & Flags::SEEN;
            wanted.flags = wanted.flags & !Flags::SEEN | others;
        }
        let tail = keywords::tail(&wanted, old_tail, self.state.keywords.len());
        if tail != old_tail && !self.rename(at, name, &tail, done)? {
            return Ok(());
        }
        let uid = message.uid;
        Record::Tail { uid, tail: &tail }.put(&mut done.records);
        if wanted.keywords & !WITH_LETTER != message.keywords & !WITH_LETTER {
            Record::Keywords { uid, keywords: wanted.keywords }.put(&mut done.records);
        }
        done.changed = true;
        // Maildir++ does not count what is marked as deleted.
        let sign = i64::from(message.flags.has(Flags::DELETED)) - i64::from(wanted.flags.has(Flags::DELETED));
        if sign != 0 && self.options.quota != maildir::Quota::NONE {
            (done.octets, done.messages) =
                (done.octets + sign * self.octets_at(at) as i64, done.messages + sign);
        }
        Ok(())
    }

    /// False: the file is not there (it is put down as lost).
    fn rename(&mut self, at: usize, name: &[u8], tail: &[u8], done: &mut Done) -> Result<bool, Trouble> {
        let new = [self.state.base(at), tail].concat();
        let (from, to) = (OsStr::from_bytes(name), OsStr::from_bytes(&new));
        let cur = &self.folders.cur;
        let renamed = match cur.rename_new(from, cur, to) {
            // Another file of this base: if it is this one's second name, this name goes, or it is just being renamed;
            // else the next look finds a base for it, and this one has to wait.
            Err(error)
                if error.kind() == ErrorKind::AlreadyExists && inode(cur, name) == inode(cur, &new) =>
            {
                match self.remove_second_name(name, &new) {
                    Ok(false) => Err(ErrorKind::NotFound.into()),
                    other => other.map(drop),
                }
            }
            other => other,
        };
        match renamed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                done.lost.push(self.state.messages[at].uid);
                Ok(false)
            }
            Err(error) => Err(unavailable(&self.place.maildir, "can't rename a message", &error)),
        }
    }

    pub(crate) fn octets_at(&self, at: usize) -> u64 {
        let told = Name::read(self.state.base(at)).octets();
        let stat = || self.folder_of(at).stat(OsStr::from_bytes(&self.state.name(at)));
        told.unwrap_or_else(|| stat().map_or(0, |seen| seen.st_size as u64))
    }

    /// Counts to the quota.
    pub(crate) fn count(&self, octets: i64, messages: i64) {
        if self.options.quota == maildir::Quota::NONE || (octets, messages) == (0, 0) {
            return;
        }
        let path = self.options.quota_of.as_ref().unwrap_or(&self.place.maildir);
        if let Ok(maildir) = maildir::Maildir::open(path) {
            maildir.count(&self.options.quota, octets, messages);
        }
    }

    /// An index that was damaged may know fewer keywords than have letters.
    pub(crate) fn recall_keywords(&mut self, held: &Held) -> Result<(), Trouble> {
        let known = self.state.keywords.len();
        let mut records = Vec::new();
        for name in self.own_keywords()?.iter().skip(known) {
            Record::Keyword(name.as_bytes()).put(&mut records);
        }
        if records.is_empty() { Ok(()) } else { self.commit(held, &records, None) }
    }

    /// The bits of these keywords; `make`: those that have none get one.
    pub(crate) fn bits(&mut self, held: &Held, names: &[String], make: bool) -> Result<u64, Trouble> {
        let known = &self.state.keywords;
        if names.iter().any(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name))) {
            self.recall_keywords(held)?;
        }
        let before = self.state.keywords.len();
        let (mut bits, mut records) = (0, Vec::new());
        let mut known = self.state.keywords.clone();
        for name in names {
            let at = known.iter().position(|known| known.eq_ignore_ascii_case(name));
            match at {
                Some(at) => bits |= 1 << at,
                None if !make => {}
                None if !keywords::is_name(name) => return Err(Trouble::Limit("A keyword is too long.")),
                None if known.len() >= MOST_KEYWORDS => {
                    return Err(Trouble::Limit("This mailbox has too many keywords."));
                }
                None => {
                    bits |= 1 << known.len();
                    Record::Keyword(name.as_bytes()).put(&mut records);
                    known.push(name.clone());
                }
            }
        }
        if known.len() > before {
            // First the list: a letter that was used once never means anything else.
            self.write_list_of(&known)?;
            self.commit(held, &records, None)?;
        }
        Ok(bits)
    }

    /// Removes messages for good, or to where they can be had back from.
    pub(crate) fn remove(
        &mut self,
        uids: &[Uid],
        which: Which,
        progress: &mut Progress<'_>,
    ) -> Result<(), Trouble> {
        let held = self.lock_to_change()?;
        let mut uids = uids.to_vec();
        uids.sort_unstable();
        uids.dedup();
        for (number, piece) in uids.chunks(2 * PIECE).enumerate() {
            progress.reached(number * 2 * PIECE, uids.len());
            let removed = self.remove_piece(&held, piece, which);
            self.hear_myself()?;
            removed?;
        }
        self.after_change()?;
        self.show_own_seen()
    }

    fn remove_piece(&mut self, held: &Held, uids: &[Uid], which: Which) -> Result<(), Trouble> {
        let (mut gone, mut octets, mut messages, mut trouble) = (Vec::new(), 0, 0, None);
        for uid in uids {
            let Some(at) = self.state.position(*uid).filter(|at| which.takes(self.state.messages[*at].flags))
            else {
                continue;
            };
            let size = if self.options.quota == maildir::Quota::NONE { 0 } else { self.octets_at(at) as i64 };
            match self.remove_one(at, which) {
                Ok(Removal::Spared) => {}
                Ok(removal) => {
                    let removed = removal == Removal::Done;
                    let counted = removed && !keywords::flags(self.state.tail(at)).has(Flags::DELETED);
                    (octets, messages) = (octets - i64::from(counted) * size, messages - i64::from(counted));
                    gone.push(*uid);
                }
                Err(error) => {
                    trouble = Some(unavailable(&self.place.maildir, "can't remove a message", &error))
                }
            }
        }
        if !gone.is_empty() {
            self.count(octets, messages);
            // First where it can be had back from, or a power cut may leave it in neither place.
            if let Some(kept) = self.options.undelete.as_ref().and_then(|place| undelete::folder(place).ok())
            {
                kept.sync()?;
            }
            // Where a message came from, it has left a name that is gone but perhaps not durably.
            self.folders.new.sync()?;
            self.folders.cur.sync()?;
            let (modseq, mut records) = (self.next_modseq(), self.notes());
            for (first, last) in self.state.ranges(&gone) {
                Record::Gone { first, last, modseq }.put(&mut records);
            }
            self.commit(held, &records, Some(modseq))?;
        }
        trouble.map_or(Ok(()), Err)
    }

    fn remove_one(&mut self, at: usize, which: Which) -> io::Result<Removal> {
        match self.put_away(&self.state.name(at)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => return other.map(|()| Removal::Done),
        }
        // One that can't be found because the folder can't be read is not gone.
        let renamed = self.renamed(at).map_err(|trouble| io::Error::other(format!("{trouble:?}")))?;
        let Some(name) = renamed else { return Ok(Removal::Gone) };
        if !which.takes(keywords::flags(&name[Name::read(&name).base.len()..])) {
            return Ok(Removal::Spared);
        }
        match self.put_away(&name) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Removal::Gone),
            other => other.map(|()| Removal::Done),
        }
    }

    fn put_away(&self, name: &[u8]) -> io::Result<()> {
        let (cur, file) = (&self.folders.cur, OsStr::from_bytes(name));
        let Some(place) = &self.options.undelete else { return cur.remove(file) };
        // The time before it must not make it too long.
        let called = if name.len() > LONGEST { Name::read(name).base } else { name };
        let kept = undelete::named(sys::unix_seconds() as i64, called);
        let keep = || {
            let folder = undelete::folder(place)?;
            match cur.rename(file, &folder, &kept) {
                Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                    Draft::of(place, cur.read(file)?)?.settle(&folder, kept.as_bytes())?;
                    cur.remove(file)
                }
                other => other,
            }
        };
        let is_here = |error: &io::Error| error.kind() == ErrorKind::NotFound && inode(cur, name).is_some();
        // Whoever purges may just have removed the place, as it was empty.
        match keep().or_else(|error| if is_here(&error) { keep() } else { Err(error) }) {
            Ok(()) => Ok(()),
            Err(error) => match error.kind() {
                // Mail is removed to make room, too.
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => cur.remove(file),
                ErrorKind::NotFound if !is_here(&error) => Err(error),
                _ => Err(io::Error::other(format!("it can't be kept in {}: {error}", place.display()))),
            },
        }
    }
}
