//! Appending to an mbox file, under its lock. An mbox is only as safe as its lock and its disk: a
//! crash half-way can leave part of a message, an error does not.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use message::Quoter;

const PIECE: usize = 256 * 1024;
/// How long others may hold the lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// Appends `head` and `message` to the mbox at `path`, making it (mode 0600) if it is missing. On an
/// error the file is as it was.
pub(crate) fn append(path: &Path, head: &[u8], message: &File) -> io::Result<()> {
    // Without waiting: a FIFO that nobody reads is an error, not a delivery that hangs.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).custom_flags(sys::durable::NO_WAITING);
    let mut file = sys::durable::locked(&options, path, PATIENCE)?;
    let start = file.seek(SeekFrom::End(0)).unwrap_or(0);
    let written = write(&mut file, head, message).and_then(|()| sync(&file));
    if written.is_err() && file.metadata().is_ok_and(|seen| seen.is_file()) {
        let _ = file.set_len(start);
    }
    written
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
