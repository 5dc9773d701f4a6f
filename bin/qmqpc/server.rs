//! One QMQP server: connect, send, hear its answer.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use sys::Timed;
use wire::netstring::{Event, Netstrings};

const PORT: u16 = 628;
/// qmail-qmqpc's time limits: of connecting, and of each read or write.
const CONNECT: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(60);
/// Octets of the longest answer.
const ANSWER_MAX: u64 = 1000;

/// Why a server did not take the message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It never will: no other server is asked.
    Refused(String),
    /// Not now.
    Later(String),
    /// No connection in time.
    Silent,
    /// No connection.
    Unreachable(String),
    /// The connection broke, or was silent for too long, or spoke nonsense.
    Broken(String),
}

impl Trouble {
    /// The exit code of qmail-queue.
    pub(crate) fn code(&self) -> i32 {
        match self {
            Trouble::Refused(_) => 31,
            Trouble::Later(_) => 71,
            Trouble::Silent => 72,
            Trouble::Unreachable(_) => 73,
            Trouble::Broken(_) => 74,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused(text) => write!(f, "refused: {text}"),
            Trouble::Later(text) => write!(f, "not now: {text}"),
            Trouble::Silent => f.write_str("no connection in time"),
            Trouble::Unreachable(cause) => f.write_str(cause),
            Trouble::Broken(cause) => write!(f, "the talk broke off: {cause}"),
        }
    }
}

/// Gives the packet to `server`, an address with or without a port.
pub(crate) fn submit(server: &str, packet: &[u8]) -> Result<(), Trouble> {
    let address = address(server)
        .ok_or_else(|| Trouble::Unreachable("that is no IP address; mend control/qmqpservers".to_owned()))?;
    let stream = TcpStream::connect_timeout(&address, CONNECT).map_err(|error| match error.kind() {
        ErrorKind::TimedOut => Trouble::Silent,
        _ => Trouble::Unreachable(error.to_string()),
    })?;
    let broken = |error: std::io::Error| Trouble::Broken(error.to_string());
    let mut talk = Timed::new(stream.try_clone().map_err(broken)?.into(), stream.into(), PATIENCE);
    // A server that turns clients away answers before it has read all: what it says still counts.
    let sent = talk.write_all(packet);
    match (hear(&mut talk), sent) {
        (Err(_), Err(error)) => Err(broken(error)),
        (Ok(answer), sent) if answer.first() == Some(&b'K') && sent.is_err() => {
            Err(Trouble::Broken("K to half a message".to_owned()))
        }
        (heard, _) => verdict(&heard?),
    }
}

fn address(server: &str) -> Option<SocketAddr> {
    let alone = server.trim_start_matches('[').trim_end_matches(']');
    let ip = alone.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, PORT));
    ip.or_else(|| server.parse().ok())
}

/// The one netstring of the answer.
fn hear(talk: &mut impl std::io::Read) -> Result<Vec<u8>, Trouble> {
    let (mut stream, mut answer, mut piece) = (Netstrings::new(ANSWER_MAX), Vec::new(), [0; 1024]);
    loop {
        let count = match talk.read(&mut piece) {
            Ok(0) => return Err(Trouble::Broken("it hung up".to_owned())),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Trouble::Broken(error.to_string())),
        };
        let mut input = &piece[..count];
        while let Some(event) =
            stream.next(&mut input).map_err(|_| Trouble::Broken("the answer is garbled".to_owned()))?
        {
            match event {
                Event::Octets(octets) => answer.extend_from_slice(octets),
                Event::End => return Ok(answer),
                Event::Begin(_) | Event::Left => {}
            }
        }
    }
}

fn verdict(answer: &[u8]) -> Result<(), Trouble> {
    let text = String::from_utf8_lossy(answer.get(1..).unwrap_or_default()).into_owned();
    match answer.first() {
        Some(b'K') => Ok(()),
        Some(b'Z') => Err(Trouble::Later(text)),
        Some(b'D') => Err(Trouble::Refused(text)),
        _ => Err(Trouble::Broken("the answer is neither K nor Z nor D".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_with_or_without_a_port() {
        for (text, address_and_port) in [
            ("192.0.2.1", Some("192.0.2.1:628")),
            ("192.0.2.1:1628", Some("192.0.2.1:1628")),
            ("2001:db8::1", Some("[2001:db8::1]:628")),
            ("[2001:db8::1]", Some("[2001:db8::1]:628")),
            ("[2001:db8::1]:99", Some("[2001:db8::1]:99")),
            ("mail.example.test", None),
            ("192.0.2.0/24", None),
        ] {
            assert_eq!(address(text), address_and_port.map(|text| text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_a_whole_answer_counts() {
        for (answer, code) in [
            (&b"2:Kx,"[..], 0),
            (b"3:Zno,", 71),
            (b"3:Dno,", 31),
            (b"2:Kx", 74),
            (b"", 74),
            (b"0:,", 74),
            (b"2:Xx,", 74),
            (b"1001:K", 74),
            (b"HTTP/1.1 400", 74),
        ] {
            let outcome = hear(&mut &answer[..]).and_then(|answer| verdict(&answer));
            assert_eq!(
                outcome.map_or_else(|trouble| trouble.code(), |()| 0),
                code,
                "{}",
                answer.escape_ascii()
            );
        }
    }
}
