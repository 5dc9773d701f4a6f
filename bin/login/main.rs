//! `login SERVICE`: speaks a mail protocol until someone has proved who he is.
//!
//! Keeps no secret and can open no file: `lookup` judges, `gate` opens the mailbox. `gate` starts it as a stem, with
//! descriptor 3; each copy takes one connection from `gate`, and hands it back with the ticket that `lookup` gave.

mod house;
mod imap_login;
mod lookup;
mod pop3_login;
mod secrecy;
mod talk;

use std::process::ExitCode;

use sys::worker::{self, Job};
use sys::{Packets, Stop, confine};
use tls::Door;

use crate::house::House;
use crate::lookup::Lookup;

/// A service that one can log in to.
struct Service {
    name: &'static str,
    /// TLS begins with the connection.
    secret: bool,
    speak: fn(Client, &Packets, Lookup) -> Result<(), Stop>,
}

const SERVICES: &[Service] = &[
    Service { name: "pop3", secret: false, speak: talk::speak::<pop3::Login<House>> },
    Service { name: "pop3s", secret: true, speak: talk::speak::<pop3::Login<House>> },
    Service { name: "imap", secret: false, speak: talk::speak::<imap::Login<House>> },
    Service { name: "imaps", secret: true, speak: talk::speak::<imap::Login<House>> },
];

/// Who has come, and how TLS is had for him.
struct Client {
    job: Job,
    tls: Door,
    secret: bool,
}

/// Address space: far more than is used.
const MEMORY: u64 = 256 * 1024 * 1024;
const FILES: u64 = 32;

fn main() -> ExitCode {
    sys::main("login", run)
}

fn run() -> Result<(), Stop> {
    let service = service().ok_or_else(|| Stop::usage("login pop3|pop3s|imap|imaps   (started by gate)"))?;
    let home = control::Home::find();
    let tls = Door::at(home.run("tls"));
    let lookup = Lookup::new(home.run("lookup"));
    give_up_the_rest().map_err(|error| Stop::temporary(format_args!("can't confine myself: {error}")))?;
    let Some(gate) = worker::copy()? else { return Ok(()) };
    let packet = gate.recv().map_err(|error| Stop::temporary(format_args!("can't hear gate: {error}")))?;
    let Some(job) = packet.and_then(worker::job) else { return Ok(()) };
    let spoken = (service.speak)(Client { job, tls, secret: service.secret }, &gate, lookup);
    // Nobody was let in: who was, is with `gate` by now, and this process is no more.
    let _ = gate.send(b"E", &[]);
    spoken
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
