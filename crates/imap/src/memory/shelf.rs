//! What lies in an account in memory: mailboxes and their messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::flags::Flags;
use crate::store::{Happened, Marks, News, Status, Trouble, Uid};
use crate::syntax::Change;

/// Keywords of one mailbox.
pub(super) const KEYWORDS: usize = 64;

/// A message as it lies there.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) text: Arc<[u8]>,
    pub(super) flags: Flags,
    pub(super) keywords: u64,
    pub(super) modseq: u64,
    pub(super) saved: i64,
    pub(super) date: i64,
    /// Stays when the message is copied.
    pub(super) mail: u64,
    pub(super) record: Option<Vec<u8>>,
}

/// A mailbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    pub(super) id: u64,
    pub(super) no_select: bool,
    pub(super) special: Option<&'static str>,
    pub(super) uid_validity: u32,
    pub(super) uid_next: Uid,
    pub(super) recent_from: Uid,
    pub(super) highest: u64,
    pub(super) letters: BTreeMap<Uid, Kept>,
    pub(super) vanished: Vec<(u64, Uid)>,
    pub(super) keywords: Vec<String>,
    pub(super) acl: BTreeMap<String, String>,
}

/// What all sessions of an account share.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) separator: char,
    pub(super) shelves: BTreeMap<String, Shelf>,
    pub(super) subscribed: BTreeSet<String>,
    pub(super) annotations: BTreeMap<(String, String), Vec<u8>>,
    pub(super) happened: Vec<News>,
    pub(super) counter: u64,
    pub(super) clock: i64,
    pub(super) append_limit: Option<u64>,
    pub(super) quota: Option<u64>,
    /// Mailboxes that nobody may change.
    pub(super) locked: BTreeSet<String>,
}

impl Shelf {
    pub(super) fn put(&mut self, mut kept: Kept) -> Uid {
        self.highest += 1;
        kept.modseq = self.highest;
        let uid = self.uid_next;
        self.letters.insert(uid, kept);
        self.uid_next += 1;
        uid
    }

    pub(super) fn remove(&mut self, uids: &[Uid]) {
        for uid in uids {
            if self.letters.remove(uid).is_some() {
                self.highest += 1;
                self.vanished.push((self.highest, *uid));
            }
        }
    }

    /// The bits of keywords, which are learnt where there is room.
    pub(super) fn bits(&mut self, names: &[String]) -> u64 {
        let mut bits = 0;
        for name in names {
            let known = self.keywords.iter().position(|known| known.eq_ignore_ascii_case(name));
            let bit = known.unwrap_or(self.keywords.len());
            if known.is_none() && bit < KEYWORDS {
                self.keywords.push(name.clone());
            }
            bits |= u64::from(bit < KEYWORDS) << bit.min(KEYWORDS - 1);
        }
        bits
    }

    pub(super) fn status(&self, sizes: bool) -> Status {
        let count = |test: &dyn Fn(&Uid, &Kept) -> bool| {
            self.letters.iter().filter(|(uid, kept)| test(uid, kept)).count() as u32
        };
        let octets = |flags: Flags| {
            let some = self.letters.values().filter(|kept| sizes && kept.flags.has(flags));
            some.map(Kept::octets).sum()
        };
        Status {
            messages: self.letters.len() as u32,
            recent: count(&|uid, _| *uid >= self.recent_from),
            unseen: count(&|_, kept| !kept.flags.has(Flags::SEEN)),
            deleted: count(&|_, kept| kept.flags.has(Flags::DELETED)),
            size: octets(Flags::NONE),
            deleted_size: octets(Flags::DELETED),
            uid_next: self.uid_next,
            uid_validity: self.uid_validity,
            highest_modseq: self.highest,
            id: format!("F{:08x}", self.id),
        }
    }
}

impl Kept {
    /// Octets with CR LF line ends.
    pub(super) fn octets(&self) -> u64 {
        (self.text.len() + memchr::memchr_iter(b'\n', &self.text).count()) as u64
    }
}

impl Account {
    pub(super) fn make(&mut self, name: &str, special: Option<&'static str>) {
        if self.shelves.contains_key(name) {
            return;
        }
        self.counter += 1;
        let uid_validity = 1_000_000 + self.counter as u32;
        let shelf = Shelf {
            id: self.counter,
            special,
            uid_validity,
            uid_next: 1,
            recent_from: 1,
            highest: 1,
            ..Shelf::default()
        };
        self.shelves.insert(name.to_owned(), shelf);
        self.note(name, Happened::Created);
    }

    pub(super) fn note(&mut self, name: &str, what: Happened) {
        self.happened.push(News { name: name.to_owned(), what });
    }

    pub(super) fn letter(&mut self, text: &[u8], flags: Flags) -> Kept {
        self.counter += 1;
        let (now, mail) = (self.clock, self.counter);
        let text = text.into();
        Kept { text, flags, keywords: 0, modseq: 0, saved: now, date: now, mail, record: None }
    }

    pub(super) fn shelf(&mut self, name: &str) -> Result<&mut Shelf, Trouble> {
        self.shelves.get_mut(name).filter(|shelf| !shelf.no_select).ok_or(Trouble::NoMailbox)
    }

    pub(super) fn may_change(&self, name: &str) -> Result<(), Trouble> {
        if self.locked.contains(name) { Err(Trouble::NotAllowed) } else { Ok(()) }
    }

    pub(super) fn name_of(&self, id: u64) -> Option<String> {
        self.shelves.iter().find(|(_, shelf)| shelf.id == id).map(|(name, _)| name.clone())
    }

    pub(super) fn used(&self) -> (u64, u64) {
        let letters = || self.shelves.values().flat_map(|shelf| shelf.letters.values());
        (letters().map(Kept::octets).sum(), letters().count() as u64)
    }

    pub(super) fn room_for(&self, octets: u64) -> Result<(), Trouble> {
        let over = self.quota.is_some_and(|quota| self.used().0 + octets > quota);
        if over { Err(Trouble::OverQuota) } else { Ok(()) }
    }

    /// Puts letters into a mailbox; gives their UIDs.
    pub(super) fn put(
        &mut self,
        name: &str,
        letters: Vec<(Kept, Vec<String>)>,
    ) -> Result<(u32, Vec<Uid>), Trouble> {
        self.may_change(name)?;
        self.room_for(letters.iter().map(|(kept, _)| kept.octets()).sum())?;
        let shelf = self.shelf(name)?;
        let put = |(mut kept, keywords): (Kept, Vec<String>)| {
            kept.keywords = shelf.bits(&keywords);
            shelf.put(kept)
        };
        let uids = letters.into_iter().map(put).collect();
        let uid_validity = shelf.uid_validity;
        self.note(name, Happened::Messages);
        Ok((uid_validity, uids))
    }

    pub(super) fn below(&self, name: &str) -> Vec<String> {
        let prefix = format!("{name}{}", self.separator);
        self.shelves.keys().filter(|known| known.starts_with(&prefix)).cloned().collect()
    }

    pub(super) fn make_with_parents(&mut self, name: &str, special: Option<&'static str>) {
        for (place, _) in name.match_indices(self.separator) {
            self.make(&name[..place], None);
        }
        if let Some(shelf) = self.shelves.get_mut(name) {
            (shelf.no_select, shelf.special) = (false, special);
        }
        self.make(name, special);
    }

    pub(super) fn move_shelf(&mut self, from: &str, to: &str) {
        if let Some(shelf) = self.shelves.remove(from) {
            self.shelves.insert(to.to_owned(), shelf);
            self.note(from, Happened::Removed);
            self.note(to, Happened::Created);
        }
    }

    pub(super) fn rename_inbox(&mut self, to: &str) {
        self.make_with_parents(to, None);
        let Some(inbox) = self.shelves.get_mut("INBOX") else { return };
        let uids: Vec<Uid> = inbox.letters.keys().copied().collect();
        let letters: Vec<Kept> = inbox.letters.values().cloned().collect();
        let keywords = inbox.keywords.clone();
        inbox.remove(&uids);
        if let Some(shelf) = self.shelves.get_mut(to) {
            shelf.keywords = keywords;
            for kept in letters {
                shelf.put(kept);
            }
        }
    }
}

/// Keywords and flags as a message has them.
pub(super) fn marked(kept: &Kept, marks: &Marks, bits: u64, change: Change) -> (Flags, u64) {
    match change {
        Change::Add => (kept.flags | marks.flags, kept.keywords | bits),
        Change::Remove => (kept.flags & !marks.flags, kept.keywords & !bits),
        Change::Replace => (marks.flags, bits),
    }
}
