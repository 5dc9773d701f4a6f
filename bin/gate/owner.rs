//! Whose mailbox a ticket opens, by the word of `lookup`.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use owner::Owner;
use sys::Kept;
use wire::{Fate, packet};

const PATIENCE: Duration = Duration::from_secs(30);

/// Why a mailbox is not opened.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// `lookup` could not be asked.
    Lookup(io::Error),
    /// It knows no such ticket, can't tell now, or names root.
    Said(Fate),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lookup(error) => write!(f, "no answer from lookup: {error}"),
            Trouble::Said(fate) => write!(f, "lookup opens nothing: {}", fate.text()),
        }
    }
}

/// Asks `lookup`, at the socket for root, what `ticket` stands for.
pub(crate) fn redeem(socket: &Path, ticket: &[u8]) -> Result<Owner, Trouble> {
    let mut lookup = Kept::new(socket.to_owned(), PATIENCE);
    let answer = lookup.ask(&packet(&[b"login", ticket])).map_err(Trouble::Lookup)?;
    Owner::from_packet(&answer).map_err(Trouble::Said)
}
