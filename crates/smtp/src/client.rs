//! SMTP client session: one message for some recipients, to one server. RFC 5321.
//!
//! Bytes in, bytes out. Knows no socket, clock or DNS: its caller connects, hands in what comes and sends
//! what it is given, and when it is told to, the message. Whatever the server says, each recipient ends
//! up with a fate; only a 2xx after the final dot makes it "done".

use wire::{Code, Fate, Text};

use crate::answer::{Answer, Answers};

/// What is to be sent, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Parcel {
    /// Our own name.
    pub helo: String,
    /// The reverse-path, without brackets; may be empty.
    pub sender: String,
    /// The recipients, without brackets.
    pub recipients: Vec<String>,
    /// Octets of the message on the wire (RFC 1870).
    pub size: u64,
    /// It holds octets beyond ASCII (RFC 6152).
    pub eight_bit: bool,
    /// How the server is called in what is reported.
    pub host: String,
    /// Begin TLS if the server offers it (RFC 3207); if that fails, go on without (RFC 7435).
    pub tls: bool,
}

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send what there is to send, then read.
    Talk,
    /// Send the message, dot-stuffed with CR LF and the final dot, then read.
    Message,
    /// Send what there is to send, do the TLS handshake on the connection, call [`Client::secured`].
    Secure,
    /// Send what there is, and hang up.
    Over,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One for each recipient, in their order.
    pub fates: Vec<Fate>,
    /// It is worth trying another server at once: this one has not had its say about the message.
    pub next: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Await {
    Greeting,
    Ehlo,
    StartTls,
    Helo,
    Mail,
    Rcpt(usize),
    Data,
    Dot,
    Nothing,
}

/// What the server offers (RFC 5321 §2.2).
#[derive(Clone, Copy, Debug, Default)]
struct Offers {
    pipelining: bool,
    eight_bit: bool,
    utf8: bool,
    starttls: bool,
    size: Option<u64>,
}

/// A session that waits for the greeting at first.
#[derive(Debug)]
pub struct Client {
    parcel: Parcel,
    answers: Answers,
    offers: Offers,
    awaits: Await,
    /// TLS has begun.
    secret: bool,
    fates: Vec<Option<Fate>>,
    next: bool,
    /// MAIL was refused, which the RCPTs that went along will be too.
    refused: Option<Fate>,
}

impl Client {
    /// For `parcel`.
    pub fn new(parcel: Parcel) -> Client {
        let fates = vec![None; parcel.recipients.len()];
        Client {
            parcel,
            answers: Answers::new(),
            offers: Offers::default(),
            awaits: Await::Greeting,
            secret: false,
            fates,
            next: false,
            refused: None,
        }
    }

    /// Eats `input`, adds to `out` what is to be sent. What comes after the last answer is ignored.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Step {
        while self.awaits != Await::Nothing {
            let Ok((used, answer)) = self.answers.feed(input) else {
                self.broken_off("answered what is no SMTP reply");
                return Step::Over;
            };
            input = &input[used..];
            let Some(answer) = answer else { return Step::Talk };
            // What follows in the same breath is not said by TLS, and is nobody's word (CVE-2011-0411).
            if self.awaits == Await::StartTls && answer.code == 220 {
                return Step::Secure;
            }
            let message = self.hear(&answer, out);
            if message {
                return Step::Message;
            }
        }
        Step::Over
    }

    /// The connection ended, or was waited for too long, `how` says.
    pub fn broken_off(&mut self, how: &str) {
        let text = format!("{} {how}", self.parcel.host);
        let detail = if self.awaits == Await::Dot { " after the message was sent" } else { "" };
        self.next = !matches!(self.awaits, Await::Dot | Await::Nothing);
        self.rest(Fate::later(4, 2, format!("{text}{detail}")));
    }

    /// TLS has begun: everything that the server has said is forgotten. RFC 3207 §4.2.
    pub fn secured(&mut self, out: &mut Vec<u8>) {
        self.secret = true;
        self.answers = Answers::new();
        self.offers = Offers::default();
        self.say(out, &format!("EHLO {}", self.parcel.helo));
        self.awaits = Await::Ehlo;
    }

    /// Has anything been said of the message yet? If not, it can be tried anew without TLS.
    pub fn is_before_mail(&self) -> bool {
        matches!(self.awaits, Await::Greeting | Await::Ehlo | Await::StartTls | Await::Helo)
    }

    /// What came of it. Before the end: nothing has been done yet.
    pub fn outcome(self) -> Outcome {
        let open = || Fate::later(4, 2, format!("{} was not heard to the end", self.parcel.host));
        let fates = self.fates.into_iter().map(|fate| fate.unwrap_or_else(open)).collect();
        Outcome { fates, next: self.next }
    }

    /// One answer; true: the message is to be sent now.
    fn hear(&mut self, answer: &Answer, out: &mut Vec<u8>) -> bool {
        // RFC 5321 §3.8: it is about to hang up, whatever was asked.
        if answer.code == 421 && self.awaits != Await::Dot {
            self.next = true;
            self.rest(said(Fate::Later, 4, &self.parcel.host, "is shutting down", answer));
            return false;
        }
        match self.awaits {
            Await::Greeting => self.greeting(answer, out),
            Await::Ehlo => self.ehlo(answer, out),
            // It has offered what it will not do now.
            Await::StartTls => self.begin(out),
            Await::Helo => self.helo(answer, out),
            Await::Mail => self.mail(answer, out),
            Await::Rcpt(place) => self.rcpt(place, answer, out),
            Await::Data => return self.data(answer, out),
            Await::Dot => self.dot(answer, out),
            Await::Nothing => {}
        }
        false
    }

    fn greeting(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if answer.code != 220 {
            return self.unwilling("does not want to talk now", answer, out);
        }
        self.say(out, &format!("EHLO {}", self.parcel.helo));
        self.awaits = Await::Ehlo;
    }

    fn ehlo(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        match answer.class() {
            2 => {
                self.offers = Offers::of(&answer.text);
                if self.parcel.tls && self.offers.starttls && !self.secret {
                    self.say(out, "STARTTLS");
                    self.awaits = Await::StartTls;
                    return;
                }
                self.begin(out);
            }
            // RFC 5321 §3.2: an old server.
            5 => {
                self.say(out, &format!("HELO {}", self.parcel.helo));
                self.awaits = Await::Helo;
            }
            _ => self.unwilling("does not like our name now", answer, out),
        }
    }

    fn helo(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        match answer.class() {
            2 => self.begin(out),
            _ => self.unwilling("does not like our name", answer, out),
        }
    }

    /// It may be another server's mood only.
    fn unwilling(&mut self, how: &str, answer: &Answer, out: &mut Vec<u8>) {
        self.next = true;
        self.rest(said(Fate::Later, 4, &self.parcel.host, how, answer));
        self.quit(out);
    }

    /// MAIL, and with PIPELINING (RFC 2920) all RCPTs behind it. DATA waits for their answers: it is not
    /// wanted if nobody is.
    fn begin(&mut self, out: &mut Vec<u8>) {
        self.refuse_what_does_not_fit();
        if self.fates.iter().all(Option::is_some) {
            return self.quit(out);
        }
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
        self.say(out, &line);
        self.awaits = Await::Mail;
        if self.offers.pipelining {
            let open = self.open();
            open.iter().for_each(|place| self.say_rcpt(*place, out));
        }
    }

    fn needs_utf8(&self) -> bool {
        !self.parcel.sender.is_ascii() || self.open().iter().any(|at| !self.parcel.recipients[*at].is_ascii())
    }

    /// RFC 1870 §6.1: what is too large need not be offered. RFC 6531 §3.2: an address beyond ASCII can't
    /// be named to a server that does not know of such.
    fn refuse_what_does_not_fit(&mut self) {
        let host = self.parcel.host.clone();
        if self.offers.size.is_some_and(|most| most > 0 && self.parcel.size > most) {
            return self
                .rest_of(|_| true, &Fate::never(3, 4, format!("{host} takes no message of this size")));
        }
        if !self.offers.utf8 {
            let all = !self.parcel.sender.is_ascii();
            let no = Fate::never(6, 7, format!("{host} knows no addresses beyond ASCII (SMTPUTF8)"));
            self.rest_of(|recipient| all || !recipient.is_ascii(), &no);
        }
    }

    fn mail(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        if answer.class() != 2 {
            let host = &self.parcel.host;
            let fate = match answer.class() {
                5 => said(Fate::Never, 5, host, "does not like the sender", answer),
                _ => said(Fate::Later, 4, host, "does not like the sender now", answer),
            };
            if !self.offers.pipelining {
                self.rest(fate);
                return self.quit(out);
            }
            self.refused = Some(fate);
        }
        let Some(first) = self.open().first().copied() else { return self.quit(out) };
        if !self.offers.pipelining {
            self.say_rcpt(first, out);
        }
        self.awaits = Await::Rcpt(first);
    }

    fn rcpt(&mut self, place: usize, answer: &Answer, out: &mut Vec<u8>) {
        let host = &self.parcel.host;
        let fate = match (answer.class(), &self.refused) {
            (_, Some(refused)) => Some(refused.clone()),
            (2, None) => None,
            (5, None) => Some(said(Fate::Never, 5, host, "does not like the recipient", answer)),
            _ => Some(said(Fate::Later, 4, host, "does not like the recipient now", answer)),
        };
        self.fates[place] = fate;
        let next = (place + 1..self.fates.len()).find(|place| self.fates[*place].is_none());
        if let Some(next) = next {
            if !self.offers.pipelining {
                self.say_rcpt(next, out);
            }
            self.awaits = Await::Rcpt(next);
        } else if self.open().is_empty() {
            self.quit(out);
        } else {
            self.say(out, "DATA");
            self.awaits = Await::Data;
        }
    }

    fn data(&mut self, answer: &Answer, out: &mut Vec<u8>) -> bool {
        let host = &self.parcel.host;
        let fate = match answer.class() {
            3 => {
                self.awaits = Await::Dot;
                return true;
            }
            5 => said(Fate::Never, 5, host, "does not take the message", answer),
            // A 2xx is nonsense here: nothing has been sent yet.
            _ => said(Fate::Later, 4, host, "does not take the message now", answer),
        };
        self.rest(fate);
        self.quit(out);
        false
    }

    fn dot(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        let host = &self.parcel.host;
        let fate = match answer.class() {
            2 => {
                let text = format!("{host} accepted message./Remote host said: {}/", answer.text);
                Fate::Done(Text::new(Code::NONE, text))
            }
            5 => said(Fate::Never, 5, host, "failed after the message was sent", answer),
            // RFC 5321 §4.2.1: anything else is no yes.
            _ => said(Fate::Later, 4, host, "failed after the message was sent", answer),
        };
        self.rest(fate);
        self.quit(out);
    }

    /// Recipients whose fate is not known yet.
    fn open(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|place| self.fates[*place].is_none()).collect()
    }

    /// The fate of all whose fate is not known yet; nothing more is waited for.
    fn rest(&mut self, fate: Fate) {
        self.fates.iter_mut().filter(|known| known.is_none()).for_each(|known| *known = Some(fate.clone()));
        self.awaits = Await::Nothing;
    }

    fn rest_of(&mut self, which: impl Fn(&str) -> bool, fate: &Fate) {
        for (known, recipient) in self.fates.iter_mut().zip(&self.parcel.recipients) {
            if known.is_none() && which(recipient) {
                *known = Some(fate.clone());
            }
        }
    }

    fn say(&self, out: &mut Vec<u8>, line: &str) {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn say_rcpt(&self, place: usize, out: &mut Vec<u8>) {
        self.say(out, &format!("RCPT TO:<{}>", path(&self.parcel.recipients[place])));
    }

    /// Its answer is of no interest.
    fn quit(&mut self, out: &mut Vec<u8>) {
        self.say(out, "QUIT");
        self.awaits = Await::Nothing;
    }
}

impl Offers {
    /// From the words of the answer to EHLO. RFC 5321 §4.1.1.1: a line a keyword; lines have been joined,
    /// and no keyword that matters is an argument of another.
    fn of(text: &str) -> Offers {
        let words: Vec<String> = text.split(' ').map(str::to_ascii_uppercase).collect();
        let has = |word: &str| words.iter().any(|found| found == word);
        let size = words.iter().position(|word| word == "SIZE");
        let size = size.map(|at| words.get(at + 1).and_then(|most| most.parse().ok()).unwrap_or(0));
        Offers {
            pipelining: has("PIPELINING"),
            eight_bit: has("8BITMIME"),
            utf8: has("SMTPUTF8"),
            starttls: has("STARTTLS"),
            size,
        }
    }
}

/// The class's general code where the server gave none.
fn said(kind: fn(Text) -> Fate, class: u8, host: &str, how: &str, answer: &Answer) -> Fate {
    let code = if answer.status.0 == class { answer.status } else { Code(class, 0, 0) };
    kind(Text::new(code, format!("{host} {how}./Remote host said: {}/", answer.text)))
}

/// An address of an envelope as RFC 5321 §4.1.2 writes it. What is no address (a VERP sender, one without
/// a domain) goes as it is, without what would end the command.
fn path(address: &str) -> String {
    match message::address::Address::from_envelope(address) {
        Ok(address) => address.to_string(),
        Err(_) => address.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect(),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
