//! Patterns of LIST: `*` is anything, `%` anything within a level. RFC 9051 §6.3.9.
//!
//! All places of the pattern at which a name may be are followed at once, as bits: the time is that of name times pattern / 64,
//! however many wildcards there are.

use std::collections::BTreeMap;

use crate::names::is_inbox;

/// No name is so long: what needs more letters than this fits none.
const MOST_LETTERS: usize = 1000;

type Bits = Vec<u64>;

/// A pattern, ready to be compared.
#[derive(Debug)]
pub(crate) struct Pattern {
    separator: char,
    length: usize,
    /// Where each letter stands.
    letters: BTreeMap<char, Bits>,
    /// Where a wildcard stands, and where a `*`.
    wild: Bits,
    star: Bits,
    /// The same in capitals, for the inbox.
    inbox: Option<Box<Pattern>>,
}

impl Pattern {
    /// Makes one. `None`: nothing can match it.
    pub(crate) fn new(text: &str, separator: char) -> Option<Pattern> {
        let text = &with_inbox(text, separator);
        let mut pattern = Pattern::plain(text, separator)?;
        let upper = text.to_ascii_uppercase();
        if upper != *text {
            pattern.inbox = Pattern::plain(&upper, separator).map(Box::new);
        }
        Some(pattern)
    }

    fn plain(text: &str, separator: char) -> Option<Pattern> {
        let pieces = collapsed(text);
        let count = pieces.iter().filter(|piece| !matches!(piece, '*' | '%')).count();
        if count > MOST_LETTERS {
            return None;
        }
        let words = pieces.len() / 64 + 1;
        let (mut letters, mut wild, mut star) = (BTreeMap::new(), vec![0; words], vec![0; words]);
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                '*' => {
                    set(&mut wild, place);
                    set(&mut star, place);
                }
                '%' => set(&mut wild, place),
                letter => set(letters.entry(*letter).or_insert_with(|| vec![0; words]), place),
            }
        }
        Some(Pattern { separator, length: pieces.len(), letters, wild, star, inbox: None })
    }

    /// Does it fit a whole name?
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.runs(name) || is_inbox(name) && self.inbox.as_ref().is_some_and(|pattern| pattern.runs(name))
    }

    fn runs(&self, name: &str) -> bool {
        let mut at = vec![0; self.wild.len()];
        set(&mut at, 0);
        self.pass_wildcards(&mut at);
        for letter in name.chars() {
            let stays = if letter == self.separator { &self.star } else { &self.wild };
            let moves = self.letters.get(&letter);
            let mut carry = 0;
            for word in 0..at.len() {
                let moved = at[word] & moves.map_or(0, |moves| moves[word]);
                at[word] = at[word] & stays[word] | moved << 1 | carry;
                carry = moved >> 63;
            }
            if at.iter().all(|word| *word == 0) {
                return false;
            }
            self.pass_wildcards(&mut at);
        }
        at[self.length / 64] >> (self.length % 64) & 1 == 1
    }

    /// A wildcard may stand for nothing; no two are neighbours.
    fn pass_wildcards(&self, at: &mut Bits) {
        let mut carry = 0;
        for (word, wild) in at.iter_mut().zip(&self.wild) {
            let passed = *word & wild;
            *word |= passed << 1 | carry;
            carry = passed >> 63;
        }
    }
}

/// The inbox has its name in any case, also as the first level.
fn with_inbox(text: &str, separator: char) -> String {
    match text.split_once(separator) {
        Some((first, rest)) if is_inbox(first) => format!("INBOX{separator}{rest}"),
        _ => text.to_owned(),
    }
}

fn set(bits: &mut [u64], place: usize) {
    if let Some(word) = bits.get_mut(place / 64) {
        *word |= 1 << (place % 64);
    }
}

/// Of wildcards in a row one stays: `*` if there is one among them.
fn collapsed(text: &str) -> Vec<char> {
    let mut pieces: Vec<char> = Vec::new();
    for piece in text.chars() {
        match (pieces.last_mut(), piece) {
            (Some(last @ ('*' | '%')), '*' | '%') => {
                if piece == '*' {
                    *last = '*';
                }
            }
            _ => pieces.push(piece),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Pattern::new(pattern, '/').is_some_and(|pattern| pattern.fits(name))
    }

    #[test]
    fn a_star_goes_through_levels_and_a_percent_sign_does_not() {
        assert!(fits("*", "a/b/c") && fits("%", "a") && !fits("%", "a/b"));
        assert!(fits("a/%", "a/b") && !fits("a/%", "a/b/c") && fits("a*", "a/b/c") && fits("a%*", "a/b"));
        assert!(fits("%/%", "a/b") && !fits("%/%", "a") && fits("*b", "aab") && !fits("*b", "aba"));
        assert!(fits("%b*d", "abxcd") && fits("", "") && !fits("", "a"));
    }

    #[test]
    fn the_inbox_fits_in_any_case() {
        assert!(fits("inbox/%", "INBOX/Sub") && !fits("inboxes/%", "INBOXES/Sub"));
        assert!(fits("inbox", "INBOX") && fits("inB*", "INBOX") && !fits("work", "WORK"));
    }

    #[test]
    fn a_thousand_wildcards_take_no_time() {
        let name = "a/".repeat(400);
        for pattern in ["*%".repeat(500), "*a".repeat(1000), "%a*".repeat(900), "a".repeat(100_000)] {
            let _ = (0..100).filter(|_| fits(&pattern, &name)).count();
        }
    }

    #[test]
    fn it_agrees_with_the_definition() {
        fn naive(pattern: &[char], name: &[char]) -> bool {
            match pattern.split_first() {
                None => name.is_empty(),
                Some(('*', rest)) => (0..=name.len()).any(|n| naive(rest, &name[n..])),
                Some(('%', rest)) => {
                    let level = name.iter().take_while(|letter| **letter != '/').count();
                    (0..=level).any(|n| naive(rest, &name[n..]))
                }
                Some((letter, rest)) => name.first() == Some(letter) && naive(rest, &name[1..]),
            }
        }
        proptest::proptest!(|(pattern in "[ab/*%]{0,8}", name in "[ab/]{0,8}")| {
            let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
            assert_eq!(fits(&pattern, &name), naive(&p, &n), "{pattern} {name}");
        });
    }
}
