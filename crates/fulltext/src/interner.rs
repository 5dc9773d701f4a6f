//! Numbers for words: each gets the next number when it is first seen.

use std::hash::{BuildHasher, RandomState};

const FREE: u32 = u32::MAX;
/// Slots at the beginning; a power of two.
const SLOTS: usize = 256;

/// A table of words, all in one piece of memory. Its hashes are keyed: nobody can choose words that collide.
#[derive(Debug)]
pub(crate) struct Interner {
    octets: Vec<u8>,
    ends: Vec<u32>,
    slots: Vec<u32>,
    keys: RandomState,
}

impl Interner {
    pub(crate) fn new() -> Interner {
        Interner { octets: Vec::new(), ends: Vec::new(), slots: vec![FREE; SLOTS], keys: RandomState::new() }
    }

    /// How many words there are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// Octets of all words.
    pub(crate) fn octets(&self) -> usize {
        self.octets.len()
    }

    pub(crate) fn word(&self, number: usize) -> &[u8] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        &self.octets[start..self.ends[number] as usize]
    }

    /// The word's number.
    pub(crate) fn number(&mut self, word: &[u8]) -> usize {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let slot = self.slot(word);
        if self.slots[slot] == FREE {
            self.slots[slot] = self.ends.len() as u32;
            self.octets.extend_from_slice(word);
            self.ends.push(self.octets.len() as u32);
        }
        self.slots[slot] as usize
    }

    /// Where the word is, or would be.
    fn slot(&self, word: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.keys.hash_one(word) as usize & mask;
        while self.slots[slot] != FREE && self.word(self.slots[slot] as usize) != word {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![FREE; self.slots.len() * 4];
        for number in 0..self.ends.len() {
            let slot = self.slot(self.word(number));
            self.slots[slot] = number as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_number() {
        let mut table = Interner::new();
        let words: Vec<String> = (0..10_000).map(|n| format!("w{}", n % 5000)).collect();
        let numbers: Vec<usize> = words.iter().map(|word| table.number(word.as_bytes())).collect();
        assert_eq!(table.count(), 5000);
        for (word, number) in words.iter().zip(numbers) {
            assert_eq!(table.word(number), word.as_bytes());
        }
    }
}
