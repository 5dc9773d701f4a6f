//! `login SERVICE`: speaks a mail protocol until someone has proved who he is.
//!
//! Holds no secret and can open no file: `lookup` judges, `gate` opens the mailbox. Takes one
//! connection from `gate` on descriptor 3, hands it back with the ticket that `lookup` gave.

mod house;
mod lookup;
mod pop3_login;

use std::process::ExitCode;

use sys::worker::{self, Job};
use sys::{Packets, Stop, confine};

use crate::lookup::Lookup;

/// A service that one can log in to.
struct Service {
    name: &'static str,
    speak: fn(Job, &Packets, Lookup) -> Result<(), Stop>,
}

const SERVICES: &[Service] = &[Service { name: "pop3", speak: pop3_login::speak }];

/// Address space: far more than is used.
const MEMORY: u64 = 256 * 1024 * 1024;
const FILES: u64 = 32;

fn main() -> ExitCode {
    sys::main("login", run)
}

fn run() -> Result<(), Stop> {
    let service = service().ok_or_else(|| Stop::usage("login pop3   (started by gate)"))?;
    let gate = sys::adopt(3)
        .and_then(Packets::adopt)
        .map_err(|error| Stop::permanent(format_args!("descriptor 3 does not lead to gate: {error}")))?;
    let mut lookup = Lookup::new(control::Home::find().run("lookup"));
    lookup.connect_early();
    give_up_the_rest().map_err(|error| Stop::temporary(format_args!("can't confine myself: {error}")))?;
    let packet = gate.recv().map_err(|error| Stop::temporary(format_args!("can't hear gate: {error}")))?;
    match packet.and_then(worker::job) {
        Some(job) => (service.speak)(job, &gate, lookup),
        None => Ok(()),
    }
}

fn service() -> Option<&'static Service> {
    let mut args = std::env::args_os().skip(1);
    let name = args.next()?;
    let only = args.next().is_none();
    SERVICES.iter().find(|service| only && name == service.name)
}

/// What is left: descriptors that are open, and `run/lookup`, should it have to be connected anew.
fn give_up_the_rest() -> std::io::Result<()> {
    confine::Limits { memory: Some(MEMORY), files: Some(FILES), file_size: None }.apply()?;
    confine::Confine::new().sockets().apply()
}
