//! `enqueue`: puts one message into the queue, with exactly qmail-queue's interface: the message on
//! descriptor 0, the envelope on descriptor 1, the outcome as the exit code.
//!
//! What QMAILQUEUE programs end in. Adds and judges nothing: `queued` does.

mod outcome;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use control::Home;
use submission::{Cut, Envelope, Submission};
use sys::Stop;
use wire::Fate;

use crate::outcome::Outcome;

/// A caller that is not done by now never will be. Seconds.
const DEATH: u32 = 24 * 60 * 60;
const PIECE: usize = 64 * 1024 - 1;

fn main() -> ExitCode {
    sys::main("enqueue", run)
}

fn run() -> Result<(), Stop> {
    sys::signals::alarm(DEATH);
    let (message, envelope) = match (sys::adopt(0), sys::adopt(1)) {
        (Ok(message), Ok(envelope)) => (message, envelope),
        _ => return Err(Stop(Outcome::Unreadable as i32)),
    };
    let mut queue = Submission::at(Home::find().run("queue"));
    match submit(&mut queue, message, envelope) {
        Ok(()) => Ok(()),
        Err(outcome) => Err(outcome.stop()),
    }
}

fn submit(queue: &mut Submission, message: OwnedFd, envelope: OwnedFd) -> Result<(), Outcome> {
    queue.open(&format!("enqueue-{}", std::process::id())).map_err(|error| Outcome::unreachable(&error))?;
    if std::env::var_os(submission::REQUIRETLS).is_some() {
        queue.requiretls();
    }
    each_piece(message, |piece| {
        queue.write(piece);
        Ok(())
    })?;
    let mut format = Envelope::new();
    each_piece(envelope, |piece| {
        let used = format.feed(piece)?;
        queue.envelope(&piece[..used]);
        Ok(())
    })?;
    format.end()?;
    match queue.commit() {
        Fate::Done(_) => Ok(()),
        fate => Err(Outcome::refused(&fate)),
    }
}

impl From<Cut> for Outcome {
    fn from(cut: Cut) -> Outcome {
        match cut {
            Cut::Format => Outcome::BadEnvelope,
            Cut::Long => Outcome::LongAddress,
        }
    }
}

fn each_piece(fd: OwnedFd, mut each: impl FnMut(&[u8]) -> Result<(), Outcome>) -> Result<(), Outcome> {
    let mut file = File::from(fd);
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => each(&piece[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Outcome::Unreadable),
        }
    }
}
