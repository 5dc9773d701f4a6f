//! One message for some recipients of one domain: its servers tried one after the other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use dns::Resolver;
use smtp::client::{Client, Outcome, Parcel, Step};
use sys::Timed;
use wire::Fate;

use crate::hosts::{self, Place};
use crate::letter::Letter;
use crate::secrecy;
use crate::settings::Settings;
use crate::tcpto::Memory;
use route::{hop, relay};

/// The longest that one server may take in all, whatever it does: tarpits drip for ever. The time that
/// the message takes comes on top, at [`SLOWEST`].
const LONGEST: Duration = Duration::from_secs(3600);
/// Octets a second below which a server is given up.
const SLOWEST: u64 = 1000;

/// What all deliveries share.
pub(crate) struct World<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) resolver: &'a Resolver,
    pub(crate) memory: &'a Memory,
    /// Named by the admin for this message; smtproutes and MX records do not count.
    pub(crate) relay: Option<&'a [u8]>,
}

/// Delivers; gives a fate for each of `recipients`, all of which are of `domain`.
pub(crate) fn deliver(
    world: &World<'_>,
    domain: &str,
    sender: &str,
    recipients: &[String],
    letter: &Letter<'_>,
) -> Vec<Fate> {
    match places(world, domain) {
        Ok(places) => try_all(world, &places, domain, sender, recipients, letter),
        Err(fate) => vec![fate; recipients.len()],
    }
}

fn places(world: &World<'_>, domain: &str) -> Result<Vec<Place>, Fate> {
    let hop = match world.relay {
        Some(named) => std::str::from_utf8(named).ok().and_then(relay).ok_or_else(|| {
            let text = "the relay named for this message is no host and port: fulmar queue route";
            Fate::later(3, 5, text)
        })?,
        None => hop(&world.settings.smtproutes, domain).map_err(|broken| {
            sys::log!("remote: warning: {broken}");
            Fate::later(3, 5, "the routes of mail are out of order here")
        })?,
    };
    let shuffle = sys::random::<8>().map_or(1, u64::from_le_bytes);
    hosts::find(&hop, world.resolver, &world.settings.ourselves, shuffle)
}

fn try_all(
    world: &World<'_>,
    places: &[Place],
    domain: &str,
    sender: &str,
    recipients: &[String],
    letter: &Letter<'_>,
) -> Vec<Fate> {
    let mut last = None;
    for (name, place) in places {
        if world.memory.is_silent(place.ip(), sys::unix_seconds()) {
            let text =
                format!("{} has not answered for some time, and is left alone for a while", place.ip());
            last.get_or_insert(vec![Fate::later(4, 1, text); recipients.len()]);
            continue;
        }
        let parcel = Parcel {
            helo: world.settings.helo.clone(),
            sender: sender.to_owned(),
            recipients: recipients.to_vec(),
            size: letter.size,
            eight_bit: letter.eight_bit,
            host: place.ip().to_string(),
            tls: secrecy::is_tried(&world.settings.without_tls, &[domain, name]),
        };
        let outcome = try_both_ways(world, (name, *place), parcel, letter);
        if !outcome.next {
            return outcome.fates;
        }
        last = Some(outcome.fates);
    }
    last.unwrap_or_else(|| vec![Fate::later(4, 1, "no server to connect to"); recipients.len()])
}

/// By TLS if the server offers it; where TLS fails before anything was said of the message, without it.
fn try_both_ways(
    world: &World<'_>,
    place: (&str, SocketAddr),
    parcel: Parcel,
    letter: &Letter<'_>,
) -> Outcome {
    let plain = Parcel { tls: false, ..parcel.clone() };
    match try_one(world, place, parcel, letter) {
        Tried::Outcome(outcome) => outcome,
        Tried::NoTls(cause) => {
            sys::log!("remote: warning: no TLS with {}: {cause}; trying without", place.1.ip());
            match try_one(world, place, plain, letter) {
                Tried::Outcome(outcome) => outcome,
                Tried::NoTls(cause) => Outcome { fates: vec![Fate::later(4, 2, cause)], next: false },
            }
        }
    }
}

/// What came of one connection.
enum Tried {
    Outcome(Outcome),
    /// Nothing: the handshake failed.
    NoTls(String),
}

fn try_one(world: &World<'_>, place: (&str, SocketAddr), parcel: Parcel, letter: &Letter<'_>) -> Tried {
    let (name, place) = place;
    let mut client = Client::new(parcel);
    match TcpStream::connect_timeout(&place, world.settings.connect) {
        Ok(stream) => {
            world.memory.answered(place.ip());
            let stream = OwnedFd::from(stream);
            sys::no_delay(stream.as_fd());
            match stream.try_clone() {
                Ok(other) => {
                    let connection = Timed::new(other, stream, world.settings.idle);
                    if let Err(cause) = talk(&mut client, connection, (name, place.ip()), letter) {
                        return Tried::NoTls(cause);
                    }
                }
                Err(error) => client.broken_off(&format!("can't be talked to: {error}")),
            }
        }
        Err(error) => {
            if error.kind() == ErrorKind::TimedOut {
                world.memory.timed_out(place.ip(), sys::unix_seconds());
            }
            client.broken_off(&format!("can't be reached: {error}"));
        }
    }
    Tried::Outcome(client.outcome())
}

/// Talks until it is over. Trouble is the client's to judge: before or after the final dot. The error: TLS was to
/// begin and did not.
fn talk(
    client: &mut Client,
    mut connection: Timed,
    server: (&str, IpAddr),
    letter: &Letter<'_>,
) -> Result<(), String> {
    connection.set_deadline(Some(LONGEST + Duration::from_secs(letter.size / SLOWEST)));
    let mut out = Vec::new();
    let said = match converse(client, &mut connection, &mut out, letter) {
        Ok(End::Secure) => {
            let mut secret = secrecy::secure(connection, server)?;
            client.secured(&mut out);
            let said =
                secret.write_all(&out).and_then(|()| converse(client, &mut secret, &mut Vec::new(), letter));
            secrecy::farewell(secret);
            said
        }
        other => other,
    };
    if let Err(error) = said {
        client.broken_off(&match error.kind() {
            ErrorKind::TimedOut => "took too long to answer".to_owned(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                "hung up".to_owned()
            }
            _ => format!("can't be talked to: {error}"),
        });
    }
    Ok(())
}

/// How a conversation ends that does not break off.
enum End {
    Over,
    Secure,
}

fn converse(
    client: &mut Client,
    connection: &mut (impl Read + Write),
    out: &mut Vec<u8>,
    letter: &Letter<'_>,
) -> io::Result<End> {
    let mut input = vec![0; 4096];
    loop {
        out.clear();
        let count = connection.read(&mut input)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match client.feed(&input[..count], out) {
            Step::Talk => connection.write_all(out)?,
            Step::Message => {
                connection.write_all(out)?;
                let mut buffered = io::BufWriter::with_capacity(64 * 1024, &mut *connection);
                letter.send(&mut buffered)?;
                buffered.flush()?;
            }
            Step::Secure => {
                out.clear();
                return Ok(End::Secure);
            }
            // That QUIT can't be sent changes nothing.
            Step::Over => {
                let _ = connection.write_all(out).and_then(|()| connection.flush());
                return Ok(End::Over);
            }
        }
        connection.flush()?;
    }
}
