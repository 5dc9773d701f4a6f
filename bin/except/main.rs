//! `except`: turns the answer of a program round: 0 becomes 100, anything else 0; 111 stays.

use std::process::ExitCode;

use sys::Stop;

fn main() -> ExitCode {
    sys::main("except", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    if arguments.is_empty() {
        return Err(Stop::usage("except program [argument ...]"));
    }
    match courier::run(&arguments)? {
        0 => Err(Stop(100)),
        111 => Err(Stop::temporary("the program says: not now")),
        _ => Ok(()),
    }
}
