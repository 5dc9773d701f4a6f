//! Encoded words: RFC 2047, with the language of RFC 2231 §5.

use std::borrow::Cow;

use memchr::{memchr, memmem};

use crate::charset::{guess, knows_charset, to_utf8};
use crate::header::unfold;
use crate::transfer::{strict_base64, unquote};

/// A header's value as people read it: unfolded, encoded words decoded, those next to each other joined (also where one
/// character lies in two of them), broken ones and those in unknown charsets kept as they are. Other octets are
/// UTF-8 if they can be, else Windows-1252.
pub fn decode_words(value: &[u8]) -> String {
    let line = unfold(value);
    if memmem::find(&line, b"=?").is_none() {
        return guess(&line).into_owned();
    }
    let mut text = Text::default();
    let mut rest: &[u8] = &line;
    // What has been looked at and is no encoded word.
    let mut plain = 0;
    while let Some(at) = memmem::find(&rest[plain..], b"=?") {
        let at = plain + at;
        match Word::read(&rest[at..]) {
            Some((word, length)) => {
                text.plain(&rest[..at]);
                text.word(word);
                rest = &rest[at + length..];
                plain = 0;
            }
            // The `?` may be the one that another word needs: `=?=?utf-8?q?a?=`.
            None => plain = at + 1,
        }
    }
    text.plain(rest);
    text.end()
}

/// An encoded word, decoded but for its charset.
struct Word<'a> {
    charset: Cow<'a, str>,
    octets: Vec<u8>,
}

impl Word<'_> {
    /// Reads one from the front, and its length. Looks at most three question marks ahead.
    fn read(text: &[u8]) -> Option<(Word<'_>, usize)> {
        let after = text.strip_prefix(b"=?")?;
        let (charset, after) = until_mark(after)?;
        let charset = charset.split(|byte| *byte == b'*').next()?;
        let (encoding, after) = until_mark(after)?;
        let (body, after) = until_mark(after)?;
        let after = after.strip_prefix(b"=")?;
        let charset = String::from_utf8_lossy(charset);
        let octets = match encoding {
            b"B" | b"b" => strict_base64(body)?,
            b"Q" | b"q" => quoted(body),
            _ => return None,
        };
        knows_charset(&charset).then(|| (Word { charset, octets }, text.len() - after.len()))
    }
}

fn until_mark(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr(b'?', text)?;
    Some((&text[..at], &text[at + 1..]))
}

fn quoted(body: &[u8]) -> Vec<u8> {
    let blanks: Vec<u8> = body.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
    let mut octets = Vec::with_capacity(blanks.len());
    unquote(&blanks, &mut octets);
    octets
}

/// What has been read.
#[derive(Default)]
struct Text {
    out: String,
    /// Octets of the last words that have the same charset.
    charset: String,
    octets: Vec<u8>,
    after_word: bool,
}

impl Text {
    fn plain(&mut self, text: &[u8]) {
        // Blanks between two words are not shown: they come here followed by a word, and a last time at the end.
        if self.after_word && text.trim_ascii().is_empty() {
            return;
        }
        self.flush();
        self.out.push_str(&guess(text));
        self.after_word = false;
    }

    fn word(&mut self, word: Word<'_>) {
        if !self.charset.eq_ignore_ascii_case(&word.charset) {
            self.flush();
            self.charset = word.charset.into_owned();
        }
        self.octets.extend_from_slice(&word.octets);
        self.after_word = true;
    }

    fn flush(&mut self) {
        if !self.octets.is_empty() {
            self.out.push_str(&to_utf8(&self.octets, &self.charset));
            self.octets.clear();
        }
    }

    fn end(mut self) -> String {
        self.flush();
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(value: &str) -> String {
        decode_words(value.as_bytes())
    }

    #[test]
    fn the_examples_of_rfc_2047_come_out_right() {
        for (value, text) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=  \n  =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            ("=?US-ASCII*EN?Q?Keith_Moore?= <x@y>", "Keith Moore <x@y>"),
            ("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
        ] {
            assert_eq!(words(value), text);
        }
    }

    #[test]
    fn a_character_in_two_words_is_one() {
        assert_eq!(words("=?utf-8?q?=C3?= =?UTF-8?q?=A9?="), "é");
        assert_eq!(words("=?utf-8?b?4oI=?=\n =?utf-8?b?rA==?="), "€");
    }

    #[test]
    fn broken_words_stay_as_they_are() {
        for value in [
            "=?utf-8?q?unfinished",
            "=?utf-8?q?a?",
            "=?bogus?q?a?=",
            "=?utf-8?b?a*b?=",
            "=?utf-8?x?a?=",
            "=??q?a?=",
            "=?",
            "a =?= b",
        ] {
            assert_eq!(words(value), value);
        }
        assert_eq!(words("=?=?utf-8?q?a?="), "=?a");
        assert_eq!(decode_words(b"caf\xe9 =?utf-8?q?a?="), "café a");
        assert_eq!(decode_words("café".as_bytes()), "café");
    }

    #[test]
    fn words_that_never_end_are_no_work() {
        for piece in ["=?", "=?utf-8", "=?utf-8?q?", "=?utf-8?q?a", "=?a?b?c?"] {
            let many = piece.repeat(200_000);
            assert_eq!(words(&many).len(), many.len());
        }
    }
}
