//! One connection to a server: opened, made secret, used for one message after the other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use secrecy::Failure;
use smtp::client::{Client, Outcome, Parcel, Peer, Step, Tls};
use sys::Timed;
use sys::wait::{Interest, until};

use crate::handshake::{NoTls, Secret, farewell, secure};
use crate::hosts::Place;
use crate::letter::Letter;
use crate::wanted::Wanted;

/// The longest that one server may take for one message, whatever it does: tarpits drip for ever. The time that
/// the message takes comes on top, at [`SLOWEST`].
const LONGEST: Duration = Duration::from_secs(3600);
/// Octets a second below which a server is given up.
const SLOWEST: u64 = 1000;

/// A connection and the session on it.
pub(crate) struct Line {
    client: Client,
    pipe: Pipe,
    /// Messages that it has carried.
    pub(crate) uses: u32,
    /// What is wrong with the certificate, where it need not be right.
    pub(crate) doubt: Option<Failure>,
}

enum Pipe {
    Plain(Timed),
    Secret(Box<Secret>),
    /// Handed on, or closed.
    Gone,
}

impl Line {
    /// On `stream`, for `parcel`, whose outcome is [`Line::outcome`]. The error: TLS was to begin and did not.
    pub(crate) fn open(
        stream: TcpStream,
        peer: Peer,
        (place, wanted): (&Place, &Wanted),
        idle: Duration,
        (parcel, letter): (Parcel, &Letter<'_>),
    ) -> Result<Line, NoTls> {
        let stream = OwnedFd::from(stream);
        sys::no_delay(stream.as_fd());
        let mut client = Client::new(peer, parcel);
        let pipe = match stream.try_clone() {
            Ok(other) => Pipe::Plain(Timed::new(other, stream, idle)),
            Err(error) => {
                client.broken_off(&format!("can't be talked to: {error}"));
                Pipe::Gone
            }
        };
        let mut line = Line { client, pipe, uses: 0, doubt: None };
        line.set_deadline(letter);
        if wanted.tls == Tls::Begun {
            line.begin_tls(place, wanted)?;
        }
        let mut out = Vec::new();
        if line.converse(&mut out, letter) == End::Secure {
            line.begin_tls(place, wanted)?;
            line.client.secured(&mut out);
            line.converse(&mut out, letter);
        }
        line.uses = 1;
        Ok(line)
    }

    /// One more parcel on a line that [`Line::is_ready`].
    pub(crate) fn send(&mut self, parcel: Parcel, letter: &Letter<'_>) {
        let mut out = Vec::new();
        self.uses += 1;
        self.set_deadline(letter);
        self.client.give(parcel, &mut out);
        self.converse(&mut out, letter);
    }

    /// What came of the last parcel.
    pub(crate) fn outcome(&mut self) -> Outcome {
        self.client.outcome()
    }

    /// Has the server answered anything to the last parcel?
    pub(crate) fn was_heard(&self) -> bool {
        self.client.has_heard()
    }

    /// Is it by TLS?
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.pipe, Pipe::Secret(_))
    }

    /// For the log: `tls=TLSv1.3 cipher=...`, or `tls=none`.
    pub(crate) fn tls(&self) -> String {
        let Pipe::Secret(secret) = &self.pipe else { return "tls=none".to_owned() };
        let version = match secret.conn.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let cipher = secret.conn.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        format!("tls={version} cipher={}", cipher.unwrap_or("unknown").replacen("TLS13_", "TLS_", 1))
    }

    /// Has the server had its chance to begin TLS?
    pub(crate) fn got_to_tls(&self) -> bool {
        self.is_secret() || self.client.has_greeted()
    }

    /// Can it take another parcel? A server that has said something meanwhile is about to hang up, or has.
    pub(crate) fn is_ready(&self) -> bool {
        let quiet =
            |timed: &Timed| !until(timed.input(), Interest::Read, Some(Duration::ZERO)).unwrap_or(true);
        self.client.standing() == Step::Ready
            && match &self.pipe {
                Pipe::Plain(timed) => quiet(timed),
                Pipe::Secret(secret) => quiet(&secret.sock),
                Pipe::Gone => false,
            }
    }

    /// Says QUIT, if it can be said at once, and hangs up.
    pub(crate) fn close(mut self) {
        let mut out = Vec::new();
        if self.client.standing() == Step::Ready {
            self.client.quit(&mut out);
        }
        match self.pipe {
            Pipe::Plain(mut timed) => {
                timed.set_idle(Duration::ZERO);
                let _ = timed.write_all(&out);
            }
            Pipe::Secret(mut secret) => {
                secret.sock.set_idle(Duration::ZERO);
                let _ = secret.write_all(&out);
                farewell(*secret);
            }
            Pipe::Gone => {}
        }
    }

    fn set_deadline(&mut self, letter: &Letter<'_>) {
        let deadline = Some(LONGEST + Duration::from_secs(letter.size / SLOWEST));
        match &mut self.pipe {
            Pipe::Plain(timed) => timed.set_deadline(deadline),
            Pipe::Secret(secret) => secret.sock.set_deadline(deadline),
            Pipe::Gone => {}
        }
    }

    fn begin_tls(&mut self, place: &Place, wanted: &Wanted) -> Result<(), NoTls> {
        if let Pipe::Plain(timed) = std::mem::replace(&mut self.pipe, Pipe::Gone) {
            let (secret, doubt) = secure(timed, place, &wanted.demand)?;
            (self.pipe, self.doubt) = (Pipe::Secret(Box::new(secret)), doubt);
        }
        Ok(())
    }

    /// Talks until the parcel's fate is known. Trouble is the client's to judge: before or after the final dot.
    fn converse(&mut self, out: &mut Vec<u8>, letter: &Letter<'_>) -> End {
        let client = &mut self.client;
        let end = match &mut self.pipe {
            Pipe::Plain(timed) => converse(client, timed, out, letter),
            Pipe::Secret(secret) => converse(client, &mut **secret, out, letter),
            Pipe::Gone => return End::Over,
        };
        end.unwrap_or_else(|error| {
            client.broken_off(&match error.kind() {
                ErrorKind::TimedOut => "took too long to answer".to_owned(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                    "hung up".to_owned()
                }
                _ => format!("can't be talked to: {error}"),
            });
            End::Over
        })
    }
}

/// How a conversation ends that does not break off.
#[derive(PartialEq, Eq)]
enum End {
    Over,
    Secure,
}

/// Sends `out`, then reads and answers.
fn converse(
    client: &mut Client,
    connection: &mut (impl Read + Write),
    out: &mut Vec<u8>,
    letter: &Letter<'_>,
) -> io::Result<End> {
    let mut input = vec![0; 4096];
    while client.standing() == Step::Talk {
        connection.write_all(out)?;
        connection.flush()?;
        out.clear();
        let count = connection.read(&mut input)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        match client.feed(&input[..count], out) {
            Step::Talk | Step::Ready => {}
            Step::Message => {
                connection.write_all(out)?;
                out.clear();
                let mut buffered = io::BufWriter::with_capacity(64 * 1024, &mut *connection);
                letter.send(&mut buffered)?;
                buffered.flush()?;
            }
            Step::Secure => {
                out.clear();
                return Ok(End::Secure);
            }
            Step::Over => break,
        }
    }
    // That QUIT can't be sent changes nothing.
    let _ = connection.write_all(out).and_then(|()| connection.flush());
    out.clear();
    Ok(End::Over)
}
