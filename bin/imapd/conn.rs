//! The client's connection: what was read before this program began, time limits, and compression once it is asked
//! for (RFC 4978).

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use imap::Pace;
use sys::Timed;
use sys::wait::{Interest, until};

use crate::deflate::{Deflated, Inflated};

/// Octets that are read or written at one time.
pub(crate) const PIECE: usize = 16 * 1024;

/// A client.
pub(crate) struct Conn {
    client: Timed,
    /// Read already, not yet given to the session.
    unread: Vec<u8>,
    packed: Option<Box<Packed>>,
    /// When something was last said to it.
    said: Duration,
}

struct Packed {
    input: Inflated,
    output: Deflated,
}

impl Conn {
    pub(crate) fn new(unread: Vec<u8>, client: Timed) -> Conn {
        Conn { client, unread, packed: None, said: sys::monotonic() }
    }

    /// From now on both directions are compressed. `early`: what the client has sent in that form already.
    ///
    /// Kept out of the loop that hears the client: what is made here is large for a moment, and that loop's stack is not.
    #[inline(never)]
    pub(crate) fn compress(&mut self, early: &[u8]) {
        let mut packed = Packed { input: Inflated::new(), output: Deflated::new() };
        packed.input.give(early);
        packed.input.give(&std::mem::take(&mut self.unread));
        self.packed = Some(Box::new(packed));
    }

    /// Would a read give something without asking the client's socket?
    pub(crate) fn has_more(&self) -> bool {
        !self.unread.is_empty() || self.packed.as_ref().is_some_and(|packed| packed.input.has_more())
    }

    /// How often the client is told that a command is under way: not while it doesn't take what it is told.
    pub(crate) fn pace(&self, step: Duration) -> Pace {
        let output = self.client.output().try_clone_to_owned();
        let takes = move || {
            let output = output.as_ref().map(AsFd::as_fd);
            output.is_ok_and(|output| until(output, Interest::Write, Some(Duration::ZERO)).unwrap_or(false))
        };
        Pace { clock: sys::monotonic, step, takes: Rc::new(takes) }
    }

    /// For how long nothing has been said to it.
    pub(crate) fn silence(&self) -> Duration {
        sys::monotonic().saturating_sub(self.said)
    }

    /// To be waited for.
    pub(crate) fn input(&self) -> BorrowedFd<'_> {
        self.client.input()
    }

    /// A last word. Whether it arrives makes no difference.
    pub(crate) fn say(&mut self, line: &[u8]) {
        let _ = self.write_all(line).and_then(|()| self.flush());
    }

    fn read_plain(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unread.is_empty() {
            return self.client.read(buffer);
        }
        let count = self.unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.unread[..count]);
        self.unread.drain(..count);
        if self.unread.is_empty() {
            self.unread = Vec::new();
        }
        Ok(count)
    }
}

impl Read for Conn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut packed) = self.packed.take() else { return self.read_plain(buffer) };
        let read = packed.input.read(buffer, |piece| self.client.read(piece));
        self.packed = Some(packed);
        read
    }
}

impl Write for Conn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.said = sys::monotonic();
        match &mut self.packed {
            None => self.client.write(bytes),
            Some(packed) => {
                let packed = packed.output.pack(bytes)?;
                self.client.write_all(packed).map(|()| bytes.len())
            }
        }
    }

    /// What was written is on its way to the client.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.packed {
            None => Ok(()),
            Some(packed) => {
                let packed = packed.output.end_of_reply()?;
                self.client.write_all(packed)
            }
        }
    }
}
