//! Words by their hashes alone: 64 bits, with keys that are made for each process, so that nobody can choose words
//! that have the same.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// No word's hash.
pub(crate) const NONE: u64 = 0;

fn keys() -> [u64; 3] {
    static KEYS: OnceLock<[u64; 3]> = OnceLock::new();
    *KEYS.get_or_init(|| {
        let state = RandomState::new();
        [1u8, 2, 3].map(|n| state.hash_one(n) | 1)
    })
}

/// Never [`NONE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hasher([u64; 3]);

impl Hasher {
    pub(crate) fn new() -> Hasher {
        Hasher(keys())
    }

    pub(crate) fn of(self, word: &[u8]) -> u64 {
        let [one, two, three] = self.0;
        let mut hash = one;
        let mut rest = word;
        while let Some((eight, after)) = rest.split_first_chunk::<8>() {
            if after.is_empty() {
                break;
            }
            hash = folded(hash ^ u64::from_le_bytes(*eight), two);
            rest = after;
        }
        // The last octets, at most eight; of longer words some of those before them once more.
        let last = match rest.len() {
            _ if word.len() >= 8 => word.last_chunk::<8>().map_or(0, |eight| u64::from_le_bytes(*eight)),
            4.. => {
                let four =
                    |four: Option<&[u8; 4]>| four.map_or(0, |four| u64::from(u32::from_le_bytes(*four)));
                four(rest.first_chunk()) << 32 | four(rest.last_chunk())
            }
            0 => 0,
            count => {
                let [first, middle, last] = [rest[0], rest[count / 2], rest[count - 1]].map(u64::from);
                first << 16 | middle << 8 | last
            }
        };
        folded(folded(hash ^ last, two), three ^ (word.len() as u64) << 1) | 1
    }
}

fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// Hashes, each once.
#[derive(Debug)]
pub(crate) struct Set {
    slots: Vec<u64>,
    taken: usize,
}

impl Set {
    /// `slots`: a power of two.
    pub(crate) fn new(slots: usize) -> Set {
        Set { slots: vec![NONE; slots], taken: 0 }
    }

    /// True: it is new.
    pub(crate) fn insert(&mut self, hash: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut slot = (hash >> 20) as usize & mask;
        while self.slots[slot] != hash {
            if self.slots[slot] == NONE {
                self.slots[slot] = hash;
                self.taken += 1;
                if self.taken * 2 > self.slots.len() {
                    self.grow();
                }
                return true;
            }
            slot = (slot + 1) & mask;
        }
        false
    }

    fn grow(&mut self) {
        let larger = vec![NONE; self.slots.len() * 4];
        self.taken = 0;
        for hash in std::mem::replace(&mut self.slots, larger) {
            if hash != NONE {
                self.insert(hash);
            }
        }
    }
}

/// Where hashes are found again; a number stands beside each.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<(u64, u32)>,
    taken: usize,
}

impl Slots {
    /// `slots`: a power of two.
    pub(crate) fn new(slots: usize) -> Slots {
        Slots { slots: vec![(NONE, 0); slots], taken: 0 }
    }

    /// The number of a hash; if it is new, it gets `next`.
    pub(crate) fn number(&mut self, hash: u64, next: u32) -> u32 {
        if self.taken * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot(hash);
        if self.slots[slot].0 == NONE {
            self.slots[slot] = (hash, next);
            self.taken += 1;
        }
        self.slots[slot].1
    }

    fn slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = (hash >> 20) as usize & mask;
        while self.slots[slot].0 != NONE && self.slots[slot].0 != hash {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let larger = vec![(NONE, 0); self.slots.len() * 4];
        for entry in std::mem::replace(&mut self.slots, larger) {
            if entry.0 != NONE {
                let slot = self.slot(entry.0);
                self.slots[slot] = entry;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn different_words_have_different_hashes() {
        let hasher = Hasher::new();
        let long = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01";
        let mut words: HashSet<Vec<u8>> = (0..50_000).map(|n| format!("{n}").into_bytes()).collect();
        for from in 0..long.len() {
            words.extend((from..=long.len()).map(|to| long.as_bytes()[from..to].to_vec()));
            let mut changed = long.as_bytes().to_vec();
            changed[from] ^= 1;
            words.extend((from + 1..=changed.len()).map(|to| changed[..to].to_vec()));
        }
        words.extend((0..=255u8).flat_map(|a| (0..=255u8).map(move |b| vec![a, b, b'x'])));
        let hashes: HashSet<u64> = words.iter().map(|word| hasher.of(word)).collect();
        // The lowest bit is not used.
        assert_eq!(hashes.len(), words.len());
        assert!(!hashes.contains(&NONE));
    }

    #[test]
    fn a_hash_keeps_its_number() {
        let (mut slots, hasher) = (Slots::new(4), Hasher::new());
        let hash = |n: u32| hasher.of(format!("w{n}").as_bytes());
        for n in 0..10_000 {
            assert_eq!(slots.number(hash(n), n), n);
        }
        for n in 0..10_000 {
            assert_eq!(slots.number(hash(n), 77_777), n);
        }
        let mut set = Set::new(4);
        assert!((0..10_000).all(|n| set.insert(hash(n))));
        assert!(!(0..10_000).any(|n| set.insert(hash(n))));
    }
}
