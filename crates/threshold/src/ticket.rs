//! Whose mailbox a ticket opens, by the word of `lookup`.

use std::fmt;
use std::io::{self, PipeWriter};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use owner::Opened;
use sys::Packets;
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

/// What a ticket has brought.
#[derive(Debug)]
pub(crate) struct Redeemed {
    /// Whose mailbox, or where it is.
    pub(crate) opened: Opened,
    /// As long as somebody holds this end of a pipe, `lookup` takes the session for open.
    pub(crate) session: PipeWriter,
}

/// Asks `lookup`, at the socket for root, what `ticket` stands for.
pub(crate) fn redeem(socket: &Path, ticket: &[u8]) -> Result<Redeemed, Trouble> {
    let (answer, session) = ask(socket, &packet(&[b"login", ticket])).map_err(Trouble::Lookup)?;
    Ok(Redeemed { opened: Opened::from_packet(&answer).map_err(Trouble::Said)?, session })
}

fn ask(socket: &Path, question: &[u8]) -> io::Result<(Vec<u8>, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let lookup = Packets::connect(socket)?;
    lookup.set_timeout(PATIENCE)?;
    lookup.send(question, &[reader.as_fd()])?;
    let answer = lookup.recv()?.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((answer.bytes, writer))
}
