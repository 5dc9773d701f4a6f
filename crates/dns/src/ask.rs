//! One question over the network: each server in turn, UDP first, TCP for what is cut, a deadline.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use domain::base::Message;
use domain::base::name::Name;

use crate::message::{self, Answer, Kind, Reply};
use crate::{Config, Error};

/// Most packets with a wrong id or question that are thrown away before a server is given up.
const MOST_FOREIGN: usize = 32;

/// The questions of one look-up; they share its deadline.
pub(crate) struct Ask<'a> {
    config: &'a Config,
    end: Instant,
}

/// How one server did.
enum Outcome {
    Said(Reply),
    Failed(&'static str),
    Silent,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(config: &'a Config) -> Ask<'a> {
        Ask { config, end: Instant::now() + config.deadline }
    }

    /// The first usable reply: `Answer`, `Alias` or `NotFound`.
    pub(crate) fn ask(&self, name: &Name<Vec<u8>>, kind: Kind) -> Result<Reply, Error> {
        let mut cause = "no server to ask";
        for round in 0..self.config.rounds {
            let mut again = false;
            for server in &self.config.servers {
                let Some(patience) = self.patience(round) else {
                    return Err(Error::Later("no answer in time"));
                };
                match self.one(*server, name, kind, patience) {
                    Outcome::Said(reply) => return Ok(reply),
                    Outcome::Failed(why) => cause = why,
                    Outcome::Silent => (again, cause) = (true, "no answer in time"),
                }
            }
            if !again {
                break;
            }
        }
        Err(Error::Later(cause))
    }

    /// How long a server may take in this round; nothing when the deadline is over.
    fn patience(&self, round: u32) -> Option<Duration> {
        let left = self.end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        Some(left.min(self.config.patience * 2u32.pow(round.min(5))))
    }

    fn one(&self, server: SocketAddr, name: &Name<Vec<u8>>, kind: Kind, patience: Duration) -> Outcome {
        let end = Instant::now() + patience;
        let reply = self.over_udp(server, name, kind, true, end);
        let reply = match reply {
            Ok(Reply::Plain) => self.over_udp(server, name, kind, false, end),
            other => other,
        };
        match reply {
            Ok(Reply::Answer(answer)) => Outcome::Said(Reply::Answer(trusted(answer, server))),
            Ok(Reply::NotFound(secure)) => Outcome::Said(Reply::NotFound(secure && is_ours(server))),
            Ok(Reply::Failed(why)) => Outcome::Failed(why),
            Ok(reply @ Reply::Alias(_)) => Outcome::Said(reply),
            Ok(_) => Outcome::Failed("the answer is garbled"),
            Err(error) if is_timeout(&error) => Outcome::Silent,
            Err(_) => Outcome::Failed("no server can be reached"),
        }
    }

    fn over_udp(
        &self,
        server: SocketAddr,
        name: &Name<Vec<u8>>,
        kind: Kind,
        edns: bool,
        end: Instant,
    ) -> io::Result<Reply> {
        let question = message::question(u16::from_ne_bytes(sys::random()?), name, kind, edns);
        let socket = UdpSocket::bind(any(server))?; // the kernel picks a random port
        socket.connect(server)?; // only this server's packets arrive
        socket.send(question.as_slice())?;
        let mut packet = [0; 4096];
        for _ in 0..MOST_FOREIGN {
            socket.set_read_timeout(Some(left(end)?))?;
            let length = socket.recv(&mut packet)?;
            match message::reply(&packet[..length], &question, kind) {
                Reply::Foreign => {}
                Reply::Cut => return over_tcp(server, &question, kind, end),
                reply => return Ok(reply),
            }
        }
        Ok(Reply::Failed("flooded with forged answers"))
    }
}

// RFC 7766 §5, RFC 1035 §4.2.2
fn over_tcp(server: SocketAddr, question: &Message<Vec<u8>>, kind: Kind, end: Instant) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&server, left(end)?)?;
    let mut packet = (question.as_slice().len() as u16).to_be_bytes().to_vec();
    packet.extend_from_slice(question.as_slice());
    stream.set_write_timeout(Some(left(end)?))?;
    stream.write_all(&packet)?;
    let mut length = [0; 2];
    read_all(&mut stream, &mut length, end)?;
    packet.resize(u16::from_be_bytes(length).into(), 0);
    read_all(&mut stream, &mut packet, end)?;
    Ok(message::reply(&packet, question, kind))
}

fn read_all(stream: &mut TcpStream, mut into: &mut [u8], end: Instant) -> io::Result<()> {
    while !into.is_empty() {
        stream.set_read_timeout(Some(left(end)?))?;
        match stream.read(into)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => into = &mut into[length..],
        }
    }
    Ok(())
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    left.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn any(server: SocketAddr) -> (IpAddr, u16) {
    let ip: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    (ip, 0)
}

/// "Validated" counts only from a server whose packets no one outside can forge.
fn trusted(answer: Answer, server: SocketAddr) -> Answer {
    Answer { secure: answer.secure && is_ours(server), ..answer }
}

fn is_ours(server: SocketAddr) -> bool {
    server.ip().to_canonical().is_loopback()
}
