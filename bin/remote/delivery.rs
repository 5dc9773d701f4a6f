//! One message for some recipients of one domain: its servers tried one after the other.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream};

use route::{Hop, Host, relay};
use secrecy::Level;
use smtp::client::{Login, Outcome, Parcel, Peer, Tls};
use wire::Fate;

use crate::demand::Ask;
use crate::handshake::NoTls;
use crate::hosts::{self, Place};
use crate::letter::Letter;
use crate::line::Line;
use crate::lines::{Terms, Turn};
use crate::wanted::{Policy, Wanted};
use crate::world::{World, broken};

/// One message on its way to one domain.
struct Journey<'a> {
    world: &'a World<'a>,
    ask: Ask<'a>,
    login: Option<Login>,
    sender: &'a str,
    recipients: &'a [String],
    letter: &'a Letter<'a>,
}

/// Where mail for a domain goes, and what the admin says of it: recipients who share it share a transaction.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Way {
    hop: Hop,
    level: Level,
}

impl Way {
    /// That of mail from `sender` for `domain`.
    pub(crate) fn find(world: &World<'_>, sender: &str, domain: &str) -> Result<Way, Fate> {
        let hop = match world.relay {
            Some(named) => {
                std::str::from_utf8(named).ok().and_then(relay).map(Hop::Relay).ok_or_else(|| {
                    Fate::later(
                        3,
                        5,
                        "the relay named for this message is no host and port: fulmar queue route",
                    )
                })?
            }
            None => world.settings.relays.hop(sender, domain).map_err(broken)?,
        };
        let named = match &hop {
            Hop::Relay(relay) => Some(match &relay.host {
                Host::Name(name) => name.to_lowercase(),
                Host::Address(ip) => ip.to_string(),
            }),
            Hop::Exchangers(_) => None,
        };
        let mut level = world.settings.level(domain, named.as_deref()).map_err(broken)?;
        if level == Level::Auto && world.settings.never_tls(&[domain]).map_err(broken)? {
            level = Level::None;
        }
        Ok(Way { hop, level })
    }
}

/// Delivers; gives a fate for each of `recipients`, who go the same way; the first is of `domain`.
pub(crate) fn deliver(
    world: &World<'_>,
    (domain, way): (&str, &Way),
    sender: &str,
    recipients: &[String],
    letter: &Letter<'_>,
) -> Vec<Fate> {
    let all = |fate| vec![fate; recipients.len()];
    let (ask, login) = match ask(world, domain, way, letter) {
        Ok(found) => found,
        Err(fate) => return all(fate),
    };
    let shuffle = sys::random::<8>().map_or(1, u64::from_le_bytes);
    match hosts::find(&way.hop, world.resolver, &world.settings.ourselves, shuffle) {
        Ok(places) => Journey { world, ask, login, sender, recipients, letter }.try_all(&places),
        Err(fate) => all(fate),
    }
}

/// What is asked of the servers, and as whom we come.
fn ask<'a>(
    world: &World<'_>,
    domain: &'a str,
    way: &'a Way,
    letter: &Letter<'_>,
) -> Result<(Ask<'a>, Option<Login>), Fate> {
    let mut level = way.level.clone();
    // RFC 8689 §5: the sender would rather be heard by others than not at all.
    if level == Level::Auto && letter.tls_not_required && !letter.requiretls {
        level = Level::May;
    }
    let (sts, login) = match &way.hop {
        Hop::Exchangers(_) if level == Level::Auto => (world.policies.of(domain, world.resolver), None),
        Hop::Exchangers(_) => (None, None),
        Hop::Relay(relay) => (None, relay.login.as_deref()),
    };
    let login = login.map(|name| world.settings.login(name)).transpose().map_err(broken)?;
    Ok((Ask { domain, hop: &way.hop, level, sts, requiretls: letter.requiretls }, login))
}

/// What came of one server.
enum Tried {
    Outcome(Outcome),
    /// Nothing: TLS did not begin, and has not to.
    NoTls(String),
}

impl Journey<'_> {
    fn try_all(&self, places: &[Place]) -> Vec<Fate> {
        let mut last = None;
        for place in places {
            if self.world.memory.is_silent(place.address.ip(), sys::unix_seconds()) {
                let text = format!(
                    "{} has not answered for some time, and is left alone for a while",
                    place.address.ip()
                );
                last.get_or_insert(self.all(Fate::later(4, 1, text)));
                continue;
            }
            let outcome = match self.ask.of(self.world, place) {
                Ok(wanted) => self.try_both_ways(place, &wanted),
                Err(fate) => self.next(fate),
            };
            if !outcome.next {
                return outcome.fates;
            }
            // One that will never do says nothing of another that could not be asked.
            let waits = |fates: &Vec<Fate>| fates.iter().any(|fate| matches!(fate, Fate::Later(_)));
            if !last.as_ref().is_some_and(waits) || waits(&outcome.fates) {
                last = Some(outcome.fates);
            }
        }
        last.unwrap_or_else(|| self.all(Fate::later(4, 1, "no server to connect to")))
    }

    fn all(&self, fate: Fate) -> Vec<Fate> {
        vec![fate; self.recipients.len()]
    }

    /// By TLS if the server offers it; where TLS fails before anything was said of the message, and it has not to
    /// be, without it.
    fn try_both_ways(&self, place: &Place, wanted: &Wanted) -> Outcome {
        match self.try_one(place, wanted) {
            Tried::Outcome(outcome) => outcome,
            Tried::NoTls(cause) => {
                sys::log!("remote: warning: no TLS with {}: {cause}; trying without", place.address.ip());
                match self.try_one(place, &Wanted::default()) {
                    Tried::Outcome(outcome) => outcome,
                    Tried::NoTls(cause) => self.next(Fate::later(4, 2, cause)),
                }
            }
        }
    }

    fn next(&self, fate: Fate) -> Outcome {
        Outcome { fates: self.all(fate), next: true }
    }

    fn try_one(&self, place: &Place, wanted: &Wanted) -> Tried {
        let world = self.world;
        let from = match world.settings.source(self.sender, place.address.ip()) {
            Ok(from) => from,
            Err(error) => return Tried::Outcome(self.next(broken(error))),
        };
        let terms = Terms {
            to: place.address,
            host: place.name.clone(),
            from,
            login: self.login.clone(),
            wanted: wanted.clone(),
        };
        let Some(mut turn) = world.lines.turn(place.address) else {
            let text = format!("{} has not answered others just now", place.address.ip());
            return Tried::Outcome(self.next(Fate::later(4, 1, text)));
        };
        if let Some(mut line) = world.lines.take(&terms) {
            turn.talk();
            line.send(self.parcel(), self.letter);
            if line.was_heard() {
                return Tried::Outcome(self.end(&turn, terms, line));
            }
            line.close();
        }
        match sys::dial(from, place.address, world.settings.connect) {
            Ok(stream) => {
                world.memory.answered(place.address.ip());
                turn.talk();
                self.open(stream, place, &turn, terms)
            }
            Err(error) => {
                if error.kind() == ErrorKind::TimedOut {
                    world.memory.timed_out(place.address.ip(), sys::unix_seconds());
                }
                turn.unanswered();
                let text = format!("{} can't be reached: {error}", place.address.ip());
                Tried::Outcome(self.next(Fate::later(4, 1, text)))
            }
        }
    }

    fn parcel(&self) -> Parcel {
        Parcel {
            sender: self.sender.to_owned(),
            recipients: self.recipients.to_vec(),
            size: self.letter.size,
            eight_bit: self.letter.eight_bit,
            requiretls: self.letter.requiretls,
        }
    }

    fn open(&self, stream: TcpStream, place: &Place, turn: &Turn<'_>, terms: Terms) -> Tried {
        let (world, wanted) = (self.world, terms.wanted.clone());
        let own = stream.local_addr().map_or(place.address.ip(), |own| own.ip());
        let helo = match world.settings.helo(own) {
            Ok(helo) => helo,
            Err(error) => return Tried::Outcome(self.next(broken(error))),
        };
        let peer = Peer {
            helo,
            host: place.address.ip().to_string(),
            tls: wanted.tls,
            login: self.login.clone(),
            private: place.address.ip().is_loopback(),
            random: sys::random().unwrap_or_default(),
        };
        let load = (self.parcel(), self.letter);
        match Line::open(stream, peer, (place, &wanted), world.settings.idle, load) {
            Ok(line) => {
                let failure = match line.doubt {
                    Some(failure) => Some(failure.kind()),
                    None => (!line.is_secret()).then_some("starttls-not-supported"),
                };
                let (ip, tls) = (place.address.ip(), line.tls());
                sys::log!(
                    "remote: {} connect host={} ip={ip} {tls} proof={}",
                    world.id,
                    place.called(),
                    wanted.proof(failure)
                );
                let told = line.got_to_tls();
                let outcome = self.end(turn, terms, line);
                if wanted.tls != Tls::No && told {
                    self.ask.note(world, place, Some(own), &wanted.policy, failure);
                }
                Tried::Outcome(outcome)
            }
            Err(cause) => self.without_tls((place, own), &wanted, turn, &cause),
        }
    }

    fn without_tls(
        &self,
        (place, own): (&Place, IpAddr),
        wanted: &Wanted,
        turn: &Turn<'_>,
        cause: &NoTls,
    ) -> Tried {
        let kind = match cause {
            NoTls::Handshake(_) => "validation-failure",
            NoTls::Certificate(failure) => failure.kind(),
        };
        self.ask.note(self.world, place, Some(own), &wanted.policy, Some(kind));
        if !wanted.demand.must {
            return Tried::NoTls(cause.to_string());
        }
        turn.went(false);
        let whose = match wanted.policy {
            Policy::Dane(_) => "as its DNS asks for (DANE)",
            Policy::Sts(_) => "as its domain asks for (MTA-STS)",
            Policy::Nobody | Policy::Admin => "as this host's configuration asks for",
        };
        let text = format!("{}: no TLS {whose}: {cause}", place.called());
        Tried::Outcome(self.next(Fate::later(7, 5, text)))
    }

    /// What came of it; the connection is kept if it can be.
    fn end(&self, turn: &Turn<'_>, terms: Terms, mut line: Line) -> Outcome {
        let outcome = line.outcome();
        turn.went(!outcome.next);
        self.world.lines.keep(terms, line);
        outcome
    }
}
