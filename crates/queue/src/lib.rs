//! The queue on disk: one file a message, one octet a recipient, and the steps that keep it whole.
//!
//! Knows the folders below `queue/`, the file format ([`mod@format`]), and what must be synced when.
//! Does not know when a message is tried, by whom, or over which socket it came. Whatever a file
//! holds, reading it is an answer or [`Trouble::Damaged`], never a panic.

mod answers;
mod draft;
pub mod format;
mod ids;
mod intake;
mod list;
mod note;
mod steering;
mod store;
mod stored;
mod trigger;
mod wish;

pub use draft::Draft;
pub use format::Head;
pub use ids::Ids;
pub use intake::{ADDRESS_MAX, Bad, Intake, Record};
pub use list::{Listed, Totals};
pub use note::{Failure, Notes};
pub use steering::Steering;
pub use store::{Found, Queue, SPLIT};
pub use stored::{Recipient, Stored, Window};
pub use trigger::{Bell, News, Trigger};
pub use wish::Wish;

use std::{fmt, io};

#[cfg(test)]
mod admin_tests;
#[cfg(test)]
mod tests;

/// Octets that stay free on the queue's disk: room for `send` to note failures and for the admin. With
/// less, `queued` takes no mail.
pub const FLOOR: u64 = 16 << 20;

/// Why a message can't be used.
#[derive(Debug)]
pub enum Trouble {
    /// It is cut, foreign or garbled, and will stay so; says how.
    Damaged(&'static str),
    /// There is no such message.
    Gone,
    /// The operating system refused; may be better later.
    Io(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        match error.kind() {
            io::ErrorKind::NotFound => Trouble::Gone,
            io::ErrorKind::InvalidInput => Trouble::Damaged("not a regular file"),
            io::ErrorKind::UnexpectedEof => Trouble::Damaged("cut"),
            _ => Trouble::Io(error),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Damaged(how) => write!(f, "damaged: {how}"),
            Trouble::Gone => f.write_str("gone"),
            Trouble::Io(error) => error.fmt(f),
        }
    }
}
