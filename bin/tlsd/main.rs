//! tlsd: holds certificates and keys, alone. On `run/tls` it takes client sockets, does the handshakes, and pumps
//! octets between them and the plain sockets that the server programs get in their place.
//!
//! Starts as root to make its folder and its socket, becomes fulmar-tls, confines itself.

mod certificates;
mod clients;
mod desk;
mod first;
mod requests;
mod tickets;
mod tunnel;

use std::os::unix::fs::chown;
use std::process::ExitCode;
use std::sync::Arc;

use control::{Control, Home, Role, Uids};
use sys::confine::{Confine, raise_file_limit};
use sys::signals::{Signal, Signals};
use sys::{Identity, Listener, Stop};

use crate::certificates::Keys;
use crate::requests::Requests;
use crate::tickets::Tickets;

fn main() -> ExitCode {
    sys::main("tlsd", run)
}

fn run() -> Result<(), Stop> {
    if std::env::args_os().len() != 1 {
        return Err(Stop::usage("tlsd"));
    }
    let home = Home::find();
    // A change is seen by itself.
    let _hangup = Signals::new(&[Signal::SIGHUP]).map_err(Stop::temporary)?;
    let uids = Uids::read(&home).map_err(Stop::temporary)?;
    let myself = uids.identity(Role::Tls).map_err(Stop::temporary)?;
    make_folder(&home, myself.as_ref())?;
    let path = home.run("tls");
    let failed = |error| Stop::temporary(format_args!("cannot listen at {}: {error}", path.display()));
    let mode = if sys::is_root() { 0o666 } else { 0o600 };
    let listener = Listener::bind(&path, mode).map_err(failed)?;
    let _ = raise_file_limit();
    if let Some(myself) = &myself {
        sys::become_user(myself).map_err(Stop::temporary)?;
    }
    let folder = home.control().join("tls");
    let me = Control::open(&home).me().map_err(Stop::temporary)?;
    first::make_default(&folder, &me).map_err(Stop::temporary)?;
    let requests = Requests::of(&home);
    requests.look();
    let got = home.join("acme/certificates");
    let keys = Arc::new(Keys::new(&folder, &got).map_err(Stop::temporary)?);
    let tickets = Arc::new(Tickets::new(&folder, sys::unix_seconds()));
    let confine = Confine::new().read(home.control()).read(home.join("acme")).write(&folder);
    confine.write(home.join("acme/requests")).sockets().apply().map_err(Stop::temporary)?;
    sys::log!("tlsd: ready");
    desk::serve(&uids, (&keys, &requests, &tickets), &listener)
}

/// `control/tls` belongs to us: nobody else reads keys.
fn make_folder(home: &Home, myself: Option<&Identity>) -> Result<(), Stop> {
    let folder = home.control().join("tls");
    if folder.exists() {
        return Ok(());
    }
    let failed = |error| Stop::temporary(format_args!("cannot make {}: {error}", folder.display()));
    sys::durable::open_any(&home.control())
        .and_then(|control| control.make_folder("tls", 0o700))
        .map_err(failed)?;
    match myself {
        Some(myself) => chown(&folder, Some(myself.uid), Some(myself.gid)).map_err(failed),
        None => Ok(()),
    }
}
