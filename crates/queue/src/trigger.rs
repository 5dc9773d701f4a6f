//! How `queued` tells `send` of a new message: its ID, in the FIFO `lock/trigger`; and when nobody
//! listens or the FIFO is full, the file `lock/rescan`, which means "look for yourself". A `?` in
//! the FIFO says that the admin wants something ([`crate::Wish`]).

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use sys::durable;

use crate::Queue;

const RESCAN: &str = "rescan";
const WISH: &[u8] = b"?";

/// What the trigger tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Messages that have come.
    pub ids: Vec<u64>,
    /// There are wishes.
    pub wishes: bool,
}

/// `queued`'s end.
#[derive(Debug)]
pub struct Bell {
    path: PathBuf,
    fifo: Mutex<Option<File>>,
}

impl Bell {
    /// For `queue`. Nothing is opened yet.
    pub fn new(queue: &Queue) -> Bell {
        Bell { path: queue.path().join("lock/trigger"), fifo: Mutex::new(None) }
    }

    /// Tells of message `id`. Never waits and never fails: at worst the message is found later.
    pub fn ring(&self, queue: &Queue, id: u64) {
        let line = format!("{id}\n");
        if self.write(line.as_bytes()).is_err() {
            self.ask_scan(queue);
        }
    }

    /// Tells that there are wishes. When nobody listens, or the bell is not ours to ring, `send` sees
    /// them at its next look around.
    pub fn ring_for_wishes(&self) -> bool {
        self.write(&[WISH, b"\n"].concat()).is_ok()
    }

    /// Has `send` look through the whole queue soon: a predecessor that was killed may have accepted
    /// messages and told nobody.
    pub fn ask_scan(&self, queue: &Queue) {
        // What is missed when this fails is found by the hourly scan.
        let _ = queue.lock.append(RESCAN, 0o600);
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut fifo = self.fifo.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match &mut *fifo {
            Some(open) => open,
            None => fifo.insert(durable::fifo_writer(&self.path)?),
        };
        let written = match open.write(line) {
            Ok(count) if count == line.len() => Ok(()),
            Ok(_) => Err(ErrorKind::WriteZero.into()),
            Err(error) => Err(error),
        };
        // Full: it is the right one. Anything else: another may lie in its place by now.
        if written.as_ref().is_err_and(|error| error.kind() != ErrorKind::WouldBlock) {
            *fifo = None;
        }
        written
    }
}

/// `send`'s end.
#[derive(Debug)]
pub struct Trigger {
    path: PathBuf,
    fifo: File,
    inode: u64,
    part: Vec<u8>,
}

impl Trigger {
    /// Opens the FIFO, making it if it is missing or something else.
    pub fn open(queue: &Queue) -> io::Result<Trigger> {
        let path = queue.path().join("lock/trigger");
        let (fifo, inode) = Trigger::fifo(&path)?;
        Ok(Trigger { path, fifo, inode, part: Vec::new() })
    }

    fn fifo(path: &std::path::Path) -> io::Result<(File, u64)> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        if std::fs::symlink_metadata(path).is_ok_and(|seen| !seen.file_type().is_fifo()) {
            std::fs::remove_file(path)?;
        }
        durable::make_fifo(path, 0o600)?;
        let fifo = durable::fifo_reader(path)?;
        let inode = fifo.metadata()?.ino();
        Ok((fifo, inode))
    }

    /// If the FIFO has been taken away, makes another; true then: something may have been missed.
    pub fn renew(&mut self) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;
        if std::fs::symlink_metadata(&self.path).is_ok_and(|seen| seen.ino() == self.inode) {
            return Ok(false);
        }
        (self.fifo, self.inode) = Trigger::fifo(&self.path)?;
        Ok(true)
    }

    /// What has come, at most a few thousand IDs at once. What is neither ID nor wish is passed over.
    pub fn take(&mut self) -> News {
        let mut piece = [0; 65_536];
        let count = self.fifo.read(&mut piece).unwrap_or(0);
        self.part.extend_from_slice(&piece[..count]);
        let Some(end) = self.part.iter().rposition(|b| *b == b'\n') else {
            self.part.truncate(64);
            return News::default();
        };
        let lines = || self.part[..end].split(|b| *b == b'\n');
        let news = News {
            ids: lines().filter_map(crate::store::id).collect(),
            wishes: lines().any(|line| line == WISH),
        };
        self.part.drain(..=end);
        news
    }
}

impl AsFd for Trigger {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fifo.as_fd()
    }
}

impl Queue {
    /// Is a rescan wanted? Takes the wish away: scan after this, not before.
    pub fn take_rescan(&self) -> bool {
        self.lock.remove(RESCAN).is_ok()
    }
}
