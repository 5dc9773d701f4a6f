//! `recordio`: runs a program, and shows in the log all that it reads from descriptor 0 and writes to
//! descriptor 1.
//!
//! Becomes the program, so that its process id, which the lines begin with, is that which tcpserver
//! has logged; a second process of this file stands between it and the client. Changes no octet on
//! its way. Knows no protocol.

mod record;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::thread;

use sys::process::Start;
use sys::{Stop, worker};

use crate::record::{Side, lines};

/// The first argument of the process that stands between.
const BETWEEN: &str = "--between";
const PIECE: usize = 8192;

fn main() -> ExitCode {
    sys::main("recordio", run)
}

fn run() -> Result<(), Stop> {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    match args.as_slice() {
        [word, pid] if word == BETWEEN => between(&pid.to_string_lossy()).map_err(Stop::temporary),
        [program, args @ ..] if !program.as_encoded_bytes().starts_with(b"-") => Err(start(program, args)),
        _ => Err(Stop::usage("recordio program [argument ...]")),
    }
}

/// Returns only when the program can't be started.
fn start(program: &OsString, args: &[OsString]) -> Stop {
    if worker::is_worker() {
        return Stop::permanent("a worker's connections come as packets; start tcpserver without -w");
    }
    match insert() {
        Ok((input, output)) => {
            let error = Start::new(program).args(args).fd(0, input).fd(1, output).exec();
            Stop::temporary(format_args!("{}: {error}", program.to_string_lossy()))
        }
        Err(error) => Stop::temporary(error),
    }
}

/// Puts the other process between the client and us; gives what are the client's ends from now on.
fn insert() -> io::Result<(OwnedFd, OwnedFd)> {
    let ((input, to_program), (from_program, output)) = (io::pipe()?, io::pipe()?);
    let start = Start::new(std::env::current_exe()?).arg(BETWEEN).arg(std::process::id().to_string());
    start.fd(3, to_program).fd(4, from_program).spawn()?;
    Ok((input.into(), output.into()))
}

/// Each direction has a thread, so that neither waits for the other. Ends when the program has
/// closed its output: what a client says after that is nobody's.
fn between(pid: &str) -> io::Result<()> {
    let (client_in, client_out) = (File::from(sys::adopt(0)?), File::from(sys::adopt(1)?));
    let (to_program, from_program) = (File::from(sys::adopt(3)?), File::from(sys::adopt(4)?));
    // The copies are enough; the client must see the end when they are closed.
    sys::leave_standard()?;
    let reader = pid.to_owned();
    thread::Builder::new().spawn(move || pass(client_in, to_program, Side::Read, &reader))?;
    pass(from_program, client_out, Side::Written, pid);
    Ok(())
}

fn pass(mut from: File, mut to: File, side: Side, pid: &str) {
    let mut piece = vec![0; PIECE];
    loop {
        let count = match from.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.unwrap_or(0),
        };
        lines(pid, side, &piece[..count], |line| sys::log!("{line}"));
        if count == 0 || to.write_all(&piece[..count]).is_err() {
            return;
        }
    }
}
