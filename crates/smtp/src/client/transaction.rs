//! MAIL, RCPT, DATA: as many transactions as a parcel needs.

use wire::{Code, Fate, Text};

use super::{Answer, Await, Client, said};

/// Most recipients in one transaction. RFC 5321 §4.5.3.1.8: every server takes so many.
const MOST: usize = 100;

impl Client {
    /// The next transaction, or none if nobody is left.
    pub(super) fn begin(&mut self, out: &mut Vec<u8>) {
        self.refuse_what_does_not_fit();
        self.now = self.open();
        self.now.truncate(MOST);
        if self.now.is_empty() {
            self.awaits = if self.next { Await::Over } else { Await::Idle };
            if self.next {
                self.quit(out);
            }
            return;
        }
        (self.refused, self.taken) = (None, Vec::new());
        if self.unfinished {
            self.say(out, "RSET");
            self.awaits = Await::Rset;
        } else {
            self.mail_command(out);
        }
    }

    /// MAIL, and with PIPELINING (RFC 2920) all RCPTs behind it. DATA waits for their answers: it is not
    /// wanted if nobody is.
    pub(super) fn mail_command(&mut self, out: &mut Vec<u8>) {
        let mut line = format!("MAIL FROM:<{}>", path(&self.parcel.sender));
        if self.offers.size.is_some() {
            line += &format!(" SIZE={}", self.parcel.size);
        }
        if self.parcel.eight_bit && self.offers.eight_bit {
            line += " BODY=8BITMIME";
        }
        if self.offers.utf8 && self.needs_utf8() {
            line += " SMTPUTF8";
        }
        if self.parcel.requiretls {
            line += " REQUIRETLS";
        }
        self.say(out, &line);
        self.unfinished = true;
        self.awaits = Await::Mail;
        if self.offers.pipelining {
            self.now.iter().for_each(|place| self.say_rcpt(*place, out));
        }
    }

    fn needs_utf8(&self) -> bool {
        let mut now = self.now.iter();
        !self.parcel.sender.is_ascii() || now.any(|at| !self.parcel.recipients[*at].is_ascii())
    }

    /// RFC 1870 §6.1: what is too large need not be offered. RFC 6531 §3.2: an address beyond ASCII can't
    /// be named to a server that does not know of such. RFC 8689 §4.2.1: nor may mail go that has to stay secret
    /// to one that does not promise it.
    fn refuse_what_does_not_fit(&mut self) {
        let host = self.peer.host.clone();
        if self.offers.size.is_some_and(|most| most > 0 && self.parcel.size > most) {
            return self.decide(&Fate::never(3, 4, format!("{host} takes no message of this size")));
        }
        if self.parcel.requiretls && !(self.secret && self.offers.requiretls) {
            // Another server of the domain may.
            self.next = true;
            let text = format!("{host} does not promise to send this on by TLS only (REQUIRETLS)");
            return self.decide(&Fate::never(7, 30, text));
        }
        if !self.offers.utf8 {
            let all = !self.parcel.sender.is_ascii();
            let no = Fate::never(6, 7, format!("{host} knows no addresses beyond ASCII (SMTPUTF8)"));
            for (known, recipient) in self.fates.iter_mut().zip(&self.parcel.recipients) {
                if known.is_none() && (all || !recipient.is_ascii()) {
                    *known = Some(no.clone());
                }
            }
        }
    }

    pub(super) fn mail(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if answer.class() != 2 {
            let host = &self.peer.host;
            let fate = match answer.class() {
                5 => said(Fate::Never, 5, host, "does not like the sender", answer),
                _ => said(Fate::Later, 4, host, "does not like the sender now", answer),
            };
            if !self.offers.pipelining {
                self.decide(&fate);
                self.awaits = Await::Idle;
                return;
            }
            self.refused = Some(fate);
        }
        let Some(first) = self.now.first().copied() else { return };
        if !self.offers.pipelining {
            self.say_rcpt(first, out);
        }
        self.awaits = Await::Rcpt(first);
    }

    pub(super) fn rcpt(&mut self, place: usize, answer: &Answer, out: &mut Vec<u8>) {
        let host = &self.peer.host;
        match (answer.class(), answer.code) {
            _ if self.refused.is_some() => self.fates[place] = self.refused.clone(),
            (2, _) => self.taken.push(place),
            // RFC 5321 §4.5.3.1.10: too many; they go in the next transaction. 552 is how older servers say it.
            (_, 452 | 552) if !self.taken.is_empty() => {}
            (5, code) if code != 552 => {
                self.fates[place] = Some(said(Fate::Never, 5, host, "does not like the recipient", answer));
            }
            _ => {
                self.fates[place] =
                    Some(said(Fate::Later, 4, host, "does not like the recipient now", answer));
            }
        }
        if let Some(next) = self.now.iter().copied().find(|next| *next > place) {
            if !self.offers.pipelining {
                self.say_rcpt(next, out);
            }
            self.awaits = Await::Rcpt(next);
        } else if self.taken.is_empty() {
            self.now.clear();
            self.begin_or_wait(out);
        } else {
            self.say(out, "DATA");
            self.awaits = Await::Data;
        }
    }

    /// On with those that are left, unless the sender or the message itself was refused.
    fn begin_or_wait(&mut self, out: &mut Vec<u8>) {
        if let Some(refused) = self.refused.clone() {
            self.decide(&refused);
        }
        self.begin(out);
    }

    pub(super) fn data(&mut self, answer: &Answer, out: &mut Vec<u8>) -> bool {
        let host = &self.peer.host;
        let fate = match answer.class() {
            3 => {
                self.awaits = Await::Dot;
                return true;
            }
            5 => said(Fate::Never, 5, host, "does not take the message", answer),
            // A 2xx is nonsense here: nothing has been sent yet.
            _ => said(Fate::Later, 4, host, "does not take the message now", answer),
        };
        self.decide(&fate);
        // One that says yes here is out of step.
        if answer.class() == 2 {
            self.quit(out);
        } else {
            self.awaits = Await::Idle;
        }
        false
    }

    pub(super) fn dot(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        let host = &self.peer.host;
        self.unfinished = false;
        let fate = match answer.class() {
            2 => {
                let text = format!("{host} accepted message./Remote host said: {}/", answer.text);
                let fate = Fate::Done(Text::new(Code::NONE, text));
                self.taken.iter().for_each(|place| self.fates[*place] = Some(fate.clone()));
                return self.begin(out);
            }
            5 => said(Fate::Never, 5, host, "failed after the message was sent", answer),
            // RFC 5321 §4.2.1: anything else is no yes.
            _ => said(Fate::Later, 4, host, "failed after the message was sent", answer),
        };
        self.decide(&fate);
        match answer.class() {
            4 | 5 if answer.code != 421 => self.awaits = Await::Idle,
            _ => self.quit(out),
        }
    }

    fn say_rcpt(&self, place: usize, out: &mut Vec<u8>) {
        self.say(out, &format!("RCPT TO:<{}>", path(&self.parcel.recipients[place])));
    }
}

/// An address of an envelope as RFC 5321 §4.1.2 writes it. What is no address (a VERP sender, one without
/// a domain) goes as it is, without what would end the command.
pub(super) fn path(address: &str) -> String {
    match message::address::Address::from_envelope(address) {
        Ok(address) => address.to_string(),
        Err(_) => address.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect(),
    }
}
