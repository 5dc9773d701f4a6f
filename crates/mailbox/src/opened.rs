//! A mailbox of an account, open: what the user's rights allow of it, and its index of words.

use std::fs::File;

use imap::{Change, Flags, Folder, Marks, Message, Needle, Status, Trouble, Uid};

use crate::mailbox::Mailbox;
use crate::narrowing::Narrowing;
use crate::rights::Rights;
use crate::tree::Spot;

/// An open mailbox and what may be done with it.
#[derive(Debug)]
pub struct Opened {
    pub(crate) mailbox: Mailbox,
    pub(crate) rights: Rights,
    pub(crate) spot: Spot,
    narrowing: Option<Narrowing>,
}

impl Opened {
    /// `words`: searches are narrowed.
    pub(crate) fn new(mailbox: Mailbox, rights: Rights, spot: Spot, words: bool) -> Opened {
        let narrowing = words.then(|| Narrowing::new(&mailbox.place().index));
        Opened { mailbox, rights, spot, narrowing }
    }

    /// The mailbox itself: to wait for what happens in it.
    pub fn mailbox(&self) -> &Mailbox {
        &self.mailbox
    }

    fn settle(&mut self) {
        if let Some(narrowing) = &mut self.narrowing {
            narrowing.settle(&self.mailbox);
        }
    }

    /// Marks without those that this user may not set: RFC 4314 §4. Nothing is left: he may set none of them.
    fn allowed(&self, change: Change, marks: &Marks) -> Result<Marks, Trouble> {
        let allowed = allowed(self.rights, marks);
        let none = allowed == Marks::default() && *marks != Marks::default();
        match none || change == Change::Replace && !self.may_change() {
            true => Err(Trouble::NotAllowed),
            false => Ok(allowed),
        }
    }

    fn may_change(&self) -> bool {
        ['s', 'w', 't'].into_iter().any(|right| self.rights.has(right))
    }
}

/// Flags and keywords that may be set with these rights.
pub(crate) fn allowed(rights: Rights, marks: &Marks) -> Marks {
    let others = Flags::ANSWERED | Flags::FLAGGED | Flags::DRAFT;
    let of = |right, flags| if rights.has(right) { flags } else { Flags::NONE };
    let flags = of('s', Flags::SEEN) | of('t', Flags::DELETED) | of('w', others);
    let keywords = if rights.has('w') { marks.keywords.clone() } else { Vec::new() };
    Marks { flags: marks.flags & flags, keywords }
}

impl Folder for Opened {
    type Text = File;

    fn status(&self) -> Status {
        self.mailbox.status()
    }

    fn read_only(&self) -> bool {
        self.mailbox.read_only() || !self.may_change() && !self.rights.has('e')
    }

    fn messages(&self) -> &[Message] {
        self.mailbox.messages()
    }

    fn wake(&mut self, always: bool) -> Result<bool, Trouble> {
        self.mailbox.wake(always)
    }

    fn first_unseen(&self) -> Option<u32> {
        self.mailbox.first_unseen()
    }

    fn recent_from(&self) -> Uid {
        self.mailbox.recent_from()
    }

    fn keywords(&self) -> &[String] {
        self.mailbox.keywords()
    }

    fn takes_new_keywords(&self) -> bool {
        self.rights.has('w') && self.mailbox.takes_new_keywords()
    }

    fn refresh(&mut self) -> Result<bool, Trouble> {
        self.settle();
        self.mailbox.refresh()
    }

    fn vanished_since(&self, modseq: u64) -> Option<Vec<(Uid, Uid)>> {
        self.mailbox.vanished_since(modseq)
    }

    fn store(
        &mut self,
        uids: &[Uid],
        change: Change,
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble> {
        if self.rights == Rights::all() {
            return self.mailbox.store(uids, change, marks, unchanged_since);
        }
        let allowed = self.allowed(change, marks)?;
        if change != Change::Replace {
            return self.mailbox.store(uids, change, &allowed, unchanged_since);
        }
        self.replace(uids, &allowed, unchanged_since)
    }

    fn expunge(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        self.rights.need('e')?;
        self.mailbox.expunge(uids)
    }

    fn expunge_deleted(&mut self, uids: &[Uid]) -> Result<(), Trouble> {
        self.rights.need('e')?;
        self.mailbox.expunge_deleted(uids)
    }

    fn date(&mut self, uid: Uid) -> Result<i64, Trouble> {
        self.mailbox.date(uid)
    }

    fn size(&mut self, uid: Uid) -> Result<Option<u64>, Trouble> {
        self.mailbox.size(uid)
    }

    fn size_is(&mut self, uid: Uid, octets: u64) {
        self.mailbox.size_is(uid, octets);
    }

    fn email_id(&mut self, uid: Uid) -> Result<String, Trouble> {
        self.mailbox.email_id(uid)
    }

    fn octets(&mut self, uid: Uid) -> Result<u64, Trouble> {
        self.mailbox.octets(uid)
    }

    fn open(&mut self, uid: Uid) -> Result<File, Trouble> {
        Folder::open(&mut self.mailbox, uid)
    }

    fn kept(&mut self, uid: Uid, record: &mut Vec<u8>) -> Result<bool, Trouble> {
        self.mailbox.kept(uid, record)
    }

    fn keep(&mut self, uid: Uid, record: &[u8]) {
        self.mailbox.keep(uid, record);
    }

    fn each_text<T: Send>(
        &mut self,
        uids: &[Uid],
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        match &mut self.narrowing {
            Some(narrowing) if narrowing.is_filling() => narrowing.fill(&mut self.mailbox, uids, work, done),
            _ => self.mailbox.each_text(uids, work, done),
        }
    }

    fn each_beginning<T: Send>(
        &mut self,
        uids: &[Uid],
        most: usize,
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        self.mailbox.each_beginning(uids, most, work, done)
    }

    fn narrow(&mut self, needle: Needle<'_>) -> Option<Vec<Uid>> {
        self.narrowing.as_mut()?.narrow(&self.mailbox, needle)
    }

    fn rest(&mut self) {
        self.settle();
        self.mailbox.rest();
    }
}

impl Opened {
    /// Replaces only those flags that this user may change; the others stay as they are.
    fn replace(
        &mut self,
        uids: &[Uid],
        marks: &Marks,
        unchanged_since: Option<u64>,
    ) -> Result<Vec<Uid>, Trouble> {
        let every = Flags::NAMES.iter().fold(Flags::NONE, |all, (flag, _)| all | *flag);
        let keywords = self.mailbox.keywords().to_vec();
        let mut off = allowed(self.rights, &Marks { flags: every, keywords });
        off.flags = off.flags & !marks.flags;
        off.keywords.retain(|name| !marks.keywords.iter().any(|kept| kept.eq_ignore_ascii_case(name)));
        let kept = self.mailbox.store(uids, Change::Remove, &off, unchanged_since)?;
        let rest: Vec<Uid> = uids.iter().copied().filter(|uid| !kept.contains(uid)).collect();
        self.mailbox.store(&rest, Change::Add, marks, None)?;
        Ok(kept)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.settle();
    }
}
