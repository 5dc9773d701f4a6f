//! The words of an HTML page, for a preview: no parser, tags are only passed over.

use memchr::{memchr, memchr2, memmem};

/// What an element of these names holds is not shown.
const HIDDEN: [&str; 4] = ["head", "script", "style", "title"];

const NAMED: [(&str, &str); 9] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("zwnj", ""),
    ("mdash", "—"),
    ("hellip", "…"),
];

/// The text between the tags, a blank for each tag, entities replaced.
pub(crate) fn strip(page: &str) -> String {
    let mut text = String::with_capacity(page.len() / 2);
    let mut rest = page;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            rest = entity(rest, &mut text);
        } else {
            text.push(' ');
            rest = after_tag(rest);
        }
    }
    text.push_str(rest);
    text
}

fn after_tag(page: &str) -> &str {
    if page.starts_with("<!--") {
        return after(page, "-->");
    }
    let name_end = page[1..].find(|it: char| !it.is_ascii_alphanumeric()).map_or(page.len(), |end| end + 1);
    let name = page[1..name_end].to_ascii_lowercase();
    let end = memchr(b'>', page.as_bytes()).map_or(page.len(), |end| end + 1);
    match HIDDEN.contains(&name.as_str()) {
        true => after_element(&page[end..], &name),
        false => &page[end..],
    }
}

fn after<'a>(page: &'a str, mark: &str) -> &'a str {
    memmem::find(page.as_bytes(), mark.as_bytes()).map_or("", |at| &page[at + mark.len()..])
}

/// What comes after `</name`; nothing, if that does not come.
fn after_element<'a>(page: &'a str, name: &str) -> &'a str {
    let mut rest = page;
    loop {
        let Some(at) = memmem::find(rest.as_bytes(), b"</") else { return "" };
        rest = &rest[at + 2..];
        if rest.as_bytes().get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name.as_bytes())) {
            return memchr(b'>', rest.as_bytes()).map_or("", |end| &rest[end + 1..]);
        }
    }
}

/// Longest entity, with its `&` and `;`.
const LONGEST: usize = 12;

fn entity<'a>(page: &'a str, text: &mut String) -> &'a str {
    let end = page.bytes().take(LONGEST).position(|byte| byte == b';');
    let meant = end.and_then(|end| meaning(&page[1..end]));
    match (meant, end) {
        (Some(meant), Some(end)) => {
            text.push_str(&meant);
            &page[end + 1..]
        }
        _ => {
            text.push('&');
            &page[1..]
        }
    }
}

fn meaning(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).map(String::from);
    }
    NAMED.iter().find(|(it, _)| *it == name).map(|(_, text)| (*text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(page: &str) -> String {
        strip(page).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_what_people_see_is_left() {
        assert_eq!(
            words(
                "<html><head><title>T</title></head><STYLE>a<b</sTyle ><!-- <p> --><p>Gr&uuml; &amp; &#8364;&#x41;<br/>x</p>"
            ),
            "Gr&uuml; & €A x"
        );
        assert_eq!(words("a<b"), "a");
        assert_eq!(words("<script>never ended <p>x</p>"), "");
        assert_eq!(words("& &; &#x110000; &é;"), "& &; &#x110000; &é;");
        assert_eq!(words("<é>x"), "x");
    }
}
