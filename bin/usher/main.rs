//! `usher SERVICE`: takes a client who has logged in to the host that has his mailbox, and carries octets between them.
//!
//! Started by `gate` in the place of a server, as who owns nothing. The client's own tag goes along with the pass that
//! `lookup` has written, so that the other host's answer is the answer to his login. Opens no file but those
//! that say whose certificate is to be believed; keeps nothing.

mod carrying;
mod introduction;
mod secret;

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use dns::{Config, Resolver};
use sys::confine::{Confine, Limits};
use sys::{Stop, Timed};

use crate::carrying::Server;
use crate::introduction::{Protocol, Said};
use crate::secret::Secret;

/// How long the other host may take to take the connection.
const CONNECT: Duration = Duration::from_secs(20);
/// How long it may take with a word.
const PATIENCE: Duration = Duration::from_secs(30);
/// Octets of what `gate` hands over.
const MOST: u64 = 128 * 1024;
/// Address space: far more than is used.
const MEMORY: u64 = 256 * 1024 * 1024;
const FILES: u64 = 32;

fn main() -> ExitCode {
    sys::main("usher", run)
}

fn run() -> Result<(), Stop> {
    let usage = || Stop::usage("usher pop3|imap   (started by gate)");
    let mut args = std::env::args().skip(1);
    let protocol = args.next().and_then(|service| Protocol::of(&service)).ok_or_else(usage)?;
    let handed = sys::adopt(3).and_then(|fd| sys::memory::read_all(fd, MOST));
    let handed = handed.map_err(|error| Stop::temporary(format_args!("descriptor 3: {error}")))?;
    let said = Said::read(&handed).ok_or_else(usage)?;
    let client = sys::adopt(0).and_then(|input| Ok((input, sys::adopt(1)?)));
    let (input, output) = client.map_err(|error| Stop::permanent(format_args!("no client: {error}")))?;
    let id = std::process::id();
    let user = said.user.replace(' ', "\\x20");
    let cannot = |error| Stop::temporary(format_args!("can't confine myself: {error}"));
    while_connecting().map_err(cannot)?;
    let server = match introduced(protocol, &said) {
        Ok(server) => server,
        Err(error) => {
            let mut client = Timed::new(input, output, PATIENCE);
            let _ = std::io::Write::write_all(&mut client, &protocol.unreachable(said.tag));
            client.hang_up(PATIENCE);
            return Err(Stop::temporary(format_args!("{id} user={user} host={}: {error}", said.at)));
        }
    };
    Confine::new().apply().map_err(cannot)?;
    sys::log!("usher: {id} begin user={user} host={}", said.at);
    let (there, back) = carrying::carry(input, output, server);
    sys::log!("usher: {id} end user={user} in={there} out={back}");
    Ok(())
}

/// Connects, and says there who comes; what follows from there is for the client.
fn introduced(protocol: Protocol, said: &Said<'_>) -> std::io::Result<Server> {
    let stream = connect(said.at)?;
    let _ = stream.set_nodelay(true);
    sys::keep_alive(stream.as_fd());
    let (input, output) = (OwnedFd::from(stream.try_clone()?), OwnedFd::from(stream.try_clone()?));
    let mut server = Timed::new(input, output, PATIENCE);
    server.set_deadline(Some(PATIENCE));
    if said.tls.is_empty() {
        protocol.introduce(&mut server, said)?;
        return Ok(Server::Plain(Arc::new(stream)));
    }
    let mut session = secret::session(said.tls)?;
    // Before anything is said: a certificate that will not do ends it here.
    while session.is_handshaking() {
        session.complete_io(&mut server)?;
    }
    protocol.introduce(&mut rustls::Stream::new(&mut session, &mut server), said)?;
    Ok(Server::Secret(Secret::new(session, stream)))
}

/// Tries all addresses of the host.
fn connect(at: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("it has no address");
    for address in addresses(at)? {
        match sys::dial(None, address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn addresses(at: &str) -> std::io::Result<Vec<SocketAddr>> {
    if let Ok(address) = at.parse() {
        return Ok(vec![address]);
    }
    let (host, port) = at.rsplit_once(':').ok_or(std::io::ErrorKind::InvalidInput)?;
    let port = port.parse::<u16>().map_err(std::io::Error::other)?;
    let found = Resolver::new(Config::find("")).addresses(host);
    let found: Vec<IpAddr> = found.map_err(|error| std::io::Error::other(format!("{error}")))?;
    Ok(found.into_iter().map(|ip| (ip, port).into()).collect())
}

/// What is left until the other host has been reached; after that, the two connections alone.
fn while_connecting() -> std::io::Result<()> {
    Limits { memory: Some(MEMORY), files: Some(FILES), file_size: None }.apply()?;
    dns::FOLDERS.iter().fold(Confine::new().internet(), Confine::read).apply()
}
