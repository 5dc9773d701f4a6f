//! IMAP up to the login.

use imap::{Door, Login, Step};
use wire::{Flow, Session};

struct Porter;

impl Door for Porter {
    fn mechanisms(&mut self) -> Vec<&'static str> {
        vec!["PLAIN", "CRAM-MD5"]
    }
    fn password(&mut self, user: &str, password: &[u8]) -> Step {
        assert!(!user.contains(['\0', '\n']) && !password.contains(&0));
        if password == b"open sesame" { Step::Welcome } else { Step::Refused }
    }
    fn begin(&mut self, _: &str, initial: Option<&[u8]>) -> Step {
        initial.map_or(Step::Challenge(b"?".to_vec()), |message| self.go_on(message))
    }
    fn go_on(&mut self, message: &[u8]) -> Step {
        match message.len() {
            0..3 => Step::Malformed,
            3..9 => Step::Challenge(message.to_vec()),
            9..12 => Step::Welcome,
            _ => Step::Refused,
        }
    }
}

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut session, mut out) = (Login::new(Porter), Vec::new());
        session.greet(&mut out).unwrap();
        for (place, piece) in pieces.iter().enumerate() {
            match session.feed(piece, &mut out).unwrap() {
                Flow::Close => return (out, Vec::new()),
                Flow::Handover => {
                    let rest = [session.tag(), session.unread(), &pieces[place + 1..].concat()].concat();
                    return (out, rest);
                }
                _ => {}
            }
        }
        assert!(out.ends_with(b"\r\n"));
        (out, Vec::new())
    });
}
