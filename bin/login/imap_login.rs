//! IMAP's way in: the pure session, fitted to the house.

use std::io::{self, Write};

use imap::{Door, Encryption, Login, Step};

use crate::house::House;
use crate::lookup::Answer;
use crate::secrecy::Offer;
use crate::talk::Speech;

impl Door for House {
    fn mechanisms(&mut self) -> Vec<&'static str> {
        House::mechanisms(self)
    }

    fn reserve_tls(&mut self) -> bool {
        House::reserve_tls(self)
    }

    fn password(&mut self, user: &str, password: &[u8]) -> Step {
        // A NUL would end a field on the way to where passwords are checked.
        match password.contains(&0) {
            true => Step::Refused,
            false => step(self.prove("PASS", user, password, false)),
        }
    }

    fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step {
        step(House::begin(self, mechanism, initial))
    }

    fn go_on(&mut self, message: &[u8]) -> Step {
        step(House::go_on(self, message))
    }
}

fn step(answer: Answer) -> Step {
    match answer {
        Answer::Challenge(words) => Step::Challenge(words),
        Answer::Ticket { .. } => Step::Welcome,
        Answer::Refused(cause) if cause.starts_with("5.5.2 ") => Step::Malformed,
        Answer::Refused(cause) if cause.starts_with("5.7.4 ") => Step::Unknown,
        Answer::Refused(_) => Step::Refused,
        Answer::Later(_) => Step::Later,
    }
}

impl Speech for Login<House> {
    const SERVICE: &'static str = "imap";

    fn new(house: House, Offer { offered, before_login }: Offer) -> Self {
        Login::new(house).with(Encryption { offered, before_login })
    }

    fn secured(&mut self) {
        Login::secured(self);
    }

    fn house(&mut self) -> &mut House {
        self.door()
    }

    fn tag(&self) -> &[u8] {
        Login::tag(self)
    }

    fn unread(&self) -> &[u8] {
        Login::unread(self)
    }

    fn stranded(&mut self, out: &mut dyn Write) -> io::Result<()> {
        Login::stranded(self, out)
    }
}
