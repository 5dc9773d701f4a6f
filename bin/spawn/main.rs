//! Carries out local deliveries: takes orders from `send`, asks `lookup` who the owner is, has a
//! `local-deliver` worker of the owner's uid do the work, reports.
//!
//! Root, or an ordinary user for itself. Parses nothing that comes from the network but the
//! packets of `send` and `lookup`, reads no message, and confines neither itself nor what
//! programs would inherit.

mod carrier;
mod crew;
mod house;
mod order;
mod owner;
mod workers;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use control::{Control, Home, Role, Uids};
use sys::signals::{Signal, Signals};
use sys::wait::{Interest, poll};
use sys::{Listener, Packets, Stop};

use crate::carrier::Shared;
use crate::crew::Crew;
use crate::order::Order;

const USAGE: &str = "spawn [-t seconds]";
/// Deliveries at one time, whatever `control/concurrencylocal` says.
const MOST: usize = 255;
/// Longest a delivery may take, in seconds, before its worker is killed and the mail waits.
const PATIENCE: u64 = 1800;
/// How often idle workers are looked through.
const TICK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    sys::main("spawn", run)
}

fn run() -> Result<(), Stop> {
    let patience = patience()?;
    let house = Home::find();
    let uids = Uids::read(&house).map_err(Stop::temporary)?;
    // Before the first thread.
    let mut signals = Signals::new(&[Signal::SIGTERM, Signal::SIGINT]).map_err(Stop::temporary)?;
    if let Err(error) = sys::confine::raise_file_limit() {
        sys::log!("spawn: warning: can't raise the limit of open files: {error}");
    }
    let listener = listen(&house, &uids)?;
    let shared = Arc::new(Shared::new(house.clone(), patience, MOST));
    let mut crew = Crew::new(MOST, Arc::clone(&shared));
    sys::log!("spawn: status: ready");

    let mut clients = Vec::new();
    while signals.take().is_none() {
        watch(&signals, &listener, &mut clients, &crew, &|peer| greet(peer, &house, &uids))?;
        shared.workers.tick();
    }
    sys::log!("spawn: status: exiting");
    drop(listener);
    crew.finish();
    Ok(())
}

fn patience() -> Result<Duration, Stop> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let seconds = match &args[..] {
        [] => Some(PATIENCE),
        [option, seconds] if option == "-t" => seconds.parse().ok().filter(|seconds| *seconds > 0),
        _ => None,
    };
    seconds.map(Duration::from_secs).ok_or_else(|| Stop::usage(USAGE))
}

fn listen(house: &Home, uids: &Uids) -> Result<Listener, Stop> {
    let path = house.run("spawn");
    let at = |error| Stop::temporary(format_args!("can't listen on {}: {error}", path.display()));
    let listener = Listener::bind(&path, 0o600).map_err(at)?;
    if let Some(queue) = uids.identity(Role::Queue).map_err(Stop::temporary)? {
        let folder = sys::durable::open_any(&house.join("run")).map_err(at)?;
        folder.give("spawn", queue.uid, queue.gid).map_err(at)?;
    }
    Ok(listener)
}

/// Waits once, and takes what has come: a client, an order, or a client's end.
fn watch(
    signals: &Signals,
    listener: &Listener,
    clients: &mut Vec<Arc<Packets>>,
    crew: &Crew,
    greet: &dyn Fn(&Packets) -> bool,
) -> Result<(), Stop> {
    use std::os::fd::AsFd;
    let mut fds = vec![(signals.as_fd(), Interest::Read), (listener.as_fd(), Interest::Read)];
    fds.extend(clients.iter().map(|client| (client.as_fd(), Interest::Read)));
    let ready = poll(&fds, Some(TICK)).map_err(Stop::temporary)?;
    let mut talking = ready[2..].iter();
    clients.retain(|client| match talking.next() {
        Some(ready) if ready.read => take(client, crew),
        _ => true,
    });
    if ready[1].read {
        match listener.accept() {
            Ok(client) if greet(&client) => clients.push(Arc::new(client)),
            Ok(_) => {}
            // No descriptor left: the pause lets deliveries end.
            Err(error) => {
                sys::log!("spawn: warning: can't accept: {error}");
                std::thread::sleep(TICK);
            }
        }
    }
    Ok(())
}

/// Tells a client how much it may order at one time; false: it is not one that may.
fn greet(client: &Packets, house: &Home, uids: &Uids) -> bool {
    match client.peer() {
        Ok(peer) if uids.holds(peer.uid, Role::Queue) || peer.uid == 0 => {}
        Ok(peer) => {
            sys::log!("spawn: warning: refusing uid {}, which is not the queue's", peer.uid);
            return false;
        }
        Err(_) => return false,
    }
    let most = Control::open(house).number("concurrencylocal").unwrap_or_else(|broken| {
        sys::log!("spawn: warning: {broken}");
        1
    });
    let most = most.min(MOST as u64).to_string();
    client.send(&wire::packet(&[b"spawn", most.as_bytes()]), &[]).is_ok()
}

/// Takes one packet; false: the client is gone.
fn take(client: &Arc<Packets>, crew: &Crew) -> bool {
    let packet = match client.recv() {
        Ok(Some(packet)) => packet,
        Ok(None) => return false,
        Err(error) => {
            sys::log!("spawn: warning: can't read orders: {error}");
            return false;
        }
    };
    match Order::from_packet(packet) {
        Ok(order) => crew.give(order, client),
        Err(slot) => {
            sys::log!("spawn: warning: order mangled");
            let _ = client.send(&wire::packet(&[&slot, b"Z4.3.0 order mangled"]), &[]);
        }
    }
    true
}
