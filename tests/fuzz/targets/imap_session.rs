//! IMAP after the login, on two messages: where the input is cut makes no difference, and each command has one answer.

use imap::memory::Memory;
use imap::{Flow, Options, Session};

fn session() -> Session<Memory> {
    let store = Memory::new('.');
    store.deliver("INBOX", b"From: a@b\nSubject: one\n\ntext\n");
    store.deliver("INBOX", b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\none\n--x--\n");
    Session::new(store, Options::default())
}

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut session, mut out) = (session(), Vec::new());
        let _ = pieces.iter().find(|piece| session.feed(piece, &mut out).unwrap() == Flow::Close);
        out
    });
    let mut session = session();
    for (place, line) in data.split(|octet| matches!(octet, b'\n' | b'{')).enumerate().take(100) {
        let (mut out, tag) = (Vec::new(), format!("t{place}"));
        let closed = session.feed(&[tag.as_bytes(), b" ", line, b"\r\n"].concat(), &mut out).unwrap();
        if session.idling() {
            session.feed(b"DONE\r\n", &mut out).unwrap();
        }
        let answers =
            out.windows(tag.len() + 3).filter(|said| *said == format!("\r\n{tag} ").as_bytes()).count();
        let first = usize::from(out.starts_with(format!("{tag} ").as_bytes()));
        assert!(
            answers + first == 1 || closed == Flow::Close,
            "{}: {}",
            line.escape_ascii(),
            out.escape_ascii()
        );
        if closed == Flow::Close {
            break;
        }
    }
}
