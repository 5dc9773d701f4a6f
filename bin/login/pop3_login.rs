//! POP3's way in: the pure session, fitted to the house.

use std::io::{self, Write};

use pop3::{Door, Encryption, Login, Verdict};

use crate::house::House;
use crate::lookup::Answer;
use crate::secrecy::Offer;
use crate::talk::Speech;

impl Door for House {
    fn timestamp(&mut self) -> Option<String> {
        let stamp = String::from_utf8(House::timestamp(self)?).ok()?;
        // It goes into the greeting as it is: RFC 1939 §7, the syntax of a message id.
        let fit =
            stamp.starts_with('<') && stamp.ends_with('>') && stamp.bytes().all(|b| b.is_ascii_graphic());
        fit.then_some(stamp)
    }

    fn reserve_tls(&mut self) -> bool {
        House::reserve_tls(self)
    }

    fn password(&mut self, user: &str, password: &[u8]) -> Verdict {
        verdict(&self.prove("PASS", user, password, false))
    }

    fn digest(&mut self, user: &str, digest: &str) -> Verdict {
        verdict(&self.prove("APOP", user, digest.as_bytes(), true))
    }
}

fn verdict(answer: &Answer) -> Verdict {
    match answer {
        Answer::Ticket { .. } => Verdict::Welcome,
        Answer::Refused(_) => Verdict::Refused,
        Answer::Later(_) | Answer::Challenge(_) => Verdict::Later,
    }
}

impl Speech for Login<House> {
    const SERVICE: &'static str = "pop3";

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
        b""
    }

    fn unread(&self) -> &[u8] {
        Login::unread(self)
    }

    fn stranded(&mut self, out: &mut dyn Write) -> io::Result<()> {
        Login::stranded(self, out)
    }
}
