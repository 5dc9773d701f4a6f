//! Delivers to other hosts: takes orders from `send`, finds the servers of a domain, speaks SMTP to them.
//!
//! As `remote host sender recipient...` it does so once, with qmail-remote's interface; as qmail-tcpto
//! and qmail-tcpok it shows and empties the memory of addresses that did not answer.

mod carrier;
mod delivery;
mod hosts;
mod letter;
mod once;
mod secrecy;
mod settings;
mod tcpto;

use std::fs::File;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use control::{Home, Role, Uids};
use orders::{Crew, Desk};
use sys::Stop;
use sys::confine::Confine;
use sys::signals::{Signal, Signals};

use crate::carrier::Courier;
use crate::tcpto::Memory;

const USAGE: &str = "remote [host sender recipient...]";
/// Deliveries at one time, whatever `control/concurrencyremote` says.
const MOST: usize = 1000;
/// How long deliveries under way are waited for at the end.
const LAST_PATIENCE: Duration = Duration::from_secs(30);
/// The memory of silent addresses.
const TCPTO: &str = "tcpto";

fn main() -> ExitCode {
    sys::main("remote", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let name = args.next().unwrap_or_default();
    let args: Vec<String> = args.collect();
    match name.rsplit('/').next() {
        Some("qmail-tcpto") => show(),
        Some("qmail-tcpok") => forget(),
        _ if args.is_empty() => serve(),
        _ => once::run(&args),
    }
}

fn serve() -> Result<(), Stop> {
    let home = Home::find();
    let uids = Uids::read(&home).map_err(Stop::temporary)?;
    let known = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGALRM];
    let mut signals = Signals::new(&known).map_err(Stop::temporary)?;
    let _ = sys::confine::raise_file_limit();
    let mut desk = Desk::open("remote", "concurrencyremote", MOST, home.clone(), uids.clone())?;
    let memory = Arc::new(memory(&home)?);
    if let Some(myself) = uids.identity(Role::Remote).map_err(Stop::temporary)? {
        sys::become_user(&myself).map_err(Stop::temporary)?;
    }
    confine(&home).apply().map_err(Stop::temporary)?;
    let mut crew = Crew::new(MOST, move || Box::new(Courier::new(home.clone(), Arc::clone(&memory))));
    sys::log!("remote: status: ready");
    // Control files are read for each delivery: HUP has nothing to do, nor has ALRM.
    while !matches!(signals.take(), Some(Signal::SIGTERM | Signal::SIGINT)) {
        desk.attend(&signals, &crew)?;
    }
    sys::log!("remote: status: exiting");
    drop(desk);
    give_up_in(LAST_PATIENCE);
    crew.finish();
    Ok(())
}

/// A server that drips must not keep a restart waiting: what is cut off is tried again.
fn give_up_in(patience: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(patience);
        sys::log!("remote: warning: giving up what is still under way");
        std::process::exit(0);
    });
}

/// Opened while we may; another uid keeps only the descriptor.
fn memory(home: &Home) -> Result<Memory, Stop> {
    let path = home.run(TCPTO);
    let at = |error| Stop::temporary(format_args!("{}: {error}", path.display()));
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(at)?;
    Ok(Memory::open(file))
}

/// Folders of what says where name servers are: its files are replaced by others when that changes.
const RESOLVER: &[&str] = &["/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"];

fn confine(home: &Home) -> Confine {
    RESOLVER.iter().fold(Confine::new().read(home.control()).internet(), Confine::read)
}

fn show() -> Result<(), Stop> {
    let path = Home::find().run(TCPTO);
    let text = tcpto::show(&path, sys::unix_seconds())
        .map_err(|error| Stop::temporary(format_args!("{}: {error}", path.display())))?;
    print!("{text}");
    Ok(())
}

fn forget() -> Result<(), Stop> {
    let path = Home::find().run(TCPTO);
    let emptied = File::options().write(true).truncate(true).open(&path);
    emptied.map(drop).map_err(|error| Stop::temporary(format_args!("{}: {error}", path.display())))
}
