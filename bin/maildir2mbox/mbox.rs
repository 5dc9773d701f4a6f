//! An mbox file and its successor, which holds more.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use message::Quoter;

const PIECE: usize = 64 * 1024;
/// How long others may hold the lock.
const PATIENCE: Duration = Duration::from_secs(30);

/// The mbox, locked, and its successor so far.
#[derive(Debug)]
pub(crate) struct Mbox {
    path: PathBuf,
    old: File,
    new_path: PathBuf,
    new: BufWriter<File>,
}

impl Mbox {
    /// Locks the mbox at `path` (made if missing) and begins its successor at `new_path` with all that
    /// it holds.
    pub(crate) fn open(path: &Path, new_path: &Path) -> io::Result<Mbox> {
        let mut options = fs::OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600).custom_flags(sys::durable::NO_WAITING);
        let mut old = sys::durable::locked(&options, path, PATIENCE)?;
        let new =
            fs::OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(new_path)?;
        let (seen, new_seen) = (old.metadata()?, new.metadata()?);
        if !seen.is_file() || !new_seen.is_file() {
            return Err(io::Error::other("MAIL and MAILTMP must be regular files"));
        }
        if (seen.dev(), seen.ino()) == (new_seen.dev(), new_seen.ino()) {
            return Err(io::Error::other("MAIL and MAILTMP are the same file"));
        }
        // What a crash has left.
        new.set_len(0)?;
        new.set_permissions(seen.permissions())?;
        let _ = fchown(&new, Some(seen.uid()), Some(seen.gid()));
        let mut new = BufWriter::with_capacity(PIECE, new);
        io::copy(&mut old, &mut new)?;
        if !ends_a_line(&mut old)? {
            new.write_all(b"\n\n")?;
        }
        Ok(Mbox { path: path.to_owned(), old, new_path: new_path.to_owned(), new })
    }

    /// Adds a message; the sender is that of its Return-Path line, the time that of the file.
    pub(crate) fn add(&mut self, mut message: File) -> io::Result<()> {
        let time = message.metadata()?.mtime();
        let (mut quoter, mut out) = (Quoter::new(), Vec::new());
        let mut piece = vec![0; PIECE];
        let mut first = true;
        loop {
            let count = match message.read(&mut piece) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if std::mem::take(&mut first) {
                out.extend(message::from_line(sender(&piece[..count]), time));
            }
            if count == 0 {
                break;
            }
            quoter.feed(&piece[..count], &mut out);
            self.new.write_all(&out)?;
            out.clear();
        }
        quoter.finish(&mut out);
        self.new.write_all(&out)
    }

    /// The successor takes the mbox's place. The lock is held until then.
    pub(crate) fn finish(self) -> io::Result<()> {
        let new = self.new.into_inner().map_err(io::IntoInnerError::into_error)?;
        new.sync_all()?;
        fs::rename(&self.new_path, &self.path)?;
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        sys::durable::open_any(folder)?.sync()?;
        drop(self.old);
        Ok(())
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// The sender that a Return-Path at the top names.
fn sender(start: &[u8]) -> &[u8] {
    let field = message::fields(start).next().filter(|field| field.is("Return-Path"));
    let path = field.map_or(&b""[..], |field| field.body);
    path.strip_prefix(b"<").and_then(|path| path.strip_suffix(b">")).unwrap_or(path)
}
