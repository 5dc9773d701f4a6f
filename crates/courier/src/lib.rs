//! Carrying the message on descriptor 0 to a program, or back into the queue: what the small programs
//! for .qmail files and scripts do.
//!
//! Reads the variables of a delivery, runs programs without a shell, forwards. Knows nothing of
//! what is in a message, nor of who is told to deliver it.

mod forward;
mod run;
mod variable;

pub use forward::{Forward, forward};
pub use run::{feed, run};
pub use variable::{line, variable};

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

use sys::Stop;

const PIECE: usize = 64 * 1024;

/// The arguments after the program's name.
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().skip(1).collect()
}

/// Descriptor 0, where it stands.
fn message() -> Result<File, Stop> {
    if sys::was_closed(0) {
        return Err(Stop::temporary("no message: descriptor 0 is closed"));
    }
    sys::adopt(0).map(File::from).map_err(|error| Stop::temporary(format_args!("no message: {error}")))
}

/// Calls `each` with the pieces of `file`; false from it ends the reading.
fn pieces(file: &mut File, mut each: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) if each(&piece[..count]) => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
