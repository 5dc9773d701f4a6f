//! The fields that say what a part is: Content-Type and its kin. RFC 2045 §5, 2183, 3282, 2557, 1864.
//!
//! Lenient: a Content-Type that can't be read is text/plain (RFC 2045 §5.2).

use crate::charset::guess;
use crate::continued::join;
use crate::header::{fields, unfold};

/// Parameters of one field that are looked at.
const MOST_PARAMS: usize = 1000;
/// A longer name of a type or parameter is none.
const LONGEST_TOKEN: usize = 255;
/// Languages of one part.
const MOST_LANGUAGES: usize = 100;

/// Names and values.
type Params = Vec<(String, String)>;

/// What the header of a part says of it.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) kind: Option<(String, String, Params)>,
    pub(crate) id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) disposition: Option<(String, Params)>,
    pub(crate) language: Option<Vec<String>>,
    pub(crate) location: Option<String>,
    pub(crate) md5: Option<String>,
}

impl Content {
    /// Of fields that come twice the first counts.
    pub(crate) fn read(header: &[u8]) -> Content {
        let mut content = Content::default();
        let mut typed = false;
        for (name, value) in fields(header) {
            let Some(name) = name.split_at_checked(8).filter(|it| it.0.eq_ignore_ascii_case(b"content-"))
            else {
                continue;
            };
            match name.1.to_ascii_lowercase().as_slice() {
                b"type" if !typed => {
                    typed = true;
                    content.kind = content_type(value);
                }
                b"id" => set(&mut content.id, || line(value)),
                b"description" => set(&mut content.description, || line(value)),
                b"transfer-encoding" => set(&mut content.encoding, || first_word(value)),
                b"disposition" => set(&mut content.disposition, || disposition(value)),
                b"language" => set(&mut content.language, || Some(languages(value))),
                b"location" => set(&mut content.location, || line(value)),
                b"md5" => set(&mut content.md5, || line(value)),
                _ => {}
            }
        }
        content
    }
}

fn set<T>(place: &mut Option<T>, read: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = read();
    }
}

fn line(value: &[u8]) -> Option<String> {
    let line = guess(&unfold(value)).replace('\0', "");
    (!line.is_empty()).then_some(line)
}

fn first_word(value: &[u8]) -> Option<String> {
    Words { rest: value }.token()
}

fn content_type(value: &[u8]) -> Option<(String, String, Params)> {
    let mut words = Words { rest: value };
    let kind = words.token()?;
    words.eat(b'/').then_some(())?;
    let subtype = words.token()?;
    Some((kind, subtype, words.params()))
}

fn disposition(value: &[u8]) -> Option<(String, Params)> {
    let mut words = Words { rest: value };
    let kind = words.token()?;
    Some((kind, words.params()))
}

fn languages(value: &[u8]) -> Vec<String> {
    let mut words = Words { rest: value };
    let mut languages = Vec::new();
    while languages.len() < MOST_LANGUAGES {
        languages.extend(words.token());
        words.skip_to(b',');
        if !words.eat(b',') {
            break;
        }
    }
    languages
}

/// Reads a structured field from its front.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    /// Passes blanks and comments. Comments may be nested as deep as they like: they are only counted.
    fn blanks(&mut self) {
        let (mut depth, mut at) = (0_usize, 0);
        while let Some(byte) = self.rest.get(at) {
            match byte {
                b'\\' if depth > 0 => at += 1,
                b'(' => depth += 1,
                b')' if depth > 0 => depth -= 1,
                b' ' | b'\t' | b'\r' | b'\n' => {}
                _ if depth > 0 => {}
                _ => break,
            }
            at += 1;
        }
        self.rest = &self.rest[at.min(self.rest.len())..];
    }

    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.rest.first() == Some(&byte);
        self.rest = &self.rest[usize::from(there)..];
        there
    }

    fn skip_to(&mut self, byte: u8) {
        let at = memchr::memchr(byte, self.rest).unwrap_or(self.rest.len());
        self.rest = &self.rest[at..];
    }

    fn take_while(&mut self, good: impl Fn(&u8) -> bool) -> &[u8] {
        let end = self.rest.iter().position(|byte| !good(byte)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// RFC 2045 §5.1; octets with the eighth bit are taken too.
    fn token(&mut self) -> Option<String> {
        self.blanks();
        let word =
            self.take_while(|byte| *byte > b' ' && *byte != 127 && !b"()<>@,;:\\\"/[]?=".contains(byte));
        (1..=LONGEST_TOKEN).contains(&word.len()).then(|| guess(word).into_owned())
    }

    fn params(&mut self) -> Params {
        let mut params = Vec::new();
        while params.len() < MOST_PARAMS && !self.rest.is_empty() {
            // Some forget the semicolon.
            self.eat(b';');
            match self.token() {
                Some(name) if self.eat(b'=') => {
                    let value = self.value(&name);
                    params.push((name, value));
                }
                _ => self.skip_to(b';'),
            }
        }
        join(params)
    }

    fn value(&mut self, name: &str) -> String {
        self.blanks();
        if self.rest.first() == Some(&b'"') {
            return self.quoted();
        }
        // Names of files are often written with blanks and without the quotes they need.
        let is_file =
            name.len() >= 4 && name.to_ascii_lowercase().trim_start_matches("file").starts_with("name");
        let word = self.take_while(|byte| match byte {
            b';' | b'\r' | b'\n' | 0 => false,
            b' ' | b'\t' => is_file,
            _ => true,
        });
        guess(word.trim_ascii()).into_owned()
    }

    fn quoted(&mut self) -> String {
        let (mut text, mut at) = (Vec::new(), 1);
        while let Some(byte) = self.rest.get(at) {
            match byte {
                b'"' => break,
                b'\\' => {
                    at += 1;
                    text.extend(self.rest.get(at));
                }
                b'\r' | b'\n' | 0 => {}
                _ => text.push(*byte),
            }
            at += 1;
        }
        self.rest = &self.rest[(at + 1).min(self.rest.len())..];
        text.retain(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        guess(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<(String, String, Params)> {
        Content::read(format!("Content-Type: {value}\n\n").as_bytes()).kind
    }

    fn params(value: &str) -> Params {
        read(&format!("a/b; {value}")).map(|it| it.2).unwrap_or_default()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn types_are_read_with_comments_and_blanks_in_strange_places() {
        let (kind, subtype, params) =
            read("Text (a (b) \\) ) / Plain\n ; charset = \"us-ascii\" (x); Format=flowed;").unwrap();
        assert_eq!((kind.as_str(), subtype.as_str()), ("Text", "Plain"));
        assert_eq!(params, pairs(&[("charset", "us-ascii"), ("Format", "flowed")]));
    }

    #[test]
    fn what_is_no_type_gives_none() {
        for value in ["text", "", "/plain", "text/", "text plain", "((((", "\"text\"/plain"] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn values_are_read_as_they_are_written_in_the_wild() {
        assert_eq!(params("name=a b.pdf; x=y z"), pairs(&[("name", "a b.pdf"), ("x", "y")]));
        assert_eq!(params("a=b c=\"d\"\n e=f"), pairs(&[("a", "b"), ("c", "d"), ("e", "f")]));
        assert_eq!(read("a/b\n\tboundary=c").map(|it| it.2), Some(pairs(&[("boundary", "c")])));
        assert_eq!(params("boundary=----=_Part:1/2?; ;;=;q"), pairs(&[("boundary", "----=_Part:1/2?")]));
        assert_eq!(params("a=\"\\\"q\\\\\n x"), pairs(&[("a", "\"q\\ x")]));
        assert_eq!(params("charset=us-ascii (Plain text)"), pairs(&[("charset", "us-ascii")]));
    }

    #[test]
    fn other_fields_are_read_and_the_first_of_two_counts() {
        let content = Content::read(
            b"content-id: <a@b>\nContent-Description: a\n b\nContent-Transfer-Encoding: Base64 (x)\n\
              CONTENT-DISPOSITION: attachment; filename=a\nContent-Disposition: inline\nContent-Language: de, en (x)\n\
              Content-Location: http://x/\nContent-MD5: Q2hlY2s=\n\n",
        );
        assert_eq!(content.id.as_deref(), Some("<a@b>"));
        assert_eq!(content.description.as_deref(), Some("a b"));
        assert_eq!(content.encoding.as_deref(), Some("Base64"));
        assert_eq!(content.disposition, Some(("attachment".into(), pairs(&[("filename", "a")]))));
        assert_eq!(content.language, Some(vec!["de".into(), "en".into()]));
        assert_eq!(content.location.as_deref(), Some("http://x/"));
        assert_eq!(content.md5.as_deref(), Some("Q2hlY2s="));
    }

    #[test]
    fn ten_thousand_parameters_are_no_work() {
        let many: String = (0..10_000).map(|at| format!("name*{at}=x;")).collect();
        assert_eq!(params(&many), pairs(&[("name", &"x".repeat(MOST_PARAMS))]));
        assert_eq!(params(&"name*0=".repeat(10_000)).len(), 1);
    }
}
