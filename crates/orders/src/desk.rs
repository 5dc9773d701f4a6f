//! Where `send` leaves its orders: a socket in `run/` and who may use it.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use control::{Control, Home, Role, Uids};
use sys::signals::Signals;
use sys::wait::{Interest, poll};
use sys::{Listener, Packets, Stop};

use crate::{Crew, Order};

/// Longest wait for something to come.
const TICK: Duration = Duration::from_secs(1);

/// How many orders are taken at one time.
#[derive(Clone, Copy, Debug)]
pub enum Concurrency {
    /// As many as this control file says.
    Says(&'static str),
    /// As many as there can be, unless this control file says 0: how many are carried out at one time is decided
    /// by the carriers.
    Unless(&'static str),
}

/// The socket and those who are connected to it.
#[derive(Debug)]
pub struct Desk {
    name: &'static str,
    concurrency: Concurrency,
    most: usize,
    house: Home,
    uids: Uids,
    listener: Listener,
    clients: Vec<Arc<Packets>>,
}

impl Desk {
    /// Binds the socket `run/name` for the queue's uid alone. At most `most` orders are taken at one time.
    pub fn open(
        name: &'static str,
        concurrency: Concurrency,
        most: usize,
        house: Home,
        uids: Uids,
    ) -> Result<Desk, Stop> {
        let path = house.run(name);
        let at = |error| Stop::temporary(format_args!("can't listen on {}: {error}", path.display()));
        let listener = Listener::bind(&path, 0o600).map_err(at)?;
        if let Some(queue) = uids.identity(Role::Queue).map_err(Stop::temporary)? {
            let folder = sys::durable::open_any(&house.join("run")).map_err(at)?;
            folder.give(name, queue.uid, queue.gid).map_err(at)?;
        }
        Ok(Desk { name, concurrency, most, house, uids, listener, clients: Vec::new() })
    }

    /// Waits once, and takes what has come: a client, an order, a client's end. A signal ends the wait: true, if one has
    /// come.
    pub fn attend(&mut self, signals: &Signals, crew: &Crew) -> Result<bool, Stop> {
        let mut fds = vec![(signals.as_fd(), Interest::Read), (self.listener.as_fd(), Interest::Read)];
        fds.extend(self.clients.iter().map(|client| (client.as_fd(), Interest::Read)));
        let ready = poll(&fds, Some(TICK)).map_err(Stop::temporary)?;
        let mut talking = ready[2..].iter();
        self.clients.retain(|client| match talking.next() {
            Some(ready) if ready.read => take(client, crew),
            _ => true,
        });
        if ready[1].read {
            self.accept();
        }
        Ok(ready[0].read)
    }

    fn accept(&mut self) {
        match self.listener.accept() {
            Ok(client) if self.greet(&client) => self.clients.push(Arc::new(client)),
            Ok(_) => {}
            // No descriptor left: the pause lets deliveries end.
            Err(error) => {
                sys::log!("{}: warning: can't accept: {error}", self.name);
                std::thread::sleep(TICK);
            }
        }
    }

    /// Tells a client how much it may order at one time; false: it is not one that may.
    fn greet(&self, client: &Packets) -> bool {
        match client.peer() {
            Ok(peer) if self.uids.holds(peer.uid, Role::Queue) => {}
            Ok(peer) => {
                sys::log!("{}: warning: refusing uid {}, which is not the queue's", self.name, peer.uid);
                return false;
            }
            Err(_) => return false,
        }
        let (Concurrency::Says(file) | Concurrency::Unless(file)) = self.concurrency;
        let said = Control::open(&self.house).number(file).unwrap_or_else(|broken| {
            sys::log!("{}: warning: {broken}", self.name);
            1
        });
        let most = match self.concurrency {
            Concurrency::Unless(_) if said > 0 => self.most as u64,
            _ => said.min(self.most as u64),
        };
        let most = most.to_string();
        client.send(&wire::packet(&[self.name.as_bytes(), most.as_bytes()]), &[]).is_ok()
    }
}

/// Takes one packet; false: the client is gone.
fn take(client: &Arc<Packets>, crew: &Crew) -> bool {
    let packet = match client.recv() {
        Ok(Some(packet)) => packet,
        Ok(None) => return false,
        Err(error) => {
            sys::log!("{}: warning: can't read orders: {error}", sys::logging::name());
            return false;
        }
    };
    match Order::from_packet(packet) {
        Ok(order) => crew.give(order, client),
        Err(slot) => {
            sys::log!("{}: warning: order mangled", sys::logging::name());
            let _ = client.send(&wire::packet(&[&slot, b"Z4.3.0 order mangled"]), &[]);
        }
    }
    true
}
