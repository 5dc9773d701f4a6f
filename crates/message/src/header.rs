//! The header of a message: its physical lines as they come, its fields when it lies in memory.
//!
//! A header ends at the first empty line or with the message. What is no field (no colon, a
//! first line that begins with a blank, an mbox `From ` line) is shown as what it is and
//! ends nothing: a strange line must hide no later one.

/// Octets of a header line that are looked at; RFC 5322 §2.1.1 allows 998.
pub const LINE_LIMIT: usize = 8192;

/// Physical header lines from pieces of any size, in bounded memory. Nothing is unfolded.
#[derive(Debug, Default)]
pub struct HeaderLines {
    line: Vec<u8>,
    over: bool,
}

impl HeaderLines {
    /// Stands before the first line.
    pub fn new() -> HeaderLines {
        HeaderLines::default()
    }

    /// Calls `each` with every complete header line in `input`: without its LF, cut after
    /// [`LINE_LIMIT`] octets. True once the empty line has been seen; the rest is not looked at.
    pub fn feed(&mut self, mut input: &[u8], each: &mut impl FnMut(&[u8])) -> bool {
        while !self.over && !input.is_empty() {
            let end = input.iter().position(|b| *b == b'\n');
            let piece = &input[..end.unwrap_or(input.len())];
            let room = LINE_LIMIT.saturating_sub(self.line.len()).min(piece.len());
            self.line.extend_from_slice(&piece[..room]);
            let Some(end) = end else { break };
            self.over = self.line.is_empty();
            if !self.over {
                each(&self.line);
            }
            self.line.clear();
            input = &input[end + 1..];
        }
        self.over
    }
}

/// Does this header line count as a hop? As qmail-smtpd counts: it begins with `received` or
/// `delivered`, in any case. Continuation lines begin with a blank and never count.
pub fn hop(line: &[u8]) -> bool {
    let begins =
        |word: &str| line.len() >= word.len() && line[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    begins("received") || begins("delivered")
}

/// The header (with the LF of its last line) and the body of a message; the empty line
/// between them is in neither.
pub fn split(message: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < message.len() {
        let rest = &message[at..];
        if rest[0] == b'\n' {
            return (&message[..at], &rest[1..]);
        }
        at += rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |end| end + 1);
    }
    (message, b"")
}

/// One field of a header with its continuation lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// All of it, line ends included.
    pub raw: &'a [u8],
    /// The name in the writer's case, without blanks before the colon. Empty when the line is
    /// no field (no colon, blanks inside the name, or a continuation of nothing).
    pub name: &'a [u8],
    /// What follows the colon, folded as it came, without the blanks and line end around it.
    /// All of the line when it is no field.
    pub body: &'a [u8],
}

impl Field<'_> {
    /// Is this the field `name`? In any case.
    pub fn is(&self, name: &str) -> bool {
        !name.is_empty() && self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of `header`, in order; stops at an empty line.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = split(header).0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (raw, after) = rest.split_at(field_end(rest));
        rest = after;
        Some(field(raw))
    })
}

fn field_end(header: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += header[at..].iter().position(|b| *b == b'\n').map_or(header.len() - at, |end| end + 1);
        match header.get(at) {
            Some(b' ' | b'\t') => {}
            _ => return at,
        }
    }
}

fn field(raw: &[u8]) -> Field<'_> {
    let colon = raw.iter().position(|b| *b == b':').unwrap_or(0);
    let name = raw[..colon].trim_ascii_end();
    let good = !name.is_empty() && name.iter().all(|b| b.is_ascii_graphic());
    if good {
        Field { raw, name, body: raw[colon + 1..].trim_ascii() }
    } else {
        Field { raw, name: b"", body: raw.trim_ascii() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
        let (mut seen, mut over, mut header) = (Vec::new(), false, HeaderLines::new());
        for piece in pieces {
            over = header.feed(piece, &mut |line| seen.push(line.to_vec()));
        }
        (seen, over)
    }

    #[test]
    fn lines_after_the_empty_one_are_no_header_lines() {
        let (seen, over) = lines(&[b"a: 1\n b\nreceived\n\nc: 3\n\nd\n"]);
        assert_eq!((seen, over), (vec![b"a: 1".to_vec(), b" b".to_vec(), b"received".to_vec()], true));
        assert_eq!(lines(&[b"\na: 1\n"]), (vec![], true));
        assert_eq!(lines(&[b"a: 1\nb"]), (vec![b"a: 1".to_vec()], false));
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let input = b"Received: x\n y\nno colon\n lead\nDelivered-To: a\n\nbody: 1\n";
        let whole = lines(&[input]);
        for cut in 0..=input.len() {
            assert_eq!(lines(&[&input[..cut], &input[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut header = HeaderLines::new();
        for _ in 0..1000 {
            assert!(!header.feed(&[b'x'; 10_000], &mut |_| panic!("no line has ended")));
        }
        assert!(header.line.capacity() <= 2 * LINE_LIMIT);
        header.feed(b"\n", &mut |line| assert_eq!(line.len(), LINE_LIMIT));
    }

    #[test]
    fn hops_are_counted_as_qmail_smtpd_counts_them() {
        for line in ["Received: x", "received", "DELIVERED-TO: x", "ReceivedX"] {
            assert!(hop(line.as_bytes()), "{line}");
        }
        for line in [" Received: x", "Receive", "X-Received: x", "", "Deliver"] {
            assert!(!hop(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn header_and_body_part_at_the_first_empty_line() {
        assert_eq!(split(b"a: 1\n\nb\n\nc"), (&b"a: 1\n"[..], &b"b\n\nc"[..]));
        assert_eq!(split(b"\nb"), (&b""[..], &b"b"[..]));
        assert_eq!(split(b"a: 1\nb"), (&b"a: 1\nb"[..], &b""[..]));
        assert_eq!(split(b""), (&b""[..], &b""[..]));
    }

    #[test]
    fn strange_lines_hide_no_field() {
        let header = b" lead\nFrom me Sat\nSubject : a\n b\n\tc\nno colon\nTo:x\n: y\nCc: z\n\nBcc: no\n";
        let seen: Vec<(&[u8], &[u8])> = fields(header).map(|f| (f.name, f.body)).collect();
        let expect: &[(&[u8], &[u8])] = &[
            (b"", b"lead"),
            (b"", b"From me Sat"),
            (b"Subject", b"a\n b\n\tc"),
            (b"", b"no colon"),
            (b"To", b"x"),
            (b"", b": y"),
            (b"Cc", b"z"),
        ];
        assert_eq!(seen, expect);
        let raw: Vec<u8> = fields(header).flat_map(|f| f.raw.to_vec()).collect();
        assert_eq!(raw, split(header).0);
        assert!(fields(header).any(|f| f.is("subject")));
        assert!(!fields(header).any(|f| f.is("")));
    }
}
