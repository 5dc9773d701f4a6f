//! Three sockets, three rights, a connection to a thread.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use control::{Role, Uids};
use sys::{Listener, Packets, Stop, packet};

use crate::answer::{Caller, answer};
use crate::crew::{Crew, STACK};
use crate::house::House;

/// How long a client may leave an answer unread.
const PATIENCE: Duration = Duration::from_secs(60);

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Desk {
    /// For network programs.
    Lookup,
    /// For gate and spawn.
    Root,
    /// For admins.
    Admin,
}

impl Desk {
    pub(crate) const ALL: [Desk; 3] = [Desk::Lookup, Desk::Root, Desk::Admin];

    /// The socket's name under `run/`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Desk::Lookup => "lookup",
            Desk::Root => "lookup-root",
            Desk::Admin => "admin",
        }
    }

    /// Who may connect, by permission bits: the kernel's check, before ours. The admins' socket
    /// belongs to their group.
    pub(crate) fn mode(self) -> u32 {
        match self {
            _ if !sys::is_root() => 0o600,
            Desk::Lookup => 0o666,
            Desk::Root => 0o600,
            Desk::Admin => 0o660,
        }
    }

    /// Most connections at once.
    fn most(self) -> usize {
        match self {
            Desk::Lookup => 4000,
            Desk::Root => 1000,
            Desk::Admin => 50,
        }
    }

    /// May a process of this uid ask here?
    fn admits(self, uid: u32, uids: &Uids) -> bool {
        const NETWORK: [Role; 7] =
            [Role::Net, Role::Tls, Role::Queue, Role::Remote, Role::Web, Role::Admin, Role::Users];
        match self {
            _ if uid == 0 => true,
            Desk::Lookup => NETWORK.iter().any(|role| uids.holds(uid, *role)),
            // The kernel has looked at all groups of the caller; there is no better check.
            Desk::Admin => true,
            Desk::Root => uid == sys::uid() && uids.identity(Role::Users).is_ok_and(|role| role.is_none()),
        }
    }
}

/// Serves all sockets until the process is ended.
pub(crate) fn serve(house: &Arc<House>, uids: &Uids, desks: Vec<(Desk, Listener)>) -> Result<(), Stop> {
    let mut threads = Vec::new();
    for (desk, listener) in desks {
        let (house, uids) = (house.clone(), uids.clone());
        let run = move || accept(&house, &uids, desk, &listener);
        threads.push(thread::Builder::new().stack_size(STACK).spawn(run).map_err(Stop::temporary)?);
    }
    for thread in threads {
        let _ = thread.join();
    }
    Err(Stop::temporary("a socket is no longer served"))
}

fn accept(house: &Arc<House>, uids: &Uids, desk: Desk, listener: &Listener) {
    let mut places = Places::new(desk.most());
    let house = house.clone();
    let crew = Crew::new(move |(connection, caller, _place): (Packets, Caller, [Place; 2]), buffer| {
        // A client that hangs up in the middle of an answer is its own loss.
        let _ = converse(&house, desk, &connection, caller, buffer);
    });
    loop {
        let connection = match listener.accept() {
            Ok(connection) => connection,
            Err(error) => {
                sys::log!("lookup: warning: cannot accept at run/{}: {error}", desk.name());
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        let Some(caller) = admit(&connection, uids, desk) else { continue };
        let Some(place) = places.take(caller.uid) else {
            let (name, uid) = (desk.name(), caller.uid);
            sys::log!("lookup: warning: too many connections at run/{name}; one of uid {uid} is turned away");
            continue;
        };
        if let Err(error) = crew.serve((connection, caller, place)) {
            sys::log!("lookup: warning: no thread for a connection: {error}");
        }
    }
}

fn admit(connection: &Packets, uids: &Uids, desk: Desk) -> Option<Caller> {
    let peer = connection.peer().ok()?;
    if !desk.admits(peer.uid, uids) {
        sys::log!("lookup: refuse uid={} at run/{}", peer.uid, desk.name());
        return None;
    }
    connection.set_timeout(PATIENCE).ok()?;
    Some(Caller::new(peer.uid))
}

fn converse(
    house: &House,
    desk: Desk,
    connection: &Packets,
    mut caller: Caller,
    buffer: &mut Vec<u8>,
) -> io::Result<()> {
    buffer.resize(packet::MAX, 0);
    loop {
        let (length, fds) = match connection.recv_into(buffer) {
            // Nobody has to ask all the time.
            Err(error) if error.kind() == ErrorKind::TimedOut => continue,
            other => other?,
        };
        if length == 0 {
            return Ok(());
        }
        caller.fds = fds;
        for packet in answer(house, desk, &mut caller, &buffer[..length]).packets() {
            connection.send(&packet, &[])?;
        }
    }
}

/// The connections that a socket has places for. One uid gets three quarters of them at most, so that a
/// program gone wild does not shut out its neighbours; root has no such limit.
struct Places {
    most: usize,
    all: Arc<AtomicUsize>,
    of: HashMap<u32, Arc<AtomicUsize>>,
}

impl Places {
    fn new(most: usize) -> Places {
        Places { most, all: Arc::default(), of: HashMap::new() }
    }

    fn take(&mut self, uid: u32) -> Option<[Place; 2]> {
        let own = self.of.entry(uid).or_default();
        let most = if uid == 0 { self.most } else { self.most * 3 / 4 };
        Some([Place::take(own, most)?, Place::take(&self.all, self.most)?])
    }
}

/// One of a limited number of connections.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>, most: usize) -> Option<Place> {
        let place = Place(open.clone());
        (open.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::VERBS;

    #[test]
    fn every_verb_is_answered_at_one_socket_at_least() {
        assert!(VERBS.iter().all(|verb| !verb.desks.is_empty()));
        // Admins may ask what changes nothing; nobody logs in there, and no mailbox is opened.
        let for_admins = ["admin", "domain", "recipient", "relay", "sender"];
        let is_for = |verb: &&crate::answer::Verb| verb.desks.contains(&Desk::Admin);
        assert!(VERBS.iter().filter(is_for).all(|verb| for_admins.contains(&verb.name)));
    }

    #[test]
    fn places_come_back_and_one_uid_never_has_them_all() {
        let mut places = Places::new(4);
        let taken: Vec<_> = (0..5).filter_map(|_| places.take(7)).collect();
        assert_eq!(taken.len(), 3);
        let other = places.take(8);
        assert!(other.is_some() && places.take(8).is_none() && places.take(0).is_none());
        drop((taken, other));
        assert_eq!((0..5).map(|_| places.take(0)).collect::<Vec<_>>().iter().flatten().count(), 4);
    }
}
