//! `smtpd`: receives mail by SMTP, submission or LMTP, from one client after the other as a worker of `tcpserver`, or
//! from one client under any UCSPI server or inetd.
//!
//! Puts the pure session of crate `smtp` into the real house. Runs without privileges; once it
//! listens to a client it can read the control files and reach the suite's sockets, nothing else.

mod clock;
mod connection;
mod house;
mod notice;
mod secrecy;
mod service;

use std::process::ExitCode;

use control::Home;
use reception::{Files, Lookup};
use submission::Submission;
use sys::Stop;
use sys::worker::{self, After};
use tls::Door;

use crate::house::Kept;
use crate::service::Service;

/// Address space, far more than is used: a list of recipients is the largest thing held.
const MEMORY: u64 = 1 << 30;

fn main() -> ExitCode {
    sys::main("smtpd", run)
}

fn run() -> Result<(), Stop> {
    let service = Service::of(std::env::args_os().skip(1)).ok_or_else(|| {
        Stop::usage("smtpd [submission|smtps|submissions|lmtp]   (under tcpserver or inetd)")
    })?;
    let home = Home::find();
    reception::drop_root(&home)?;
    let mut kept = prepare(&home)?;
    // Read before there are copies, they have it in common. What is broken is told to the client it concerns.
    let _ = kept.files.rules();
    let Some(jobs) = worker::jobs()? else { return Ok(()) };
    let (mut kept, mut outcome) = (Some(kept), Ok(()));
    jobs.serve(|job| {
        let Some(tools) = kept.take() else { return After::Replace };
        let (tools, after) = connection::serve(job, tools, service);
        kept = Some(tools);
        after.unwrap_or_else(|stop| {
            outcome = Err(stop);
            After::Ready
        })
    })?;
    if worker::is_worker() { Ok(()) } else { outcome }
}

/// Makes ready all that is kept, and gives up all that will not be needed. Connections are made when there is something
/// to be said: who only waits costs nobody else anything.
fn prepare(home: &Home) -> Result<Kept, Stop> {
    let kept = Kept {
        files: Files::of(home),
        lookup: Lookup::at(home.run("lookup")),
        queue: Submission::usual(home.run("queue")),
        tls: Door::at(home.run("tls")),
    };
    let may_execute = !worker::is_worker() && kept.queue.is_to_program();
    if !may_execute {
        reception::confine(home, MEMORY)?;
    }
    Ok(kept)
}
