//! From the greeting to the first MAIL: who we are, TLS, and logging in.

use data_encoding::BASE64;
use sasl::client::{Exchange, Mechanism};
use wire::Fate;

use super::{Answer, Await, Client, Offers, Tls, said};

impl Client {
    pub(super) fn greeting(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if answer.code != 220 {
            return self.unwilling("does not want to talk now", answer, out);
        }
        self.say(out, &format!("EHLO {}", self.peer.helo));
        self.awaits = Await::Ehlo;
    }

    pub(super) fn ehlo(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        match answer.class() {
            2 => {
                self.offers = Offers::of(&answer.text);
                match self.peer.tls {
                    Tls::May | Tls::Must if !self.secret && self.offers.starttls => {
                        self.say(out, "STARTTLS");
                        self.awaits = Await::StartTls;
                    }
                    Tls::Must if !self.secret => self.no_tls(None, out),
                    _ => self.opened(out),
                }
            }
            // RFC 5321 §3.2: an old server.
            5 => {
                self.say(out, &format!("HELO {}", self.peer.helo));
                self.awaits = Await::Helo;
            }
            _ => self.unwilling("does not like our name now", answer, out),
        }
    }

    /// It does not offer TLS, or has offered what it will not do now.
    pub(super) fn no_tls(&mut self, answer: Option<&Answer>, out: &mut Vec<u8>) {
        if self.peer.tls != Tls::Must {
            return self.opened(out);
        }
        let how = "does not begin TLS, without which this mail may not go there";
        match answer {
            Some(answer) => self.unwilling(how, answer, out),
            // RFC 8689 §4.2.1
            None if self.parcel.requiretls => {
                self.give_up(Fate::never(7, 30, format!("{} {how} (REQUIRETLS)", self.peer.host)), out);
            }
            None => self.give_up(Fate::later(7, 5, format!("{} {how}", self.peer.host)), out),
        }
    }

    pub(super) fn helo(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        match answer.class() {
            2 if self.peer.tls == Tls::Must && !self.secret => self.no_tls(None, out),
            2 => self.opened(out),
            _ => self.unwilling("does not like our name", answer, out),
        }
    }

    /// It may be another server's mood only.
    pub(super) fn unwilling(&mut self, how: &str, answer: &Answer, out: &mut Vec<u8>) {
        self.give_up(said(Fate::Later, 4, &self.peer.host, how, answer), out);
    }

    fn give_up(&mut self, fate: Fate, out: &mut Vec<u8>) {
        self.next = true;
        self.decide(&fate);
        self.quit(out);
    }

    /// Mail may go, after a login if one is asked of us.
    fn opened(&mut self, out: &mut Vec<u8>) {
        if self.peer.login.is_none() {
            return self.begin(out);
        }
        self.mechanisms = Mechanism::usable(&self.offers.auth, self.secret || self.peer.private);
        if self.mechanisms.is_empty() {
            let tls = if self.secret { "" } else { " without TLS" };
            let text = format!("{} offers no way of logging in that can be used{tls}", self.peer.host);
            return self.give_up(Fate::later(7, 8, text), out);
        }
        self.try_login(out);
    }

    /// RFC 4954 §4.
    fn try_login(&mut self, out: &mut Vec<u8>) {
        let Some(login) = self.peer.login.clone() else { return };
        let mechanism = self.mechanisms.remove(0);
        let exchange = Exchange::new(mechanism, login, self.peer.random);
        match exchange.first() {
            Some(first) => self.say(out, &format!("AUTH {} {}", mechanism.name(), BASE64.encode(&first))),
            None => self.say(out, &format!("AUTH {}", mechanism.name())),
        }
        self.exchange = Some(exchange);
        self.awaits = Await::Auth;
    }

    pub(super) fn login(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        let said = answer.text.split(' ').nth(1).unwrap_or_default();
        let said = BASE64.decode(said.as_bytes()).unwrap_or_default();
        let Some(exchange) = &mut self.exchange else { return };
        match answer.class() {
            3 => match exchange.answer(&said) {
                Some(reply) => self.say(out, &BASE64.encode(&reply)),
                // It will answer 501, and the next way is tried.
                None => self.say(out, "*"),
            },
            2 if exchange.is_whole(&said) => self.begin(out),
            2 => {
                let text = format!("{} says yes to our login and has not proved who it is", self.peer.host);
                self.give_up(Fate::later(7, 8, text), out);
            }
            5 if !self.mechanisms.is_empty() => self.try_login(out),
            // It is the admin's word that is wrong: mail is never given up for it.
            _ => self.unwilling("does not let us log in (control/smtplogins)", answer, out),
        }
    }
}
