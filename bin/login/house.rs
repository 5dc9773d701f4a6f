//! What a login session asks for, of any protocol: `lookup`'s verdict, and a line in the log.

use std::net::{IpAddr, TcpStream};

use sys::worker::Job;
use tls::{Door, Slot};

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
}

impl House {
    pub(crate) fn new(lookup: Lookup, service: &'static str, job: &Job, id: u32, tls: Door) -> House {
        let ip = address(job).map_or_else(String::new, |ip| ip.to_canonical().to_string());
        House { lookup, service, ip, id, ticket: None, tls, slot: None }
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

    /// The ticket of who was let in.
    pub(crate) fn ticket(&mut self) -> Option<Vec<u8>> {
        self.ticket.take()
    }

    /// Asks for a challenge to begin with; `None`: this mechanism is not offered.
    pub(crate) fn challenge(&mut self, mechanism: &str) -> Option<Vec<u8>> {
        let question =
            [&b"auth"[..], self.service.as_bytes(), self.ip.as_bytes(), b"", mechanism.as_bytes(), b""];
        match self.lookup.ask(&question) {
            Answer::Challenge(challenge) => Some(challenge),
            Answer::Later(cause) => {
                sys::log!("login: {} warning service={} ip={} cause={cause}", self.id, self.service, self.ip);
                None
            }
            Answer::Ticket(_) | Answer::Refused(_) => None,
        }
    }

    /// Asks whether `user` may in with this proof. `stepped`: it answers a challenge.
    pub(crate) fn prove(&mut self, mechanism: &str, user: &str, proof: &[u8], stepped: bool) -> Answer {
        let (service, ip) = (self.service.as_bytes(), self.ip.as_bytes());
        let question = [&b"auth"[..], service, ip, b"", mechanism.as_bytes(), user.as_bytes(), proof];
        let answer = if stepped { self.lookup.go_on(&question) } else { self.lookup.ask(&question) };
        self.note(mechanism, user, &answer);
        if let Answer::Ticket(ticket) = &answer {
            self.ticket = Some(ticket.clone());
        }
        answer
    }

    fn note(&self, mechanism: &str, user: &str, answer: &Answer) {
        // A blank in a name must not begin a field of its own.
        let user = user.replace(' ', "\\x20");
        let (verb, cause) = match answer {
            Answer::Ticket(_) => ("login", String::new()),
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
