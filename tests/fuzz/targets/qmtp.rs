//! QMTP and QMQP sessions: whatever comes, the answers are netstrings and what is taken in is a message.

use std::cell::RefCell;
use std::rc::Rc;

use message::address::Address;
use qmtp::{Form, House, Limits, Session};
use wire::netstring::{Event, Netstrings};
use wire::{Fate, Flow, Session as _};

#[derive(Debug, Default, PartialEq)]
struct Seen {
    open: Option<Vec<u8>>,
    taken: Vec<(Vec<u8>, String, Vec<String>)>,
}

#[derive(Clone, Default)]
struct Desk(Rc<RefCell<Seen>>);

impl House for Desk {
    fn open(&mut self) -> Result<(), Fate> {
        assert!(self.0.borrow_mut().open.replace(Vec::new()).is_none());
        Ok(())
    }
    fn write(&mut self, piece: &[u8]) {
        self.0.borrow_mut().open.as_mut().unwrap().extend_from_slice(piece);
    }
    fn recipient(&mut self, _: Option<&Address>, recipient: &Address) -> Result<String, Fate> {
        match recipient.domain() {
            "example.test" => Ok(recipient.envelope()),
            _ => Err(Fate::never(7, 1, "No relaying")),
        }
    }
    fn commit(&mut self, sender: &str, recipients: &[String]) -> Fate {
        let mut seen = self.0.borrow_mut();
        let text = seen.open.take().unwrap();
        assert!(!recipients.is_empty() && !text.contains(&b'\r'));
        seen.taken.push((text, sender.to_owned(), recipients.to_vec()));
        Fate::done("ok")
    }
    fn abort(&mut self) {
        self.0.borrow_mut().open = None;
    }
}

pub(crate) fn run(data: &[u8]) {
    for form in [Form::Qmtp, Form::Qmqp] {
        super::cut_anywhere(data, |pieces| {
            let desk = Desk::default();
            let limits = Limits { size: 2000, recipients: 5, hops: 5 };
            let (mut session, mut out) = (Session::new(desk.clone(), form, limits), Vec::new());
            for piece in pieces {
                if session.feed(piece, &mut out).unwrap() == Flow::Close {
                    break;
                }
            }
            drop(session.end());
            check(&out);
            assert_eq!(desk.0.borrow().open, None, "a message was left open");
            (out, desk.0.take())
        });
    }
}

fn check(mut answers: &[u8]) {
    let mut stream = Netstrings::new(1000);
    while let Some(event) = stream.next(&mut answers).unwrap() {
        if let Event::Octets(octets) = event {
            assert!(matches!(octets[0], b'K' | b'Z' | b'D'));
        }
    }
    assert!(stream.is_between());
}
