//! SMTP client session: messages to one server, one after the other. RFC 5321.
//!
//! Bytes in, bytes out. Knows no socket, clock or DNS: its caller connects, hands in what comes and sends
//! what it is given, and when it is told to, the message. Whatever the server says, each recipient ends
//! up with a fate; only a 2xx after the final dot makes it "done".

mod offers;
mod opening;
mod transaction;

pub use sasl::client::Login;
use sasl::client::{Exchange, Mechanism};
use wire::{Code, Fate, Text};

use crate::answer::{Answer, Answers};
use offers::Offers;

/// As whom we speak, to whom, and how.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Our own name.
    pub helo: String,
    /// How the server is called in what is reported.
    pub host: String,
    /// What TLS is wanted.
    pub tls: Tls,
    /// Who we are there, if that is asked for.
    pub login: Option<Login>,
    /// Nobody can listen on the way there, with TLS or without.
    pub private: bool,
    /// Fresh from the system's generator.
    pub random: [u8; 16],
}

/// What TLS is wanted (RFC 3207).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tls {
    /// None.
    #[default]
    No,
    /// If the server offers it; if it does not begin, go on without (RFC 7435).
    May,
    /// Nothing is said of mail without it.
    Must,
    /// It has begun before the greeting.
    Begun,
}

/// What is to be sent.
#[derive(Clone, Debug, Default)]
pub struct Parcel {
    /// The reverse-path, without brackets; may be empty.
    pub sender: String,
    /// The recipients, without brackets.
    pub recipients: Vec<String>,
    /// Octets of the message on the wire (RFC 1870).
    pub size: u64,
    /// It holds octets beyond ASCII (RFC 6152).
    pub eight_bit: bool,
    /// It goes by TLS only, to servers that promise the same (RFC 8689).
    pub requiretls: bool,
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
    /// The parcel's fate is known: ask [`Client::outcome`], then [`Client::give`] another one, or [`Client::quit`].
    Ready,
    /// Send what there is, and hang up.
    Over,
}

/// What came of a parcel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    Auth,
    Rset,
    Mail,
    Rcpt(usize),
    Data,
    Dot,
    /// Nothing: between two parcels.
    Idle,
    /// Nothing any more.
    Over,
}

/// A session that waits for the greeting at first.
#[derive(Debug)]
pub struct Client {
    peer: Peer,
    parcel: Parcel,
    answers: Answers,
    offers: Offers,
    awaits: Await,
    /// TLS has begun.
    secret: bool,
    /// Ways of logging in that are left to try, and the one under way.
    mechanisms: Vec<Mechanism>,
    exchange: Option<Exchange>,
    fates: Vec<Option<Fate>>,
    /// Recipients of this transaction; those that were taken; those that were put off as one too many.
    now: Vec<usize>,
    taken: Vec<usize>,
    /// MAIL has been said, and the transaction has not come to its end.
    unfinished: bool,
    /// The server has answered something to this parcel.
    heard: bool,
    /// It has answered EHLO or HELO.
    greeted: bool,
    next: bool,
    /// MAIL was refused, which the RCPTs that went along will be too.
    refused: Option<Fate>,
}

impl Client {
    /// With a server that has just been connected to, and the first `parcel` for it.
    pub fn new(peer: Peer, parcel: Parcel) -> Client {
        let mut client = Client {
            secret: peer.tls == Tls::Begun,
            peer,
            parcel: Parcel::default(),
            answers: Answers::new(),
            offers: Offers::default(),
            awaits: Await::Greeting,
            mechanisms: Vec::new(),
            exchange: None,
            fates: Vec::new(),
            now: Vec::new(),
            taken: Vec::new(),
            unfinished: false,
            heard: false,
            greeted: false,
            next: false,
            refused: None,
        };
        client.take(parcel);
        client
    }

    fn take(&mut self, parcel: Parcel) {
        self.fates = vec![None; parcel.recipients.len()];
        self.parcel = parcel;
        (self.heard, self.next) = (false, false);
    }

    /// One more parcel, after [`Step::Ready`].
    pub fn give(&mut self, parcel: Parcel, out: &mut Vec<u8>) {
        self.take(parcel);
        if self.awaits == Await::Idle {
            self.begin(out);
        }
    }

    /// Eats `input`, adds to `out` what is to be sent.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Step {
        while !matches!(self.awaits, Await::Idle | Await::Over) {
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
            if self.hear(&answer, out) {
                return Step::Message;
            }
        }
        // Who talks without being asked is out of step.
        if self.awaits == Await::Idle && !input.is_empty() {
            self.quit(out);
        }
        self.standing()
    }

    /// Where the session stands when nothing is awaited.
    pub fn standing(&self) -> Step {
        match self.awaits {
            Await::Idle => Step::Ready,
            Await::Over => Step::Over,
            _ => Step::Talk,
        }
    }

    /// The connection ended, or was waited for too long, `how` says.
    pub fn broken_off(&mut self, how: &str) {
        let text = format!("{} {how}", self.peer.host);
        let detail = if self.awaits == Await::Dot { " after the message was sent" } else { "" };
        // Some recipients may have it already; nobody else is to be asked for those.
        self.next = !matches!(self.awaits, Await::Dot | Await::Idle | Await::Over)
            && self.fates.iter().all(Option::is_none);
        self.rest(Fate::later(4, 2, format!("{text}{detail}")));
    }

    /// TLS has begun: everything that the server has said is forgotten. RFC 3207 §4.2.
    pub fn secured(&mut self, out: &mut Vec<u8>) {
        self.secret = true;
        self.answers = Answers::new();
        self.offers = Offers::default();
        self.say(out, &format!("EHLO {}", self.peer.helo));
        self.awaits = Await::Ehlo;
    }

    /// Has the server answered anything to this parcel? If not, a connection that was kept has died unused.
    pub fn has_heard(&self) -> bool {
        self.heard
    }

    /// Has the server answered EHLO or HELO?
    pub fn has_greeted(&self) -> bool {
        self.greeted
    }

    /// What came of the parcel. Before the end: nothing has been done yet.
    pub fn outcome(&mut self) -> Outcome {
        let open = || Fate::later(4, 2, format!("{} was not heard to the end", self.peer.host));
        let fates = self.fates.drain(..).map(|fate| fate.unwrap_or_else(open)).collect();
        Outcome { fates, next: self.next }
    }

    /// Its answer is of no interest.
    pub fn quit(&mut self, out: &mut Vec<u8>) {
        self.say(out, "QUIT");
        self.awaits = Await::Over;
    }

    /// One answer; true: the message is to be sent now.
    fn hear(&mut self, answer: &Answer, out: &mut Vec<u8>) -> bool {
        // RFC 5321 §3.8: it is about to hang up, whatever was asked.
        if answer.code == 421 && self.awaits != Await::Dot {
            self.next = self.fates.iter().all(Option::is_none);
            self.rest(said(Fate::Later, 4, &self.peer.host, "is shutting down", answer));
            return false;
        }
        self.greeted |= matches!(self.awaits, Await::Ehlo | Await::Helo);
        self.heard |= matches!(self.awaits, Await::Rset | Await::Mail);
        match self.awaits {
            Await::Greeting => self.greeting(answer, out),
            Await::Ehlo => self.ehlo(answer, out),
            Await::StartTls => self.no_tls(Some(answer), out),
            Await::Helo => self.helo(answer, out),
            Await::Auth => self.login(answer, out),
            Await::Rset => self.mail_command(out),
            Await::Mail => self.mail(answer, out),
            Await::Rcpt(place) => self.rcpt(place, answer, out),
            Await::Data => return self.data(answer, out),
            Await::Dot => self.dot(answer, out),
            Await::Idle | Await::Over => {}
        }
        false
    }

    /// Recipients whose fate is not known yet.
    fn open(&self) -> Vec<usize> {
        (0..self.fates.len()).filter(|place| self.fates[*place].is_none()).collect()
    }

    /// The fate of all whose fate is not known yet.
    fn decide(&mut self, fate: &Fate) {
        self.fates.iter_mut().filter(|known| known.is_none()).for_each(|known| *known = Some(fate.clone()));
    }

    /// The same, and nothing more is waited for.
    fn rest(&mut self, fate: Fate) {
        self.decide(&fate);
        self.awaits = Await::Over;
    }

    fn say(&self, out: &mut Vec<u8>, line: &str) {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// The class's general code where the server gave none.
fn said(kind: fn(Text) -> Fate, class: u8, host: &str, how: &str, answer: &Answer) -> Fate {
    let code = if answer.status.0 == class { answer.status } else { Code(class, 0, 0) };
    kind(Text::new(code, format!("{host} {how}./Remote host said: {}/", answer.text)))
}

#[cfg(test)]
mod tests;
