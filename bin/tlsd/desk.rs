//! `run/tls`: a slot is reserved, then a socket is handed over and a plain one given back.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use control::{Role, Uids};
use sys::wait::{Interest, until};
use sys::{Listener, Packets, Stop};
use tokio::runtime::Runtime;

use crate::certificates::Keys;
use crate::requests::Requests;
use crate::tickets::Tickets;
use crate::tunnel::{self, Tunnels};

/// Sessions at one time.
const MOST: usize = 10_000;
/// How long a program may take between reserving and handing over: its client is told in between.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the certificates are looked at.
const LOOK: Duration = Duration::from_secs(5);
const STACK: usize = 128 << 10;

/// One of a limited number of sessions, until it is dropped.
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(taken: &Arc<AtomicUsize>) -> Option<Seat> {
        let seat = Seat(taken.clone());
        (taken.fetch_add(1, Ordering::Relaxed) < MOST).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves until the process is ended.
pub(crate) fn serve(
    uids: &Uids,
    (keys, requests, tickets): (&Arc<Keys>, &Requests, &Arc<Tickets>),
    listener: &Listener,
) -> Result<(), Stop> {
    let runtime = Runtime::new().map_err(Stop::temporary)?;
    let clients = Arc::new(keys.clients());
    let tunnels = Tunnels::new(keys.clone(), clients.clone(), tickets.clone()).map_err(Stop::temporary)?;
    let tunnels = Arc::new(tunnels);
    let taken = Arc::new(AtomicUsize::new(0));
    let mut looked = sys::monotonic();
    loop {
        let knocks = until(listener.as_fd(), Interest::Read, Some(LOOK)).map_err(Stop::temporary)?;
        if sys::monotonic().saturating_sub(looked) >= LOOK {
            looked = sys::monotonic();
            requests.look();
            keys.look();
            clients.look();
            tickets.turn(sys::unix_seconds());
        }
        if !knocks {
            continue;
        }
        let packets = match listener.accept() {
            Ok(packets) => packets,
            Err(error) => {
                sys::log!("tlsd: warning: can't accept: {error}");
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        if !admits(&packets, uids) {
            continue;
        }
        let Some(seat) = Seat::take(&taken) else {
            sys::log!("tlsd: warning: {MOST} sessions are open; one more is turned away");
            let _ = packets.set_timeout(Duration::from_secs(1)).and_then(|()| packets.send(b"Zfull", &[]));
            continue;
        };
        let (tunnels, handle) = (tunnels.clone(), runtime.handle().clone());
        let work = move || {
            // A program that goes away in between is its own loss.
            let _ = converse(&packets, seat, &tunnels, &handle);
        };
        if let Err(error) = thread::Builder::new().stack_size(STACK).spawn(work) {
            sys::log!("tlsd: warning: no thread for a client: {error}");
        }
    }
}

/// Programs that face the network, and what runs as one user with us.
fn admits(packets: &Packets, uids: &Uids) -> bool {
    let Ok(peer) = packets.peer() else { return false };
    let known = peer.uid == 0 || peer.uid == sys::uid() || uids.holds(peer.uid, Role::Net);
    if !known {
        sys::log!("tlsd: refuse uid={} pid={}", peer.uid, peer.pid);
    }
    known
}

fn converse(
    packets: &Packets,
    seat: Seat,
    tunnels: &Arc<Tunnels>,
    handle: &tokio::runtime::Handle,
) -> std::io::Result<()> {
    packets.set_timeout(PATIENCE)?;
    match packets.recv()? {
        Some(packet) if packet.bytes == b"reserve" => packets.send(b"K", &[])?,
        _ => return packets.send(b"Dtlsd does not understand", &[]),
    }
    let Some(mut packet) = packets.recv()? else { return Ok(()) };
    let fields = wire::fields(&packet.bytes);
    let (Some(&b"go"), Some(service), Some(socket)) = (fields.first(), fields.get(1), packet.fds.pop())
    else {
        return packets.send(b"Dtlsd does not understand", &[]);
    };
    let service = String::from_utf8_lossy(service).into_owned();
    let pid = packets.peer().map_or(0, |peer| peer.pid);
    match handle.block_on(tunnel::open(tunnels, socket, seat)) {
        Ok((plain, facts)) => answer(packets, &plain, &facts),
        Err(cause) => {
            sys::log!("tlsd: {pid} refuse service={service} cause={cause}");
            packets.send(format!("D{cause}").as_bytes(), &[])
        }
    }
}

fn answer(packets: &Packets, plain: &OwnedFd, facts: &[String]) -> std::io::Result<()> {
    let fields: Vec<&[u8]> = std::iter::once(&b"K"[..]).chain(facts.iter().map(String::as_bytes)).collect();
    packets.send(&wire::packet(&fields), &[plain.as_fd()])
}
