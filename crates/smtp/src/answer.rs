//! What another server answers: one reply of one or more lines, bounded whatever it sends.
//!
//! RFC 5321 §4.2. A server that breaks the form, or that talks without end, is not argued with: its
//! words are [`Garbage`], and the talk is over.

use wire::Code;

/// Longest line that is kept; what is beyond is eaten and forgotten.
const LINE_MAX: usize = 1000;
/// Most octets and most lines of one reply.
const REPLY_MAX: usize = 64 << 10;
const LINES_MAX: usize = 200;
/// Octets of the text that is kept of all lines.
const TEXT_MAX: usize = 1500;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// 200 to 599.
    pub(crate) code: u16,
    /// RFC 3463 code at the start of the first line that has one, if it is of the reply's class.
    pub(crate) status: Code,
    /// Code and text on one line, lines joined by a blank, without control characters.
    pub(crate) text: String,
}

impl Answer {
    /// 2, 3, 4 or 5.
    pub(crate) fn class(&self) -> u16 {
        self.code / 100
    }
}

/// What is no reply, or one without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbage;

/// Gathers a reply, octet by octet.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    line: Vec<u8>,
    octets: usize,
    lines: usize,
    code: u16,
    status: Code,
    text: String,
}

impl Answers {
    /// Before a reply.
    pub(crate) fn new() -> Answers {
        Answers::default()
    }

    /// Takes octets of `input` up to the end of a reply; gives how many were taken.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Answer>), Garbage> {
        for (place, byte) in input.iter().enumerate() {
            self.octets += 1;
            if self.octets > REPLY_MAX {
                return Err(Garbage);
            }
            if *byte != b'\n' {
                if self.line.len() < LINE_MAX {
                    self.line.push(*byte);
                }
            } else if self.end_of_line()? {
                return Ok((place + 1, Some(self.whole())));
            }
        }
        Ok((input.len(), None))
    }

    /// Takes a line; true: the last one.
    fn end_of_line(&mut self) -> Result<bool, Garbage> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let (digits, rest) = line.split_at_checked(3).ok_or(Garbage)?;
        let code = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u16>().ok());
        let code = code.filter(|code| digits[0] != b'+' && (200..600).contains(code)).ok_or(Garbage)?;
        let (last, text) = match rest {
            [] => (true, rest),
            [b' ', text @ ..] => (true, text),
            [b'-', text @ ..] => (false, text),
            _ => return Err(Garbage),
        };
        self.lines += 1;
        // All lines of a reply have one code.
        if self.lines > LINES_MAX || (self.lines > 1 && self.code != code) {
            return Err(Garbage);
        }
        self.code = code;
        self.keep(text);
        Ok(last)
    }

    fn keep(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let (status, _) = Code::split(&text);
        if self.status == Code::NONE && u16::from(status.0) == self.code / 100 {
            self.status = status;
        }
        if self.text.len() < TEXT_MAX {
            self.text.push(' ');
            let clean = |c: char| if c.is_control() { '_' } else { c };
            self.text.extend(text.trim_end().chars().map(clean));
        }
    }

    fn whole(&mut self) -> Answer {
        let done = std::mem::take(self);
        let mut text = format!("{}{}", done.code, done.text).trim_end().to_owned();
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        Answer { code: done.code, status: done.status, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Option<Answer>, Garbage> {
        let mut answers = Answers::new();
        answers.feed(input).map(|(_, answer)| answer)
    }

    #[test]
    fn replies_of_one_and_more_lines_are_read() {
        let answer = read(b"250 2.1.0 ok\r\n").unwrap().unwrap();
        assert_eq!((answer.code, answer.status, &answer.text[..]), (250, Code(2, 1, 0), "250 2.1.0 ok"));
        let answer = read(b"550-5.1.1 no\r\n550-\r\n550 such user\n").unwrap().unwrap();
        assert_eq!(
            (answer.class(), answer.status, &answer.text[..]),
            (5, Code(5, 1, 1), "550 5.1.1 no  such user")
        );
        assert_eq!(read(b"250\r\n").unwrap().unwrap().text, "250");
        assert_eq!(read(b"450 5.1.1 x\r\n").unwrap().unwrap().status, Code::NONE);
        assert_eq!(read(b"250-a\r\n250").unwrap(), None);
    }

    #[test]
    fn what_is_no_reply_is_never_taken_for_one() {
        // R01
        for input in [
            &b"\r\n"[..],
            b"hello\r\n",
            b"25\r\n",
            b"000 x\r\n",
            b"199 x\r\n",
            b"999 x\r\n",
            b"+25 x\r\n",
            b"2500 x\r\n",
            b"250_x\r\n",
            b"250-a\r\n251 b\r\n",
            b"250-a\r\n550 b\r\n",
            b"\0\0\0 x\r\n",
        ] {
            assert_eq!(read(input), Err(Garbage), "{input:?}");
        }
    }

    #[test]
    fn talk_without_end_is_garbage_and_memory_stays_small() {
        // R01
        assert_eq!(read(&vec![b'x'; 1 << 20]), Err(Garbage));
        assert_eq!(read(&b"250-x\r\n".repeat(10_000)), Err(Garbage));
        let mut answers = Answers::new();
        let long = [&b"250 "[..], &[b'y'; 60_000], b"\r\n"].concat();
        let (_, answer) = answers.feed(&long).unwrap();
        assert!(answer.unwrap().text.len() <= TEXT_MAX);
    }

    #[test]
    fn a_text_is_one_line_without_control_characters() {
        // R02, Q12
        let answer = read(b"550-a\rb\x1b[2J\0\r\n550 \n;F..\xff\r\n").unwrap().unwrap();
        assert!(!answer.text.chars().any(char::is_control), "{}", answer.text);
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let input = b"250-one\r\n250-2.0.0 two\r\n250 three\r\nrest";
        let whole = Answers::new().feed(input).unwrap();
        for cut in 0..input.len() {
            let mut answers = Answers::new();
            let (used, answer) = answers.feed(&input[..cut]).unwrap();
            let (used, answer) = match answer {
                Some(answer) => (used, Some(answer)),
                None => answers.feed(&input[cut..]).map(|(more, answer)| (used + more, answer)).unwrap(),
            };
            assert_eq!((used, answer), whole, "{cut}");
        }
    }
}
