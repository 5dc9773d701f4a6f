//! The words of one message.

use crate::interner::Interner;

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

/// The words of one message, each once.
#[derive(Debug)]
pub struct Terms {
    table: Interner,
    too_many: bool,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms::new()
    }
}

impl Terms {
    /// None yet.
    pub fn new() -> Terms {
        Terms { table: Interner::new(), too_many: false }
    }

    /// Adds those of a text. No word goes on from one text to the next. Folded, as needles are.
    pub fn take(&mut self, folded: &str) {
        let mut start = None;
        for (at, c) in folded.char_indices() {
            match (is_of_word(c), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    self.word(&folded.as_bytes()[from..at]);
                    start = None;
                }
                _ => {}
            }
            if self.too_many {
                return;
            }
        }
        if let Some(from) = start {
            self.word(&folded.as_bytes()[from..]);
        }
    }

    fn word(&mut self, word: &[u8]) {
        let mut rest = word;
        while rest.len() > PIECE {
            self.piece(&rest[..PIECE]);
            rest = &rest[OVERLAP.min(rest.len() - PIECE)..];
            if self.too_many {
                return;
            }
        }
        self.piece(rest);
    }

    fn piece(&mut self, piece: &[u8]) {
        self.table.number(piece);
        self.too_many |= self.table.octets() > MOST;
    }

    /// The words, in the order in which they were first seen; `None`: too many.
    pub(crate) fn words(&self) -> Option<impl Iterator<Item = &[u8]>> {
        (!self.too_many).then(|| (0..self.table.count()).map(|number| self.table.word(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut terms = Terms::new();
        terms.take(text);
        terms.words().unwrap().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
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
