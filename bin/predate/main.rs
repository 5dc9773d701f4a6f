//! `predate`: runs a program with standard input, and above it a Date line in local time.

use std::process::ExitCode;

use sys::Stop;
use sys::process::Start;

fn main() -> ExitCode {
    sys::main("predate", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    let Some((program, args)) = arguments.split_first() else {
        return Err(Stop::usage("predate program [argument ...]"));
    };
    let now = sys::unix_seconds() as i64;
    let line = format!("Date: {}\n", message::date_local(now, sys::zone(now)));
    match courier::feed(program, Start::new(program).args(args), line.as_bytes())? {
        0 => Ok(()),
        code => Err(Stop(code)),
    }
}
