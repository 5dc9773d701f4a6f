//! Reading many messages, or their beginnings, several at one time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use imap::{Trouble, Uid};
use maildir::Name;
use sys::durable::Folder;

use crate::mailbox::Mailbox;

/// Most of a reader's time is waiting for the disk, which does better with several wishes to choose from; more than this
/// gain nothing.
const MOST_READERS: usize = 8;
const READERS_A_PROCESSOR: usize = 4;
/// Fewer messages are read by one.
const FEW: usize = 16;
/// A buffer that has grown beyond this is given back after its message.
const LARGE: usize = 1 << 20;
/// Octets that are asked for first, of a file whose name tells no size.
const FIRST: usize = 16 * 1024;
/// Results that may wait to be taken.
const WAITING: usize = 64;

/// What became of a message: `None` where its file is not there by this name.
type Outcome<T> = (usize, Option<T>);

impl Mailbox {
    /// Reads each message, at most `most` octets of it, and has `work` look at it; `done` gets the results in any order.
    pub(crate) fn read_all<T: Send>(
        &mut self,
        uids: &[Uid],
        most: u64,
        work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
        done: &mut dyn FnMut(Uid, T),
    ) -> Result<(), Trouble> {
        let places: Vec<usize> = uids.iter().filter_map(|uid| self.state.position(*uid)).collect();
        let messages: Vec<(Uid, Vec<u8>)> =
            places.iter().map(|at| (self.state.messages[*at].uid, self.state.name(*at))).collect();
        let mut missing = Vec::new();
        let mut take = |(number, result): Outcome<T>| match result {
            Some(result) => done(messages[number].0, result),
            None => missing.push(number),
        };
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let readers = (processors * READERS_A_PROCESSOR).min(MOST_READERS);
        // Where nothing can be written, some may be in `new`.
        if readers < 2 || messages.len() < FEW || !self.writable {
            let mut buffer = Vec::new();
            for (number, (uid, name)) in messages.iter().enumerate() {
                take((
                    number,
                    read(self.folder_of(places[number]), name, most, &mut buffer)?
                        .map(|()| work(*uid, &buffer)),
                ));
            }
        } else {
            read_together(&self.folders.cur, &messages, most, readers, work, &mut take)?;
        }
        let mut buffer = Vec::new();
        for number in missing {
            // One that can't be read, which the log has been told, keeps no other from being found.
            match self
                .with_file(places[number], |folder, name| fill(&folder.read(name)?, None, most, &mut buffer))
            {
                Ok(()) => done(messages[number].0, work(messages[number].0, &buffer)),
                Err(Trouble::Gone | Trouble::Unavailable(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }
}

/// Each reader takes the next message that nobody has taken, so that the files are read in about this order.
fn read_together<T: Send>(
    cur: &Folder,
    messages: &[(Uid, Vec<u8>)],
    most: u64,
    readers: usize,
    work: &(dyn Fn(Uid, &[u8]) -> T + Sync),
    take: &mut dyn FnMut(Outcome<T>),
) -> io::Result<()> {
    let (next, stop, failed) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(None));
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        for _ in 0..readers {
            let (sender, next, stop, failed) = (sender.clone(), &next, &stop, &failed);
            scope.spawn(move || {
                let mut buffer = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((uid, name)) = messages.get(number) else { return };
                    let result = match read(cur, name, most, &mut buffer) {
                        Ok(found) => found.map(|()| work(*uid, &buffer)),
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
                            return;
                        }
                    };
                    if sender.send((number, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        receiver.iter().for_each(take);
    });
    match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// `None`: it is not there, or can't be read.
fn read(folder: &Folder, name: &[u8], most: u64, buffer: &mut Vec<u8>) -> io::Result<Option<()>> {
    let read = folder.read(OsStr::from_bytes(name)).and_then(|file| {
        let octets = Name::read(name).octets();
        if octets.is_some_and(|octets| octets > most) {
            no_more(&file);
        }
        fill(&file, octets, most, buffer)
    });
    match read {
        Err(error) if !is_its_own(&error) => Err(error),
        other => Ok(other.ok()),
    }
}

/// Is it this one file that is not there or can't be read, not the whole machine that is short of something?
fn is_its_own(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::NotFound | ErrorKind::InvalidInput | ErrorKind::PermissionDenied)
        || matches!(error.raw_os_error(), Some(nix::libc::EIO | nix::libc::ELOOP))
}

/// Of this file nothing is to be read ahead. Whether the system heeds that matters to its speed alone.
fn no_more(file: &File) {
    use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_RANDOM);
}

/// Few reads: a regular file that gives less than it is asked for has no more. `octets`: what its name says of its size.
fn fill(file: &File, octets: Option<u64>, most: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.capacity() > LARGE {
        *buffer = Vec::new();
    }
    buffer.clear();
    let octets = octets.unwrap_or_default().min(LARGE as u64) as usize;
    let mut want = FIRST.max(octets + 1);
    loop {
        let (at, most) = (buffer.len(), usize::try_from(most).unwrap_or(usize::MAX));
        want = want.min(most - at);
        buffer.resize(at + want, 0);
        let read = read_once(file, &mut buffer[at..])?;
        buffer.truncate(at + read);
        if read < want || buffer.len() == most {
            return Ok(());
        }
        want = buffer.len();
    }
}

fn read_once(mut file: &File, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
