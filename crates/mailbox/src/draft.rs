//! A message that is being taken in: a file in a folder for such, with LF line ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::rc::Rc;

use imap::Trouble;
use message::Sizes;
use sys::durable::{Folder, open_any};

use crate::place::{mode, unavailable};

/// Octets that are gathered before they are written.
const PIECE: usize = 64 * 1024;

/// A message that is being written. Dropped before it was added to a mailbox, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    folder: Rc<Folder>,
    name: String,
    file: File,
    buffer: Vec<u8>,
    sizes: Sizes,
    /// A CR has come and nothing after it yet.
    held: bool,
    in_place: bool,
}

impl Draft {
    /// Begins one in the folder `temporary`.
    pub fn begin(temporary: &Path) -> Result<Draft, Trouble> {
        let made = open_any(temporary).and_then(|folder| {
            let name = maildir::unique();
            let file = folder.create(&name, mode(&folder))?;
            Ok((folder, name, file))
        });
        let (folder, name, file) =
            made.map_err(|error| unavailable(temporary, "can't begin a message", &error))?;
        Ok(Draft {
            folder: Rc::new(folder),
            name,
            file,
            buffer: Vec::new(),
            sizes: Sizes::new(),
            held: false,
            in_place: true,
        })
    }

    /// Octets it has on disk so far.
    pub fn octets(&self) -> u64 {
        self.sizes.octets
    }

    /// Octets it has with CR LF line ends so far.
    pub fn wire(&self) -> u64 {
        self.sizes.wire
    }

    /// Opens what has been written, for reading; all of it after a flush.
    pub fn reader(&self) -> io::Result<File> {
        self.folder.read(&self.name)
    }

    /// Ends the text and reads it again; nothing else is left of it.
    pub(crate) fn reread(mut self) -> io::Result<File> {
        if std::mem::take(&mut self.held) {
            self.put(b"\r")?;
        }
        self.write_out()?;
        self.reader()
    }

    /// Ends the text and makes it durable, but not its name.
    pub(crate) fn finish(&mut self, date: Option<i64>) -> io::Result<()> {
        // A CR at the end stands for itself.
        if std::mem::take(&mut self.held) {
            self.put(b"\r")?;
        }
        self.write_out()?;
        if let Some(date) = date {
            set_date(&self.file, date)?;
        }
        self.file.sync_all()
    }

    /// What is left of its name when flags are taken off.
    pub(crate) fn base(&self) -> String {
        base(&self.name, self.sizes.octets, Some(self.sizes.wire).filter(|_| self.sizes.finished()))
    }

    /// Renames it to `name` in `folder`.
    pub(crate) fn settle(&mut self, folder: &Folder, name: &[u8]) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        self.folder.rename_new(&self.name, folder, OsStr::from_bytes(name))?;
        self.in_place = false;
        Ok(())
    }

    /// One that is a copy of a file, with its date; finished.
    pub(crate) fn of(temporary: &Path, mut file: File) -> io::Result<Draft> {
        use std::os::unix::fs::MetadataExt;
        let failed = |trouble: Trouble| io::Error::other(format!("{trouble:?}"));
        let mut draft = Draft::begin(temporary).map_err(failed)?;
        draft.copy(&mut file)?;
        draft.finish(Some(file.metadata()?.mtime()))?;
        Ok(draft)
    }

    /// Takes one that is finished into another folder, which may be on another file system.
    pub(crate) fn carry(&mut self, temporary: &Path) -> io::Result<()> {
        *self = Draft::of(temporary, self.reader()?)?;
        Ok(())
    }

    /// Adds all of a file, octet by octet as it is.
    fn copy(&mut self, file: &mut File) -> io::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            match io::Read::read(file, &mut piece)? {
                0 => return Ok(()),
                read => self.put(&piece[..read])?,
            }
        }
    }

    /// Gives it to a group.
    pub(crate) fn give(&self, mode: u32, group: u32) -> io::Result<()> {
        use std::os::unix::fs::{PermissionsExt, fchown};
        fchown(&self.file, None, Some(group))?;
        self.file.set_permissions(std::fs::Permissions::from_mode(mode))
    }

    fn put(&mut self, piece: &[u8]) -> io::Result<()> {
        self.sizes.feed(piece);
        self.buffer.extend(piece);
        if self.buffer.len() >= PIECE { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// A base with the sizes in it, so that nobody need open or stat the file to know them.
pub(crate) fn base(name: &str, octets: u64, wire: Option<u64>) -> String {
    match wire {
        Some(wire) => format!("{name},S={octets},W={wire}"),
        None => format!("{name},S={octets}"),
    }
}

/// Sets the file's mtime.
pub(crate) fn set_date(file: &File, date: i64) -> io::Result<()> {
    let date = u64::try_from(date).unwrap_or_default();
    let time = std::time::SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(date));
    file.set_modified(time.ok_or(ErrorKind::InvalidInput)?)
}

impl Write for Draft {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if piece.is_empty() {
            return Ok(0);
        }
        if std::mem::take(&mut self.held) && piece[0] != b'\n' {
            self.put(b"\r")?;
        }
        let mut rest = piece;
        while let Some(at) = rest.iter().position(|octet| *octet == b'\r') {
            self.put(&rest[..at])?;
            rest = &rest[at + 1..];
            match rest.first() {
                None => self.held = true,
                Some(b'\n') => {}
                Some(_) => self.put(b"\r")?,
            }
        }
        self.put(rest)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.in_place {
            let _ = self.folder.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_become_lf_wherever_the_text_is_cut_and_both_sizes_are_known() {
        let home = tempfile::tempdir().unwrap();
        let text = b"a\r\nb\rc\n\r\r\n\r";
        for cut in 0..text.len() {
            let mut draft = Draft::begin(home.path()).unwrap();
            draft.write_all(&text[..cut]).unwrap();
            draft.write_all(&text[cut..]).unwrap();
            draft.finish(None).unwrap();
            let stored = std::fs::read(home.path().join(&draft.name)).unwrap();
            assert_eq!(stored, b"a\nb\rc\n\r\n\r", "{cut}");
            let sizes = Sizes::of(&stored);
            assert_eq!((draft.octets(), draft.wire()), (sizes.octets, sizes.wire));
            drop(draft);
            assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn what_was_written_can_be_read_again_and_nothing_is_left_of_it() {
        let home = tempfile::tempdir().unwrap();
        let mut draft = Draft::begin(home.path()).unwrap();
        draft.write_all(b"a\r\nb\r").unwrap();
        let again = std::io::read_to_string(draft.reread().unwrap()).unwrap();
        assert_eq!(again, "a\nb\r");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
