//! The words of one message.

use crate::hash::{Hasher, Set};

/// Longer words are cut in pieces of this length, in octets ...
pub(crate) const PIECE: usize = 64;
/// ... which overlap by this, so that what is not longer than it is whole in one of them.
pub(crate) const OVERLAP: usize = 32;
/// A message whose different words have more octets than this is not narrowed: it may hold anything.
const MOST: usize = 1 << 20;

/// Does it belong to a word?
pub(crate) fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() && c.is_alphanumeric()
}

const ASCII: [bool; 256] = {
    let mut letters = [false; 256];
    let mut octet = 0;
    while octet < 128 {
        letters[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    letters
};

/// The words of one message, each once.
#[derive(Debug)]
pub struct Terms {
    octets: Vec<u8>,
    /// Hash and end of each.
    words: Vec<(u64, u32)>,
    seen: Set,
    hasher: Hasher,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms::new()
    }
}

impl Terms {
    /// None yet.
    pub fn new() -> Terms {
        let (octets, words) = (Vec::with_capacity(4096), Vec::with_capacity(512));
        Terms { octets, words, seen: Set::new(4096), hasher: Hasher::new() }
    }

    /// Adds those of a text. No word goes on from one text to the next. Folded, as needles are.
    pub fn take(&mut self, folded: &str) {
        let octets = folded.as_bytes();
        let mut at = 0;
        while at < octets.len() && !self.too_many() {
            let start = at;
            at = run(folded, at, true);
            if at > start {
                self.word(&octets[start..at]);
            }
            at = run(folded, at, false);
        }
    }

    fn word(&mut self, word: &[u8]) {
        let mut rest = word;
        while rest.len() > PIECE && !self.too_many() {
            self.piece(&rest[..PIECE]);
            rest = &rest[OVERLAP.min(rest.len() - PIECE)..];
        }
        self.piece(rest);
    }

    fn piece(&mut self, piece: &[u8]) {
        let hash = self.hasher.of(piece);
        if self.seen.insert(hash) {
            self.octets.extend_from_slice(piece);
            self.words.push((hash, self.octets.len() as u32));
        }
    }

    fn too_many(&self) -> bool {
        self.octets.len() > MOST
    }

    /// The words with their hashes, in the order in which they were first seen; `None`: too many.
    pub(crate) fn words(&self) -> Option<impl Iterator<Item = (u64, &[u8])>> {
        let mut start = 0;
        let word = move |(hash, end): &(u64, u32)| {
            let from = std::mem::replace(&mut start, *end as usize);
            (*hash, &self.octets[from..*end as usize])
        };
        (!self.too_many()).then(|| self.words.iter().map(word))
    }
}

/// The end of the run of characters, from `at` on, that are of words, or are not.
fn run(text: &str, mut at: usize, of_word: bool) -> usize {
    let octets = text.as_bytes();
    loop {
        while at < octets.len() && octets[at] < 0x80 && ASCII[usize::from(octets[at])] == of_word {
            at += 1;
        }
        match text[at..].chars().next() {
            Some(c) if !c.is_ascii() && is_of_word(c) == of_word => at += c.len_utf8(),
            _ => return at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut terms = Terms::new();
        terms.take(text);
        terms.words().unwrap().map(|(_, word)| String::from_utf8_lossy(word).into_owned()).collect()
    }

    #[test]
    fn words_are_runs_of_letters_and_digits_each_once() {
        assert_eq!(words("to: a.b@c, übung_7 a"), ["to", "a", "b", "c", "übung", "7"]);
        assert_eq!(words("台北。東京"), ["台北", "東京"]);
        assert_eq!(words("--"), [""; 0]);
    }

    #[test]
    fn long_words_are_cut_in_pieces_that_overlap_and_the_last_one_ends_as_the_word() {
        let word: String = (0..150).map(|n| char::from(b'a' + n % 26)).collect();
        let pieces = words(&word);
        assert_eq!(pieces, [&word[..64], &word[32..96], &word[64..128], &word[86..]]);
        assert_eq!(words(&word[..64]).len(), 1);
        assert_eq!(words(&word[..65]), [&word[..64], &word[1..65]]);
    }

    #[test]
    fn a_message_with_too_many_words_is_not_narrowed() {
        let mut terms = Terms::new();
        (0..400_000).for_each(|n| terms.take(&format!("{n}")));
        assert!(terms.words().is_none());
    }
}
