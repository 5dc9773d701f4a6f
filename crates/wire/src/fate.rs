//! The three answers to everything that can happen to mail: done, later, never.
//!
//! Their mapping to letters, exit codes and SMTP classes stands here and nowhere else.

use std::borrow::Cow;
use std::fmt;

/// An enhanced status code (RFC 3463), such as `5.1.1`. The class is kept apart from
/// [`Fate`]'s on purpose: a code may be absent (`0.0.0` is shown as nothing).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Code(pub u8, pub u16, pub u16);

impl Code {
    /// No status code given.
    pub const NONE: Code = Code(0, 0, 0);

    /// Reads `d.d{1,3}.d{1,3}` from the start of `text`; gives the code and what follows it.
    pub fn split(text: &str) -> (Code, &str) {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match Code::read(word) {
            Some(code) => (code, rest),
            None => (Code::NONE, text),
        }
    }

    fn read(word: &str) -> Option<Code> {
        let mut parts = word.split('.');
        let mut number = |most: usize| {
            let part = parts.next()?;
            let digits = !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
            if digits { part.parse::<u16>().ok() } else { None }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let known = matches!(class, 2 | 4 | 5) && parts.next().is_none();
        known.then_some(Code(class as u8, subject, detail))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A status code and one sentence for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// RFC 3463 code, or [`Code::NONE`].
    pub code: Code,
    /// One line, no control characters.
    pub sentence: Cow<'static, str>,
}

impl Text {
    /// A text of `code` and `sentence`; control characters become `_`, so it stays one line.
    pub fn new(code: Code, sentence: impl Into<Cow<'static, str>>) -> Text {
        let sentence = sentence.into();
        let clean = !sentence.chars().any(char::is_control);
        let sentence = if clean { sentence } else { sentence.replace(|c: char| c.is_control(), "_").into() };
        Text { code, sentence }
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code == Code::NONE, self.sentence.is_empty()) {
            (true, _) => f.write_str(&self.sentence),
            (false, true) => write!(f, "{}", self.code),
            (false, false) => write!(f, "{} {}", self.code, self.sentence),
        }
    }
}

/// What became of a message, a recipient or a question.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Fate {
    /// It is done, durably.
    Done(Text),
    /// Not now; try again.
    Later(Text),
    /// Never; say so to the sender.
    Never(Text),
}

impl Fate {
    /// Done, with a sentence (may be empty) for the log.
    pub fn done(sentence: impl Into<Cow<'static, str>>) -> Fate {
        Fate::Done(Text::new(Code::NONE, sentence))
    }

    /// Later, because of `sentence`; `subject` and `detail` complete the code `4.x.y`.
    pub fn later(subject: u16, detail: u16, sentence: impl Into<Cow<'static, str>>) -> Fate {
        Fate::Later(Text::new(Code(4, subject, detail), sentence))
    }

    /// Never, because of `sentence`; `subject` and `detail` complete the code `5.x.y`.
    pub fn never(subject: u16, detail: u16, sentence: impl Into<Cow<'static, str>>) -> Fate {
        Fate::Never(Text::new(Code(5, subject, detail), sentence))
    }

    /// Is it done?
    pub fn is_done(&self) -> bool {
        matches!(self, Fate::Done(_))
    }

    /// The code and sentence.
    pub fn text(&self) -> &Text {
        match self {
            Fate::Done(text) | Fate::Later(text) | Fate::Never(text) => text,
        }
    }

    /// `K`, `Z` or `D`: the letter on pipes and in packets.
    pub fn letter(&self) -> u8 {
        match self {
            Fate::Done(_) => b'K',
            Fate::Later(_) => b'Z',
            Fate::Never(_) => b'D',
        }
    }

    /// 0, 111 or 100: the exit code.
    pub fn exit_code(&self) -> i32 {
        match self {
            Fate::Done(_) => 0,
            Fate::Later(_) => 111,
            Fate::Never(_) => 100,
        }
    }

    /// 250, 451 or 550: the SMTP reply, where nothing more exact is known.
    pub fn smtp_reply(&self) -> u16 {
        match self {
            Fate::Done(_) => 250,
            Fate::Later(_) => 451,
            Fate::Never(_) => 550,
        }
    }

    /// The packet form: letter, then code and sentence (`D5.1.1 No such user`).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.letter()];
        bytes.extend_from_slice(self.text().to_string().as_bytes());
        bytes
    }

    /// Reads the packet form. `None` when the first byte is none of the three letters;
    /// bytes that are not UTF-8 are replaced, control characters become `_`.
    pub fn parse(bytes: &[u8]) -> Option<Fate> {
        let (letter, rest) = bytes.split_first()?;
        let rest = String::from_utf8_lossy(rest);
        let (code, sentence) = Code::split(&rest);
        let text = Text::new(code, sentence.to_owned());
        match letter {
            b'K' => Some(Fate::Done(text)),
            b'Z' => Some(Fate::Later(text)),
            b'D' => Some(Fate::Never(text)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_form_and_back_is_the_same() {
        for fate in [
            Fate::done(""),
            Fate::done("did 1+0+0"),
            Fate::later(2, 2, "Mailbox is full"),
            Fate::never(1, 1, "No such user"),
        ] {
            assert_eq!(Fate::parse(&fate.to_bytes()), Some(fate));
        }
    }

    #[test]
    fn unknown_letters_are_no_answer() {
        assert_eq!(Fate::parse(b""), None);
        assert_eq!(Fate::parse(b"X"), None);
    }

    #[test]
    fn a_sentence_stays_on_one_line() {
        let fate = Fate::parse(b"Dfoo\r\nbar\0").unwrap();
        assert_eq!(fate.to_bytes(), b"Dfoo__bar_");
    }

    #[test]
    fn a_sentence_that_only_looks_like_a_code_keeps_its_words() {
        for text in ["5.1 no", "5.1.1.1 no", "9.1.1 no", "5.1234.1 no", "127.0.0.1 said no"] {
            assert_eq!(Code::split(text), (Code::NONE, text));
        }
        assert_eq!(Code::split("5.7.1 no"), (Code(5, 7, 1), "no"));
    }
}
