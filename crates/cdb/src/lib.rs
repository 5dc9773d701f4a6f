//! The constant database format: many records in one file, found with two or three small reads.
//!
//! Knows the bytes of the format and nothing of who uses it. Reads with `pread`, so a file that is
//! replaced stays whole for who has it open, and one that is cut short gives an error, never a
//! signal; no length found in a file is believed before it has been compared with the file's size.
//! Writing names, syncing and renaming are the caller's: see `sys::durable`.

mod read;
mod write;

pub use read::{Cdb, Held, Matches, Record, Records, Source};
pub use write::{Writer, build};

use std::{fmt, io};

/// Octets before the first record: 256 pairs of position and number of slots.
const HEAD: u32 = 2048;

/// Longest key or value that is read or written: 64 MiB. Far above what any table holds, and low
/// enough that a damaged length cannot exhaust the memory.
pub const LONGEST: u32 = 64 << 20;

/// Why a database could not be read or written. Never means "not found".
#[derive(Debug)]
pub enum Error {
    /// The file could not be read or written.
    Io(io::Error),
    /// The file is no database, or a cut or damaged one.
    Damaged(&'static str),
    /// The database would pass 4 GiB, or a key or value passes [`LONGEST`].
    TooBig,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::Damaged(what) => write!(f, "damaged database: {what}"),
            Error::TooBig => f.write_str("too big for a database"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    /// An end of the file where there must be more is damage, not an accident of reading.
    fn from(error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Damaged("cut short"),
            _ => Error::Io(error),
        }
    }
}

/// The format's hash of a key.
fn hash(key: &[u8]) -> u32 {
    key.iter().fold(5381, |hash: u32, byte| hash.wrapping_shl(5).wrapping_add(hash) ^ u32::from(*byte))
}

fn pair(bytes: [u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

#[cfg(test)]
mod tests;
