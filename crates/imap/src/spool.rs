//! Literals on their way in: which are kept, which go into a [`Store::Draft`] as they come, and which are refused before
//! they are sent.

use std::io::{self, Write};

use crate::frame::Announced;
use crate::parse::{Appending, appending};
use crate::reply::Reply;
use crate::session::{Out, Session, Stop};
use crate::store::{Store, Trouble};

/// Octets of a piece that is kept in memory.
const SHORT: u64 = 64 * 1024;

/// A literal in a draft.
pub(crate) struct Spooled<D> {
    pub(crate) draft: D,
    pub(crate) octets: u64,
    binary: bool,
}

impl<S: Store> Session<S> {
    /// A literal is announced.
    pub(crate) fn announced(&mut self, announced: Announced, out: Out<'_>) -> io::Result<()> {
        let accepted = match appending(self.frames.head(), self.names_are_utf8()) {
            Some(Appending { fault: Some(fault), .. }) => return self.refuse_early(&fault, out),
            Some(Appending { mailbox, .. }) => self.begin_draft(&mailbox, announced),
            None if self.frames.accept() => Ok(()),
            None => Err(Reply::LITERAL_TOO_BIG.into()),
        };
        match accepted {
            Ok(()) if announced.synchronizing => out.write_all(Reply::GO_AHEAD.as_bytes()),
            Ok(()) => Ok(()),
            Err(Stop::Refused(reply)) => self.refuse_literal(&reply, out),
            Err(Stop::Broken(error)) => Err(error),
        }
    }

    /// Asks all that can be asked before the octets come.
    fn begin_draft(&mut self, mailbox: &str, announced: Announced) -> Result<(), Stop> {
        let name = self.target(mailbox)?;
        if self.store.append_limit().is_some_and(|limit| announced.octets > limit) {
            return Err(Trouble::TooBig.into());
        }
        if announced.octets > SHORT && self.has_no_room(&name, announced.octets) {
            return Err(Trouble::OverQuota.into());
        }
        // A short piece of a CATENATE is not worth a file.
        let piece = self.frames.head().line[..announced.at].to_ascii_uppercase().ends_with(b"TEXT ");
        if piece && announced.octets <= SHORT && self.frames.accept() {
            return Ok(());
        }
        let draft = self.store.draft()?;
        if !self.frames.accept_spooled() {
            return Err(Reply::LITERAL_TOO_BIG.into());
        }
        self.spooled.push(Spooled { draft, octets: 0, binary: announced.binary });
        Ok(())
    }

    /// Would so much be over a quota? Asked before much is sent in vain; the store decides.
    fn has_no_room(&mut self, name: &str, octets: u64) -> bool {
        let roots = self.store.quota(name).unwrap_or_default();
        let full = |(used, limit): (u64, Option<u64>)| {
            limit.is_some_and(|limit| used.saturating_add(octets) > limit)
        };
        roots.iter().any(|root| full(root.storage))
    }

    /// Octets of the last draft.
    pub(crate) fn spool(&mut self, octets: &[u8], out: Out<'_>) -> io::Result<()> {
        let Some(spooled) = self.spooled.last_mut() else { return Ok(()) };
        let written = match memchr::memchr(0, octets) {
            // RFC 9051 §4.3; RFC 3516 §4.4.
            Some(_) if spooled.binary => Err(Reply::NUL_BINARY),
            Some(_) => Err(Reply::NUL),
            None => spooled.draft.write_all(octets).map_err(|error| Reply::from(Trouble::from(error))),
        };
        spooled.octets = spooled.octets.saturating_add(octets.len() as u64);
        match written {
            Ok(()) => Ok(()),
            Err(reply) => self.refuse_literal(&reply, out),
        }
    }
}
