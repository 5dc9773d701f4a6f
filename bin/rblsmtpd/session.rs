//! The little SMTP that a client who is blocked hears: until it names a recipient it is treated
//! kindly, so that its owner gets the reason back with his mail.

use std::io::{self, Write};

use wire::{Flow, Line, Lines};

use crate::verdict::Block;

/// RFC 5321 §4.5.3.1.4, without CR LF.
const LINE_MAX: usize = 510;
/// Commands after which the client is hung up on.
const MOST: u32 = 100;
/// What is said in our own name, as by ucspi-tcp's.
const NAME: &str = "rblsmtpd.local";

/// Commands that are answered with 250.
const KIND: &[&str] = &["HELO", "EHLO", "MAIL", "RSET", "NOOP", "HELP"];

/// A session with a client who is blocked.
pub(crate) struct Session {
    refusal: String,
    lines: Lines,
    commands: u32,
}

impl Session {
    pub(crate) fn new(block: &Block) -> Session {
        Session { refusal: refusal(block), lines: Lines::lenient(LINE_MAX), commands: 0 }
    }
}

/// The reply, at most 512 octets with its CR LF.
pub(crate) fn refusal(block: &Block) -> String {
    let start = if block.forever { "553 5.7.1 " } else { "451 4.7.1 " };
    let clean = |b: u8| if matches!(b, b' '..=b'~') { char::from(b) } else { '?' };
    let text: String = block.text.bytes().take(LINE_MAX - start.len()).map(clean).collect();
    format!("{start}{text}")
}

impl wire::Session for Session {
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        write!(out, "220 {NAME}\r\n")?;
        Ok(Flow::More)
    }

    fn feed(&mut self, mut input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        while let Some(line) = self.lines.take(&mut input) {
            let verb = match line {
                Line::Whole(line) => line.split(|b| *b == b' ').next().unwrap_or_default(),
                Line::TooLong | Line::Stray => b"",
            };
            self.commands += 1;
            if verb.eq_ignore_ascii_case(b"QUIT") || self.commands > MOST {
                write!(out, "221 {NAME}\r\n")?;
                return Ok(Flow::Close);
            }
            match KIND.iter().any(|kind| verb.eq_ignore_ascii_case(kind.as_bytes())) {
                true => write!(out, "250 {NAME}\r\n")?,
                false => write!(out, "{}\r\n", self.refusal)?,
            }
        }
        Ok(Flow::More)
    }

    fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "421 {NAME} timeout\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Session as _;

    fn talk(block: &Block, pieces: &[&[u8]]) -> (Vec<String>, Flow) {
        let (mut session, mut out, mut flow) = (Session::new(block), Vec::new(), Flow::More);
        for piece in pieces {
            if flow == Flow::More {
                flow = session.feed(piece, &mut out).unwrap();
            }
        }
        (String::from_utf8(out).unwrap().lines().map(str::to_owned).collect(), flow)
    }

    #[test]
    fn recipients_hear_the_reason_and_cutting_the_input_changes_nothing() {
        let block = Block { forever: true, text: "Go away".into() };
        let input = b"EHLO x\r\nMAIL FROM:<>\nRCPT TO:<a>\r\nDATA\r\nQUIT\r\nRCPT x\r\n";
        let whole = talk(&block, &[input]);
        let (ok, no) = ("250 rblsmtpd.local", "553 5.7.1 Go away");
        assert_eq!(whole.0, [ok, ok, no, no, "221 rblsmtpd.local"]);
        assert_eq!(whole.1, Flow::Close);
        for cut in 0..=input.len() {
            assert_eq!(talk(&block, &[&input[..cut], &input[cut..]]), whole);
        }
    }

    #[test]
    fn a_strange_text_stays_one_short_line() {
        // S60
        let text = format!("a\r\n250 ok{}", "é".repeat(1000));
        let reply = refusal(&Block { forever: false, text });
        assert!(reply.starts_with("451 4.7.1 a??250 ok??") && reply.len() == 510 && reply.is_ascii());
    }

    #[test]
    fn a_client_that_never_stops_is_stopped() {
        let block = Block { forever: false, text: "x".into() };
        assert_eq!(talk(&block, &[&b"NOOP\r\n".repeat(200)]).1, Flow::Close);
    }
}
