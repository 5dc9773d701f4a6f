//! An SMTP session: whatever comes, its replies are replies and what it takes in is a message.

use message::address::Address;
use smtp::{Envelope, Fault, House, MailParameters, Reply, Session, Settings, Step};
use wire::{Flow, Session as _};

#[path = "smtp_house.rs"]
mod house;
use house::{Desk, Seen};

pub(crate) fn run(data: &[u8]) {
    for lmtp in [false, true] {
        run_as(lmtp, data);
    }
}

fn run_as(lmtp: bool, data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let desk = Desk::default();
        let seen = desk.seen();
        let mechanisms = if lmtp { Vec::new() } else { vec!["PLAIN".to_owned()] };
        let limits = Settings {
            lmtp,
            mechanisms,
            max_size: 2000,
            max_recipients: 5,
            max_messages: 5,
            ..Settings::default()
        };
        let (mut session, mut out) = (Session::new(desk, limits), Vec::new());
        for piece in pieces {
            if session.feed(piece, &mut out).unwrap() == Flow::Close {
                break;
            }
        }
        drop(session.end());
        check(&out);
        (out, Seen::take(&seen))
    });
}

// RFC 5321 §4.2
fn check(replies: &[u8]) {
    let text = std::str::from_utf8(replies).unwrap();
    for line in text.split_terminator("\r\n") {
        let (code, rest) = line.split_at(3);
        assert!((200..600).contains(&code.parse::<u16>().unwrap()), "{line}");
        assert!(rest.starts_with([' ', '-']) && !line.contains(['\r', '\n']) && line.len() <= 510, "{line}");
    }
}
