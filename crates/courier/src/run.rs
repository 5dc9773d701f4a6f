//! Running a program with the message on its descriptor 0. No shell is asked.

use std::ffi::OsString;
use std::io::{self, Write};

use sys::Stop;
use sys::process::{Child, Exit, Start};

use crate::{message, pieces};

/// Runs `words` (a program and its arguments) with descriptor 0 as it is, and gives its exit code.
/// One that can't be started or crashes: 111, as nothing is known then.
pub fn run(words: &[OsString]) -> Result<i32, Stop> {
    drop(message()?);
    let Some((program, args)) = words.split_first() else { return Err(Stop::usage("no program is named")) };
    let child = Start::new(program).args(args).spawn();
    end(child.map_err(|error| unstarted(program, &error))?)
}

/// Runs `start`, called `program` if it fails, with `above` and then the message in a pipe on its
/// descriptor 0, and gives its exit code. It need not read all of it.
pub fn feed(program: &OsString, start: Start, above: &[u8]) -> Result<i32, Stop> {
    let mut file = message()?;
    let (read, mut write) = io::pipe().map_err(Stop::temporary)?;
    let mut child = start.fd(0, read).spawn().map_err(|error| unstarted(program, &error))?;
    let mut wanted = write.write_all(above).is_ok();
    let copied = match wanted {
        true => pieces(&mut file, |piece| {
            wanted = write.write_all(piece).is_ok();
            wanted
        }),
        false => Ok(()),
    };
    if let Err(error) = copied {
        // It must not take half a message for a whole one.
        let _ = child.kill();
        let _ = child.wait();
        return Err(Stop::temporary(format_args!("can't read the message: {error}")));
    }
    drop(write);
    end(child)
}

fn end(mut child: Child) -> Result<i32, Stop> {
    match child.wait() {
        Ok(Exit::Code(code)) => Ok(code),
        Ok(Exit::Signal(signal)) => {
            Err(Stop::temporary(format_args!("the program crashed (signal {signal})")))
        }
        Err(error) => Err(Stop::temporary(error)),
    }
}

fn unstarted(program: &OsString, error: &io::Error) -> Stop {
    Stop::temporary(format_args!("can't run {}: {error}", program.display()))
}
