//! A delivery status notification: readable words, a report for programs, the message. RFC 3464.
//!
//! Remote answers and addresses are strangers' words: each becomes one harmless line, whatever
//! it holds. Knows nothing of the queue; time and the boundary are handed in.

use std::io::{self, Write};

use queue::Failure;
use wire::{Code, Fate};

/// Letters of a stranger's text on one line; lines have an end. RFC 5322 §2.1.1.
const TEXT_MAX: usize = 800;

/// What a notification says of itself.
#[derive(Debug)]
pub(crate) struct Notice {
    /// Name of this host.
    pub(crate) me: String,
    /// `From` address.
    pub(crate) from: String,
    /// `To` address.
    pub(crate) to: String,
    /// `Subject`.
    pub(crate) subject: String,
    /// Seconds since 1970, now.
    pub(crate) now: i64,
    /// Seconds since 1970, when the message came.
    pub(crate) arrival: i64,
    /// The message's id in the queue.
    pub(crate) id: u64,
    /// What is said before the failed recipients, each line with its newline.
    pub(crate) words: String,
    /// Letters and digits that occur in no text: random.
    pub(crate) boundary: String,
}

/// What has failed.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Those that are told, one by one.
    pub(crate) told: Vec<Failure>,
    /// How many there are beside them.
    pub(crate) more: u64,
}

/// How much of the original goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Original {
    /// All of it.
    Whole,
    /// Its header, because it is larger than this many octets.
    Header(u64),
}

impl Notice {
    /// Writes everything up to the original, which has to follow, and then [`Notice::end`].
    pub(crate) fn start(
        &self,
        failures: &Failures,
        original: Original,
        out: &mut impl Write,
    ) -> io::Result<()> {
        self.header(out)?;
        self.words(failures, original, out)?;
        self.report(failures, out)?;
        let kind = if original == Original::Whole { "message/rfc822" } else { "text/rfc822-headers" };
        self.part(kind, "8bit", out)
    }

    /// Writes what follows the original.
    pub(crate) fn end(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "\n--{}--\n", self.boundary)
    }

    fn header(&self, out: &mut impl Write) -> io::Result<()> {
        let date = message::date(self.now);
        write!(
            out,
            "Date: {date}\nFrom: Mail Delivery System <{}>\nTo: {}\nSubject: {}\n\
             Message-ID: <{}.{}.bounce@{}>\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
             Content-Type: multipart/report; report-type=delivery-status;\n\tboundary=\"{}\"\n\n\
             This is a delivery report in MIME format.\n",
            line(&self.from),
            line(&self.to),
            line(&self.subject),
            self.id,
            self.now,
            line(&self.me),
            self.boundary
        )
    }

    // The words begin as qmail's bounces do, which programs know by it (QSBMF).
    fn words(&self, failures: &Failures, original: Original, out: &mut impl Write) -> io::Result<()> {
        self.part("text/plain; charset=utf-8", "8bit", out)?;
        writeln!(out, "Hi. This is the Fulmar mail server at {}.", line(&self.me))?;
        for text in self.words.lines() {
            writeln!(out, "{}", line(text))?;
        }
        for failure in &failures.told {
            write!(out, "\n<{}>:\n{}\n", line_of(&failure.address), line(&failure.fate.text().sentence))?;
            if matches!(failure.fate, Fate::Later(_)) {
                out.write_all(b"I'm not going to try again; this message has been in the queue too long.\n")?;
            }
        }
        if failures.more > 0 {
            write!(out, "\nThere are {} more recipients that failed; they are not listed.\n", failures.more)?;
        }
        match original {
            Original::Whole => out.write_all(b"\n--- Below this line is a copy of the message.\n"),
            Original::Header(size) => {
                write!(out, "\n--- Below this line is the header of the message of {size} bytes.\n")
            }
        }
    }

    // RFC 3464 §2
    fn report(&self, failures: &Failures, out: &mut impl Write) -> io::Result<()> {
        self.part("message/delivery-status", "7bit", out)?;
        let arrival = message::date(self.arrival);
        write!(
            out,
            "Reporting-MTA: dns; {}\nX-Fulmar-Queue-ID: {}\nArrival-Date: {arrival}\n",
            ascii(&self.me),
            self.id
        )?;
        for failure in &failures.told {
            let text = failure.fate.text();
            write!(
                out,
                "\nFinal-Recipient: {}\nAction: failed\nStatus: {}\n",
                typed(&failure.address),
                status(&failure.fate)
            )?;
            if !text.sentence.is_empty() {
                writeln!(out, "Diagnostic-Code: x-fulmar; {}", ascii(&text.sentence))?;
            }
        }
        Ok(())
    }

    fn part(&self, kind: &str, encoding: &str, out: &mut impl Write) -> io::Result<()> {
        write!(out, "\n--{}\nContent-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n", self.boundary)
    }
}

/// RFC 3463: a class is given also when nobody gave a code.
fn status(fate: &Fate) -> Code {
    match (fate.text().code, fate) {
        // Tried for too long: delivery time expired.
        (Code::NONE, Fate::Later(_)) => Code(4, 4, 7),
        (Code::NONE, _) => Code(5, 0, 0),
        (code, _) => code,
    }
}

/// An address with its type; RFC 6533 §3 for what is not ASCII.
fn typed(address: &[u8]) -> String {
    let text = line_of(address);
    if text.is_ascii() {
        return format!("rfc822; {text}");
    }
    let mut coded = String::from("utf-8; ");
    for letter in text.chars() {
        match letter {
            '\\' => coded.push_str("\\x{5C}"),
            _ if letter.is_ascii() => coded.push(letter),
            _ => coded.push_str(&format!("\\x{{{:X}}}", u32::from(letter))),
        }
    }
    coded
}

fn line_of(bytes: &[u8]) -> String {
    line(&String::from_utf8_lossy(bytes))
}

/// One line without control characters.
fn line(text: &str) -> String {
    text.chars().take(TEXT_MAX).map(|letter| if letter.is_control() { '_' } else { letter }).collect()
}

/// One line of ASCII, with an end.
fn ascii(text: &str) -> String {
    let plain = text.chars().map(|letter| match letter {
        ' '..='~' => letter,
        letter if letter.is_control() => '_',
        _ => '?',
    });
    plain.take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            me: "mx.example.test".into(),
            from: "MAILER-DAEMON@mx.example.test".into(),
            to: "alice@example.org".into(),
            subject: "failure notice".into(),
            now: 1_795_248_000,
            arrival: 1_795_247_000,
            id: 1_795_247_000_000_001,
            words: "I could not.\n".into(),
            boundary: "BORDER".into(),
        }
    }

    fn written(failures: &[(&str, Fate)]) -> String {
        let told: Vec<Failure> = failures
            .iter()
            .map(|(address, fate)| Failure { address: address.as_bytes().to_vec(), fate: fate.clone() })
            .collect();
        let mut out = Vec::new();
        notice().start(&Failures { told, more: 0 }, Original::Whole, &mut out).unwrap();
        out.extend_from_slice(b"Subject: hi\n\nbody\n");
        notice().end(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_failed_recipient_stands_in_both_parts() {
        let text = written(&[
            ("bob@example.test", Fate::never(1, 1, "No such user")),
            ("c@d", Fate::later(4, 1, "silent")),
        ]);
        assert!(text.contains("\n<bob@example.test>:\nNo such user\n"));
        assert!(
            text.contains("\nFinal-Recipient: rfc822; bob@example.test\nAction: failed\nStatus: 5.1.1\n")
        );
        assert!(text.contains("\nDiagnostic-Code: x-fulmar; No such user\n"));
        assert!(text.contains("silent\nI'm not going to try again"));
        assert!(text.contains("\nStatus: 4.4.1\n"));
    }

    #[test]
    fn a_strangers_text_never_makes_a_header_or_a_part() {
        // Q12
        let evil = "x\r\n.\r\n--BORDER\r\nContent-Type: evil/evil\r\n\r\n\0\u{e9}".repeat(20_000);
        let failure = Failure {
            address: b"a\nX-Evil: 1@b".to_vec(),
            fate: Fate::Never(wire::Text { code: Code(5, 0, 0), sentence: evil.into() }),
        };
        let mut out = Vec::new();
        notice().start(&Failures { told: vec![failure], more: 0 }, Original::Whole, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("X-Evil") || line.contains('\0') || line == "."));
        assert_eq!(text.lines().filter(|line| line.starts_with("Content-Type:")).count(), 4);
        assert_eq!(text.lines().filter(|line| line.starts_with("--BORDER")).count(), 3);
        assert!(text.lines().all(|line| line.len() < 998 * 2));
        assert!(text.len() < 8000);
    }

    #[test]
    fn an_address_beyond_ascii_is_coded_for_programs() {
        assert_eq!(typed("j\u{fc}@b".as_bytes()), "utf-8; j\\x{FC}@b");
        assert_eq!(typed(b"a@b"), "rfc822; a@b");
    }

    #[test]
    fn a_failure_without_code_gets_its_class() {
        assert_eq!(status(&Fate::Never(wire::Text::new(Code::NONE, "no"))), Code(5, 0, 0));
        assert_eq!(status(&Fate::Later(wire::Text::new(Code::NONE, "no"))), Code(4, 4, 7));
    }
}
