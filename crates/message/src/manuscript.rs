//! A message as people and scripts write it: with LF or CR LF line ends, perhaps without a header.
//!
//! A header ends at an empty line or before the first line that is no header line: a script may
//! print a body and nothing else. A leading mbox line (`From ` or `>From `) is kept as a field,
//! `MBOX-Line`. Every CR LF becomes LF; a lone CR stays what it is in the body and becomes a blank
//! in the header, where some programs would take it for a line end.

/// Octets of the longest header.
pub const HEADER_MAX: usize = 16 << 20;

/// A piece of a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// A field with its continuation lines and its line end.
    Field(&'a [u8]),
    /// A piece of the body. The empty line before it is in no part.
    Body(&'a [u8]),
}

/// The header is longer than [`HEADER_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Cuts a message into fields and body.
#[derive(Debug, Default)]
pub struct Manuscript {
    /// A CR whose successor has not come yet.
    cr: bool,
    /// The header is over.
    body: bool,
    field: Vec<u8>,
    line: Vec<u8>,
    size: usize,
}

impl Manuscript {
    /// Stands before the first line.
    pub fn new() -> Manuscript {
        Manuscript::default()
    }

    /// Takes the next octets.
    pub fn feed(&mut self, piece: &[u8], each: &mut impl FnMut(Part<'_>)) -> Result<(), TooLarge> {
        let mut rest = piece;
        while !rest.is_empty() {
            if self.cr {
                self.cr = false;
                if rest[0] != b'\n' {
                    self.take(b"\r", each)?;
                }
            }
            let end = rest.iter().position(|b| *b == b'\r').unwrap_or(rest.len());
            self.take(&rest[..end], each)?;
            self.cr = end < rest.len();
            rest = &rest[(end + 1).min(rest.len())..];
        }
        Ok(())
    }

    /// No more comes.
    pub fn end(mut self, each: &mut impl FnMut(Part<'_>)) -> Result<(), TooLarge> {
        if std::mem::take(&mut self.cr) {
            self.take(b"\r", each)?;
        }
        if !self.body && !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.line_ended(line, b"", each);
        }
        self.field_ended(each);
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Part<'_>)) -> Result<(), TooLarge> {
        while !self.body && !bytes.is_empty() {
            let end = bytes.iter().position(|b| *b == b'\n');
            let piece = &bytes[..end.unwrap_or(bytes.len())];
            self.size += piece.len() + 1;
            if self.size > HEADER_MAX {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(piece);
            let Some(end) = end else { return Ok(()) };
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.line_ended(line, b"\n", each);
        }
        if !bytes.is_empty() {
            each(Part::Body(bytes));
        }
        Ok(())
    }

    fn line_ended(&mut self, mut line: Vec<u8>, end: &[u8], each: &mut impl FnMut(Part<'_>)) {
        let first = self.field.is_empty();
        let goes_on = !first && line.first().is_some_and(|b| matches!(b, b' ' | b'\t'));
        if first && (line.starts_with(b"From ") || line.starts_with(b">From ")) {
            line.splice(..0, *b"MBOX-Line: ");
        }
        if goes_on || begins_field(&line) {
            if !goes_on {
                self.field_ended(each);
            }
            line.iter_mut().filter(|b| **b == b'\r').for_each(|b| *b = b' ');
            self.field.extend_from_slice(&line);
            self.field.push(b'\n');
            return;
        }
        self.field_ended(each);
        self.body = true;
        for piece in [&line[..], end].into_iter().filter(|piece| !line.is_empty() && !piece.is_empty()) {
            each(Part::Body(piece));
        }
    }

    fn field_ended(&mut self, each: &mut impl FnMut(Part<'_>)) {
        if !self.field.is_empty() {
            each(Part::Field(&self.field));
            self.field.clear();
        }
    }
}

/// A name of visible letters, perhaps blanks, a colon. RFC 5322 §2.2 and §4.5.
fn begins_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|b| *b == b':') else { return false };
    let name = line[..colon].trim_ascii_end();
    !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each field, then the body.
    fn read(pieces: &[&[u8]]) -> (Vec<String>, String) {
        let (mut fields, mut body) = (Vec::new(), Vec::new());
        let mut each = |part: Part<'_>| match part {
            Part::Field(field) => fields.push(String::from_utf8_lossy(field).into_owned()),
            Part::Body(piece) => body.extend_from_slice(piece),
        };
        let mut manuscript = Manuscript::new();
        pieces.iter().for_each(|piece| manuscript.feed(piece, &mut each).unwrap());
        manuscript.end(&mut each).unwrap();
        (fields, String::from_utf8_lossy(&body).into_owned())
    }

    const CASES: &[(&str, &[&str], &str)] = &[
        ("A: 1\nB: 2\n 3\n\nbody\n", &["A: 1\n", "B: 2\n 3\n"], "body\n"),
        ("A: 1\r\nB: 2\r\n\r\nbody\r\nx\ry\r", &["A: 1\n", "B: 2\n"], "body\nx\ry\r"),
        ("A: 1\r\nB: 2\n\nmixed\r\r\n", &["A: 1\n", "B: 2\n"], "mixed\r\n"),
        ("A: 1\rBcc: 2\n\n", &["A: 1 Bcc: 2\n"], ""),
        ("hello\nA: 1\n", &[], "hello\nA: 1\n"),
        ("A: 1\nhello\n", &["A: 1\n"], "hello\n"),
        ("\nbody", &[], "body"),
        ("\n\nbody", &[], "\nbody"),
        ("A: 1", &["A: 1\n"], ""),
        ("hello", &[], "hello"),
        ("", &[], ""),
        ("\n", &[], ""),
        (" lead\nA: 1\n", &[], " lead\nA: 1\n"),
        ("From bob Sat\nA: 1\n\nx", &["MBOX-Line: From bob Sat\n", "A: 1\n"], "x"),
        ("A: 1\nFrom bob\n", &["A: 1\n"], "From bob\n"),
        ("A : 1\nno colon here: 2\n", &["A : 1\n"], "no colon here: 2\n"),
        (".\n.\n", &[], ".\n.\n"),
        ("A: 1\n\n.\nx\n", &["A: 1\n"], ".\nx\n"),
    ];

    #[test]
    fn header_and_body_are_found_however_a_script_writes_them() {
        for (text, fields, body) in CASES {
            assert_eq!(
                read(&[text.as_bytes()]),
                (fields.iter().map(|f| (*f).to_owned()).collect(), (*body).to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        for (text, ..) in CASES {
            let text = text.as_bytes();
            let whole = read(&[text]);
            for cut in 0..=text.len() {
                assert_eq!(read(&[&text[..cut], &text[cut..]]), whole, "{cut}");
            }
        }
    }

    #[test]
    fn an_endless_header_is_refused_and_an_endless_body_is_not() {
        let mut manuscript = Manuscript::new();
        let line = [b'x'; 1 << 20];
        let fed = (0..20).map(|_| manuscript.feed(&line, &mut |_| {})).find(Result::is_err);
        assert_eq!(fed, Some(Err(TooLarge)));
        let mut manuscript = Manuscript::new();
        manuscript.feed(b"\n", &mut |_| {}).unwrap();
        let mut seen = 0;
        for _ in 0..20 {
            manuscript.feed(&line, &mut |_| seen += 1).unwrap();
        }
        assert_eq!(seen, 20);
    }
}
