//! What is true of all sessions together: which message each UID names, what was promised, what may be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

/// Of a mailbox: name and UIDVALIDITY.
pub(crate) type Place = (String, u64);

/// The same numbers for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.next() as usize % limit.max(1)
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// The message of that identity, CR LF line ends.
pub(crate) fn text_of(identity: usize) -> String {
    let lines = identity * 7919 % 60;
    let body: String =
        (0..lines).map(|line| format!("line {line} of the message {identity:08}\r\n")).collect();
    format!(
        "From: someone{identity}@example.net\r\nTo: alice@example.test\r\nSubject: stress {identity:08}\r\n\
         X-Identity: {identity:08}\r\n\r\n{body}"
    )
}

/// Whose text this is; CR LF or LF line ends. Not a message of ours, or damaged: `None`.
pub(crate) fn identity_of(text: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\n', "\r\n");
    let at = text.find("X-Identity: ")? + 12;
    let identity = text.get(at..at + 8)?.parse().ok()?;
    (text == text_of(identity)).then_some(identity)
}

/// Shared by all threads.
#[derive(Default)]
pub(crate) struct Truth(Mutex<Facts>);

#[derive(Default)]
pub(crate) struct Facts {
    next: usize,
    /// Identity by place and UID.
    pub(crate) named: BTreeMap<(Place, u32), usize>,
    /// Identities that were confirmed to be in some mailbox.
    pub(crate) promised: BTreeSet<usize>,
    /// Identities that somebody has begun to remove.
    pub(crate) doomed: BTreeSet<usize>,
    /// What was told to be removed.
    pub(crate) gone: BTreeSet<(Place, u32)>,
    /// Keywords of one session only: there or not, `None` where the answer never came.
    pub(crate) keywords: BTreeMap<(Place, u32, usize), Option<bool>>,
    /// How often each thing was done.
    pub(crate) done: BTreeMap<&'static str, usize>,
}

impl Truth {
    pub(crate) fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A message that never was.
    pub(crate) fn new_identity(&self) -> usize {
        let mut facts = self.facts();
        facts.next += 1;
        facts.next
    }

    /// `uid` of `place` names this message, now and always.
    pub(crate) fn is_named(&self, place: &Place, uid: u32, identity: usize) {
        let known = *self.facts().named.entry((place.clone(), uid)).or_insert(identity);
        assert_eq!(known, identity, "UID {uid} of {place:?} names two messages");
    }

    pub(crate) fn identity(&self, place: &Place, uid: u32) -> Option<usize> {
        self.facts().named.get(&(place.clone(), uid)).copied()
    }

    pub(crate) fn promise(&self, identity: usize) {
        self.facts().promised.insert(identity);
    }

    pub(crate) fn doom(&self, identity: usize) {
        self.facts().doomed.insert(identity);
    }

    pub(crate) fn is_gone(&self, place: &Place, uid: u32) {
        self.facts().gone.insert((place.clone(), uid));
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.facts().done.entry(what).or_default() += 1;
    }
}
