//! POP3 after the login, over a small mailbox in which one message is gone.

use std::io::{Cursor, Error, ErrorKind, Result};

use pop3::{Mailbox, Store};
use wire::{Flow, Session};

const TEXTS: [&[u8]; 3] = [b"a: 1\n\n.\n..\nend", b"", b"a: 1\nb: 2\n\none\ntwo\n"];

#[derive(Default)]
struct Shelf(Vec<usize>);

impl Store for Shelf {
    type Text = Cursor<&'static [u8]>;
    fn count(&self) -> usize {
        TEXTS.len() + 1
    }
    fn size(&mut self, place: usize) -> Result<u64> {
        self.open(place).map(|text| text.get_ref().len() as u64)
    }
    fn name(&self, place: usize) -> Vec<u8> {
        format!("{place}.x").into_bytes()
    }
    fn open(&mut self, place: usize) -> Result<Self::Text> {
        TEXTS.get(place).map(|text| Cursor::new(*text)).ok_or(Error::from(ErrorKind::NotFound))
    }
    fn commit(&mut self, deleted: &[usize], _: &[usize]) -> usize {
        self.0 = deleted.to_vec();
        0
    }
}

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut session, mut out) = (Mailbox::new(Shelf::default()), Vec::new());
        let _ = pieces.iter().find(|piece| session.feed(piece, &mut out).unwrap() == Flow::Close);
        assert!(out.is_empty() || out.ends_with(b"\r\n"));
        (out, session.store().0.clone())
    });
}
