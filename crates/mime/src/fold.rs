//! Text as it is compared: without case.
//!
//! Close to i;unicode-casemap (RFC 5051): each character is mapped by itself to lower case. Characters are not
//! decomposed: an `é` in two code points is not the `é` in one.

/// Appends `text` to `out`, folded.
pub fn fold_into(text: &str, out: &mut String) {
    out.reserve(text.len());
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let from = out.len();
        out.push_str(&rest[..plain]);
        if let Some(pushed) = out.get_mut(from..) {
            pushed.make_ascii_lowercase();
        }
        rest = &rest[plain..];
        let Some(letter) = rest.chars().next() else { return };
        rest = &rest[letter.len_utf8()..];
        match letter {
            // The same letter at the end of a word.
            'ς' => out.push('σ'),
            _ => out.extend(letter.to_lowercase()),
        }
    }
}

/// `text`, folded.
pub fn fold(text: &str) -> String {
    let mut out = String::new();
    fold_into(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_gone_after_folding() {
        assert_eq!(fold("Grüße AUS KÖLN"), fold("GRÜße aus köln"));
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
        assert_eq!(fold("İ"), "i\u{307}");
        assert_eq!(fold(""), "");
    }

    #[test]
    fn folding_in_pieces_is_folding_the_whole() {
        let text = "Aé ΣΑΣ ς xÄ";
        for (at, _) in text.char_indices() {
            assert_eq!(fold(&text[..at]) + &fold(&text[at..]), fold(text));
        }
    }
}
