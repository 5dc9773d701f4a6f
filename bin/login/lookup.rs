//! The kept connection to `lookup`, the only one who knows users.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sys::Kept;
use wire::packet;

/// Answers to wrong passwords are delayed by `lookup`; one that takes longer than this won't come.
const PATIENCE: Duration = Duration::from_secs(45);

/// What `lookup` said. The text is for the log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `C`: the next step is the client's.
    Challenge(Vec<u8>),
    /// `K`: what `gate` gets the mailbox for, and whose it is.
    Ticket { ticket: Vec<u8>, user: String },
    /// `D`.
    Refused(String),
    /// `Z`, or no answer.
    Later(String),
}

/// A connection to `run/lookup`, made when it is needed and kept for the next step.
#[derive(Debug)]
pub(crate) struct Lookup(Kept);

impl Lookup {
    pub(crate) fn new(path: PathBuf) -> Lookup {
        Lookup(Kept::new(path, PATIENCE))
    }

    /// A question that stands alone: asked again on a new connection if the kept one has died.
    pub(crate) fn ask(&mut self, question: &[&[u8]]) -> Answer {
        said(self.0.ask(&packet(question)))
    }

    /// The next step of a question that was answered by a challenge: on the same connection only.
    pub(crate) fn go_on(&mut self, question: &[&[u8]]) -> Answer {
        said(self.0.go_on(&packet(question)))
    }
}

fn said(bytes: io::Result<Vec<u8>>) -> Answer {
    match bytes {
        Ok(bytes) => answer(&bytes),
        Err(error) => Answer::Later(format!("no answer from lookup: {error}")),
    }
}

fn answer(bytes: &[u8]) -> Answer {
    let Some((letter, rest)) = bytes.split_first() else { return nonsense() };
    let mut fields = rest.split(|b| *b == 0);
    let field = fields.next().unwrap_or(rest);
    let user = fields.find_map(|more| more.strip_prefix(b"user=")).unwrap_or_default();
    let text = || String::from_utf8_lossy(field).into_owned();
    match letter {
        b'C' => Answer::Challenge(field.to_vec()),
        b'K' if !field.is_empty() => {
            Answer::Ticket { ticket: field.to_vec(), user: String::from_utf8_lossy(user).into_owned() }
        }
        b'D' => Answer::Refused(text()),
        b'Z' => Answer::Later(text()),
        _ => nonsense(),
    }
}

fn nonsense() -> Answer {
    Answer::Later("lookup answered nonsense".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_k_with_a_ticket_lets_in() {
        for bad in [&b""[..], b"K", b"k123", b"X", b"\0K1"] {
            assert!(matches!(answer(bad), Answer::Later(_)), "{bad:?}");
        }
        let ticket = |user: &str| Answer::Ticket { ticket: b"abc".to_vec(), user: user.into() };
        assert_eq!(answer(b"Kabc"), ticket(""));
        assert_eq!(answer(b"Kabc\0user=al"), ticket("al"));
        assert_eq!(answer(b"D5.7.8 no\0more"), Answer::Refused("5.7.8 no".into()));
    }

    #[test]
    fn a_lookup_that_is_down_is_no_refusal() {
        let mut lookup = Lookup::new("/nonexistent/lookup".into());
        assert!(matches!(lookup.ask(&[b"auth"]), Answer::Later(_)));
        assert!(matches!(lookup.go_on(&[b"auth"]), Answer::Later(_)));
    }
}
