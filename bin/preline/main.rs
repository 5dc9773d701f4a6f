//! `preline`: runs a program with the message of this delivery, and above it the lines that an mbox
//! delivery would add: From_, Return-Path, Delivered-To.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use sys::Stop;
use sys::process::Start;

/// Each line's variable and the letter that drops it, in their order.
const LINES: [(&str, u8); 3] = [("UFLINE", b'f'), ("RPLINE", b'r'), ("DTLINE", b'd')];

fn main() -> ExitCode {
    sys::main("preline", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    let (dropped, words) = options(&arguments).ok_or_else(usage)?;
    let (program, args) = words.split_first().ok_or_else(usage)?;
    let mut above = Vec::new();
    for (variable, letter) in LINES {
        if !dropped.contains(&letter) {
            above.extend(courier::line(variable)?);
        }
    }
    match courier::feed(program, Start::new(program).args(args), &above)? {
        0 => Ok(()),
        code => Err(Stop(code)),
    }
}

fn usage() -> Stop {
    Stop::usage("preline [-dfr] program [argument ...]")
}

/// The letters of the options, and what follows them.
fn options(arguments: &[OsString]) -> Option<(Vec<u8>, &[OsString])> {
    let mut letters = Vec::new();
    for (place, word) in arguments.iter().enumerate() {
        match word.as_bytes() {
            b"--" => return known(letters, &arguments[place + 1..]),
            [b'-', more @ ..] if !more.is_empty() => letters.extend_from_slice(more),
            _ => return known(letters, &arguments[place..]),
        }
    }
    None
}

fn known(letters: Vec<u8>, rest: &[OsString]) -> Option<(Vec<u8>, &[OsString])> {
    letters.iter().all(|b| b"dfr".contains(b)).then_some((letters, rest))
}
