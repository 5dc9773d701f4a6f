//! A house that takes mail for example.test.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Address, Envelope, Fault, House, MailParameters, Reply, Step};
use wire::Code;

/// What happened.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    accepted: Vec<(Envelope, Vec<u8>)>,
    open: Option<Vec<u8>>,
    faults: u32,
}

impl Seen {
    pub(crate) fn take(shared: &Rc<RefCell<Seen>>) -> Seen {
        let seen = shared.take();
        assert_eq!(seen.open, None, "a message was left open");
        seen
    }
}

#[derive(Default)]
pub(crate) struct Desk(Rc<RefCell<Seen>>);

impl Desk {
    pub(crate) fn seen(&self) -> Rc<RefCell<Seen>> {
        self.0.clone()
    }
}

impl House for Desk {
    fn now(&mut self) -> i64 {
        1_795_248_000
    }
    fn sender(&mut self, _: Option<&Address>, _: &MailParameters) -> Result<(), Reply> {
        Ok(())
    }
    fn recipient(&mut self, recipient: &Address) -> Result<String, Reply> {
        match recipient.domain() {
            "example.test" => Ok(recipient.envelope()),
            _ => Err(Reply::new(553, Code(5, 7, 1), "No relaying")),
        }
    }
    fn reserve_tls(&mut self) -> bool {
        true
    }
    fn authenticate(&mut self, _: &str, initial: Option<&[u8]>) -> Step {
        initial.map_or(Step::Challenge(b"ask".to_vec()), |message| self.answer(message))
    }
    fn answer(&mut self, message: &[u8]) -> Step {
        match message {
            b"" => Step::Challenge(Vec::new()),
            b"in" => Step::Welcome,
            _ => Step::Refused,
        }
    }
    fn open(&mut self) -> Result<(), Reply> {
        assert!(self.0.borrow_mut().open.replace(Vec::new()).is_none());
        Ok(())
    }
    fn write(&mut self, part: &[u8]) {
        self.0.borrow_mut().open.as_mut().unwrap().extend_from_slice(part);
    }
    fn commit(&mut self, envelope: &Envelope) -> Result<String, Reply> {
        let mut seen = self.0.borrow_mut();
        let message = seen.open.take().unwrap();
        assert!(!message.contains(&b'\r') && !envelope.recipients.is_empty());
        seen.accepted.push((envelope.clone(), message));
        Ok("1".to_owned())
    }
    fn abort(&mut self) {
        self.0.borrow_mut().open = None;
    }
    fn fault(&mut self, _: Fault, _: u32, _: &Reply) {
        self.0.borrow_mut().faults += 1;
    }
}
