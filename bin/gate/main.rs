//! `gate SERVER LOGIN SERVICE...`: lets `login` speak with a client; after a good login becomes the
//! mailbox's owner, gives up all but his folder and is the server from then on.
//!
//! The servers of the suite can do that themselves (crate `threshold`), without another execution for each client:
//! `gate` becomes them at once. Any other server it executes when somebody has been let in.

use std::ffi::OsString;
use std::process::ExitCode;

use sys::process::Start;
use sys::{Stop, process, worker};
use threshold::{AT_GATE, Server};

/// The servers that stand at the gate themselves, when no path says that another is meant.
const OURS: &[&str] = &["imapd", "pop3d"];

fn main() -> ExitCode {
    sys::main("gate", run)
}

fn run() -> Result<(), Stop> {
    let mut args = std::env::args_os().skip(1);
    let server = args.next().unwrap_or_default();
    let words: Vec<OsString> = args.collect();
    match OURS.iter().find(|ours| server == **ours && words.len() > 1) {
        Some(ours) => Err(become_server(ours, &words)),
        None => threshold::stand(&words, Server::Program(threshold::program(&server))),
    }
}

fn become_server(name: &str, words: &[OsString]) -> Stop {
    let mut start = Start::new(process::sibling(name)).name(name).arg(AT_GATE).args(words);
    if worker::is_worker() {
        match sys::adopt(3) {
            Ok(requests) => start = start.fd(3, requests),
            Err(error) => return Stop::permanent(format_args!("no parent on descriptor 3: {error}")),
        }
    }
    let error = start.exec();
    Stop::temporary(format_args!("can't become {name}: {error}"))
}
