//! Carries out local deliveries: takes orders from `send`, asks `lookup` who the owner is, has a
//! `local-deliver` worker of the owner's uid do the work, reports.
//!
//! Root, or an ordinary user for itself. Parses nothing that comes from the network but the
//! packets of `send` and `lookup`, reads no message, and confines neither itself nor what
//! programs would inherit.

mod as_owner;
mod carrier;
mod homes;
mod lookup;
mod programs;
mod turns;
mod workers;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use control::{Home, Uids};
use orders::{Concurrency, Crew, Desk};
use sys::Stop;
use sys::signals::{Signal, Signals};

use crate::carrier::{Carrier, Shared};

const USAGE: &str = "spawn [-t seconds]";
/// Deliveries at one time, whatever `control/concurrencylocal` says.
const MOST: usize = 255;
/// Longest a delivery may take, in seconds, before its worker is killed and the mail waits.
const PATIENCE: u64 = 1800;

fn main() -> ExitCode {
    sys::main("spawn", run)
}

fn run() -> Result<(), Stop> {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((_, words)) = words.split_first().filter(|(first, _)| *first == as_owner::AS) {
        return Err(as_owner::become_program(words));
    }
    let patience = patience()?;
    let house = Home::find();
    let uids = Uids::read(&house).map_err(Stop::temporary)?;
    // Before the first thread.
    let known = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM];
    let mut signals = Signals::new(&known).map_err(Stop::temporary)?;
    if let Err(error) = sys::confine::raise_file_limit() {
        sys::log!("spawn: warning: can't raise the limit of open files: {error}");
    }
    let mut desk = Desk::open("spawn", Concurrency::Says("concurrencylocal"), MOST, house.clone(), uids)?;
    let shared = Arc::new(Shared::new(house, patience, MOST));
    let hired = Arc::clone(&shared);
    let mut crew = Crew::new(MOST, move || Box::new(Carrier::new(Arc::clone(&hired))));
    sys::log!("spawn: status: ready");
    // HUP and ALRM, which mean something to `send`, must not end deliveries half-way.
    let ends = |signal| matches!(signal, Some(Signal::SIGTERM | Signal::SIGINT));
    while !(desk.attend(&signals, &crew)? && ends(signals.take())) {
        shared.workers.tick();
    }
    sys::log!("spawn: status: exiting");
    drop(desk);
    shared.ending.store(true, Ordering::Relaxed);
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
