//! `bouncesaying`: has the message of this delivery bounced with a text, always or if a program says so.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use sys::Stop;

fn main() -> ExitCode {
    sys::main("bouncesaying", run)
}

fn run() -> Result<(), Stop> {
    let arguments = courier::arguments();
    let [text, program @ ..] = &arguments[..] else {
        return Err(Stop::usage("bouncesaying text [program [argument ...]]"));
    };
    let code = if program.is_empty() { 0 } else { courier::run(program)? };
    match code {
        0 => {
            say(text);
            Err(Stop(100))
        }
        111 => Err(Stop::temporary("the program says: not now")),
        _ => Ok(()),
    }
}

/// The text alone: the sender reads it in the bounce.
fn say(text: &OsStr) {
    let mut line: Vec<u8> =
        text.as_bytes().iter().map(|b| if *b < b' ' && *b != b'\n' { b' ' } else { *b }).collect();
    line.push(b'\n');
    let _ = std::io::stderr().write_all(&line);
}
