//! UTF-7 (RFC 2152), which old writers of mail like and browsers have forgotten.

use std::borrow::Cow;

use memchr::memchr;

use crate::charset::guess;
use crate::transfer::digit;

/// Is this its name?
pub(crate) fn is_name(charset: &str) -> bool {
    ["utf-7", "utf7", "unicode-1-1-utf-7"].iter().any(|name| charset.eq_ignore_ascii_case(name))
}

/// What is broken becomes U+FFFD.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = memchr(b'+', rest) {
        text.push_str(&guess(&rest[..at]));
        rest = &rest[at + 1..];
        let digits = rest.iter().position(|byte| digit(*byte).is_none()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(digits);
        rest = after.strip_prefix(b"-").unwrap_or(after);
        match run.is_empty() && rest.len() < after.len() {
            true => text.push('+'),
            false => shifted(run, &mut text),
        }
    }
    if text.is_empty() {
        return guess(rest);
    }
    text.push_str(&guess(rest));
    Cow::Owned(text)
}

/// Base64 of UTF-16.
fn shifted(run: &[u8], text: &mut String) {
    let (mut bits, mut count) = (0_u32, 0);
    let mut units = Vec::with_capacity(run.len() / 2);
    for digit in run.iter().filter_map(|byte| digit(*byte)) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count) as u16);
        }
    }
    text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_2152_come_out_right() {
        for (bytes, text) in [
            ("A+ImIDkQ.", "A≢Α."),
            ("Hi Mom -+Jjo--!", "Hi Mom -☺-!"),
            ("+ZeVnLIqe-", "日本語"),
            ("Item 3 is +AKM-1.", "Item 3 is £1."),
            ("1 +- 1", "1 + 1"),
            ("+2D3cqQ-", "💩"),
            ("+2D0-+", "\u{fffd}"),
            ("plain", "plain"),
        ] {
            assert_eq!(decode(bytes.as_bytes()), text);
        }
    }
}
