//! `maildir2mbox`: moves the messages of a Maildir to the end of an mbox file, for mail readers that know
//! nothing better.
//!
//! The new mbox is written beside the old one, made durable, and takes its name; then the messages leave
//! the Maildir. A crash between repeats messages, and loses none.

mod mbox;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use maildir::{Entry, Maildir, Quota};
use sys::Stop;

use crate::mbox::Mbox;

fn main() -> ExitCode {
    sys::main("maildir2mbox", run)
}

fn run() -> Result<(), Stop> {
    if std::env::args_os().len() > 1 {
        return Err(Stop::usage("maildir2mbox   (with MAIL, MAILDIR and MAILTMP in the environment)"));
    }
    let (mail, maildir, new) = (path("MAIL")?, path("MAILDIR")?, path("MAILTMP")?);
    let cannot =
        |what: &PathBuf, error: &io::Error| Stop::temporary(format_args!("{}: {error}", what.display()));
    let from = Maildir::open(&maildir).map_err(|error| cannot(&maildir, &error))?;
    let entries = from.scan().map_err(|error| cannot(&maildir, &error))?;
    if entries.is_empty() {
        return Ok(());
    }
    let mut mbox = Mbox::open(&mail, &new).map_err(|error| cannot(&mail, &error))?;
    let moved = copy(&from, entries, &mut mbox).map_err(|error| cannot(&new, &error))?;
    mbox.finish().map_err(|error| cannot(&mail, &error))?;
    match from.remove(&moved, &Quota::default()) {
        Ok(0) => Ok(()),
        Ok(left) => Err(Stop::temporary(format_args!(
            "{left} messages are in {} now and could not be removed",
            mail.display()
        ))),
        Err(error) => Err(cannot(&maildir, &error)),
    }
}

fn path(variable: &str) -> Result<PathBuf, Stop> {
    let value: Option<OsString> = std::env::var_os(variable).filter(|value| !value.is_empty());
    value.map(PathBuf::from).ok_or_else(|| Stop::permanent(format_args!("{variable} is not set")))
}

/// Gives those that have been copied; what another program has taken away meanwhile is passed over.
fn copy(from: &Maildir, entries: Vec<Entry>, mbox: &mut Mbox) -> io::Result<Vec<Entry>> {
    let mut copied = Vec::with_capacity(entries.len());
    for entry in entries {
        match from.read(&entry) {
            Ok(message) => mbox.add(message)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        copied.push(entry);
    }
    Ok(copied)
}
