//! BODY from a rendered BODYSTRUCTURE: the same without extension data. RFC 9051 §7.5.2.

/// Leaves the extension data out; `None`: this is no structure that we wrote.
pub(crate) fn without_extensions(structure: &[u8]) -> Option<Vec<u8>> {
    let mut walk = Walk { rest: structure, out: Vec::with_capacity(structure.len()) };
    walk.body(DEEPEST)?;
    walk.rest.is_empty().then_some(walk.out)
}

const DEEPEST: usize = mime::MOST_DEPTH + 2;

struct Walk<'a> {
    rest: &'a [u8],
    out: Vec<u8>,
}

impl Walk<'_> {
    fn body(&mut self, deeper: usize) -> Option<()> {
        let deeper = deeper.checked_sub(1)?;
        self.copy(1).filter(|it| *it == b"(")?;
        if self.rest.first() == Some(&b'(') {
            while self.rest.first() == Some(&b'(') {
                self.body(deeper)?;
            }
            self.blank_and_items(1)?;
        } else {
            self.single(deeper)?;
        }
        // The extension data.
        while self.rest.first() == Some(&b' ') {
            self.rest = &self.rest[1..];
            let item = item(self.rest)?;
            self.rest = &self.rest[item..];
        }
        self.copy(1).filter(|it| *it == b")").map(drop)
    }

    fn single(&mut self, deeper: usize) -> Option<()> {
        let kind = self.copy(item(self.rest)?)?.to_ascii_lowercase();
        self.blank_and_items(6)?;
        let message = kind == b"\"message\"" && self.rest.starts_with(b" (");
        if message {
            self.blank_and_items(1)?;
            self.copy(1)?;
            self.body(deeper)?;
        }
        if message || kind == b"\"text\"" {
            self.blank_and_items(1)?;
        }
        Some(())
    }

    fn blank_and_items(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.copy(1).filter(|it| *it == b" ")?;
            self.copy(item(self.rest)?)?;
        }
        Some(())
    }

    fn copy(&mut self, octets: usize) -> Option<&[u8]> {
        let (item, rest) = self.rest.split_at_checked(octets)?;
        self.out.extend_from_slice(item);
        self.rest = rest;
        Some(item)
    }
}

/// The length of the string, number, NIL or list at the front.
fn item(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        at += match text.get(at)? {
            b'(' => {
                depth += 1;
                1
            }
            b')' => {
                depth = depth.checked_sub(1)?;
                1
            }
            b' ' if depth > 0 => 1,
            b'"' => quoted(&text[at..])?,
            b'{' => literal(&text[at..])?,
            byte if byte.is_ascii_alphanumeric() => word(&text[at..]),
            _ => return None,
        };
        if depth == 0 {
            return (at <= text.len()).then_some(at);
        }
    }
}

fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => 2,
            _ => 1,
        };
    }
}

fn literal(text: &[u8]) -> Option<usize> {
    let end = text.iter().take(12).position(|byte| *byte == b'}')?;
    let octets: usize = std::str::from_utf8(&text[1..end]).ok()?.parse().ok()?;
    text[end..].starts_with(b"}\r\n").then(|| end + 3 + octets)
}

fn word(text: &[u8]) -> usize {
    text.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::body_structure;

    #[test]
    fn it_is_what_would_have_been_written_without_extensions() {
        let leaf = "Content-Type: text/plain; name=\"a\\\"é)(\"\nContent-Disposition: x; y=z\nContent-Language: a, b\n\nq\n";
        let message = format!("Content-Type: message/rfc822\n\nSubject: é (\"\n{leaf}");
        let many = format!(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n{leaf}--a\n{message}--a\n\
            Content-Type: multipart/x; boundary=b\n\n--a\nContent-Type: image/png\n\n\n--a--\n"
        );
        for text in [leaf, &message, &many, "", &"Content-Type: message/rfc822\n\n".repeat(200)] {
            let part = mime::scan(text.as_bytes());
            let (mut long, mut short) = (Vec::new(), Vec::new());
            body_structure(&part, text.as_bytes(), true, &mut long);
            body_structure(&part, text.as_bytes(), false, &mut short);
            assert_eq!(without_extensions(&long), Some(short));
            for cut in 0..long.len() {
                assert_eq!(without_extensions(&long[..cut]), None);
            }
        }
    }

    #[test]
    fn rubbish_is_told() {
        for text in ["", "(", ")", "()", "((((", "(\"a\" {99999999999}\r\n", "(\"a\" {5}\r\nx)", "(NIL"] {
            assert_eq!(without_extensions(text.as_bytes()), None, "{text}");
        }
        assert_eq!(without_extensions("(".repeat(1_000_000).as_bytes()), None);
    }
}
