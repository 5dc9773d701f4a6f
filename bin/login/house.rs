//! What a login session asks for, of any protocol: `lookup`'s verdict, and a line in the log.

use std::net::{IpAddr, TcpStream};
use std::{iter, mem};

use sys::worker::Job;
use tls::{Door, Facts, Slot};

use crate::lookup::{Answer, Lookup};

/// One client at the door.
pub(crate) struct House {
    lookup: Lookup,
    service: &'static str,
    /// The client's address; empty when it is not known.
    ip: String,
    /// What the log knows the connection by: the process id of the program that accepted it.
    id: u32,
    ticket: Option<Vec<u8>>,
    tls: Door,
    slot: Option<Slot>,
    /// What `lookup` is told of TLS with him; empty before it has begun.
    secrecy: String,
    /// Ways to log in, if not all are to be offered. From AUTHMECHANISMS.
    allowed: Option<String>,
    /// Are logins by digest offered? Asked once.
    digests: Option<bool>,
    /// How he tries to log in.
    mechanism: String,
}

/// Mechanisms that need a password kept in a form for them.
const DIGESTS: &[&str] =
    &["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"];
/// Those that show the password.
const OPEN: &[&str] = &["PLAIN", "LOGIN"];

impl House {
    pub(crate) fn new(lookup: Lookup, service: &'static str, job: &Job, id: u32, tls: Door) -> House {
        let ip = address(job).map_or_else(String::new, |ip| ip.to_canonical().to_string());
        let allowed =
            job.env.get("AUTHMECHANISMS").map(|value| String::from_utf8_lossy(value).to_ascii_uppercase());
        House {
            lookup,
            service,
            ip,
            id,
            ticket: None,
            tls,
            slot: None,
            secrecy: String::new(),
            allowed,
            digests: None,
            mechanism: String::new(),
        }
    }

    /// Does the client sit at this machine?
    pub(crate) fn is_from_here(&self) -> bool {
        self.ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_there()
    }

    /// Reserves what TLS takes, for [`House::slot`].
    pub(crate) fn reserve_tls(&mut self) -> bool {
        self.slot = self.reserved().ok();
        self.slot.is_some()
    }

    pub(crate) fn reserved(&self) -> std::io::Result<Slot> {
        self.tls.reserve()
    }

    pub(crate) fn slot(&mut self) -> Option<Slot> {
        self.slot.take()
    }

    /// TLS has begun.
    pub(crate) fn secured(&mut self, facts: &Facts) {
        self.secrecy = facts.told();
    }

    /// The ticket of who was let in.
    pub(crate) fn ticket(&mut self) -> Option<Vec<u8>> {
        self.ticket.take()
    }

    /// APOP's timestamp; `None`: it is not offered.
    pub(crate) fn timestamp(&mut self) -> Option<Vec<u8>> {
        self.challenge("APOP", &[b""])
    }

    /// The mechanisms of SASL that are offered now: what is bound to TLS needs it.
    pub(crate) fn mechanisms(&mut self) -> Vec<&'static str> {
        let digests = match self.digests {
            Some(known) => known,
            None => self.challenge("CRAM-MD5", &[]).is_some(),
        };
        self.digests = Some(digests);
        let bound = !self.secrecy.is_empty();
        let named = |way: &str| match &self.allowed {
            Some(words) => words.split_whitespace().any(|word| word == way),
            None => true,
        };
        let of_digests = DIGESTS.iter().filter(|way| digests && (bound || !way.ends_with("-PLUS")));
        of_digests.chain(OPEN).copied().filter(|way| named(way)).collect()
    }

    /// Asks for a challenge to begin with; `None`: this mechanism is not offered.
    fn challenge(&mut self, mechanism: &str, nothing: &[&[u8]]) -> Option<Vec<u8>> {
        match self.ask(mechanism, nothing, false) {
            Answer::Challenge(challenge) => Some(challenge),
            Answer::Later(cause) => {
                sys::log!("login: {} warning service={} ip={} cause={cause}", self.id, self.service, self.ip);
                None
            }
            Answer::Ticket { .. } | Answer::Refused(_) => None,
        }
    }

    /// Asks whether `user` may in with this proof. `stepped`: it answers a challenge.
    pub(crate) fn prove(&mut self, mechanism: &str, user: &str, proof: &[u8], stepped: bool) -> Answer {
        let answer = self.ask(mechanism, &[user.as_bytes(), proof], stepped);
        self.judged(mechanism, user, answer)
    }

    /// Begins an exchange of SASL.
    pub(crate) fn begin(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Answer {
        mechanism.clone_into(&mut self.mechanism);
        let message: Vec<&[u8]> = initial.into_iter().flat_map(wire::fields).collect();
        let answer = self.ask(mechanism, &message, false);
        self.stepped(answer)
    }

    /// Goes on with it.
    pub(crate) fn go_on(&mut self, message: &[u8]) -> Answer {
        let question: Vec<&[u8]> = iter::once(&b"step"[..]).chain(wire::fields(message)).collect();
        let answer = self.lookup.go_on(&question);
        self.stepped(answer)
    }

    fn stepped(&mut self, answer: Answer) -> Answer {
        match answer {
            Answer::Challenge(_) => answer,
            answer => {
                let mechanism = mem::take(&mut self.mechanism);
                self.judged(&mechanism, "", answer)
            }
        }
    }

    fn ask(&mut self, mechanism: &str, said: &[&[u8]], stepped: bool) -> Answer {
        let mut question =
            [b"auth", self.service.as_bytes(), self.ip.as_bytes(), self.secrecy.as_bytes()].to_vec();
        question.push(mechanism.as_bytes());
        question.extend(said);
        if stepped { self.lookup.go_on(&question) } else { self.lookup.ask(&question) }
    }

    fn judged(&mut self, mechanism: &str, user: &str, answer: Answer) -> Answer {
        self.note(mechanism, user, &answer);
        if let Answer::Ticket { ticket, .. } = &answer {
            self.ticket = Some(ticket.clone());
        }
        answer
    }

    fn note(&self, mechanism: &str, user: &str, answer: &Answer) {
        let user = match answer {
            Answer::Ticket { user: known, .. } if user.is_empty() => known,
            _ => user,
        };
        // A blank in a name must not begin a field of its own.
        let user = user.replace(' ', "\\x20");
        let (verb, cause) = match answer {
            Answer::Ticket { .. } => ("login", String::new()),
            Answer::Refused(cause) => ("refuse", format!(" cause={cause}")),
            Answer::Later(cause) => ("later", format!(" cause={cause}")),
            Answer::Challenge(_) => ("later", " cause=a challenge too many".into()),
        };
        let (id, service, ip) = (self.id, self.service, &self.ip);
        sys::log!("login: {id} {verb} service={service} ip={ip} method={mechanism} user={user}{cause}");
    }
}

/// The client's address: what the environment says, else what the socket says. A malformed one
/// is no address.
fn address(job: &Job) -> Option<IpAddr> {
    if let Some(said) = job.env.get("TCPREMOTEIP") {
        return str::from_utf8(said).ok()?.parse().ok();
    }
    let socket = TcpStream::from(job.input.try_clone().ok()?);
    socket.peer_addr().ok().map(|address| address.ip())
}
