//! The account's small text files: read whole, with a limit; written by `Folder::replace`.

use std::io::{self, ErrorKind, Read};

use sys::durable::Folder;

/// A text file of an account may have so many octets.
pub(crate) const MOST: u64 = 4 << 20;

/// Reads a text. What is no UTF-8 in it is replaced; a longer one is no such text.
pub(crate) fn read(folder: &Folder, name: &str) -> io::Result<String> {
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
