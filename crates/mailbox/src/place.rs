//! Where a mailbox is: its folders, opened once, and the lock of those who write.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use imap::Trouble;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use sys::durable::{Folder, open_any};

use crate::record::Stamp;
use crate::state::fingerprint;

const LOCK: &str = "fulmar-lock";
/// For so long others are waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// A folder that was changed less than so many microseconds ago may be changed again without another mtime:
/// the kernel's clock for files ticks every 10 ms at least. Where mtimes are whole seconds: the second number.
const TICK: (i64, i64) = (20_000, 2_100_000);

/// Where a mailbox's files are.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its Maildir.
    pub maildir: PathBuf,
    /// The folder of its index; may be the Maildir.
    pub index: PathBuf,
    /// The folder where messages are written that are to be added: on the Maildir's file system.
    pub temporary: PathBuf,
}

/// How a mailbox is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its messages are not to be changed.
    pub read_only: bool,
    /// Its messages may be read later, when [`imap::Folder::wake`] asks for them.
    pub may_sleep: bool,
    /// It is opened for adding alone: its new messages stay new to others.
    pub only_to_add: bool,
    /// What is added and removed is counted to this.
    pub quota: maildir::Quota,
    /// The Maildir that this quota is of; `None`: the one that is opened, or that it is a folder of.
    pub quota_of: Option<PathBuf>,
    /// Files of messages that are expunged go to this folder (of the same file system), named
    /// `seconds-name` by the time at which they went.
    pub undelete: Option<PathBuf>,
    /// The file that tells what this user has seen, where `\Seen` is each user's own.
    pub user_seen: Option<PathBuf>,
}

/// The folders, open.
#[derive(Debug)]
pub(crate) struct Folders {
    pub(crate) cur: Rc<Folder>,
    pub(crate) new: Folder,
    pub(crate) index: Folder,
}

/// The lock is held as long as this lives.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
    _folder: Option<File>,
}

impl Folders {
    pub(crate) fn open(place: &Place) -> Result<Folders, Trouble> {
        let root = open_any(&place.maildir).map_err(|error| missing(&place.maildir, error))?;
        let folder = |name| root.folder(name).map_err(|error| missing(&place.maildir.join(name), error));
        let (cur, new) = (Rc::new(folder("cur")?), folder("new")?);
        let index = match place.index == place.maildir {
            // Not by its name once more: another mailbox may have it by now.
            true => root.folder("."),
            false => made(&place.index),
        };
        let index =
            index.map_err(|error| unavailable(&place.index, "can't open the index's folder", &error))?;
        Ok(Folders { cur, new, index })
    }

    /// Is what was opened still what has this name?
    pub(crate) fn are_at(&self, place: &Place) -> bool {
        let there = std::fs::metadata(place.maildir.join("cur")).map(|seen| (seen.dev(), seen.ino()));
        let here = self.cur.stat(".").map(|seen| (seen.st_dev, seen.st_ino));
        matches!((there, here), (Ok(there), Ok(here)) if there == here)
    }

    /// When `cur` and `new` were last changed: by their ctime too, as who copies with times (rsync -a, tar) sets an mtime back.
    /// [`Trouble::MailboxGone`] when they have been removed.
    pub(crate) fn stamps(&self) -> Result<(Stamp, Stamp), Trouble> {
        let stamp = |folder: &Folder| -> Result<Stamp, Trouble> {
            let seen = nix::sys::stat::fstat(folder).map_err(io::Error::from)?;
            match seen.st_nlink {
                0 => Err(Trouble::MailboxGone),
                _ => {
                    let changed = Stamp { seconds: seen.st_ctime, nanos: seen.st_ctime_nsec as u32 };
                    Ok(changed.max(Stamp { seconds: seen.st_mtime, nanos: seen.st_mtime_nsec as u32 }))
                }
            }
        };
        Ok((stamp(&self.cur)?, stamp(&self.new)?))
    }

    /// May this process write the index, and rename messages?
    pub(crate) fn writable(&self, place: &Place) -> io::Result<()> {
        nix::unistd::access(&place.maildir.join("cur"), nix::unistd::AccessFlags::W_OK)?;
        self.index.append(LOCK, mode(&self.index)).map(drop)
    }

    /// The UIDVALIDITY that was noted last, in the file that is locked: a last resort against giving one twice.
    pub(crate) fn noted_uid_validity(&self) -> Option<u32> {
        let mut text = String::new();
        io::Read::read_to_string(&mut self.index.read(LOCK).ok()?.take(20), &mut text).ok()?;
        text.trim_end().parse().ok()
    }

    /// Notes one.
    pub(crate) fn note_uid_validity(&self, uid_validity: u32) -> io::Result<()> {
        let mut file = self.index.append(LOCK, 0o600)?;
        file.set_len(0)?;
        writeln!(file, "{uid_validity}")
    }

    /// The folder of the index, opened once more.
    fn whole(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(File::from(nix::fcntl::openat(&self.index, ".", flags, Mode::empty())?))
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self, place: &Place) -> Result<Held, Trouble> {
        let until = sys::monotonic() + PATIENCE;
        let mut pause = Duration::from_micros(200);
        loop {
            let file = self
                .index
                .append(LOCK, mode(&self.index))
                .map_err(|error| unavailable(&place.index.join(LOCK), "can't open the lock", &error))?;
            // The folder first: the file may be removed, as a part of the index, while it is held. Some file systems
            // lock files only.
            let folder = self.whole().ok();
            let free = |file: &File| !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            let held = folder.as_ref().is_none_or(free) && free(&file);
            // Whoever waited may have got the lock of a file that is not the one of this name any more.
            if held
                && self
                    .index
                    .stat(LOCK)
                    .is_ok_and(|seen| file.metadata().is_ok_and(|it| it.ino() == seen.st_ino))
            {
                return Ok(Held { _file: file, _folder: folder });
            }
            if sys::monotonic() >= until {
                let error = io::Error::from(ErrorKind::TimedOut);
                return Err(unavailable(&place.index.join(LOCK), "another program holds the lock", &error));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }
}

impl Stamp {
    /// Has it been long enough that nothing can have happened after it without changing it?
    pub(crate) fn is_certain(self, now_micros: u64) -> bool {
        let then = self.seconds.saturating_mul(1_000_000).saturating_add(i64::from(self.nanos) / 1000);
        let tick = if self.nanos == 0 { TICK.1 } else { TICK.0 };
        (now_micros as i64).saturating_sub(then) > tick
    }
}

/// Opens a folder; makes it if need be.
fn made(path: &Path) -> io::Result<Folder> {
    match open_any(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            open_any(path)
        }
        other => other,
    }
}

fn missing(path: &Path, error: io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound => Trouble::NoMailbox,
        _ => unavailable(path, "can't open the mailbox", &error),
    }
}

/// Permission bits for files in `folder`. What a group shares (the folder has its bits and hands the group on) every
/// one of the group may read and write.
pub(crate) fn mode(folder: &Folder) -> u32 {
    const OF_GROUP: u32 = 0o2020;
    let shared = folder.stat(".").is_ok_and(|seen| seen.st_mode & OF_GROUP == OF_GROUP);
    if shared { 0o660 } else { 0o600 }
}

/// Writes the log line and gives the trouble.
pub(crate) fn unavailable(path: &Path, what: &str, error: &io::Error) -> Trouble {
    let cure = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; cure: give it to the mailbox's owner (chown -R), and him all rights (chmod -R u+rwX)"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; cure: make room on this file system",
        ErrorKind::ReadOnlyFilesystem => {
            "; cure: mount it for writing, or keep indexes elsewhere (control/indexdir)"
        }
        _ => "",
    };
    let text = format!("{}: {what}: {error}{cure}", path.display());
    sys::log!("{}: warning: {text}", sys::logging::name());
    Trouble::Unavailable(text)
}

/// Tells this boot of the machine from all others; 0: not known, which is like no other.
pub(crate) fn boot() -> u64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let id = std::fs::read("/proc/sys/kernel/random/boot_id");
        id.map_or(0, |id| fingerprint(&id))
    })
}
