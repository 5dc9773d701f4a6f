//! Adding messages: new ones, and copies as second names of the same files.
//!
//! All or none, and durably: the files are synced before the lock is taken, then get their names in `cur`, which is
//! synced once, then their UIDs. A copy is a hard link, or where that can't be, a file of its own.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use imap::{Flags, Marks, Message, Progress, Trouble, Uid};
use maildir::Name;
use sys::durable::Folder;

use crate::change::PIECE;
use crate::draft::{self, Draft};
use crate::keywords;
use crate::listing::Listing;
use crate::mailbox::Mailbox;
use crate::place::{Held, mode, unavailable};
use crate::record::{New, Record};
use crate::state::fingerprint;

/// Permission bits of what is the owner's alone.
const PRIVATE: u32 = 0o600;

/// A message of a mailbox, to be added to another one.
#[derive(Debug)]
pub struct Original {
    pub(crate) folder: Rc<Folder>,
    pub(crate) name: Vec<u8>,
    pub(crate) octets: u64,
    /// With CR LF line ends, if that is known.
    pub(crate) wire: Option<u64>,
    pub(crate) email: u64,
}

impl Original {
    /// Octets on disk.
    pub fn octets(&self) -> u64 {
        self.octets
    }
}

/// Where an arriving message's text is.
#[derive(Debug)]
pub enum Source {
    /// It was written.
    Draft(Draft),
    /// It is a message already.
    Of(Original),
}

/// A message that is to be added.
#[derive(Debug)]
pub struct Arrival {
    /// Its text.
    pub source: Source,
    /// Its flags.
    pub marks: Marks,
    /// Its internal date; `None`: now, or that of the original. A copy keeps its original's in any case.
    pub date: Option<i64>,
    /// When it was saved into this mailbox.
    pub saved: i64,
    /// What is kept of it, if that is known.
    pub record: Option<Vec<u8>>,
    /// Its EMAILID; `None`: a new one, or that of the original.
    pub email_id: Option<String>,
}

/// One that has its file.
struct Placed {
    base: Vec<u8>,
    tail: Vec<u8>,
    keywords: u64,
    email: u64,
    octets: u64,
    date: Option<i64>,
}

impl Mailbox {
    /// Adds messages, all or none; gives their UIDs, which ascend.
    pub fn add(&mut self, arrivals: Vec<Arrival>) -> Result<Vec<Uid>, Trouble> {
        self.add_many(arrivals, &mut Progress::unheard())
    }

    /// As [`Mailbox::add`], for somebody who wants to hear how far it is.
    pub(crate) fn add_many(
        &mut self,
        mut arrivals: Vec<Arrival>,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Uid>, Trouble> {
        for arrival in &mut arrivals {
            if let Source::Draft(draft) = &mut arrival.source {
                let finished = draft.finish(arrival.date);
                finished
                    .map_err(|error| unavailable(&self.place.temporary, "can't write a message", &error))?;
            }
        }
        let held = self.lock_to_change()?;
        let mut placed = Vec::with_capacity(arrivals.len());
        let added = self.add_all(&held, &mut arrivals, &mut placed, progress);
        if added.is_err() {
            for one in &placed {
                let name = [&one.base[..], &one.tail].concat();
                let _ = self.folders.cur.remove(OsStr::from_bytes(&name));
            }
        }
        added
    }

    fn add_all(
        &mut self,
        held: &Held,
        arrivals: &mut [Arrival],
        placed: &mut Vec<Placed>,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Uid>, Trouble> {
        let count = arrivals.len();
        for arrival in arrivals.iter_mut() {
            progress.reached(placed.len(), count);
            let keywords = self.bits(held, &arrival.marks.keywords, true)?;
            placed.push(self.put_in_place(arrival, keywords)?);
            if placed.len().is_multiple_of(PIECE) {
                self.drain();
            }
        }
        self.folders.cur.sync()?;
        let messages: Vec<(u64, &[u8])> = placed.iter().map(|one| (one.email, &one.base[..])).collect();
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.assign(held, &messages)?;
        let (modseq, mut records) = (self.next_modseq(), Vec::new());
        let kept = self.keep_new(first, arrivals);
        for (((uid, one), arrival), kept) in (first..).zip(placed.iter()).zip(arrivals.iter()).zip(kept) {
            let (email, keywords, date, saved) = (one.email, one.keywords, one.date, arrival.saved);
            let (base, tail) = (&one.base[..], &one.tail[..]);
            Record::New(New { uid, modseq, saved, date, kept, email, keywords, base, tail })
                .put(&mut records);
        }
        records.extend(self.notes());
        self.commit(held, &records, Some(modseq))?;
        self.hear_myself()?;
        self.after_change()?;
        let seen = (first..).zip(arrivals.iter()).filter(|(_, one)| one.marks.flags.has(Flags::SEEN));
        self.add_own_seen(&seen.map(|(uid, _)| uid).collect::<Vec<_>>())?;
        // After all that can fail: then their files go again.
        self.count_added(placed);
        Ok((first..).take(placed.len()).collect())
    }

    fn count_added(&self, placed: &[Placed]) {
        let counted = placed.iter().filter(|one| !keywords::flags(&one.tail).has(Flags::DELETED));
        let octets: Vec<i64> = counted.map(|one| one.octets as i64).collect();
        self.count(octets.iter().sum(), octets.len() as i64);
    }

    /// Keeps the records that come with messages; gives their places, 0 for none.
    fn keep_new(&mut self, first: Uid, arrivals: &[Arrival]) -> Vec<u64> {
        self.write_kept();
        let before = self.cache.placed.len();
        for (uid, arrival) in (first..).zip(arrivals) {
            if let Some(record) = &arrival.record {
                self.cache.keep(uid, record);
            }
        }
        self.cache.write_out();
        let mut places = vec![0; arrivals.len()];
        for (uid, place) in self.cache.placed.drain(before..) {
            places[(uid - first) as usize] = place;
        }
        places
    }

    /// Gives an arriving message its name in `cur`.
    fn put_in_place(&self, arrival: &mut Arrival, keywords: u64) -> Result<Placed, Trouble> {
        let message = Message { flags: arrival.marks.flags, keywords, ..Message::default() };
        let tail = keywords::tail(&message, b"", self.state.keywords.len());
        let cant = |error: io::Error| match error.kind() {
            ErrorKind::NotFound => Trouble::Gone,
            _ => unavailable(&self.place.maildir, "can't add a message", &error),
        };
        let (base, octets, email) = match &mut arrival.source {
            Source::Draft(draft) => {
                let settled = match self.settle_draft(draft, &tail) {
                    // A shared mailbox may be on another file system than the account.
                    Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                        draft.carry(&self.place.temporary).and_then(|()| self.settle_draft(draft, &tail))
                    }
                    other => other,
                };
                (settled.map_err(cant)?, draft.octets(), None)
            }
            Source::Of(original) => {
                let base = draft::base(&maildir::unique(), original.octets, original.wire).into_bytes();
                let name = [&base[..], &tail].concat();
                self.copy(original, &name).map_err(cant)?;
                (base, original.octets, Some(original.email))
            }
        };
        let told =
            arrival.email_id.as_deref().and_then(|id| u64::from_str_radix(id.strip_prefix('M')?, 16).ok());
        let email = told.or(email).unwrap_or_else(|| fingerprint(&base));
        let date = arrival.date.filter(|date| *date >= 0 && matches!(arrival.source, Source::Draft(_)));
        Ok(Placed { base, tail, keywords, email, octets, date })
    }

    /// Gives its base.
    fn settle_draft(&self, draft: &mut Draft, tail: &[u8]) -> io::Result<Vec<u8>> {
        let base = draft.base().into_bytes();
        self.share(draft)?;
        draft.settle(&self.folders.cur, &[&base[..], tail].concat())?;
        Ok(base)
    }

    /// A message in a folder that a group shares is the group's.
    fn share(&self, draft: &Draft) -> io::Result<()> {
        match mode(&self.folders.cur) {
            PRIVATE => Ok(()),
            mode => draft.give(mode, self.folders.cur.stat(".")?.st_gid),
        }
    }

    fn copy(&self, original: &mut Original, name: &[u8]) -> io::Result<()> {
        match self.copy_once(original, name) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Renamed meanwhile.
                let base = Name::read(&original.name).base.to_vec();
                let listing = Listing::read(&original.folder)?.sorted();
                original.name = listing.find(&base).ok_or(ErrorKind::NotFound)?.to_vec();
                self.copy_once(original, name)
            }
            other => other,
        }
    }

    /// What a group may write to is never a file of what is the owner's alone.
    fn copy_once(&self, original: &Original, name: &[u8]) -> io::Result<()> {
        if [&self.folders.cur, &original.folder].iter().any(|folder| mode(folder) != PRIVATE) {
            return copy_whole(&self.place.temporary, original, &self.folders.cur, name);
        }
        let (from, target) = (OsStr::from_bytes(&original.name), OsStr::from_bytes(name));
        match original.folder.link(from, &self.folders.cur, target) {
            Err(error) if !can_be_linked(&error) => {
                copy_whole(&self.place.temporary, original, &self.folders.cur, name)
            }
            other => other,
        }
    }
}

/// On another file system, or with too many names already, or on one that has no links.
fn can_be_linked(error: &io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    !matches!(error.kind(), CrossesDevices | TooManyLinks | PermissionDenied | Unsupported)
}

fn copy_whole(temporary: &Path, original: &Original, cur: &Folder, name: &[u8]) -> io::Result<()> {
    Draft::of(temporary, original.folder.read(OsStr::from_bytes(&original.name))?)?.settle(cur, name)
}
