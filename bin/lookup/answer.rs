//! Questions by their verbs, and the form of answers.

use std::os::fd::OwnedFd;

use sys::packet;
use wire::{Fate, fields};

use crate::desk::Desk;
use crate::exchange::{self, Exchange};
use crate::house::House;
use crate::{admin, auth, limits, people, relaying, senders};

/// What is answered where.
pub(crate) const VERBS: &[Verb] = &[
    Verb { name: "domain", desks: &Desk::ALL, run: Run::Text(people::domain) },
    Verb { name: "recipient", desks: &Desk::ALL, run: Run::Text(people::recipient) },
    Verb { name: "relay", desks: &[Desk::Lookup, Desk::Admin], run: Run::Text(relaying::relay) },
    Verb { name: "auth", desks: &[Desk::Lookup], run: Run::Octets(auth::auth) },
    Verb { name: "step", desks: &[Desk::Lookup], run: Run::Octets(exchange::go_on) },
    Verb { name: "sending", desks: &[Desk::Lookup], run: Run::Text(limits::sending) },
    Verb { name: "sender", desks: &[Desk::Lookup, Desk::Admin], run: Run::Text(senders::sender) },
    Verb { name: "proof", desks: &[Desk::Root], run: Run::Octets(auth::proof) },
    Verb { name: "login", desks: &[Desk::Root], run: Run::Text(auth::login) },
    Verb { name: "owner", desks: &[Desk::Root], run: Run::Text(people::owner) },
    Verb { name: "admin", desks: &[Desk::Admin], run: Run::Text(admin::admin) },
];

/// A row of the table.
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    pub(crate) desks: &'static [Desk],
    run: Run,
}

/// What a verb's fields are.
enum Run {
    /// Names: UTF-8.
    Text(fn(&House, &mut Caller, &[&str]) -> Answer),
    /// A password may be anything.
    Octets(fn(&House, &mut Caller, &[&[u8]]) -> Answer),
}

/// Who asks, and what is remembered of him between two questions.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) uid: u32,
    /// APOP's timestamp.
    pub(crate) timestamp: Option<String>,
    /// What was begun with `auth`.
    pub(crate) exchange: Option<Exchange>,
    /// What came with the question.
    pub(crate) fds: Vec<OwnedFd>,
}

impl Caller {
    pub(crate) fn new(uid: u32) -> Caller {
        Caller { uid, timestamp: None, exchange: None, fds: Vec::new() }
    }
}

/// An answer: a head (`K`, `Z`, `D` or `C` with what follows it) and fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    head: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

impl Answer {
    /// Head and no fields.
    pub(crate) fn of(head: impl Into<Vec<u8>>) -> Answer {
        Answer { head: head.into(), fields: Vec::new() }
    }

    /// The same with these fields.
    pub(crate) fn with<F: Into<Vec<u8>>>(mut self, fields: impl IntoIterator<Item = F>) -> Answer {
        self.fields.extend(fields.into_iter().map(Into::into));
        self
    }

    /// Is it a yes?
    pub(crate) fn is_good(&self) -> bool {
        self.head.first() == Some(&b'K')
    }

    /// A packet that is complete.
    pub(crate) fn whole(packet: Vec<u8>) -> Answer {
        let mut parts = fields(&packet).into_iter().map(<[u8]>::to_vec);
        Answer { head: parts.next().unwrap_or_default(), fields: parts.collect() }
    }

    /// As packets. An answer that does not fit into one comes as several: all but the last begin
    /// with `K+`.
    pub(crate) fn packets(self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        let mut part: Vec<&[u8]> = Vec::new();
        let mut length = 0;
        for field in &self.fields {
            if length + field.len() > packet::MAX - self.head.len() - 1024 && !part.is_empty() {
                packets.push(wire::packet(&[&[&b"K+"[..]], &part[..]].concat()));
                (part, length) = (Vec::new(), 0);
            }
            length += field.len() + 1;
            part.push(field);
        }
        packets.push(wire::packet(&[&[&self.head[..]], &part[..]].concat()));
        packets
    }
}

impl From<Fate> for Answer {
    fn from(fate: Fate) -> Answer {
        Answer::of(fate.to_bytes())
    }
}

/// A question that is none, or is not answered at this socket.
pub(crate) fn misunderstood() -> Answer {
    Fate::later(5, 4, "lookup does not understand the question").into()
}

/// Answers the question in `packet`.
pub(crate) fn answer(house: &House, desk: Desk, caller: &mut Caller, packet: &[u8]) -> Answer {
    let all = fields(packet);
    let Some(verb) = VERBS.iter().find(|verb| verb.name.as_bytes() == all[0]) else { return misunderstood() };
    if !verb.desks.contains(&desk) {
        sys::log!("lookup: refuse {} uid={} at run/{}", verb.name, caller.uid, desk.name());
        return Fate::later(7, 0, "this is not answered here").into();
    }
    match verb.run {
        Run::Octets(run) => run(house, caller, &all[1..]),
        Run::Text(run) => {
            match all[1..].iter().map(|field| str::from_utf8(field)).collect::<Result<Vec<_>, _>>() {
                Ok(text) => run(house, caller, &text),
                Err(_) => Fate::never(1, 3, "the name is not UTF-8").into(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_comes_in_packets_that_fit_and_lose_nothing() {
        let names: Vec<String> = (0..20_000).map(|n| format!("user{n}@example.test")).collect();
        let packets = Answer::of("K").with(names.clone()).packets();
        assert!(packets.len() > 1 && packets.iter().all(|packet| packet.len() <= packet::MAX));
        let mut found = Vec::new();
        for (at, packet) in packets.iter().enumerate() {
            let parts = fields(packet);
            assert_eq!(parts[0], if at + 1 < packets.len() { &b"K+"[..] } else { b"K" });
            found.extend(parts[1..].iter().map(|part| String::from_utf8(part.to_vec()).unwrap()));
        }
        assert_eq!(found, names);
        assert_eq!(Answer::of("K").packets(), [b"K"]);
    }
}
