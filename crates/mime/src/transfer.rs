//! Transfer encodings: RFC 2045 §6. Lenient: what is no part of the encoding is passed over (base64) or stays
//! (quoted-printable).

use std::borrow::Cow;

use memchr::memchr;

/// The transfer encoding is none that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

/// Decodes a body as it is on disk; line ends stay as they are there.
pub fn decode<'a>(body: &'a [u8], encoding: &str) -> Result<Cow<'a, [u8]>, Undecodable> {
    match Encoding::named(encoding)? {
        Encoding::None => Ok(Cow::Borrowed(body)),
        Encoding::Base64 => Ok(Cow::Owned(base64(body))),
        Encoding::QuotedPrintable => Ok(Cow::Owned(quoted_printable(body, b"\n"))),
    }
}

/// Decodes a body to what its writer encoded: lines end in CR LF, octets that were in base64 are left alone.
pub fn decode_wire(body: &[u8], encoding: &str) -> Result<Vec<u8>, Undecodable> {
    match Encoding::named(encoding)? {
        Encoding::None => {
            let mut out = Vec::new();
            crate::to_wire(body, &mut out);
            Ok(out)
        }
        Encoding::Base64 => Ok(base64(body)),
        Encoding::QuotedPrintable => Ok(quoted_printable(body, b"\r\n")),
    }
}

enum Encoding {
    None,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    fn named(name: &str) -> Result<Encoding, Undecodable> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" => Ok(Encoding::None),
            "base64" => Ok(Encoding::Base64),
            "quoted-printable" => Ok(Encoding::QuotedPrintable),
            _ => Err(Undecodable),
        }
    }
}

const NO_DIGIT: u8 = 0xff;

/// The value of each octet in base64.
const DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NO_DIGIT; 256];
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table
};

/// The value of a digit of base64.
pub(crate) fn digit(byte: u8) -> Option<u8> {
    Some(DIGITS[usize::from(byte)]).filter(|digit| *digit != NO_DIGIT)
}

/// RFC 2045 §6.8. Padding in the middle ends a group: some writers put encodings behind each other.
fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let mut group = Group::default();
    let mut rest = body;
    while let Some((four, after)) = rest.split_first_chunk::<4>() {
        let digits = four.map(|byte| DIGITS[usize::from(byte)]);
        // A digit has neither of the upper two bits.
        if group.count == 0 && (digits[0] | digits[1] | digits[2] | digits[3]) < 64 {
            let bits = digits.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit)) << 8;
            out.extend_from_slice(&bits.to_be_bytes()[..3]);
            rest = after;
        } else {
            group.take(rest[0], &mut out);
            rest = &rest[1..];
        }
    }
    rest.iter().for_each(|byte| group.take(*byte, &mut out));
    group.end(&mut out);
    out
}

/// Digits of a group of four that is not whole yet.
#[derive(Default)]
struct Group {
    bits: u32,
    count: usize,
}

impl Group {
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match digit(byte) {
            None if byte == b'=' => self.end(out),
            None => {}
            Some(digit) => {
                self.bits = self.bits << 6 | u32::from(digit);
                self.count += 1;
                if self.count == 4 {
                    self.end(out);
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.count > 1 {
            let bits = self.bits << (32 - 6 * self.count);
            out.extend_from_slice(&bits.to_be_bytes()[..self.count - 1]);
        }
        *self = Group::default();
    }
}

/// The octet that two hexadecimal digits stand for.
pub(crate) fn hex(digits: [u8; 2]) -> Option<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    Some((value(digits[0])? << 4 | value(digits[1])?) as u8)
}

/// RFC 2045 §6.7.
fn quoted_printable(body: &[u8], line_end: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest);
        let line = rest[..end.unwrap_or(rest.len())].trim_ascii_end();
        rest = &rest[end.map_or(rest.len(), |end| end + 1)..];
        let soft = line.last() == Some(&b'=');
        unquote(&line[..line.len() - usize::from(soft)], &mut out);
        if end.is_some() && !soft {
            out.extend_from_slice(line_end);
        }
    }
    out
}

/// `=C3` and the like. What is not followed by two digits stays.
pub(crate) fn unquote(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(at) = memchr(b'=', rest) {
        out.extend_from_slice(&rest[..at]);
        let octet = rest[at + 1..].first_chunk::<2>().and_then(|two| hex(*two));
        out.push(octet.unwrap_or(b'='));
        rest = &rest[at + if octet.is_some() { 3 } else { 1 }..];
    }
    out.extend_from_slice(rest);
}

/// Base64 as it is in encoded words: nothing else may be in it.
pub(crate) fn strict_base64(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.iter().rev().position(|byte| *byte != b'=').map_or(0, |pads| text.len() - pads);
    text[..digits].iter().all(|byte| digit(*byte).is_some()).then(|| base64(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(body: &str, encoding: &str) -> String {
        String::from_utf8(decode(body.as_bytes(), encoding).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn base64_is_read_with_line_ends_rubbish_and_broken_ends() {
        for (body, text) in [
            ("aGVsbG8=", "hello"),
            ("aGVs\nbG8=\r\n", "hello"),
            ("aG Vs*bG8", "hello"),
            ("aGVsbG8=aGVsbG8=", "hellohello"),
            ("aGVsb", "hel"),
            ("", ""),
            ("====", ""),
        ] {
            assert_eq!(plain(body, "BASE64"), text, "{body}");
        }
    }

    #[test]
    fn quoted_printable_is_read_and_what_is_broken_stays() {
        for (body, text) in [
            ("a=20b=\nc  \nd=3D", "a bc\nd="),
            ("=C3=a9", "é"),
            ("=zz = =4", "=zz = =4"),
            ("a=  \r\nb", "ab"),
            ("=", ""),
        ] {
            assert_eq!(plain(body, "Quoted-Printable"), text, "{body}");
        }
        assert_eq!(decode_wire(b"a\nb=0A\n", "quoted-printable").unwrap(), b"a\r\nb\n\r\n");
        assert_eq!(decode_wire(b"a\n", "8bit").unwrap(), b"a\r\n");
        assert_eq!(decode_wire(b"Cg==", "base64").unwrap(), b"\n");
    }

    #[test]
    fn what_needs_no_decoding_is_not_copied_and_unknown_encodings_are_told() {
        assert!(matches!(decode(b"x", "7BIT"), Ok(Cow::Borrowed(_))));
        assert_eq!(decode(b"x", "x-uuencode"), Err(Undecodable));
    }
}
