//! Reading a message's file. Recipients are read in windows, so that a million of them need no memory.

use std::borrow::Borrow;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

use crc32fast::Hasher;

use crate::Trouble;
use crate::format::{END, End, Head, HeadReader, RECORD_MAX};

/// What is read of a file's end at once: the whole envelope of most messages.
pub(crate) const TAIL: u64 = 4096;
/// A file of no more octets is read whole by who wants all of it.
const SMALL: u64 = 64 * 1024;
/// What is read of a longer envelope at once.
const PIECE: usize = 64 * 1024;

/// A message in the queue, open for reading.
#[derive(Debug)]
pub struct Stored<F = File> {
    file: F,
    end: End,
    /// The last octets of the file, and where they begin.
    tail: (u64, Vec<u8>),
    touched: SystemTime,
    owner: u32,
}

/// A recipient as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where its record stands in the file.
    pub place: u64,
    /// Nothing is left to be done for it.
    pub done: bool,
    /// Its address, as it was handed in.
    pub address: Vec<u8>,
}

/// Some recipients, and where to read on.
#[derive(Debug, Default)]
pub struct Window {
    /// In the order of the file.
    pub recipients: Vec<Recipient>,
    /// The place after the last one; `None`: there are no more.
    pub next: Option<u64>,
}

impl<F: Borrow<File>> Stored<F> {
    /// Takes a file and looks at its end record.
    pub fn of(file: F) -> Result<Stored<F>, Trouble> {
        let seen = file.borrow().metadata()?;
        Stored::seen(file, &seen, TAIL)
    }

    /// The same, for who will want the message: a small one is read at once.
    pub fn whole(file: F) -> Result<Stored<F>, Trouble> {
        let seen = file.borrow().metadata()?;
        Stored::seen(file, &seen, SMALL)
    }

    /// Takes a file that has been looked at; reads all of it if it has no more than `most` octets, else its end.
    pub(crate) fn seen(file: F, seen: &Metadata, most: u64) -> Result<Stored<F>, Trouble> {
        if !seen.is_file() {
            return Err(Trouble::Damaged("not a regular file"));
        }
        let start = seen.len().saturating_sub(most);
        let start = if start == 0 { 0 } else { seen.len().saturating_sub(TAIL) };
        let mut tail = vec![0; (seen.len() - start) as usize];
        read_exact(file.borrow(), &mut tail, start)?;
        let end = End::parse(&tail[tail.len().saturating_sub(END)..], seen.len())?;
        let touched = seen.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Ok(Stored { file, end, tail: (start, tail), touched, owner: seen.uid() })
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.file.borrow()
    }

    /// The file, given away.
    pub fn into_file(self) -> F {
        self.file
    }

    /// The uid that the file belongs to.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// Octets of the message.
    pub fn message_length(&self) -> u64 {
        self.end.message
    }

    /// When it was written, or what [`crate::Queue::plan`] left.
    pub fn touched(&self) -> SystemTime {
        self.touched
    }

    /// The envelope but for its recipients. Does not check sums.
    pub fn head(&self) -> Result<Head, Trouble> {
        self.head_and_place().map(|(head, _)| head)
    }

    /// Reads the whole envelope and checks its sum; gives the head and how many recipients there
    /// are, in all and done.
    pub fn check(&self) -> Result<(Head, u64, u64), Trouble> {
        let (mut sum, mut reader, mut head) = (Hasher::new(), HeadReader::default(), None);
        let (mut all, mut done) = (0, 0);
        self.walk(self.end.message, |_, record| {
            match (&head, record.first()) {
                (None, _) => head = reader.take(record)?,
                (Some(_), Some(b'T')) => all += 1,
                (Some(_), Some(b'D')) => (all, done) = (all + 1, done + 1),
                _ => return Err(Trouble::Damaged("envelope garbled")),
            }
            let first = if record.first() == Some(&b'D') { b"T" } else { &record[..1] };
            sum.update(first);
            sum.update(&record[1..]);
            sum.update(&[0]);
            Ok(ControlFlow::Continue(()))
        })?;
        match head {
            Some(head) if sum.finalize() == self.end.envelope_sum => Ok((head, all, done)),
            _ => Err(Trouble::Damaged("envelope garbled")),
        }
    }

    /// At most `most` recipients from place `from` on; 0: from the first.
    pub fn recipients(&self, from: u64, most: usize) -> Result<Window, Trouble> {
        let from = if from == 0 { self.head_and_place()?.1 } else { from.max(self.end.message) };
        let mut window = Window::default();
        self.walk(from, |place, record| {
            if window.recipients.len() >= most {
                window.next = Some(place);
                return Ok(ControlFlow::Break(()));
            }
            let (Some((status @ (b'T' | b'D'), address)), true) = (record.split_first(), place >= from)
            else {
                return Err(Trouble::Damaged("envelope garbled"));
            };
            window.recipients.push(Recipient { place, done: *status == b'D', address: address.to_vec() });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(window)
    }

    /// Reads the whole message and checks its sum.
    pub fn check_message(&self) -> Result<(), Trouble> {
        let (mut sum, mut at, mut buffer) = (Hasher::new(), 0, vec![0; PIECE]);
        while at < self.end.message {
            let want = buffer.len().min((self.end.message - at) as usize);
            read_exact(self.file(), &mut buffer[..want], at)?;
            sum.update(&buffer[..want]);
            at += want as u64;
        }
        self.sum_is(sum)
    }

    /// A copy of exactly the message, which its holder can read and seek but not change; large
    /// ones as an unlinked file in `folder`. The sum is checked.
    pub fn copy_message(&self, folder: &Path) -> Result<OwnedFd, Trouble> {
        let mut sum = Hasher::new();
        if let (0, all) = &self.tail
            && let Some(message) = all.get(..self.end.message as usize)
        {
            sum.update(message);
            self.sum_is(sum)?;
            return Ok(sys::memory::sealed(message)?);
        }
        let copy = sys::memory::copy(self.file(), 0, self.end.message, folder, |piece| sum.update(piece))?;
        self.sum_is(sum)?;
        Ok(copy)
    }

    /// The first octets of the message, at most `most`.
    pub fn message_start(&self, most: usize) -> Result<Vec<u8>, Trouble> {
        let mut bytes = vec![0; most.min(usize::try_from(self.end.message).unwrap_or(usize::MAX))];
        read_exact(self.file(), &mut bytes, 0)?;
        Ok(bytes)
    }

    fn sum_is(&self, sum: Hasher) -> Result<(), Trouble> {
        if sum.finalize() == self.end.message_sum { Ok(()) } else { Err(Trouble::Damaged("message garbled")) }
    }

    fn head_and_place(&self) -> Result<(Head, u64), Trouble> {
        let (mut reader, mut found) = (HeadReader::default(), None);
        self.walk(self.end.message, |place, record| {
            let Some(head) = reader.take(record)? else { return Ok(ControlFlow::Continue(())) };
            found = Some((head, place + record.len() as u64 + 1));
            Ok(ControlFlow::Break(()))
        })?;
        found.ok_or(Trouble::Damaged("envelope garbled"))
    }

    /// Calls `each` with the place and text of every record from `from` to the envelope's end.
    fn walk(
        &self,
        from: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<ControlFlow<()>, Trouble>,
    ) -> Result<(), Trouble> {
        let over = self.end.message + self.end.envelope;
        let (mut at, mut buffer) = (from, Vec::new());
        while at < over {
            let piece = self.piece(at, over, &mut buffer)?;
            let mut used = 0;
            while let Some(length) = piece[used..].iter().position(|b| *b == 0) {
                if length == 0 || length > RECORD_MAX {
                    return Err(Trouble::Damaged("envelope garbled"));
                }
                if each(at + used as u64, &piece[used..used + length])?.is_break() {
                    return Ok(());
                }
                used += length + 1;
            }
            if used == 0 {
                return Err(Trouble::Damaged("envelope garbled"));
            }
            at += used as u64;
        }
        Ok(())
    }

    fn piece<'a>(&'a self, at: u64, over: u64, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], Trouble> {
        let (start, tail) = &self.tail;
        if at >= *start {
            return Ok(&tail[(at - start) as usize..(over - start) as usize]);
        }
        buffer.resize(PIECE.min((over - at) as usize), 0);
        read_exact(self.file(), buffer, at)?;
        Ok(buffer)
    }
}

fn read_exact(file: &File, buffer: &mut [u8], at: u64) -> io::Result<()> {
    match file.read_exact_at(buffer, at) {
        Err(error) if error.kind() == ErrorKind::Interrupted => read_exact(file, buffer, at),
        other => other,
    }
}
