//! One message for some recipients of one domain: its servers tried one after the other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use dns::Resolver;
use smtp::client::{Client, Outcome, Parcel, Step};
use sys::Timed;
use wire::Fate;

use crate::hosts;
use crate::letter::Letter;
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
        Ok(places) => try_all(world, &places, sender, recipients, letter),
        Err(fate) => vec![fate; recipients.len()],
    }
}

fn places(world: &World<'_>, domain: &str) -> Result<Vec<SocketAddr>, Fate> {
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
    places: &[SocketAddr],
    sender: &str,
    recipients: &[String],
    letter: &Letter<'_>,
) -> Vec<Fate> {
    let mut last = None;
    for place in places {
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
        };
        let outcome = try_one(world, *place, parcel, letter);
        if !outcome.next {
            return outcome.fates;
        }
        last = Some(outcome.fates);
    }
    last.unwrap_or_else(|| vec![Fate::later(4, 1, "no server to connect to"); recipients.len()])
}

fn try_one(world: &World<'_>, place: SocketAddr, parcel: Parcel, letter: &Letter<'_>) -> Outcome {
    let mut client = Client::new(parcel);
    match TcpStream::connect_timeout(&place, world.settings.connect) {
        Ok(stream) => {
            world.memory.answered(place.ip());
            let stream = OwnedFd::from(stream);
            sys::no_delay(stream.as_fd());
            match stream.try_clone() {
                Ok(other) => talk(&mut client, Timed::new(other, stream, world.settings.idle), letter),
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
    client.outcome()
}

/// Talks until it is over. Trouble is the client's to judge: before or after the final dot.
fn talk(client: &mut Client, mut connection: Timed, letter: &Letter<'_>) {
    connection.set_deadline(Some(LONGEST + Duration::from_secs(letter.size / SLOWEST)));
    if let Err(error) = converse(client, &mut connection, letter) {
        client.broken_off(&match error.kind() {
            ErrorKind::TimedOut => "took too long to answer".to_owned(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                "hung up".to_owned()
            }
            _ => format!("can't be talked to: {error}"),
        });
    }
}

fn converse(client: &mut Client, connection: &mut Timed, letter: &Letter<'_>) -> io::Result<()> {
    let (mut input, mut out) = (vec![0; 4096], Vec::new());
    loop {
        let count = connection.read(&mut input)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match client.feed(&input[..count], &mut out) {
            Step::Talk => connection.write_all(&out)?,
            Step::Message => {
                connection.write_all(&out)?;
                let mut buffered = io::BufWriter::with_capacity(64 * 1024, &mut *connection);
                letter.send(&mut buffered)?;
                buffered.flush()?;
            }
            // That QUIT can't be sent changes nothing.
            Step::Over => {
                let _ = connection.write_all(&out);
                return Ok(());
            }
        }
        out.clear();
    }
}
