//! send: decides when messages leave the queue, and finishes them.
//!
//! One process, one loop. Delivers nothing itself: `spawn` and `remote` get orders, `bounce` the
//! failures. The schedule is crate `schedule`, the files are crate `queue`; here they meet.

mod at_hand;
mod carrier;
mod clock;
mod lookup;
mod office;
mod outcome;
mod parting;
mod settings;
mod verp;
mod walk;
mod wishes;

use std::process::ExitCode;

use control::{Home, Role, Uids};
use queue::Queue;
use sys::Stop;
use sys::confine::{Confine, raise_file_limit};
use sys::signals::{Signal, Signals};

use crate::office::Office;

const SIGNALS: &[Signal] =
    &[Signal::SIGHUP, Signal::SIGALRM, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD];
/// What a program started from here needs to be loaded at all.
const LIBRARIES: &[&str] = &["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

fn main() -> ExitCode {
    sys::main("send", run)
}

fn run() -> Result<(), Stop> {
    let home = Home::find();
    let signals = Signals::new(SIGNALS).map_err(Stop::temporary)?;
    let uids = Uids::read(&home).map_err(Stop::temporary)?;
    prepare(&home, &uids)?;
    let at = |error| Stop::temporary(format_args!("can't use {}: {error}", home.queue().display()));
    let queue = Queue::make(&home.queue()).map_err(at)?;
    // Held until the end of the process.
    let Some(_lock) = queue.lock("send").map_err(at)? else {
        return Err(Stop::temporary("cannot start: another send is already running"));
    };
    let _ = raise_file_limit();
    if !bounces_go_to_a_program() {
        confine(&home).map_err(Stop::temporary)?;
    }
    Office::open(home, queue, signals)?.run()
}

/// As root: makes the queue's folder for its user, and becomes that user.
fn prepare(home: &Home, uids: &Uids) -> Result<(), Stop> {
    let Some(identity) = uids.identity(Role::Queue).map_err(Stop::temporary)? else { return Ok(()) };
    if !home.queue().exists() {
        let made = sys::durable::open_any(home.path()).and_then(|folder| {
            folder.make_folder("queue", 0o700)?;
            folder.give("queue", identity.uid, identity.gid)
        });
        made.map_err(Stop::temporary)?;
    }
    sys::become_user(&identity).map_err(Stop::temporary)
}

/// QMAILQUEUE's program takes the bounces, and what it may need nobody knows: it inherits what we have left.
fn bounces_go_to_a_program() -> bool {
    sys::Env::here().get("QMAILQUEUE").is_some_and(|path| !path.is_empty())
}

fn confine(home: &Home) -> std::io::Result<()> {
    let programs = sys::process::sibling("bounce");
    let programs = std::path::Path::new(&programs).parent().unwrap_or(std::path::Path::new("/"));
    let mut confine = Confine::new().write(home.queue()).read(home.control()).sockets();
    confine = confine.read("/etc").execute(programs);
    LIBRARIES.iter().fold(confine, |confine, path| confine.execute(path)).apply()
}
