//! A mailbox, open: what an IMAP session asks of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use imap::{Change, Folder, MOST_TEXT, Marks, Message, Needle, Progress, Status, Trouble, Uid};
use maildir::Name;

use crate::add::Original;
use crate::cache::Cache;
use crate::change::Which;
use crate::index::{self, Index};
use crate::listing::{Listing, inode};
use crate::place::{Folders, Options, Place, boot, unavailable};
use crate::record::{Facts, Stamp};
use crate::seen::Seen;
use crate::sizes::Sizes;
use crate::state::State;
use crate::watch::{Happened, Watch};

/// A listing that was made so long ago is made anew when it does not have a name.
const FRESH: Duration = Duration::from_secs(1);
/// For so long between two refreshes also one that is fresh is made again.
const LISTING: Duration = Duration::from_secs(2);
/// A file that others rename all the time is looked for so often: a folder that is read meanwhile may show it under
/// neither name.
const TRIES: usize = 8;

/// A mailbox, open.
#[derive(Debug)]
pub struct Mailbox {
    pub(crate) place: Place,
    pub(crate) options: Options,
    pub(crate) folders: Folders,
    /// `None`: there is none, and none can be written.
    pub(crate) index: Option<Index>,
    pub(crate) state: State,
    /// The index may be written, and files may be renamed.
    pub(crate) writable: bool,
    /// The messages have not been read yet.
    pub(crate) asleep: bool,
    pub(crate) watch: Option<Watch>,
    pub(crate) happened: Happened,
    /// All names have been compared with the state, and what has happened since is in `happened`.
    pub(crate) looked: bool,
    /// Without a watch: when the folders had been changed last when that was, if nothing can have been missed.
    pub(crate) looked_at: Option<(Stamp, Stamp)>,
    /// Without a watch: since when `looked_at` rests on this session's own changes alone.
    pub(crate) unsure: Option<Duration>,
    /// Messages that have been seen by two names.
    pub(crate) doubles: std::collections::HashSet<Uid>,
    /// Before this session's change, nothing of others was unknown.
    pub(crate) was_sure: bool,
    /// The index was written by another boot, and does not know yet that UIDs go on elsewhere.
    pub(crate) new_boot: bool,
    pub(crate) recent_from: Uid,
    pub(crate) cache: Cache,
    /// Dates that the index does not know yet.
    pub(crate) dates: Vec<(Uid, i64)>,
    pub(crate) uid_validity: u32,
    pub(crate) id: [u8; 16],
    pub(crate) seen: Option<Seen>,
    /// Where names tell wrong ones.
    pub(crate) sizes: Sizes,
    /// Where files are that have been renamed since the last refresh.
    listing: Option<(Listing, Duration)>,
    /// What listings have taken since then.
    listed: Duration,
}

impl Mailbox {
    /// Opens a mailbox. [`Trouble::NoMailbox`]: there is no Maildir here.
    pub fn open(place: Place, options: Options) -> Result<Mailbox, Trouble> {
        once_more(|| Mailbox::open_once(place.clone(), options.clone()))
    }

    fn open_once(place: Place, options: Options) -> Result<Mailbox, Trouble> {
        let mut mailbox = Mailbox::open_with(place, options, true)?;
        if mailbox.asleep {
            return Ok(mailbox);
        }
        mailbox.recent_from = mailbox.state.facts.seen;
        mailbox.refresh()?;
        mailbox.recent_from = mailbox.recent_from.min(mailbox.state.facts.next);
        Ok(mailbox)
    }

    /// STATUS of a mailbox that is not open. When nothing has changed since the index was written, only the end of
    /// that is read. `sizes`: the sizes are wanted.
    pub fn peek(place: Place, sizes: bool) -> Result<Status, Trouble> {
        let folders = Folders::open(&place)?;
        if let Some((head, facts)) = index::last_facts(&folders.index).filter(|_| !sizes)
            && folders.stamps()? == (facts.cur, facts.new)
            && facts.boot == boot()
        {
            return Ok(status(&facts, head.uid_validity, &head.id));
        }
        drop(folders);
        once_more(|| Mailbox::peek_whole(place.clone(), sizes))
    }

    fn peek_whole(place: Place, sizes: bool) -> Result<Status, Trouble> {
        let options = Options { read_only: true, ..Options::default() };
        let mut mailbox = Mailbox::open_with(place, options, false)?;
        mailbox.refresh()?;
        let mut status = mailbox.status();
        status.recent = mailbox.state.facts.recent;
        if sizes {
            (status.size, status.deleted_size) = mailbox.sizes()?;
        }
        Ok(status)
    }

    /// The watch begins before anything is read, so that nothing happens in between.
    fn open_with(place: Place, options: Options, watched: bool) -> Result<Mailbox, Trouble> {
        let folders = Folders::open(&place)?;
        let watch = if watched { Watch::begin(&place) } else { None };
        // Another session may have renamed it, and what is watched, or locked for writing, is another one.
        if !folders.are_at(&place) {
            return Err(Trouble::MailboxGone);
        }
        let writable = match folders.writable(&place) {
            Ok(()) => true,
            Err(error) => {
                unavailable(&place.index, "the index can't be written, reading only", &error);
                false
            }
        };
        let seen = options.user_seen.as_deref().map(Seen::open);
        let mut mailbox = Mailbox {
            place,
            options,
            folders,
            index: None,
            state: State::default(),
            writable,
            asleep: false,
            watch,
            happened: Happened::default(),
            looked: false,
            looked_at: None,
            unsure: None,
            doubles: Default::default(),
            was_sure: false,
            new_boot: false,
            recent_from: Uid::MAX,
            cache: Cache::default(),
            dates: Vec::new(),
            uid_validity: 0,
            id: [0; 16],
            seen,
            sizes: Sizes::default(),
            listing: None,
            listed: Duration::ZERO,
        };
        if !mailbox.options.may_sleep || !mailbox.fall_asleep()? {
            mailbox.load(None)?;
        }
        mailbox.sizes = Sizes::read(&mailbox.folders.index, mailbox.uid_validity);
        Ok(mailbox)
    }

    /// For [`nix::poll`]: readable when something may have happened. `None`: it has to be asked from time to time.
    pub fn watch(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// The mailbox's place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The file name of a message, in `cur`; `None`: there is no such message.
    pub fn name_of(&self, uid: Uid) -> Option<Vec<u8>> {
        self.state.position(uid).map(|at| self.state.name(at))
    }

    /// A message as something to be added to another mailbox.
    pub fn original(&mut self, uid: Uid) -> Result<Original, Trouble> {
        let at = self.at(uid)?;
        let octets = self.octets(uid)?;
        let name = self.state.name(at);
        let folder = std::rc::Rc::clone(&self.folders.cur);
        let (wire, email) = (self.wire(at), self.state.extra(at).email);
        Ok(Original { folder, name, octets, wire, email })
    }

    pub(crate) fn at(&self, uid: Uid) -> Result<usize, Trouble> {
        self.state.position(uid).ok_or(Trouble::Gone)
    }

    /// Is the message's file here, by the name that is known?
    pub(crate) fn is_there(&self, uid: Uid) -> bool {
        let there = |at| inode(self.folder_of(at), &self.state.name(at)).is_some();
        self.state.position(uid).is_some_and(there)
    }

    pub(crate) fn folder_of(&self, at: usize) -> &sys::durable::Folder {
        if self.state.extra(at).in_new { &self.folders.new } else { &self.folders.cur }
    }

    /// Does `act` with the message's file, by the name it has now.
    pub(crate) fn with_file<T>(
        &mut self,
        at: usize,
        mut act: impl FnMut(&sys::durable::Folder, &OsStr) -> std::io::Result<T>,
    ) -> Result<T, Trouble> {
        let missing =
            |done: &std::io::Result<T>| done.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        let mut done = act(self.folder_of(at), OsStr::from_bytes(&self.state.name(at)));
        for _ in 0..TRIES {
            if !missing(&done) {
                break;
            }
            if let Some(name) = self.renamed(at)? {
                done = act(self.folder_of(at), OsStr::from_bytes(&name));
            }
        }
        done.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Trouble::Gone,
            _ => {
                let name = self.state.name(at);
                let path = self.place.maildir.join("cur").join(OsStr::from_bytes(&name));
                unavailable(&path, "can't read the message", &error)
            }
        })
    }

    pub(crate) fn open_at(&mut self, at: usize) -> Result<File, Trouble> {
        self.with_file(at, |folder, name| folder.read(name))
    }

    /// The name that another program has given to a message's file meanwhile. One listing serves many messages.
    pub(crate) fn renamed(&mut self, at: usize) -> Result<Option<Vec<u8>>, Trouble> {
        let now = sys::monotonic();
        if let Some((listing, made)) = &self.listing {
            let found = listing.find(self.state.base(at));
            let fresh = self.listed > LISTING && now.saturating_sub(*made) < FRESH;
            if fresh || found.is_some_and(|name| inode(self.folder_of(at), name).is_some()) {
                return Ok(found.map(<[u8]>::to_vec));
            }
        }
        let listing = Listing::read(self.folder_of(at))?.sorted();
        let found = listing.find(self.state.base(at)).map(<[u8]>::to_vec);
        self.listing = Some((listing, now));
        self.listed += sys::monotonic().saturating_sub(now);
        Ok(found)
    }

    /// Gives memory back that was needed for what has been asked since the last time.
    pub(crate) fn rest(&mut self) {
        self.write_sizes();
        (self.listing, self.listed) = (None, Duration::ZERO);
        self.cache.rest();
    }
}

/// An index that turns out to be damaged may get another UIDVALIDITY while it is being opened.
fn once_more<T>(open: impl Fn() -> Result<T, Trouble>) -> Result<T, Trouble> {
    match open() {
        Err(Trouble::MailboxGone) => open(),
        other => other,
    }
}

fn status(facts: &Facts, uid_validity: u32, id: &[u8; 16]) -> Status {
    Status {
        messages: facts.messages,
        recent: facts.recent,
        unseen: facts.unseen,
        deleted: facts.deleted,
        uid_next: facts.next,
        uid_validity,
        highest_modseq: facts.modseq,
        id: hex(id),
        ..Status::default()
    }
}

pub(crate) fn hex(id: &[u8]) -> String {
    id.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl Folder for Mailbox {
    type Text = File;

    fn status(&self) -> Status {
        let mut status = status(&self.state.facts, self.uid_validity, &self.id);
        let from = self.state.messages.partition_point(|message| message.uid < self.recent_from);
        status.recent = (self.state.messages.len() - from) as u32;
        if self.seen.is_some() {
            let seen = |message: &&Message| message.flags.has(imap::Flags::SEEN);
            status.unseen = status.messages - self.state.messages.iter().filter(seen).count() as u32;
        }
        status
    }

    fn read_only(&self) -> bool {
        self.options.read_only || !self.writable
    }

    fn messages(&self) -> &[Message] {
        &self.state.messages
    }

    fn wake(&mut self, always: bool) -> Result<bool, Trouble> {
        if self.asleep && (always || self.stirs()?) {
            self.wake_up()?;
        }
        Ok(!self.asleep)
    }

    fn first_unseen(&self) -> Option<u32> {
        if self.seen.is_none() {
            return Some(self.state.facts.first_unseen).filter(|number| *number > 0);
        }
        imap::first_unseen(&self.state.messages)
    }

    fn recent_from(&self) -> Uid {
        self.recent_from
    }

    fn keywords(&self) -> &[String] {
        &self.state.keywords
    }

    fn takes_new_keywords(&self) -> bool {
        !self.read_only() && self.state.keywords.len() < crate::state::MOST_KEYWORDS
    }

    fn refresh(&mut self) -> Result<bool, Trouble> {
        self.synchronize()
    }

    fn vanished_since(&self, modseq: u64) -> Option<Vec<(Uid, Uid)>> {
        self.state.vanished_since(modseq)
    }

    fn store(
        &mut self,
        uids: &[Uid],
        change: Change,
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble> {
        self.mark(uids, change, marks, unchanged_since)
    }

    fn expunge(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        self.remove(uids, Which::All, &mut Progress::unheard())
    }

    fn expunge_deleted(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        self.remove(uids, Which::Deleted, &mut Progress::unheard())
    }

    fn date(&mut self, uid: Uid) -> Result<i64, Trouble> {
        let at = self.at(uid)?;
        if let Some(date) = self.state.date(at) {
            return Ok(date);
        }
        let date = self.with_file(at, |folder, name| folder.stat(name))?.st_mtime;
        self.state.set_date(at, date);
        self.dates.push((uid, date));
        Ok(date)
    }

    fn size(&mut self, uid: Uid) -> Result<Option<u64>, Trouble> {
        Ok(self.wire(self.at(uid)?))
    }

    fn size_is(&mut self, uid: Uid, octets: u64) {
        self.note_size(uid, octets);
    }

    fn email_id(&mut self, uid: Uid) -> Result<String, Trouble> {
        Ok(format!("M{:016x}", self.state.extra(self.at(uid)?).email))
    }

    fn octets(&mut self, uid: Uid) -> Result<u64, Trouble> {
        let at = self.at(uid)?;
        match Name::read(self.state.base(at)).octets() {
            Some(octets) => Ok(octets),
            None => Ok(self.with_file(at, |folder, name| folder.stat(name))?.st_size as u64),
        }
    }

    fn open(&mut self, uid: Uid) -> Result<File, Trouble> {
        self.open_at(self.at(uid)?)
    }

    fn kept(&mut self, uid: Uid, record: &mut Vec<u8>) -> Result<bool, Trouble> {
        record.clear();
        if self.cache.waits(uid) {
            self.write_kept();
        }
        let at = self.at(uid)?;
        match self.state.extra(at).kept {
            0 => Ok(false),
            place if self.cache.read(uid, place, record) => Ok(true),
            _ => {
                self.state.set_kept(at, 0);
                Ok(false)
            }
        }
    }

    fn keep(&mut self, uid: Uid, record: &[u8]) {
        if self.writable
            && let Some(from) = self.cache.keep(uid, record)
        {
            self.take_places(from);
        }
    }

    fn each_text<T: Send>(
        &mut self,
        uids: &[Uid],
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        self.read_all(uids, MOST_TEXT, work, done)
    }

    fn each_beginning<T: Send>(
        &mut self,
        uids: &[Uid],
        most: usize,
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        self.read_all(uids, most as u64, work, done)
    }

    fn narrow(&mut self, needle: Needle<'_>) -> Option<Vec<Uid>> {
        self.narrowed(needle)
    }
}

impl Mailbox {
    /// What the index of words makes of it. Without one, any message may hold the text.
    pub(crate) fn narrowed(&mut self, _needle: Needle<'_>) -> Option<Vec<Uid>> {
        None
    }

    /// Writes the records that wait, so that they can be read.
    pub(crate) fn write_kept(&mut self) {
        if let Some(from) = self.cache.write_out() {
            self.take_places(from);
        }
    }

    /// Of the records that have been written, the new places are in the state too.
    fn take_places(&mut self, from: usize) {
        for (uid, place) in &self.cache.placed[from..] {
            if let Some(at) = self.state.position(*uid) {
                self.state.set_kept(at, *place);
            }
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // What is lost here is only found out again.
        self.write_sizes();
        let _ = self.leave();
    }
}

#[cfg(test)]
#[path = "mailbox_tests.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "model_tests.rs"]
mod model;

#[cfg(test)]
#[path = "killed_tests.rs"]
mod killed;
