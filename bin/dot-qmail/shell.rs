//! Commands of a .qmail file: run by /bin/sh as their owner wrote them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;

use delivery::Programs;
use sys::process::{Exit, Start};
use wire::Fate;

/// Runs commands one after the other; what they write goes where our own report goes.
pub(crate) struct Shell;

impl Programs for Shell {
    fn run(
        &mut self,
        command: &[u8],
        environment: &[(&'static str, Vec<u8>)],
        mut message: &File,
    ) -> Result<i32, Fate> {
        let unable = |error| Fate::later(3, 0, format!("unable to run a command: {error}"));
        message.seek(SeekFrom::Start(0)).map_err(unable)?;
        let mut start = Start::new("/bin/sh").arg("-c").arg(OsStr::from_bytes(command));
        for (name, value) in environment {
            start = start.env(name, OsStr::from_bytes(value));
        }
        for name in delivery::PRIVATE {
            start = start.env_remove(name);
        }
        let start = start.fd(0, message.try_clone().map_err(unable)?);
        let exit = start.spawn().map_err(unable)?.wait().map_err(unable)?;
        match exit {
            Exit::Code(code) => Ok(code),
            Exit::Signal(signal) => Err(Fate::later(3, 0, format!("a command was ended by signal {signal}"))),
        }
    }
}
