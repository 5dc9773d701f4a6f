//! `usher SERVICE`: takes a client who has logged in to the host that has his mailbox, and carries octets between them.
//!
//! Started by `gate` in the place of a server, as who owns nothing. The client's own tag goes along with the pass that
//! `lookup` has written, so that the other host's answer is the answer to his login. Opens no file but those
//! that say whose certificate is to be believed; keeps nothing.

mod carrying;
mod introduction;
mod reaching;
mod secret;

use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConnection;
use sys::confine::{Confine, Limits};
use sys::{Stop, Timed};

use crate::carrying::Server;
use crate::introduction::{Protocol, Said};
use crate::secret::Secret;

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
    // Whose certificates are to be believed can't be read later.
    let session = if said.tls.is_empty() { Ok(None) } else { secret::session(said.tls).map(Some) };
    while_connecting().map_err(cannot)?;
    let server = match session.and_then(|session| introduced(protocol, &said, session)) {
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

/// Connects, and says there who comes, by TLS where there is a session for it; what follows from there is for the client.
fn introduced(
    protocol: Protocol,
    said: &Said<'_>,
    session: Option<ClientConnection>,
) -> std::io::Result<Server> {
    let stream = reaching::connect(said.at)?;
    let _ = stream.set_nodelay(true);
    sys::keep_alive(stream.as_fd());
    let (input, output) = (OwnedFd::from(stream.try_clone()?), OwnedFd::from(stream.try_clone()?));
    let mut server = Timed::new(input, output, PATIENCE);
    server.set_deadline(Some(PATIENCE));
    let Some(mut session) = session else {
        protocol.introduce(&mut server, said)?;
        return Ok(Server::Plain(Arc::new(stream)));
    };
    // Before anything is said: a certificate that will not do ends it here.
    while session.is_handshaking() {
        session.complete_io(&mut server)?;
    }
    protocol.introduce(&mut rustls::Stream::new(&mut session, &mut server), said)?;
    Ok(Server::Secret(Secret::new(session, stream)))
}

/// What is left until the other host has been reached; after that, the two connections alone.
fn while_connecting() -> std::io::Result<()> {
    Limits { memory: Some(MEMORY), files: Some(FILES), file_size: None }.apply()?;
    dns::FOLDERS.iter().fold(Confine::new().internet(), Confine::read).apply()
}
