//! Memory that others get to see, and memory given back: private copies of part of a file that their
//! holder can read but no one can change; freed blocks.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// Copies longer than this go to an unlinked file instead of memory, in octets.
pub const LARGE: u64 = 8 * 1024 * 1024;

/// Copies `length` octets from `offset` of `source` and passes each piece to `seen` on its way
/// (for check sums). The copy is positioned at its start, seekable, and can't be changed by whoever
/// gets it; it lives in memory, or when larger than [`LARGE`] in an unlinked file in `folder`.
pub fn copy(
    source: &File,
    offset: u64,
    length: u64,
    folder: &std::path::Path,
    seen: impl FnMut(&[u8]),
) -> io::Result<OwnedFd> {
    if length > LARGE {
        return copy_to_file(source, offset, length, folder, seen);
    }
    let mut target = sealable()?;
    transfer(source, offset, length, &mut target, seen)?;
    target.seek(SeekFrom::Start(0))?;
    seal(target)
}

/// As [`copy`], of octets that have been read already.
pub fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let target = sealable()?;
    // Not from where it stands, so that it stands at its start.
    target.write_all_at(bytes, 0)?;
    seal(target)
}

fn sealable() -> io::Result<File> {
    Ok(memfd_create("message", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?.into())
}

fn seal(file: File) -> io::Result<OwnedFd> {
    let seals =
        SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// A memory file with `bytes`, positioned at its start: a way to hand over more than a pipe holds.
pub fn holding(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut target = File::from(memfd_create("handover", MFdFlags::MFD_CLOEXEC)?);
    target.write_all(bytes)?;
    target.seek(SeekFrom::Start(0))?;
    Ok(target.into())
}

/// An empty file in memory, for what comes from a pipe and is read more than once.
pub fn unnamed() -> io::Result<File> {
    Ok(memfd_create("message", MFdFlags::MFD_CLOEXEC)?.into())
}

fn copy_to_file(
    source: &File,
    offset: u64,
    length: u64,
    folder: &std::path::Path,
    seen: impl FnMut(&[u8]),
) -> io::Result<OwnedFd> {
    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::Mode;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let mut writer = File::from(open(folder, OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC, mode)?);
    transfer(source, offset, length, &mut writer, seen)?;
    // Opened anew, read-only: the holder can't write through it.
    let name = format!("/proc/self/fd/{}", writer.as_fd().as_raw_fd());
    Ok(File::open(name)?.into())
}

fn transfer(
    source: &File,
    mut offset: u64,
    length: u64,
    target: &mut impl Write,
    mut seen: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; length.min(256 * 1024) as usize];
    let end = offset.checked_add(length).ok_or(ErrorKind::InvalidInput)?;
    while offset < end {
        let want = buffer.len().min((end - offset) as usize);
        let count = match source.read_at(&mut buffer[..want], offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        seen(&buffer[..count]);
        target.write_all(&buffer[..count])?;
        offset += count as u64;
    }
    Ok(())
}

/// Reads all of `fd` from where it stands, at most `most` octets.
pub fn read_all(fd: OwnedFd, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::from(fd).take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// From now on large blocks (128 KiB and more) go back to the kernel when freed. By itself the C library
/// learns from the first one freed to keep all up to that size, for each thread anew. Before the first
/// thread; does nothing where the C library has no such habit.
pub fn give_back_large_blocks() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number inside the allocator, which keeps what it has handed out.
    let _ = unsafe { nix::libc::mallopt(nix::libc::M_MMAP_THRESHOLD, 128 << 10) };
}

/// From now on all threads share one heap. By itself the C library gives each its own, of which some hundred KiB stay
/// behind; for programs whose threads mostly wait. Before the first thread.
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: sets a number inside the allocator, which keeps what it has handed out.
    let _ = unsafe { nix::libc::mallopt(nix::libc::M_ARENA_MAX, 1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> (tempfile::TempDir, File) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("f");
        std::fs::write(&path, bytes).unwrap();
        (home, File::open(path).unwrap())
    }

    #[test]
    fn the_copy_holds_just_the_part_and_cannot_be_changed() {
        let (home, file) = source(b"messageENVELOPE");
        let copied = copy(&file, 0, 7, home.path(), |_| ()).unwrap();
        assert!(nix::unistd::write(&copied, b"x").is_err());
        assert!(nix::unistd::ftruncate(&copied, 0).is_err());
        assert_eq!(read_all(copied, 100).unwrap(), b"message");
    }

    #[test]
    fn a_large_copy_leaves_memory_alone_and_no_name_behind() {
        let (home, file) = source(&vec![b'x'; LARGE as usize + 2]);
        let mut total = 0;
        let copied = copy(&file, 1, LARGE + 1, home.path(), |part| total += part.len()).unwrap();
        assert!(nix::unistd::write(&copied, b"x").is_err());
        assert_eq!((total as u64, std::fs::read_dir(home.path()).unwrap().count()), (LARGE + 1, 1));
        assert_eq!(File::from(copied).metadata().unwrap().len(), LARGE + 1);
    }

    #[test]
    fn a_source_that_is_too_short_is_an_error() {
        let (home, file) = source(b"abc");
        assert!(copy(&file, 1, 3, home.path(), |_| ()).is_err());
    }
}
