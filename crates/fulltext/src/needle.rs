//! What to look for in the list of words, which begins and ends with a line end and has one after each word.

use crate::terms::{OVERLAP, PIECE, is_of_word};

/// Patterns, all of which are in the list of any text that holds `needle` (folded). None: nothing can be said.
pub(crate) fn patterns(needle: &str) -> Vec<Vec<u8>> {
    let mut patterns = Vec::new();
    let mut from = 0;
    for (at, c) in needle.char_indices().filter(|(_, c)| !is_of_word(*c)) {
        patterns.extend(pattern(&needle.as_bytes()[from..at], from == 0, false));
        from = at + c.len_utf8();
    }
    patterns.extend(pattern(&needle.as_bytes()[from..], from == 0, true));
    patterns
}

/// That of a run. `left`, `right`: the needle begins or ends with it, so the text's word may go on there.
fn pattern(run: &[u8], left: bool, right: bool) -> Option<Vec<u8>> {
    let open = left || right;
    let whole = run.len() <= if open { OVERLAP } else { PIECE };
    let kept = if whole { run } else { &run[..OVERLAP] };
    let (before, after): (&[u8], &[u8]) =
        (if left { b"" } else { b"\n" }, if right || !whole { b"" } else { b"\n" });
    // One octet that may be anywhere is in nearly every message.
    let useful = !run.is_empty() && before.len() + kept.len() + after.len() > 1;
    useful.then(|| [before, kept, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(needle: &str) -> Vec<String> {
        patterns(needle).into_iter().map(|pattern| String::from_utf8(pattern).unwrap()).collect()
    }

    #[test]
    fn inner_words_are_whole_and_outer_ones_may_go_on() {
        assert_eq!(shown("ello wide wor"), ["ello\n", "\nwide\n", "\nwor"]);
        assert_eq!(shown("ell"), ["ell"]);
        assert_eq!(shown(" ell "), ["\nell\n"]);
        assert_eq!(shown("a b"), ["a\n", "\nb"]);
    }

    #[test]
    fn nothing_is_said_of_needles_without_words() {
        assert_eq!(shown(" -- "), [""; 0]);
        assert_eq!(shown("a"), [""; 0]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn of_long_words_the_beginning_is_looked_for() {
        let long = "x".repeat(70);
        assert_eq!(shown(&long), ["x".repeat(32)]);
        assert_eq!(shown(&format!(" {long} ")), [format!("\n{}", "x".repeat(32))]);
    }
}
