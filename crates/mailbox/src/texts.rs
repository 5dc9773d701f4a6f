//! The account's small text files: read whole, with a limit; written by `Folder::replace`. What can't be read the log is
//! told, with its path.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use sys::durable::Folder;

use crate::place::unavailable;

/// A text file of an account may have so many octets.
pub(crate) const MOST: u64 = 4 << 20;

/// Reads a text. What is no UTF-8 in it is replaced; a longer one is no such text.
pub(crate) fn read(folder: &Folder, name: &str) -> io::Result<String> {
    let text = read_it(folder, name);
    if let Err(error) = &text
        && error.kind() != ErrorKind::NotFound
    {
        unavailable(&path(folder).join(name), "can't read it", error);
    }
    text
}

/// Where a folder lies, as far as the kernel tells.
fn path(folder: &Folder) -> PathBuf {
    std::fs::read_link(format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd())).unwrap_or_default()
}

fn read_it(folder: &Folder, name: &str) -> io::Result<String> {
    let mut octets = Vec::new();
    folder.read(name)?.take(MOST + 1).read_to_end(&mut octets)?;
    match octets.len() as u64 > MOST {
        true => Err(io::Error::new(ErrorKind::InvalidData, format!("{name} is too long"))),
        false => Ok(String::from_utf8_lossy(&octets).into_owned()),
    }
}

/// As [`read`]; a file that is not there is empty.
pub(crate) fn read_if_there(folder: &Folder, name: &str) -> io::Result<String> {
    match read(folder, name) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
}
