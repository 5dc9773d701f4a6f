//! POP3 up to the login.

use pop3::{Door, Login, Verdict};
use wire::{Flow, Session};

struct Porter;

impl Door for Porter {
    fn timestamp(&mut self) -> Option<String> {
        Some("<1896.697170952@example.test>".to_owned())
    }
    fn password(&mut self, user: &str, password: &[u8]) -> Verdict {
        assert!(!user.contains('\0') && !password.contains(&0));
        if password == b"open sesame" { Verdict::Welcome } else { Verdict::Refused }
    }
    fn digest(&mut self, user: &str, digest: &str) -> Verdict {
        assert!(!user.contains('\0') && digest.len() == 32);
        Verdict::Later
    }
}

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut session, mut out) = (Login::new(Porter), Vec::new());
        session.greet(&mut out).unwrap();
        for (place, piece) in pieces.iter().enumerate() {
            match session.feed(piece, &mut out).unwrap() {
                Flow::Close => return (out, Vec::new()),
                Flow::Handover => return (out, [session.unread(), &pieces[place + 1..].concat()].concat()),
                _ => {}
            }
        }
        assert!(out.ends_with(b"\r\n"));
        (out, Vec::new())
    });
}
