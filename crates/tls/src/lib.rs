//! A connection made secret by `tlsd`: the client's side of `run/tls`.
//!
//! A server program that speaks plain text hands its client's socket over and gets a plain one back. Before it tells
//! the client to begin it reserves a slot, so that nobody is told to begin in vain. Holds no key, no certificate and
//! no cryptography.

use std::fmt;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::{Env, Packets};

/// How long `tlsd` may take to say yes or no.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a handshake may take, the slowest client's too; `tlsd` itself ends it earlier.
const HANDSHAKE: Duration = Duration::from_secs(45);

/// Where `tlsd` listens.
#[derive(Clone, Debug)]
pub struct Door(PathBuf);

/// A slot that has been reserved.
#[derive(Debug)]
pub struct Slot(Packets);

/// What is known of a connection that has been made secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `TLSv1.3`.
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The name that the client asked for, if it did.
    pub sni: String,
    /// To which a proof may be bound, in hexadecimal digits: `tls-exporter` (RFC 9266), only with TLS 1.3.
    pub exporter: String,
    /// The same: `tls-server-end-point` (RFC 5929).
    pub endpoint: String,
    /// Mail addresses that the client's certificate has proved.
    pub clients: Vec<String>,
}

impl Facts {
    /// For `lookup`, which judges proofs: words with blanks between.
    pub fn told(&self) -> String {
        let Facts { exporter, endpoint, clients, .. } = self;
        let bound = [("tls-exporter", exporter), ("tls-server-end-point", endpoint)];
        let bound = bound.into_iter().filter(|(_, value)| !value.is_empty());
        let words = bound.map(|(name, value)| format!("{name}={value}"));
        words.chain(clients.iter().map(|name| format!("client={name}"))).collect::<Vec<_>>().join(" ")
    }
}

/// What TLS in the environment of a connection asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `off`: nothing, and nothing is offered.
    Off,
    /// `offered`: nothing.
    Offered,
    /// `login`, or not set: no login without it, but from this machine.
    Login,
    /// `required`: nothing without it.
    Required,
}

impl Wanted {
    /// Reads the variable. A word that means nothing is not guessed at.
    pub fn read(env: &Env) -> Result<Wanted, String> {
        match env.get("TLS") {
            None | Some(b"login") => Ok(Wanted::Login),
            Some(b"off") => Ok(Wanted::Off),
            Some(b"offered") => Ok(Wanted::Offered),
            Some(b"required") => Ok(Wanted::Required),
            Some(other) => Err(format!(
                "TLS is `{}`, none of off, offered, login, required; the rule file or the server's environment sets it",
                other.escape_ascii()
            )),
        }
    }

    /// Does a login have to wait for it? `here`: the client sits at this machine.
    pub fn before_login(self, here: bool) -> bool {
        self == Wanted::Required || (self == Wanted::Login && !here)
    }
}

impl fmt::Display for Facts {
    /// For trace lines: `version=TLSv1.3 cipher=...`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version={} cipher={}", self.version, self.cipher)
    }
}

impl Door {
    /// At the socket `path`.
    pub fn at(path: PathBuf) -> Door {
        Door(path)
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Is there a `tlsd` at all? Where there is none nothing is offered.
    pub fn is_there(&self) -> bool {
        self.0.exists()
    }

    /// Reserves a slot. An error: `tlsd` is down, or full.
    pub fn reserve(&self) -> io::Result<Slot> {
        let packets = Packets::connect(&self.0)?;
        packets.set_timeout(PATIENCE)?;
        let answer = packets.ask(b"reserve")?;
        match answer.bytes.as_slice() {
            b"K" => Ok(Slot(packets)),
            other => Err(io::Error::new(ErrorKind::WouldBlock, said(other))),
        }
    }
}

impl Slot {
    /// Hands the client's socket over, of which nobody may keep a copy, and waits for the handshake. Gives a plain
    /// socket in its place.
    pub fn secure(self, socket: OwnedFd, service: &str) -> io::Result<(OwnedFd, Facts)> {
        self.0.set_timeout(HANDSHAKE)?;
        self.0.send(&wire::packet(&[b"go", service.as_bytes()]), &[socket.as_fd()])?;
        drop(socket);
        let mut answer = self.0.recv()?.ok_or(ErrorKind::UnexpectedEof)?;
        let fields = wire::fields(&answer.bytes);
        match (fields.first(), answer.fds.pop()) {
            (Some(&b"K"), Some(plain)) => Ok((plain, facts(&fields))),
            _ => Err(io::Error::new(ErrorKind::ConnectionAborted, said(&answer.bytes))),
        }
    }
}

fn facts(fields: &[&[u8]]) -> Facts {
    let one = |name: &str| {
        let found = fields.iter().find_map(|field| str::from_utf8(field).ok()?.strip_prefix(name));
        found.unwrap_or_default().to_owned()
    };
    let clients = fields.iter().filter_map(|field| str::from_utf8(field).ok()?.strip_prefix("client="));
    Facts {
        version: one("version="),
        cipher: one("cipher="),
        sni: one("sni="),
        exporter: one("tls-exporter="),
        endpoint: one("tls-server-end-point="),
        clients: clients.filter(|name| !name.contains(' ')).map(str::to_owned).collect(),
    }
}

fn said(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(1..).unwrap_or_default());
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_password_waits_for_tls_unless_it_comes_from_this_machine() {
        let said = |value: Option<&str>, here| {
            let mut env = Env::new();
            value.iter().for_each(|value| env.set("TLS", value));
            Wanted::read(&env).map(|wanted| (wanted, wanted.before_login(here)))
        };
        assert_eq!(said(None, false), Ok((Wanted::Login, true)));
        assert_eq!(said(Some("login"), true), Ok((Wanted::Login, false)));
        assert_eq!(said(Some("required"), true), Ok((Wanted::Required, true)));
        assert_eq!(said(Some("offered"), false), Ok((Wanted::Offered, false)));
        assert_eq!(said(Some("off"), false), Ok((Wanted::Off, false)));
        assert!(said(Some("yes"), true).unwrap_err().contains("`yes`"));
    }

    #[test]
    fn a_socket_goes_in_and_a_plain_one_comes_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tls");
        let door = Door::at(path.clone());
        assert!(!door.is_there() && door.reserve().is_err());
        let listener = sys::Listener::bind(&path, 0o600).unwrap();
        let server = std::thread::spawn(move || {
            let client = listener.accept().unwrap();
            assert_eq!(client.recv().unwrap().unwrap().bytes, b"reserve");
            client.send(b"K", &[]).unwrap();
            let go = client.recv().unwrap().unwrap();
            assert_eq!((go.bytes.as_slice(), go.fds.len()), (&b"go\0smtp"[..], 1));
            let (ours, _theirs) = UnixStream::pair().unwrap();
            let facts = b"K\0version=TLSv1.3\0cipher=X\0sni=\0tls-exporter=ab\0client=a@x\0client=b@x";
            client.send(facts, &[ours.as_fd()]).unwrap();
            let full = listener.accept().unwrap();
            full.recv().unwrap();
            full.send(b"Zfull", &[]).unwrap();
        });
        let (socket, _peer) = UnixStream::pair().unwrap();
        let (_plain, facts) = door.reserve().unwrap().secure(socket.into(), "smtp").unwrap();
        assert_eq!(facts.to_string(), "version=TLSv1.3 cipher=X");
        assert_eq!(facts.told(), "tls-exporter=ab client=a@x client=b@x");
        assert_eq!(door.reserve().unwrap_err().to_string(), "full");
        server.join().unwrap();
    }
}
