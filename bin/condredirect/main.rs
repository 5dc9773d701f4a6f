//! `condredirect`: sends the message of this delivery to another address if a program says so, and ends
//! the delivery then.

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use control::Home;
use courier::Forward;
use sys::Stop;

/// Done, and the instructions that follow are not wanted.
const STOP_HERE: i32 = 99;

fn main() -> ExitCode {
    sys::main("condredirect", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    let [address, program @ ..] = &arguments[..] else { return Err(usage()) };
    if program.is_empty() {
        return Err(usage());
    }
    let forward = Forward::usual()?;
    match courier::run(program)? {
        0 => courier::forward(Home::find().run("queue"), &forward, &[address.as_bytes().to_vec()], true)
            .and(Err(Stop(STOP_HERE))),
        111 => Err(Stop::temporary("the program says: not now")),
        _ => Ok(()),
    }
}

fn usage() -> Stop {
    Stop::usage("condredirect address program [argument ...]")
}
