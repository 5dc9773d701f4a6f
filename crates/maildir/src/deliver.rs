//! Delivery: write to `tmp`, sync the file, rename into `new`, sync `new`. maildir(5).
//!
//! A message is in `new` complete or not at all, whenever the power fails; and it is reported as
//! delivered only when the disk has it. The first error is final, those of a sync above all:
//! asking a second time would succeed and lie.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;

use message::Sizes;

use crate::{Maildir, Quota, unique};

const PIECE: u64 = 256 * 1024;

/// Why a message is not in the Maildir.
#[derive(Debug)]
pub enum Trouble {
    /// It does not fit the mailbox's quota.
    Full,
    /// The system said no.
    System(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::System(error)
    }
}

/// A message that is to be delivered.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Its file, of which nothing else is a part.
    pub file: &'a File,
    /// Its octets.
    pub length: u64,
    /// The first of them, as far as they have been read already.
    pub start: &'a [u8],
}

impl<'a> Text<'a> {
    /// What is in `file`; nothing has been read yet.
    pub fn of(file: &'a File) -> io::Result<Text<'a>> {
        Ok(Text { file, length: file.metadata()?.len(), start: &[] })
    }
}

/// A message on its way into a Maildir. Dropped before [`Delivery::commit`] it leaves nothing.
#[derive(Debug)]
pub struct Delivery<'a> {
    maildir: &'a Maildir,
    file: File,
    name: String,
    sizes: Sizes,
    in_tmp: bool,
}

impl Maildir {
    /// Begins a message.
    pub fn begin(&self) -> io::Result<Delivery<'_>> {
        let mut tries = 3;
        loop {
            let name = unique();
            match self.tmp.create(&name, 0o600) {
                Ok(file) => {
                    return Ok(Delivery { maildir: self, file, name, sizes: Sizes::new(), in_tmp: true });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists && tries > 1 => tries -= 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Delivers `head` followed by all of `message` (from its start, wherever its file stands; octet by
    /// octet), if `quota` allows. Gives the file's name in `new`.
    pub fn deliver(&self, head: &[u8], message: Text<'_>, quota: &Quota) -> Result<String, Trouble> {
        let octets = message.length + head.len() as u64;
        if !self.has_room(quota, octets)? {
            return Err(Trouble::Full);
        }
        let mut delivery = self.begin()?;
        delivery.copy(head, message)?;
        let name = delivery.commit()?;
        self.count(quota, octets as i64, 1);
        Ok(name)
    }
}

impl Delivery<'_> {
    /// Adds a piece of the message.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.sizes.feed(piece);
        self.file.write_all(piece)
    }

    fn copy(&mut self, head: &[u8], Text { file, length, start }: Text<'_>) -> io::Result<()> {
        let known = start.len().min(length.min(PIECE) as usize);
        let mut buffer = [head, &start[..known]].concat();
        let (mut from, mut done) = (buffer.len(), known as u64);
        buffer.resize(head.len() + length.min(PIECE) as usize, 0);
        loop {
            let want = (length - done).min((buffer.len() - from) as u64) as usize;
            file.read_exact_at(&mut buffer[from..from + want], done)?;
            self.write(&buffer[..from + want])?;
            (from, done) = (0, done + want as u64);
            if done == length {
                return Ok(());
            }
        }
    }

    /// Makes the message durable in `new`; gives its name there.
    pub fn commit(mut self) -> io::Result<String> {
        self.file.sync_all()?;
        let name = self.final_name();
        self.maildir.tmp.rename_new(&self.name, &self.maildir.new, &name)?;
        self.in_tmp = false;
        if let Err(error) = self.maildir.new.sync() {
            // It will be delivered again: take back what may or may not last.
            let _ = self.maildir.new.remove(&name);
            return Err(error);
        }
        Ok(name)
    }

    /// With the sizes in it, so that readers need not open or stat the file. `W` only where it is also
    /// what POP3 sends: an unfinished last line is ended there.
    fn final_name(&self) -> String {
        let (octets, wire) = (self.sizes.octets, self.sizes.wire);
        match self.sizes.finished() {
            true => format!("{},S={octets},W={wire}", self.name),
            false => format!("{},S={octets}", self.name),
        }
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        if self.in_tmp {
            let _ = self.maildir.tmp.remove(&self.name);
        }
    }
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
