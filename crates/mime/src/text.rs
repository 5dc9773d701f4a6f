//! The text of a message, decoded, for who searches it.

use std::borrow::Cow;

use crate::charset::to_utf8;
use crate::continued::decoded;
use crate::header::fields;
use crate::part::{Children, Part};
use crate::transfer::decode;
use crate::words::decode_words;

/// Calls `each` with every piece of text in the body of `part`: the headers of the parts and messages in it, and its
/// text parts (HTML with its tags). `message` is what [`crate::scan`] was given. Other parts hold no text.
pub fn search_text(message: &[u8], part: &Part, each: &mut dyn FnMut(&str)) {
    match &part.children {
        Children::Multipart(parts) => {
            for part in parts {
                each(&header_text(message, part));
                search_text(message, part, each);
            }
        }
        Children::Message(inner) => {
            each(&header_text(message, inner));
            search_text(message, inner, each);
        }
        Children::None if part.is("text") || part.is("message") => {
            each(&body_text(&message[part.body.clone()], part));
        }
        Children::None => {}
    }
}

/// The header of `part` as people read it: a field a line, encoded words decoded; then the values of parameters that
/// had a charset.
pub fn header_text(message: &[u8], part: &Part) -> String {
    let mut text = String::new();
    for (name, value) in fields(&message[part.header.clone()]) {
        text.push_str(&String::from_utf8_lossy(name));
        text.push_str(": ");
        text.push_str(&decode_words(value));
        text.push('\n');
    }
    let disposition = part.disposition.iter().flat_map(|(_, params)| params);
    for (_, value) in part.params.iter().chain(disposition).filter(|(name, _)| name.ends_with('*')) {
        text.push_str(&decoded(value));
        text.push('\n');
    }
    text
}

/// Text in a body, or in the beginning of one.
pub(crate) fn body_text<'a>(body: &'a [u8], part: &Part) -> Cow<'a, str> {
    let charset = part.decoded_param("charset").unwrap_or_default();
    match decode(body, part.encoding.as_deref().unwrap_or_default()) {
        Ok(Cow::Owned(octets)) => Cow::Owned(to_utf8(&octets, &charset).into_owned()),
        Ok(Cow::Borrowed(octets)) => to_utf8(octets, &charset),
        Err(_) => to_utf8(body, &charset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    #[test]
    fn all_that_is_text_is_given_decoded() {
        let message = "Subject: top\nContent-Type: multipart/mixed; boundary=a\n\npreamble\n--a\n\
            Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe\n\
            --a\nContent-Type: image/png\nContent-Disposition: attachment; filename*=utf-8''%C3%BC.png\n\nZZZ\n\
            --a\nContent-Type: message/rfc822\n\nSubject: =?utf-8?q?h=C3=B6?=\n\ninner\n--a--\n";
        let mut seen = String::new();
        search_text(message.as_bytes(), &scan(message.as_bytes()), &mut |text| seen += text);
        for text in ["Grüße", "ü.png", "Subject: hö\n", "inner", "iso-8859-1"] {
            assert!(seen.contains(text), "{text}: {seen}");
        }
        assert!(!seen.contains("ZZZ") && !seen.contains("preamble") && !seen.contains("top"));
        assert!(header_text(message.as_bytes(), &scan(message.as_bytes())).starts_with("Subject: top\n"));
    }
}
