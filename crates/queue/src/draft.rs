//! Writing a message: `tmp/ID`, one write if it is small, sync, then its place in `mess/`.
//!
//! A draft that is dropped leaves nothing. One that has been saved is durable as soon as the folder
//! it went to has been synced, which is left to the caller: one sync can serve many.

use std::fs::File;
use std::io::{self, Write};

use crc32fast::Hasher;

use crate::format::{self, End, Head};
use crate::{ADDRESS_MAX, Queue};

/// Octets that are gathered before they are written.
const GATHERED: usize = 256 * 1024;

/// A message being written.
#[derive(Debug)]
pub struct Draft<'q> {
    queue: &'q Queue,
    id: u64,
    gathered: Vec<u8>,
    file: Option<File>,
    written: u64,
    sum: Hasher,
    message: Option<(u64, u32)>,
}

impl<'q> Draft<'q> {
    /// An empty message `id`. `room`: memory of an earlier draft, to be used again.
    pub fn new(queue: &'q Queue, id: u64, mut room: Vec<u8>) -> Draft<'q> {
        room.clear();
        Draft { queue, id, gathered: room, file: None, written: 0, sum: Hasher::new(), message: None }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Octets of the message and the envelope so far.
    pub fn size(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    /// Octets of the message.
    pub fn message_length(&self) -> u64 {
        self.message.map_or_else(|| self.size(), |(length, _)| length)
    }

    /// Appends to the message. Not after [`Draft::envelope`].
    pub fn message(&mut self, piece: &[u8]) -> io::Result<()> {
        debug_assert!(self.message.is_none());
        self.append(piece)
    }

    /// Ends the message and begins its envelope.
    pub fn envelope(&mut self, head: &Head) -> io::Result<()> {
        let length = self.size();
        let sum = std::mem::take(&mut self.sum).finalize();
        self.message = Some((length, sum));
        self.append(&head.to_bytes())
    }

    /// Adds a recipient, at most [`ADDRESS_MAX`] octets.
    pub fn recipient(&mut self, address: &[u8]) -> io::Result<()> {
        debug_assert!(address.len() <= ADDRESS_MAX);
        let mut bytes = Vec::with_capacity(address.len() + 2);
        format::record(&mut bytes, b'T', address);
        self.append(&bytes)
    }

    /// Writes what is left, syncs the file, and renames it to its place. Gives the memory back.
    /// Durable once [`Queue::folder`] of this number has been synced.
    pub fn save(self) -> io::Result<Vec<u8>> {
        self.save_for(None)
    }

    /// As [`Draft::save`]; the file belongs to this uid and gid, when root writes for the queue's user.
    pub fn save_for(mut self, owner: Option<(u32, u32)>) -> io::Result<Vec<u8>> {
        let (message, message_sum) = self.message.unwrap_or_default();
        let envelope_sum = self.sum.clone().finalize();
        let end = End { message, envelope: self.size() - message, message_sum, envelope_sum };
        self.gathered.extend_from_slice(&end.to_bytes());
        self.write()?;
        let Some(file) = &self.file else { return Err(io::ErrorKind::Other.into()) };
        file.sync_all()?;
        let name = self.id.to_string();
        if let Some((uid, gid)) = owner {
            self.queue.tmp.give(&name, uid, gid)?;
        }
        self.queue.tmp.rename_new(&name, self.queue.folder(self.id), &name)?;
        self.file = None;
        Ok(std::mem::take(&mut self.gathered))
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.sum.update(piece);
        self.gathered.extend_from_slice(piece);
        if self.gathered.len() >= GATHERED {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.queue.tmp.create(self.id.to_string(), 0o600)?),
        };
        file.write_all(&self.gathered)?;
        self.written += self.gathered.len() as u64;
        self.gathered.clear();
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = self.queue.tmp.remove(self.id.to_string());
        }
    }
}
