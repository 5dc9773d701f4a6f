//! Charsets by their names in mail, as browsers know them (encoding_rs), and UTF-7.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, WINDOWS_1252};

use crate::utf7;

/// Names that are seen in mail and that browsers don't know.
const ALSO: &[(&str, &str)] = &[
    ("ansi", "windows-1252"),
    ("cp932", "shift_jis"),
    ("cp936", "gbk"),
    ("cp949", "euc-kr"),
    ("cp950", "big5"),
    ("iso-8859-8-e", "iso-8859-8"),
    ("windows-936", "gbk"),
];

/// Is this a charset we can decode?
pub fn knows_charset(charset: &str) -> bool {
    utf7::is_name(charset) || find(charset).is_some()
}

/// `bytes` in this charset as text. US-ASCII, no charset and one that nobody knows: UTF-8 if it can be, else
/// Windows-1252, so that no octet is lost.
pub fn to_utf8<'a>(bytes: &'a [u8], charset: &str) -> Cow<'a, str> {
    let charset = charset.trim_matches(|it: char| it.is_ascii_whitespace() || it == '"' || it == '\'');
    match find(charset) {
        _ if utf7::is_name(charset) => utf7::decode(bytes),
        Some(encoding) if !is_ascii_name(charset) => encoding.decode_with_bom_removal(bytes).0,
        _ => guess(bytes),
    }
}

/// Text of which nothing is known.
pub(crate) fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

fn is_ascii_name(charset: &str) -> bool {
    ["us-ascii", "ascii", "ansi_x3.4-1968"].iter().any(|name| charset.eq_ignore_ascii_case(name))
}

fn find(charset: &str) -> Option<&'static Encoding> {
    if charset.eq_ignore_ascii_case("utf-8") {
        return Some(UTF_8);
    }
    let also =
        ALSO.iter().find(|(name, _)| charset.eq_ignore_ascii_case(name)).map_or(charset, |(_, name)| name);
    Encoding::for_label(also.as_bytes()).filter(|encoding| *encoding != REPLACEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_charsets_are_decoded_and_others_guessed() {
        for (bytes, charset, text) in [
            (&b"Gr\xfc\xdfe"[..], "ISO-8859-1", "Grüße"),
            (b"Gr\xfc\xdfe", "bogus", "Grüße"),
            ("Grüße".as_bytes(), "us-ascii", "Grüße"),
            ("Grüße".as_bytes(), "", "Grüße"),
            (b"\x82\xa0", "cp932", "あ"),
            (b"\xef\xbb\xbfx", "utf-8", "x"),
            (b"\xff", "utf-8", "\u{fffd}"),
            (b"+AOk-", "utf-7", "é"),
        ] {
            assert_eq!(to_utf8(bytes, charset), text, "{charset}");
        }
        assert!(knows_charset("UTF-8") && knows_charset("us-ascii") && knows_charset("koi8-r"));
        assert!(!knows_charset("bogus") && !knows_charset("") && !knows_charset("iso-2022-kr"));
    }
}
