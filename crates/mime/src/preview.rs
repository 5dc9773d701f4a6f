//! A few words of a message: RFC 8970.

use std::borrow::Cow;

use crate::html::strip;
use crate::part::{Children, Part};
use crate::text::body_text;

/// Characters of a preview. RFC 8970 §3.1.
const MOST: usize = 200;
/// Octets of a text part that are looked at, and of a page of HTML, which may begin with many that are not shown.
const LOOK: usize = 8 * 1024;
const LOOK_HTML: usize = 64 * 1024;

/// The beginning of the first text of `part`, at most 200 characters, each run of blanks made one. Lines that quote
/// another message are left out if there are others. `message` is what [`crate::scan`] was given.
pub fn preview(message: &[u8], part: &Part) -> String {
    let Some(part) = first_text(part) else { return String::new() };
    let html = part.subtype.eq_ignore_ascii_case("html");
    let body = &message[part.body.clone()];
    let body = beginning(body, if html { LOOK_HTML } else { LOOK });
    let text = body_text(body, part);
    if html {
        return collapse(&strip(&text));
    }
    let unquoted = text.lines().filter(|line| !line.starts_with('>'));
    let own = collapse(&unquoted.collect::<Vec<_>>().join("\n"));
    if own.is_empty() { collapse(&text) } else { own }
}

/// Cut at the end of a line, if there is one: no encoding is torn.
fn beginning(body: &[u8], most: usize) -> &[u8] {
    let Some(cut) = body.get(..most) else { return body };
    memchr::memrchr(b'\n', cut).map_or(cut, |end| &cut[..end])
}

fn first_text(part: &Part) -> Option<&Part> {
    match &part.children {
        Children::Multipart(parts) => {
            parts.iter().find_map(|part| first_text(part).filter(|it| !is_attachment(it)))
        }
        Children::Message(inner) => first_text(inner),
        Children::None => part.is("text").then_some(part),
    }
}

fn is_attachment(part: &Part) -> bool {
    part.disposition.as_ref().is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("attachment"))
}

fn collapse(text: &str) -> String {
    let mut out = String::new();
    let mut left = MOST;
    for word in text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
            left -= 1;
        }
        let word: Cow<'_, str> = word.chars().filter(shown).take(left).collect();
        left -= word.chars().count();
        out.push_str(&word);
        if left == 0 {
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Writers of advertisements fill up with characters that have no width.
fn shown(letter: &char) -> bool {
    !matches!(letter, '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan;

    fn words(message: &str) -> String {
        preview(message.as_bytes(), &scan(message.as_bytes()))
    }

    #[test]
    fn the_first_text_is_shown_without_what_it_quotes() {
        assert_eq!(words("a: b\n\n> you said\nI  say\n\n that\n"), "I say that");
        assert_eq!(words("a: b\n\n> you said\n"), "> you said");
        assert_eq!(words("Content-Type: image/png\n\nx"), "");
        assert_eq!(
            words(
                "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\n\n<b>x</b>y\n--a--"
            ),
            "x y"
        );
    }

    #[test]
    fn it_has_two_hundred_characters_at_most() {
        for text in ["é".repeat(1000), "a b ".repeat(1000), "x\n".repeat(100_000), "word".repeat(10_000)] {
            let shown = words(&format!("a: b\n\n{text}"));
            assert!((199..=200).contains(&shown.chars().count()), "{shown}");
        }
    }
}
