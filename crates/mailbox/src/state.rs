//! The mailbox in memory: its messages by ascending UID, their files' names, what has vanished.
//!
//! Arrays without an allocation per message: 100,000 messages take some 13 MB. It changes by records alone,
//! those of the index file or those that are about to be written there, so that all sessions have the same.

use imap::{Flags, Message, Uid};

use crate::keywords;
use crate::record::{Facts, New, Octets, Record};

/// So many ranges of vanished UIDs are remembered.
const MOST_GONE: usize = 8192;

/// Keywords that have a bit.
pub(crate) const MOST_KEYWORDS: usize = 64;

/// The records do not fit what was before them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

/// What no client sees of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra {
    pub(crate) email: u64,
    pub(crate) kept: u64,
    date: i64,
    base_at: u32,
    tail: u32,
    base_length: u8,
    /// The file is in `new`: only where nothing may be written.
    pub(crate) in_new: bool,
}

/// The mailbox.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) messages: Vec<Message>,
    extras: Vec<Extra>,
    bases: Vec<u8>,
    /// Octets in `bases` that belong to messages which are gone.
    unused: usize,
    tails: Vec<(Box<[u8]>, Flags)>,
    /// The one that was asked for last.
    last_tail: u32,
    /// Messages whose files do not say `\Seen`, and those whose files say `\Deleted`.
    unseen: u32,
    deleted: u32,
    /// No message before this place has a file that does not say `\Seen`.
    seen_up_to: usize,
    pub(crate) keywords: Vec<String>,
    /// First and last UID and modseq, by ascending modseq.
    pub(crate) gone: Vec<(Uid, Uid, u64)>,
    pub(crate) facts: Facts,
    table: Table,
}

/// Finds a message by its base: UIDs in a hash table, which those of vanished messages may stay in.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<Uid>,
    used: usize,
}

impl State {
    /// Where in `messages` this one is.
    pub(crate) fn position(&self, uid: Uid) -> Option<usize> {
        // Not behind the place that it has if no message before it has gone.
        let behind = uid.checked_sub(self.messages.first()?.uid)? as usize;
        let before = self.messages.get(..=behind).unwrap_or(&self.messages);
        match before.last() {
            Some(last) if last.uid == uid => Some(before.len() - 1),
            _ => before.binary_search_by_key(&uid, |message| message.uid).ok(),
        }
    }

    pub(crate) fn extra(&self, at: usize) -> &Extra {
        &self.extras[at]
    }

    pub(crate) fn base(&self, at: usize) -> &[u8] {
        let extra = &self.extras[at];
        &self.bases[extra.base_at as usize..][..extra.base_length.into()]
    }

    pub(crate) fn tail(&self, at: usize) -> &[u8] {
        &self.tails[self.extras[at].tail as usize].0
    }

    /// Is this the name of a message's file?
    pub(crate) fn knows(&mut self, name: &[u8]) -> bool {
        self.find(maildir::Name::read(name).base).is_some_and(|at| self.has_name(at, name))
    }

    /// The file's name.
    pub(crate) fn name(&self, at: usize) -> Vec<u8> {
        [self.base(at), self.tail(at)].concat()
    }

    /// Appends the file's name.
    pub(crate) fn put_name(&self, at: usize, to: &mut Vec<u8>) {
        to.extend_from_slice(self.base(at));
        to.extend_from_slice(self.tail(at));
    }

    pub(crate) fn has_name(&self, at: usize, name: &[u8]) -> bool {
        name.strip_prefix(self.base(at)) == Some(self.tail(at))
    }

    pub(crate) fn date(&self, at: usize) -> Option<i64> {
        Some(self.extras[at].date).filter(|date| *date != i64::MIN)
    }

    pub(crate) fn set_date(&mut self, at: usize, date: i64) {
        self.extras[at].date = date;
    }

    pub(crate) fn set_kept(&mut self, at: usize, to: u64) {
        self.extras[at].kept = to;
    }

    /// The files of these are in `new`, those of the others in `cur`. Both ascend.
    pub(crate) fn mark_in_new(&mut self, uids: &[Uid]) {
        for (message, extra) in self.messages.iter().zip(&mut self.extras) {
            extra.in_new = uids.binary_search(&message.uid).is_ok();
        }
    }

    /// Says of each message whether this user has seen it.
    pub(crate) fn show_seen(&mut self, has: impl Fn(Uid) -> bool) {
        for message in &mut self.messages {
            let others = message.flags & !Flags::SEEN;
            message.flags = if has(message.uid) { others | Flags::SEEN } else { others };
        }
    }

    /// All cached records are gone.
    pub(crate) fn forget_kept(&mut self) {
        self.extras.iter_mut().for_each(|extra| extra.kept = 0);
    }

    /// The record that would make this message.
    pub(crate) fn as_new(&self, at: usize) -> New<'_> {
        let (message, extra) = (&self.messages[at], &self.extras[at]);
        New {
            uid: message.uid,
            modseq: message.modseq,
            saved: message.saved,
            date: self.date(at),
            kept: extra.kept,
            email: extra.email,
            keywords: message.keywords,
            base: self.base(at),
            tail: self.tail(at),
        }
    }

    /// Where the message with this base is.
    pub(crate) fn find(&mut self, base: &[u8]) -> Option<usize> {
        self.make_table();
        let mask = self.table.slots.len() - 1;
        let mut slot = fingerprint(base) as usize & mask;
        loop {
            match self.table.slots[slot] {
                0 => return None,
                uid => match self.position(uid) {
                    Some(at) if self.base(at) == base => return Some(at),
                    _ => slot = (slot + 1) & mask,
                },
            }
        }
    }

    fn make_table(&mut self) {
        if !self.table.slots.is_empty() && self.table.used * 3 < self.table.slots.len() * 2 {
            return;
        }
        let size = ((self.messages.len() + 8) * 2).next_power_of_two();
        let mut table = Table { slots: vec![0; size], used: 0 };
        for at in 0..self.messages.len() {
            table.insert(self.base(at), self.messages[at].uid);
        }
        self.table = table;
    }

    /// Does what a record says. `modseq` is the frame's.
    pub(crate) fn apply(&mut self, record: &Record<'_>, modseq: u64) -> Result<(), Damaged> {
        match record {
            Record::New(new) => self.push(new)?,
            Record::Keyword(name) => self.add_keyword(name)?,
            Record::Gone { first, last, modseq } => self.remove(&mut vec![(*first, *last, *modseq)]),
            Record::Tail { uid, tail } => {
                let Some(at) = self.position(*uid) else { return Err(Damaged) };
                self.tally(self.extras[at].tail, false);
                self.extras[at].tail = self.tail_number(tail);
                self.tally(self.extras[at].tail, true);
                self.seen_up_to = self.seen_up_to.min(at);
                let message = &mut self.messages[at];
                message.keywords = keywords::with_letters(message.keywords, tail, self.keywords.len());
                let flags = self.tails[self.extras[at].tail as usize].1;
                (message.flags, message.modseq) = (flags, modseq);
            }
            Record::Keywords { uid, keywords } => {
                let Some(at) = self.position(*uid) else { return Err(Damaged) };
                (self.messages[at].keywords, self.messages[at].modseq) = (*keywords, modseq);
            }
            // These two may be written after the message has gone.
            Record::Kept { uid, at: to } => {
                if let Some(at) = self.position(*uid) {
                    self.extras[at].kept = *to;
                }
            }
            Record::Date { uid, date } => {
                if let Some(at) = self.position(*uid) {
                    self.extras[at].date = *date;
                }
            }
        }
        Ok(())
    }

    /// Does what all `records` say. Messages that go one after the other go in one pass.
    pub(crate) fn apply_all(&mut self, mut records: Octets<'_>, modseq: u64) -> Result<(), Damaged> {
        let mut going: Vec<(Uid, Uid, u64)> = Vec::new();
        while !records.0.is_empty() {
            match records.record().ok_or(Damaged)? {
                Record::Gone { first, last, modseq } => going.push((first, last, modseq)),
                record => {
                    self.remove(&mut going);
                    self.apply(&record, modseq)?;
                }
            }
        }
        self.remove(&mut going);
        Ok(())
    }

    fn push(&mut self, new: &New<'_>) -> Result<(), Damaged> {
        let base_at = u32::try_from(self.bases.len()).map_err(|_| Damaged)?;
        let base_length = u8::try_from(new.base.len()).map_err(|_| Damaged)?;
        if new.uid <= self.messages.last().map_or(0, |last| last.uid) {
            return Err(Damaged);
        }
        self.bases.extend(new.base);
        let tail = self.tail_number(new.tail);
        self.tally(tail, true);
        let date = new.date.unwrap_or(i64::MIN);
        let (email, kept) = (new.email, new.kept);
        self.extras.push(Extra { email, kept, date, base_at, tail, base_length, in_new: false });
        self.messages.push(Message {
            uid: new.uid,
            flags: self.tails[tail as usize].1,
            keywords: keywords::with_letters(new.keywords, new.tail, self.keywords.len()),
            modseq: new.modseq,
            saved: new.saved,
        });
        if !self.table.slots.is_empty() {
            self.make_table();
            self.table.insert(new.base, new.uid);
        }
        Ok(())
    }

    /// There are few: a tail is a set of flags. The last ones are the likeliest.
    fn tail_number(&mut self, tail: &[u8]) -> u32 {
        if self.tails.get(self.last_tail as usize).is_some_and(|(last, _)| **last == *tail) {
            return self.last_tail;
        }
        let known = self.tails.iter().rev().take(256).position(|known| *known.0 == *tail);
        let number = known.map_or(self.tails.len(), |back| self.tails.len() - 1 - back);
        if known.is_none() {
            self.tails.push((tail.into(), keywords::flags(tail)));
        }
        self.last_tail = number as u32;
        self.last_tail
    }

    /// Counts a message with this tail, or counts it no more.
    fn tally(&mut self, tail: u32, more: bool) {
        let flags = self.tails[tail as usize].1;
        let (unseen, deleted) = (u32::from(!flags.has(Flags::SEEN)), u32::from(flags.has(Flags::DELETED)));
        (self.unseen, self.deleted) = match more {
            true => (self.unseen + unseen, self.deleted + deleted),
            false => (self.unseen - unseen, self.deleted - deleted),
        };
    }

    fn add_keyword(&mut self, name: &[u8]) -> Result<(), Damaged> {
        let name = std::str::from_utf8(name).map_err(|_| Damaged)?;
        if self.keywords.len() >= MOST_KEYWORDS {
            return Err(Damaged);
        }
        let mut names = std::mem::take(&mut self.keywords);
        names.push(name.to_owned());
        // One that a damaged index had forgotten may be in the names of files all the same.
        self.set_keywords(names);
        Ok(())
    }

    /// Gives memory back that is not needed, once there is much of it.
    pub(crate) fn tidy(&mut self) {
        if self.messages.capacity() > self.messages.len() + self.messages.len() / 4 + 100 {
            self.messages.shrink_to_fit();
            self.extras.shrink_to_fit();
        }
        if self.unused > self.bases.len() / 2 && self.unused > 10_000 {
            let mut bases = Vec::with_capacity(self.bases.len() - self.unused);
            for extra in &mut self.extras {
                let base = &self.bases[extra.base_at as usize..][..extra.base_length.into()];
                extra.base_at = bases.len() as u32;
                bases.extend_from_slice(base);
            }
            (self.bases, self.unused) = (bases, 0);
        }
        if self.bases.capacity() > self.bases.len() + self.bases.len() / 4 + 10_000 {
            self.bases.shrink_to_fit();
        }
    }

    /// More keywords have names.
    pub(crate) fn set_keywords(&mut self, names: Vec<String>) {
        self.keywords = names;
        for at in 0..self.messages.len() {
            let had = self.messages[at].keywords;
            self.messages[at].keywords = keywords::with_letters(had, self.tail(at), self.keywords.len());
        }
    }

    fn remove(&mut self, going: &mut Vec<(Uid, Uid, u64)>) {
        if going.is_empty() {
            return;
        }
        self.gone.extend(going.iter());
        going.sort_unstable();
        let (mut kept, mut range) = (0, 0);
        for at in 0..self.messages.len() {
            let uid = self.messages[at].uid;
            while going.get(range).is_some_and(|(_, last, _)| *last < uid) {
                range += 1;
            }
            if going.get(range).is_some_and(|(first, _, _)| *first <= uid) {
                self.seen_up_to = self.seen_up_to.min(at);
                self.unused += usize::from(self.extras[at].base_length);
                self.tally(self.extras[at].tail, false);
                continue;
            }
            (self.messages[kept], self.extras[kept]) = (self.messages[at], self.extras[at]);
            kept += 1;
        }
        self.messages.truncate(kept);
        self.extras.truncate(kept);
        going.clear();
        while self.gone.len() > MOST_GONE {
            let most = self.gone.drain(..MOST_GONE / 2).map(|(_, _, modseq)| modseq).max();
            self.facts.floor = self.facts.floor.max(most.unwrap_or_default());
        }
    }

    /// `uids`, which ascend, as ranges in which there is no message that stays.
    pub(crate) fn ranges(&self, uids: &[Uid]) -> Vec<(Uid, Uid)> {
        let mut ranges: Vec<(Uid, Uid, usize)> = Vec::new();
        for (uid, at) in uids.iter().filter_map(|uid| Some((*uid, self.position(*uid)?))) {
            match ranges.last_mut() {
                Some((_, last, before)) if *before + 1 == at => (*last, *before) = (uid, at),
                _ => ranges.push((uid, uid, at)),
            }
        }
        ranges.into_iter().map(|(first, last, _)| (first, last)).collect()
    }

    /// Puts what STATUS tells into the facts; `\\Seen` as the files have it. To be called after changes.
    pub(crate) fn count(&mut self) {
        let messages = self.messages.len();
        let recent = messages - self.messages.partition_point(|message| message.uid < self.facts.seen);
        (self.facts.unseen, self.facts.deleted) = (self.unseen, self.deleted);
        (self.facts.messages, self.facts.recent) = (messages as u32, recent as u32);
        self.facts.keywords = self.keywords.len() as u32;
        self.facts.first_unseen = self.first_unseen();
    }

    fn first_unseen(&mut self) -> u32 {
        let seen = |extra: &Extra| self.tails[extra.tail as usize].1.has(Flags::SEEN);
        self.seen_up_to += self.extras[self.seen_up_to..].iter().take_while(|extra| seen(extra)).count();
        if self.seen_up_to == self.extras.len() { 0 } else { self.seen_up_to as u32 + 1 }
    }

    /// UIDs that vanished after `modseq`; `None`: not known so far back.
    pub(crate) fn vanished_since(&self, modseq: u64) -> Option<Vec<(Uid, Uid)>> {
        if modseq < self.facts.floor {
            return None;
        }
        let mut ranges: Vec<(Uid, Uid)> = self
            .gone
            .iter()
            .filter(|(_, _, when)| *when > modseq)
            .map(|(first, last, _)| (*first, *last))
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(Uid, Uid)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Some(joined)
    }
}

impl Table {
    fn insert(&mut self, base: &[u8], uid: Uid) {
        let mask = self.slots.len() - 1;
        let mut slot = fingerprint(base) as usize & mask;
        while self.slots[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = uid;
        self.used += 1;
    }
}

/// 64 octets of a name that tell it from others; the same for ever, since EMAILIDs are made of it.
pub(crate) fn fingerprint(octets: &[u8]) -> u64 {
    let mix = |value: u64| {
        let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    };
    let start = octets.len() as u64 ^ 0x9e37_79b9_7f4a_7c15;
    octets.chunks(8).fold(start, |sum, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(sum.rotate_left(5) ^ u64::from_le_bytes(word))
    })
}
