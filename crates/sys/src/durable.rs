//! Files that survive a power cut once a call has returned.
//!
//! A name is durable only after its folder has been synced; every function here that says
//! "durable" has done both. The first error of a sync is final: asking again would lie.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::NixPath;
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

/// renameat2 with RENAME_NOREPLACE. Called by its number: not every C library has a name for it.
fn rename_no_replace(from: &OwnedFd, name: &OsStr, to: &OwnedFd, new: &OsStr) -> io::Result<()> {
    const RENAME_NOREPLACE: libc::c_uint = 1;
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    let call = |name: &CStr, new: &CStr| {
        // SAFETY: both names are ended by NUL and live until the call returns; the descriptors are open.
        let done = unsafe {
            libc::syscall(libc::SYS_renameat2, from, name.as_ptr(), to, new.as_ptr(), RENAME_NOREPLACE)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    name.with_nix_path(|name| new.with_nix_path(|new| call(name, new)))??
}

/// An open folder; names in it are looked up without its path being walked again.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens the folder `path`; its last component must not be a symbolic link.
    pub fn open(path: &Path) -> io::Result<Folder> {
        Ok(Folder(open(path, FOLDER, Mode::empty())?))
    }

    /// Opens the folder `name` in this one; not through a symbolic link.
    pub fn folder(&self, name: impl AsRef<OsStr>) -> io::Result<Folder> {
        Ok(Folder(openat(&self.0, name.as_ref(), FOLDER, Mode::empty())?))
    }

    /// Makes the folder `name` unless it is there, and opens it. Not synced.
    pub fn make_folder(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<Folder> {
        match nix::sys::stat::mkdirat(&self.0, name.as_ref(), bits(mode)) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => self.folder(name),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the file `name` for writing; `AlreadyExists` if there is anything of this name.
    pub fn create(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<File> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        Ok(openat(&self.0, name.as_ref(), flags, bits(mode))?.into())
    }

    /// Opens the regular file `name` for reading. Symbolic links, folders and devices are refused
    /// (`InvalidInput`), and a FIFO does not hang.
    pub fn read(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.regular(name.as_ref(), OFlag::O_RDONLY)
    }

    /// As [`Folder::read`]; also what was seen of it.
    pub fn read_and_see(&self, name: impl AsRef<OsStr>) -> io::Result<(File, Metadata)> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        regular(openat(&self.0, name.as_ref(), flags, Mode::empty())?.into())
    }

    /// As [`Folder::read`], but through symbolic links: for files that their owner may keep elsewhere.
    pub fn read_linked(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        only_regular(openat(&self.0, name.as_ref(), flags, Mode::empty())?.into())
    }

    /// As [`Folder::read`], for reading and changing in place.
    pub fn edit(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.regular(name.as_ref(), OFlag::O_RDWR)
    }

    /// As [`Folder::edit`], for appending; made with `mode` when missing.
    pub fn append(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_NONBLOCK;
        let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        only_regular(openat(&self.0, name.as_ref(), flags, bits(mode))?.into())
    }

    fn regular(&self, name: &OsStr, access: OFlag) -> io::Result<File> {
        let flags = access | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        only_regular(openat(&self.0, name, flags, Mode::empty())?.into())
    }

    /// What `name` is, without following a symbolic link.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> io::Result<FileStat> {
        Ok(fstatat(&self.0, name.as_ref(), AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }

    /// Renames `name` to `new` in `target`, replacing what is there. Not synced.
    pub fn rename(&self, name: impl AsRef<OsStr>, target: &Folder, new: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(renameat(&self.0, name.as_ref(), &target.0, new.as_ref())?)
    }

    /// Renames `name` to `new` in `target`; `AlreadyExists` when there is one. Not synced.
    pub fn rename_new(
        &self,
        name: impl AsRef<OsStr>,
        target: &Folder,
        new: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        let (name, new) = (name.as_ref(), new.as_ref());
        match rename_no_replace(&self.0, name, &target.0, new) {
            // File systems without this flag, NFS among them.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                self.link(name, target, new)?;
                let _ = self.remove(name);
                Ok(())
            }
            other => other,
        }
    }

    /// Gives the file `name` a second name, `new` in `target`; `AlreadyExists` when there is one. Not synced.
    pub fn link(&self, name: impl AsRef<OsStr>, target: &Folder, new: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(linkat(&self.0, name.as_ref(), &target.0, new.as_ref(), AtFlags::empty())?)
    }

    /// Moves `name` to `new` in another folder, durably, and such that a power cut leaves it in at
    /// least one of the two: link, sync the target folder, unlink. `AlreadyExists` when there is one.
    pub fn move_durably(
        &self,
        name: impl AsRef<OsStr>,
        target: &Folder,
        new: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        self.link(name.as_ref(), target, new)?;
        target.sync()?;
        self.remove(name)
    }

    /// Removes the file `name`. Not synced.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(unlinkat(&self.0, name.as_ref(), UnlinkatFlags::NoRemoveDir)?)
    }

    /// Makes the names in this folder durable.
    pub fn sync(&self) -> io::Result<()> {
        Ok(nix::unistd::fsync(&self.0)?)
    }

    /// Writes `bytes` to `name`, durably: whoever opens it finds all of the old or all of the new,
    /// also after a power cut. The time stamps of a file of the same content change too.
    pub fn replace(&self, name: impl AsRef<OsStr>, bytes: &[u8], mode: u32) -> io::Result<()> {
        let name = name.as_ref();
        let temporary = self.temporary(name)?;
        let written =
            self.write_new(&temporary, bytes, mode).and_then(|()| self.rename(&temporary, self, name));
        if written.is_err() {
            let _ = self.remove(&temporary);
        }
        written?;
        self.sync()
    }

    fn write_new(&self, name: &OsStr, bytes: &[u8], mode: u32) -> io::Result<()> {
        let mut file = self.create(name, mode)?;
        // The umask has no say in what others may read.
        nix::sys::stat::fchmod(&file, bits(mode))?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn temporary(&self, name: &OsStr) -> io::Result<OsString> {
        let token = u64::from_ne_bytes(crate::random()?);
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{token:016x}.tmp"));
        Ok(temporary)
    }

    /// All names in the folder, without `.` and `..`, in no order.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        self.each_name(|name| names.push(OsString::from_vec(name.to_vec())))?;
        Ok(names)
    }

    /// Calls `each` with every name in the folder, without `.` and `..`, in no order.
    pub fn each_name(&self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.each_entry(|name, _| each(name))
    }

    /// As [`Folder::each_name`], with what the folder says that the name is.
    pub fn each_entry(&self, mut each: impl FnMut(&[u8], Kind)) -> io::Result<()> {
        let mut dir = Dir::openat(&self.0, ".", FOLDER, Mode::empty())?;
        for entry in dir.iter() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                each(name, Kind::of(entry.file_type()));
            }
        }
        Ok(())
    }

    /// Gives the file `name`, or a link of this name, to a user and group.
    pub fn give(&self, name: impl AsRef<OsStr>, uid: u32, gid: u32) -> io::Result<()> {
        use nix::unistd::{Gid, Uid, fchownat};
        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        Ok(fchownat(&self.0, name.as_ref(), uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?)
    }
}

/// What a name in a folder is, as far as the folder itself tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, FIFO, socket or device.
    Other,
    /// The file system does not say: ask [`Folder::stat`].
    Unknown,
}

impl Kind {
    fn of(kind: Option<nix::dir::Type>) -> Kind {
        match kind {
            Some(nix::dir::Type::File) => Kind::File,
            Some(nix::dir::Type::Directory) => Kind::Folder,
            Some(_) => Kind::Other,
            None => Kind::Unknown,
        }
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// O_NONBLOCK, for an open that must not wait for the other end of a FIFO.
pub const NO_WAITING: i32 = OFlag::O_NONBLOCK.bits();

const FOLDER: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC).union(OFlag::O_NOFOLLOW);

fn bits(mode: u32) -> Mode {
    Mode::from_bits_truncate(mode)
}

fn only_regular(file: File) -> io::Result<File> {
    regular(file).map(|(file, _)| file)
}

fn regular(file: File) -> io::Result<(File, Metadata)> {
    let seen = file.metadata()?;
    match seen.is_file() {
        true => Ok((file, seen)),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file")),
    }
}

/// Writes `bytes` to `path`, durably, with permission bits `mode`: see [`Folder::replace`].
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    open_any(folder)?.replace(name, bytes, mode)
}

/// As [`Folder::open`], but through symbolic links: for paths that the admin wrote.
pub fn open_any(path: &Path) -> io::Result<Folder> {
    Ok(Folder(open(path, FOLDER.difference(OFlag::O_NOFOLLOW), Mode::empty())?))
}

/// Takes the lock on `file` for this process; false when another holds it. Ends with the file.
pub fn lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Between two tries for a lock: it can't be waited for and given up after a time.
const PAUSE: Duration = Duration::from_millis(100);

/// The file at `path`, opened by `options`, with its lock, for which others are waited for at most
/// `patience`. Whoever waits may get the lock on a file that has been replaced meanwhile: that one is not
/// the file at `path` any more, and is let go. Where locks are not supported there is none.
pub fn locked(options: &OpenOptions, path: &Path, patience: Duration) -> io::Result<File> {
    let until = crate::monotonic() + patience;
    loop {
        let file = options.open(path)?;
        let held = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if held && is_at(&file, path)? {
            return Ok(file);
        }
        if crate::monotonic() >= until {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "another program holds its lock, or replaces it",
            ));
        }
        if !held {
            std::thread::sleep(PAUSE);
        }
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (held, there) = (file.metadata()?, std::fs::metadata(path));
    Ok(there.is_ok_and(|there| (held.dev(), held.ino()) == (there.dev(), there.ino())))
}

/// Makes the FIFO `path` with `mode` unless it is there.
pub fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    match nix::unistd::mkfifo(path, bits(mode)) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens the FIFO `path` for writing, without waiting: an error (ENXIO) when nobody reads it. A write
/// into a full one is `WouldBlock`.
pub fn fifo_writer(path: &Path) -> io::Result<File> {
    only_fifo(path, OFlag::O_WRONLY)
}

/// Opens the FIFO `path` for reading, without waiting. It never ends, since it is its own writer too.
pub fn fifo_reader(path: &Path) -> io::Result<File> {
    only_fifo(path, OFlag::O_RDWR)
}

fn only_fifo(path: &Path, access: OFlag) -> io::Result<File> {
    use std::os::unix::fs::FileTypeExt;
    let flags = access | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let file: File = open(path, flags, Mode::empty())?.into();
    match file.metadata()?.file_type().is_fifo() {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidInput, "not a FIFO")),
    }
}

/// Octets and files that `path`'s file system has left for us.
pub fn free_space(path: &Path) -> io::Result<(u64, u64)> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let seen = nix::sys::statvfs::statvfs(name.as_c_str())?;
    Ok((seen.blocks_available() as u64 * seen.fragment_size() as u64, seen.files_available() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn home() -> (tempfile::TempDir, Folder) {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        (home, folder)
    }

    #[test]
    fn replacing_leaves_the_new_file_with_its_mode_and_nothing_else() {
        let (home, folder) = home();
        folder.replace("me", b"old", 0o600).unwrap();
        replace(&home.path().join("me"), b"new", 0o644).unwrap();
        assert_eq!(std::fs::read(home.path().join("me")).unwrap(), b"new");
        let mode = std::fs::metadata(home.path().join("me")).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, folder.names().unwrap().len()), (0o644, 1));
    }

    #[test]
    fn reading_does_not_follow_links_hang_on_fifos_or_take_folders() {
        let (home, folder) = home();
        std::os::unix::fs::symlink("/etc/passwd", home.path().join("link")).unwrap();
        make_fifo(&home.path().join("fifo"), 0o600).unwrap();
        std::fs::create_dir(home.path().join("folder")).unwrap();
        for name in ["link", "fifo", "folder", "missing"] {
            assert!(folder.read(name).is_err(), "{name}");
        }
        assert!(folder.folder("link").is_err());
        assert!(folder.read_linked("link").is_ok() && folder.read_linked("fifo").is_err());
    }

    #[test]
    fn a_fifo_is_written_only_when_it_is_read_and_is_never_waited_for() {
        let (home, _) = home();
        let path = home.path().join("trigger");
        make_fifo(&path, 0o600).unwrap();
        assert!(fifo_writer(&path).is_err());
        let mut reader = fifo_reader(&path).unwrap();
        let mut writer = fifo_writer(&path).unwrap();
        writer.write_all(b"1\n").unwrap();
        let mut text = [0; 8];
        assert_eq!(io::Read::read(&mut reader, &mut text).unwrap(), 2);
        assert_eq!(io::Read::read(&mut reader, &mut text).unwrap_err().kind(), ErrorKind::WouldBlock);
        std::fs::write(home.path().join("file"), "").unwrap();
        assert!(fifo_writer(&home.path().join("file")).is_err());
    }

    #[test]
    fn moving_never_replaces_and_never_leaves_two() {
        let (home, folder) = home();
        let target = folder.make_folder("cur", 0o700).unwrap();
        std::fs::write(home.path().join("a"), "a").unwrap();
        std::fs::write(home.path().join("cur/b"), "b").unwrap();
        assert_eq!(folder.move_durably("a", &target, "b").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(folder.rename_new("a", &target, "b").unwrap_err().kind(), ErrorKind::AlreadyExists);
        folder.move_durably("a", &target, "c").unwrap();
        assert_eq!(std::fs::read(home.path().join("cur/b")).unwrap(), b"b");
        assert!(folder.stat("a").is_err() && target.stat("c").is_ok());
    }
}
