//! Modified UTF-7, in which mailbox names are written to old clients and on disk. RFC 3501 §5.1.3.

use data_encoding::BASE64_NOPAD;

/// Writes a name.
pub fn encode_mailbox(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    let mut shifted = Vec::new();
    for letter in name.chars() {
        if !is_direct(letter) {
            let mut units = [0; 2];
            let units = letter.encode_utf16(&mut units);
            shifted.extend(units.iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        flush(&mut text, &mut shifted);
        text.push(letter);
        if letter == '&' {
            text.push('-');
        }
    }
    flush(&mut text, &mut shifted);
    text
}

/// Reads a name. `None` if it is not written as [`encode_mailbox`] would: each name is written in one way only.
pub fn decode_mailbox(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(shift) = rest.find('&') {
        name.push_str(&rest[..shift]);
        let end = shift + rest[shift..].find('-')?;
        match &rest[shift + 1..end] {
            "" => name.push('&'),
            letters => name.push_str(&unshift(letters)?),
        }
        rest = &rest[end + 1..];
    }
    name.push_str(rest);
    // Two shifts in a row, shifted ASCII and raw letters beyond it come back otherwise.
    (encode_mailbox(&name) == text && !name.chars().any(char::is_control)).then_some(name)
}

/// Stands for itself (but `&`, which is followed by `-`).
fn is_direct(letter: char) -> bool {
    matches!(letter, ' '..='~')
}

fn flush(text: &mut String, shifted: &mut Vec<u8>) {
    if !shifted.is_empty() {
        text.push('&');
        text.push_str(&BASE64_NOPAD.encode(shifted).replace('/', ","));
        text.push('-');
        shifted.clear();
    }
}

fn unshift(letters: &str) -> Option<String> {
    let octets = BASE64_NOPAD.decode(letters.replace(',', "/").as_bytes()).ok()?;
    let (pairs, []) = octets.as_chunks::<2>() else { return None };
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    char::decode_utf16(units).collect::<Result<String, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_rfc_shows() {
        for (name, text) in [
            ("INBOX", "INBOX"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("A & B", "A &- B"),
            ("&-", "&--"),
            ("😀", "&2D3eAA-"),
            ("", ""),
        ] {
            assert_eq!(encode_mailbox(name), text);
            assert_eq!(decode_mailbox(text).as_deref(), Some(name));
        }
    }

    #[test]
    fn what_is_written_in_another_way_is_no_name() {
        for text in [
            "&Jjo",               // no end
            "&&&",                // nothing between
            "&",                  // alone
            "&Jjo!",              // no base64
            "&U,BTFw-&ZeVnLIqe-", // two shifts in a row
            "&AGE-",              // a letter that stands for itself
            "&ACY-",              // so does this one
            "&2D0-",              // half a pair
            "&Jj-",               // half a unit
            "&Jjp-",              // bits left over
            "&U/BTFw-",           // a slash
            "é",
            "a\tb",
            "&AAo-", // a line end
        ] {
            assert_eq!(decode_mailbox(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_name_comes_back(name in "[^\\p{Cc}]*") {
            let text = encode_mailbox(&name);
            assert!(text.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
            assert_eq!(decode_mailbox(&text), Some(name));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[ -~]{0,24}") {
            if let Some(name) = decode_mailbox(&text) {
                assert_eq!(encode_mailbox(&name), text);
            }
        }
    }
}
