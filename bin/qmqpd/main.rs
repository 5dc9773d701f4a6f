//! `qmqpd`: takes mail by QMQP from trusted clients, from one after the other as a worker of
//! `tcpserver`, or from one client under any UCSPI server or inetd.
//!
//! Puts the pure session of crate `qmtp` into the real house. There is no judgement of recipients: who
//! is let in may send to everybody, and is let in only by RELAYCLIENT. Confined as `smtpd` is.

mod connection;
mod house;

use std::process::ExitCode;

use control::Home;
use reception::Files;
use submission::Submission;
use sys::Stop;
use sys::worker::{self, After};

use crate::house::Kept;

/// Address space, far more than is used: a list of recipients is the largest thing held.
const MEMORY: u64 = 1 << 30;

fn main() -> ExitCode {
    sys::main("qmqpd", run)
}

fn run() -> Result<(), Stop> {
    if std::env::args_os().len() > 1 {
        return Err(Stop::usage("qmqpd   (under tcpserver or inetd)"));
    }
    let home = Home::find();
    reception::drop_root(&home)?;
    let mut kept = prepare(&home)?;
    // Read before there are copies, they have it in common. What is broken is told to the client it concerns.
    let _ = kept.files.rules();
    let Some(jobs) = worker::jobs()? else { return Ok(()) };
    let (mut kept, mut outcome) = (Some(kept), Ok(()));
    jobs.serve(|job| {
        let Some(tools) = kept.take() else { return After::Replace };
        let (tools, served) = connection::serve(job, tools);
        kept = Some(tools);
        if let Err(stop) = served {
            outcome = Err(stop);
        }
        After::Ready
    })?;
    if worker::is_worker() { Ok(()) } else { outcome }
}

/// Makes ready all that is kept, and gives up all that will not be needed. Connections are made when there is something
/// to be said: who only waits costs nobody else anything.
fn prepare(home: &Home) -> Result<Kept, Stop> {
    let kept = Kept { files: Files::of(home), queue: Submission::usual(home.run("queue")) };
    if worker::is_worker() || !kept.queue.is_to_program() {
        reception::confine(home, MEMORY)?;
    }
    Ok(kept)
}
