//! TLS with the other host: from the first octet on, with a certificate that has to be for its name.
//!
//! One thread reads and another writes. The session is in one's hands at a time, and neither waits for the network with it in
//! hand: the other host may write to us before it reads what we write.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use control::{Control, Home};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

/// Octets read from the network at one time.
const PIECE: usize = 16 * 1024;

/// One end of a connection by TLS; clones are of the same connection.
#[derive(Clone)]
pub(crate) struct Secret {
    stream: Arc<TcpStream>,
    session: Arc<Mutex<ClientConnection>>,
    /// Held by whoever writes what the session has made, so that it is written in that order.
    order: Arc<Mutex<()>>,
    /// Read from the network, and not given to the session yet.
    came: Vec<u8>,
}

/// A session that begins: for a server of this name, by the authorities of this system and of control/tlsauthorities.
pub(crate) fn session(name: &str) -> io::Result<ClientConnection> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(https::authorities(&Control::open(&Home::find())));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(io::Error::other)?;
    ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)
}

impl Secret {
    /// Goes on with a session that has begun, on `stream`.
    pub(crate) fn new(session: ClientConnection, stream: TcpStream) -> Secret {
        let (stream, session) = (Arc::new(stream), Arc::new(Mutex::new(session)));
        Secret { stream, session, order: Arc::default(), came: Vec::new() }
    }

    /// Says by TLS too that no more will come.
    pub(crate) fn say_no_more(&self) {
        let mut session = held(&self.session);
        session.send_close_notify();
        let _ = self.write_out(session);
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Hangs up.
    pub(crate) fn hang_up(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Writes what the session has made.
    fn write_out(&self, mut session: MutexGuard<'_, ClientConnection>) -> io::Result<()> {
        let mut made = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut made)?;
        }
        if made.is_empty() {
            return Ok(());
        }
        let _order = held(&self.order);
        drop(session);
        (&*self.stream).write_all(&made)
    }

    /// Gives the session some of what has come, as much as it takes at one time; an error is told to the other side too.
    fn take_in(&mut self) -> io::Result<()> {
        let mut session = held(&self.session);
        let count = session.read_tls(&mut &self.came[..])?;
        let taken = session.process_new_packets().map(drop).map_err(io::Error::other);
        self.write_out(session)?;
        self.came.drain(..count);
        taken
    }

    /// Waits until something comes; false: no more will.
    fn wait(&mut self) -> io::Result<bool> {
        self.came.resize(PIECE, 0);
        let read = (&*self.stream).read(&mut self.came);
        self.came.truncate(*read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    /// What has been understood already; `None`: more has to come first.
    fn understood(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match held(&self.session).reader().read(buffer) {
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Read for Secret {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // All that is understood is taken first: the session has no room for more.
            if let Some(count) = self.understood(buffer)? {
                return Ok(count);
            }
            if self.came.is_empty() && !self.wait()? {
                return Ok(0);
            }
            self.take_in()?;
        }
    }
}

impl Write for Secret {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut session = held(&self.session);
        let count = session.writer().write(octets)?;
        self.write_out(session)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
