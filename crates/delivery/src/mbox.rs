//! Appending to an mbox file, under its lock. An mbox is only as safe as its lock and its disk: a
//! crash half-way can leave part of a message, an error does not.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use message::Quoter;

const PIECE: usize = 256 * 1024;
/// How long others may hold the lock.
const PATIENCE: Duration = Duration::from_secs(30);
/// A lock can't be waited for and given up after a time; so it is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// Appends `head` and `message` to the mbox at `path`, making it (mode 0600) if it is missing. On an
/// error the file is as it was.
pub(crate) fn append(path: &Path, head: &[u8], message: &File) -> io::Result<()> {
    let mut file = locked(path)?;
    let start = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let written = write(&mut file, head, message).and_then(|()| sync(&file));
    if written.is_err() && file.metadata().is_ok_and(|seen| seen.is_file()) {
        let _ = file.set_len(start);
    }
    written
}

/// The mbox at `path` with a lock on it. Whoever waits for the lock may get it on a file that has been
/// replaced meanwhile (by `maildir2mbox`, by a mail reader): that one is not the mbox any more. Where locks
/// are not supported the message is written without one, as qmail does.
fn locked(path: &Path) -> io::Result<File> {
    let until = sys::monotonic() + PATIENCE;
    loop {
        // Without waiting: a FIFO that nobody reads is an error, not a delivery that hangs.
        let flags = sys::durable::NO_WAITING;
        let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if sys::monotonic() < until => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another program holds its lock"));
            }
            Ok(()) | Err(TryLockError::Error(_)) => {
                let (held, there) = (file.metadata()?, std::fs::metadata(path));
                // One that was taken away is made anew.
                if there.is_ok_and(|there| (held.dev(), held.ino()) == (there.dev(), there.ino())) {
                    return Ok(file);
                }
            }
        }
    }
}

fn write(file: &mut File, head: &[u8], message: &File) -> io::Result<()> {
    let (mut quoter, mut out) = (Quoter::new(), head.to_vec());
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    loop {
        match message.read_at(&mut piece, offset) {
            Ok(0) => break,
            Ok(count) => {
                quoter.feed(&piece[..count], &mut out);
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        file.write_all(&out)?;
        out.clear();
    }
    quoter.finish(&mut out);
    file.write_all(&out)
}

/// Devices and pipes can't be synced.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}
