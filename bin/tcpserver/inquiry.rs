//! What takes time to find out about a connection: PROXY header, host names, ident. Each connection
//! that needs it has a thread of its own, so that a slow server or client holds up nobody else.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use dns::{Config, Error, Resolver};
use sys::Timed;

use crate::connection::{Connection, Ends};
use crate::options::Options;
use crate::tally::Place;
use crate::{ident, proxy};

/// How long a PROXY header may take.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long one name look-up may take.
const NAME_TIME: Duration = Duration::from_secs(10);
/// How long a name of this host is remembered.
const MEMORY: Duration = Duration::from_secs(300);
/// Most of them that are remembered: a balancer may name any address as ours.
const MOST_REMEMBERED: usize = 1000;
/// Stack of a thread, in octets.
const STACK: usize = 256 * 1024;

/// When a name was asked for, and what it is, if any.
type Remembered = (Duration, Option<String>);

/// The names of this host's own addresses, and when they were asked for.
#[derive(Clone, Default)]
struct OwnNames(Arc<Mutex<HashMap<IpAddr, Remembered>>>);

impl OwnNames {
    /// The name of `ip`, or that it has none, if that has been asked for not long ago.
    fn get(&self, ip: IpAddr) -> Option<Option<String>> {
        let names = self.0.lock().ok()?;
        let (since, name) = names.get(&ip)?;
        (sys::monotonic().saturating_sub(*since) < MEMORY).then(|| name.clone())
    }

    fn put(&self, ip: IpAddr, name: Option<String>) {
        if let Ok(mut names) = self.0.lock() {
            if names.len() >= MOST_REMEMBERED {
                names.clear();
            }
            names.insert(ip, (sys::monotonic(), name));
        }
    }
}

/// What came of an inquiry.
pub(crate) enum Findings {
    /// The connection, with what could be found out.
    Known(Connection, Place),
    /// It has to be dropped, because.
    Bad(Connection, Place, &'static str),
}

/// The inquiries under way.
pub(crate) struct Inquiries {
    options: Arc<Options>,
    own_names: OwnNames,
    sender: Sender<Findings>,
    receiver: Receiver<Findings>,
    bell: Arc<UnixStream>,
    wake: UnixStream,
}

impl Inquiries {
    pub(crate) fn new(options: Arc<Options>) -> io::Result<Inquiries> {
        let (sender, receiver) = channel();
        let (bell, wake) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        Ok(Inquiries {
            options,
            own_names: OwnNames::default(),
            sender,
            receiver,
            bell: Arc::new(bell),
            wake,
        })
    }

    /// Fills in what is known at once; whether more has to be asked.
    pub(crate) fn needed(&self, connection: &mut Connection) -> bool {
        connection.local_host = self.options.local_host.clone();
        let Ends::Tcp { local, .. } = &connection.ends else { return false };
        if connection.local_host.is_none() {
            match self.own_names.get(local.ip()) {
                Some(name) => connection.local_host = name,
                None => return true,
            }
        }
        self.options.remote_host || self.options.remote_info
    }

    /// Begins to ask. `proxied`: a PROXY header comes first. An error: no thread could be started, and
    /// the connection is closed.
    pub(crate) fn start(
        &self,
        connection: Connection,
        place: Place,
        proxied: bool,
    ) -> Result<(), (Place, io::Error)> {
        let spare = place.spare();
        let inquiry = Inquiry { options: self.options.clone(), own_names: self.own_names.clone() };
        let (sender, bell) = (self.sender.clone(), self.bell.clone());
        let run = move || {
            let _ = sender.send(inquiry.run(connection, place, proxied));
            let _ = (&*bell).write(b"!"); // a full pipe wakes as well
        };
        thread::Builder::new().stack_size(STACK).spawn(run).map(drop).map_err(|error| (spare, error))
    }

    /// What has been found out since the last call.
    pub(crate) fn finished(&mut self) -> Vec<Findings> {
        let mut rings = [0; 256];
        while matches!(self.wake.read(&mut rings), Ok(256)) {}
        self.receiver.try_iter().collect()
    }
}

impl AsFd for Inquiries {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

struct Inquiry {
    options: Arc<Options>,
    own_names: OwnNames,
}

impl Inquiry {
    fn run(&self, mut connection: Connection, place: Place, proxied: bool) -> Findings {
        if proxied {
            match header(&connection) {
                Ok(None) => {}
                Ok(Some((remote, local))) => connection.ends = Ends::tcp(remote, local),
                Err(_) => return Findings::Bad(connection, place, "malformed PROXY header"),
            }
        }
        if let Ends::Tcp { remote, local } = connection.ends {
            let resolver = Resolver::new(dns_config());
            if self.options.local_host.is_none() {
                connection.local_host = self.own_name(&resolver, local.ip());
            }
            if self.options.remote_host {
                connection.remote_host = self.name(&resolver, remote.ip());
                connection.host_checked = self.options.paranoid;
            }
            if self.options.remote_info && !proxied {
                connection.remote_info = ident::ask(remote, local, self.options.patience);
            }
        }
        Findings::Known(connection, place)
    }

    fn name(&self, resolver: &Resolver, ip: IpAddr) -> Option<String> {
        let name = resolver.name_of(ip).ok()?;
        let believed = !self.options.paranoid || resolver.confirms(&name, ip) == Ok(true);
        believed.then_some(name)
    }

    fn own_name(&self, resolver: &Resolver, ip: IpAddr) -> Option<String> {
        if let Some(known) = self.own_names.get(ip) {
            return known;
        }
        let name = match resolver.name_of(ip) {
            Ok(name) => Some(name),
            Err(Error::NotFound) => None,
            Err(Error::Later(_)) => return None,
        };
        self.own_names.put(ip, name.clone());
        name
    }
}

fn header(connection: &Connection) -> io::Result<Option<proxy::Claim>> {
    let (input, output) = (connection.fd.try_clone()?, connection.fd.try_clone()?);
    let mut timed = Timed::new(input, output, HEADER_TIME);
    timed.set_deadline(Some(HEADER_TIME));
    proxy::read(&mut timed)
}

/// `$DNSCACHEIP`, as ever, may name the servers to ask; else /etc/resolv.conf.
pub(crate) fn dns_config() -> Config {
    let servers = std::env::var("DNSCACHEIP").unwrap_or_default();
    Config { deadline: NAME_TIME, ..Config::find(&servers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_addresses_that_a_balancer_makes_up_take_no_memory() {
        let names = OwnNames::default();
        for number in 0..10_000_u32 {
            names.put(IpAddr::from(number.to_be_bytes()), None);
        }
        assert!(names.0.lock().unwrap().len() <= 1000);
        assert_eq!(names.get(IpAddr::from(9_999_u32.to_be_bytes())), Some(None));
    }
}
