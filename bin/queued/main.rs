//! queued: takes messages on `run/queue` and makes them durable.
//!
//! A thread a connection. Whoever can connect may send mail; the kernel says who it is, and the
//! first Received line repeats it. Only this program writes messages into the queue.

mod client;
mod commit;
mod house;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use control::{Control, Home, Role, Uids};
use queue::Queue;
use sys::confine::{Confine, raise_file_limit};
use sys::signals::{Signal, Signals};
use sys::wait::{Interest, poll};
use sys::{Listener, Packets, Stop};

use crate::house::House;

/// Stack of a connection's thread, in octets.
const STACK: usize = 256 * 1024;
/// How often the door wakes up though nobody knocks.
const TICK: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    sys::main("queued", run)
}

fn run() -> Result<(), Stop> {
    sys::memory::share_one_heap();
    let home = Home::find();
    let mut signals = Signals::new(&[Signal::SIGTERM, Signal::SIGINT]).map_err(Stop::temporary)?;
    let uids = Uids::read(&home).map_err(Stop::temporary)?;
    let listener = door(&home, &uids)?;
    let queue = Queue::make(&home.queue()).map_err(|error| cannot(&home, &error))?;
    let _ = raise_file_limit();
    let confine = Confine::new().write(home.queue()).read(home.control()).sockets();
    confine.apply().map_err(Stop::temporary)?;
    let house = Arc::new(House::open(queue, uids, Control::open(&home)).map_err(|e| cannot(&home, &e))?);
    sys::log!("queued: status: ready");
    serve(&house, &listener, &mut signals)?;
    house.close();
    sys::log!("queued: status: exiting");
    Ok(())
}

/// Binds the socket, which anyone may connect to, then gives up root.
fn door(home: &Home, uids: &Uids) -> Result<Listener, Stop> {
    let path = home.run("queue");
    let at = |error| Stop::temporary(format_args!("can't listen on {}: {error}", path.display()));
    let listener = Listener::bind(&path, 0o666).map_err(at)?;
    if let Some(identity) = uids.identity(Role::Queue).map_err(Stop::temporary)? {
        if !home.queue().exists() {
            let folder = sys::durable::open_any(home.path()).map_err(at)?;
            folder.make_folder("queue", 0o700).map_err(at)?;
            folder.give("queue", identity.uid, identity.gid).map_err(at)?;
        }
        sys::become_user(&identity).map_err(Stop::temporary)?;
    }
    Ok(listener)
}

fn cannot(home: &Home, error: &std::io::Error) -> Stop {
    Stop::temporary(format_args!("can't use {}: {error}", home.queue().display()))
}

fn serve(house: &Arc<House>, listener: &Listener, signals: &mut Signals) -> Result<(), Stop> {
    use std::os::fd::AsFd;
    loop {
        house.tidy();
        let fds = [(signals.as_fd(), Interest::Read), (listener.as_fd(), Interest::Read)];
        let ready = poll(&fds, Some(TICK)).map_err(Stop::temporary)?;
        if ready[0].read && signals.take().is_some() {
            return Ok(());
        }
        if !ready[1].read {
            continue;
        }
        match listener.accept() {
            Ok(packets) => receive(house, packets),
            Err(error) => {
                // No descriptor left: the pause lets clients end, where asking again at once would spin.
                sys::log!("queued: warning: can't accept: {error}");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

fn receive(house: &Arc<House>, packets: Packets) {
    let Ok(peer) = packets.peer() else { return };
    if !house.seat(peer.uid) {
        sys::log!("queued: refuse uid={} pid={} cause=too_many_connections", peer.uid, peer.pid);
        return;
    }
    let seat = Seat { house: house.clone(), uid: peer.uid };
    let work = move || client::serve(&seat.house, &packets, peer);
    if let Err(error) = std::thread::Builder::new().stack_size(STACK).spawn(work) {
        sys::log!("queued: warning: can't start a thread: {error}");
    }
}

/// A connection's place, given back at its end, whatever that is.
struct Seat {
    house: Arc<House>,
    uid: u32,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.house.leave(self.uid);
    }
}
