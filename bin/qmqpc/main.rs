//! `qmqpc`: hands one message to the first QMQP server that takes it, with exactly qmail-queue's
//! interface: the message on descriptor 0, the envelope on descriptor 1, the outcome as the exit code.
//!
//! What a host without a queue has in the place of `enqueue`. Keeps nothing: what no server has said
//! `K` to is not accepted.

mod server;

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use control::{Control, Home};
use submission::{Cut, Envelope};
use sys::Stop;
use wire::netstring;

use crate::server::Trouble;

/// A caller that is not done by now never will be. Seconds.
const DEATH: u32 = 24 * 60 * 60;
/// Octets of the longest message: what a server takes in one netstring.
const MOST: u64 = 200_000_000;

/// qmail-queue's exit codes, as far as they come from here.
const ADDRESS_TOO_LONG: i32 = 11;
const REFUSED: i32 = 31;
const UNREADABLE: i32 = 54;
const NO_SERVERS: i32 = 55;
const BAD_ENVELOPE: i32 = 91;

fn main() -> ExitCode {
    sys::main("qmqpc", run)
}

fn run() -> Result<(), Stop> {
    sys::signals::alarm(DEATH);
    let packet = packet(&read(0)?, &read(1)?)?;
    let servers = Control::open(&Home::find()).list("qmqpservers").map_err(|broken| {
        sys::log!("qmqpc: {broken}");
        Stop(NO_SERVERS)
    })?;
    hand_over(&servers.unwrap_or_default(), &packet)
}

/// Asks one server after the other; the last trouble is the outcome.
fn hand_over(servers: &[String], packet: &[u8]) -> Result<(), Stop> {
    if servers.is_empty() {
        sys::log!("qmqpc: control/qmqpservers names no server; write one IP address a line");
    }
    let mut outcome = Stop(NO_SERVERS);
    for server in servers {
        match server::submit(server, packet) {
            Ok(()) => return Ok(()),
            Err(Trouble::Refused(text)) => {
                sys::log!("qmqpc: {server}: refused: {text}");
                return Err(Stop(REFUSED));
            }
            Err(trouble) => {
                sys::log!("qmqpc: {server}: {trouble}");
                outcome = Stop(trouble.code());
            }
        }
    }
    Err(outcome)
}

fn read(number: i32) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let fd: OwnedFd = sys::adopt(number).map_err(|_| Stop(UNREADABLE))?;
    let read = File::from(fd).take(MOST + 1).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() as u64 > MOST {
        return Err(Stop(UNREADABLE));
    }
    Ok(bytes)
}

/// The netstring of message, sender and recipients.
fn packet(message: &[u8], envelope: &[u8]) -> Result<Vec<u8>, Stop> {
    let mut format = Envelope::new();
    let used =
        format.feed(envelope).and_then(|used| format.end().map(|()| used)).map_err(|cut| match cut {
            Cut::Long => Stop(ADDRESS_TOO_LONG),
            Cut::Format => Stop(BAD_ENVELOPE),
        })?;
    let mut inside = Vec::with_capacity(message.len() + used + 64);
    let mut packet = Vec::new();
    let records = envelope[..used].split(|b| *b == 0).filter(|record| !record.is_empty());
    let parts = std::iter::once(message).chain(records.map(|record| &record[1..]));
    let written = parts.into_iter().try_for_each(|part| netstring::write(&mut inside, part));
    written.and_then(|()| netstring::write(&mut packet, &inside)).map_err(|_| Stop(UNREADABLE))?;
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_is_one_netstring_of_all() {
        let packet = packet(b"hi\n", b"Fa@b\0Tc@d\0T\0\0rest").unwrap();
        assert_eq!(packet, b"21:3:hi\n,3:a@b,3:c@d,0:,,");
    }

    #[test]
    fn an_envelope_that_is_none_has_its_own_exit_code() {
        assert_eq!(packet(b"hi", b"Fa@b\0Tc@d\0"), Err(Stop(BAD_ENVELOPE)));
        assert_eq!(packet(b"hi", b""), Err(Stop(BAD_ENVELOPE)));
        let long = [b"F", &vec![b'x'; 1004][..], b"\0\0"].concat();
        assert_eq!(packet(b"hi", &long), Err(Stop(ADDRESS_TOO_LONG)));
    }
}
