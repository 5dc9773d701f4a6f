//! The folders of the queue and what lies in them.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sys::durable::{self, Folder, Kind};

use crate::{Stored, Trouble, stored};

/// Folders below `mess/`; a message is in number `ID % SPLIT`.
pub const SPLIT: u64 = 23;

/// The queue's folders, open.
#[derive(Debug)]
pub struct Queue {
    path: PathBuf,
    pub(crate) tmp: Folder,
    pub(crate) mess: Vec<Folder>,
    pub(crate) bounce: Folder,
    pub(crate) lock: Folder,
    pub(crate) ask: Folder,
    pub(crate) steer: Folder,
    pub(crate) defer: Folder,
    bad: Folder,
}

/// What a scan finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A message, by its ID. Not yet looked into.
    Message(u64),
    /// Something in folder `mess/`number that is no message by its name or kind.
    Stranger(u64, Vec<u8>),
}

impl Queue {
    /// Makes the folders that are missing, for this process's user alone, and opens them.
    pub fn make(path: &Path) -> io::Result<Queue> {
        match std::fs::DirBuilder::new().create(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let top = durable::open_any(path)?;
        let mess = top.make_folder("mess", 0o700)?;
        for name in ["tmp", "bounce", "lock", "ask", "steer", "defer", "bad"] {
            top.make_folder(name, 0o700)?;
        }
        for number in 0..SPLIT {
            mess.make_folder(number.to_string(), 0o700)?;
        }
        mess.sync()?;
        top.sync()?;
        durable::make_fifo(&path.join("lock/trigger"), 0o600)?;
        Queue::open(path)
    }

    /// The same for another user, by root, before that user's programs were ever started. `ask` keeps its
    /// owner: admins write there.
    pub fn make_for(path: &Path, uid: u32, gid: u32) -> io::Result<Queue> {
        let queue = Queue::make(path)?;
        let mess = durable::open_any(path)?.folder("mess")?;
        let some = [&mess, &queue.tmp, &queue.bounce, &queue.lock, &queue.bad, &queue.steer, &queue.defer];
        some.into_iter().chain(&queue.mess).try_for_each(|folder| folder.give(".", uid, gid))?;
        queue.lock.give("trigger", uid, gid)?;
        Ok(queue)
    }

    /// Opens the folders, which must be there.
    pub fn open(path: &Path) -> io::Result<Queue> {
        let top = durable::open_any(path)?;
        let mess = top.folder("mess")?;
        let mess = (0..SPLIT).map(|number| mess.folder(number.to_string())).collect::<io::Result<_>>()?;
        let (tmp, bounce) = (top.folder("tmp")?, top.folder("bounce")?);
        let (lock, bad) = (top.folder("lock")?, top.folder("bad")?);
        let (ask, steer, defer) = (top.folder("ask")?, top.folder("steer")?, top.folder("defer")?);
        Ok(Queue { path: path.to_owned(), tmp, mess, bounce, lock, ask, steer, defer, bad })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of message `id`.
    pub fn folder(&self, id: u64) -> &Folder {
        &self.mess[(id % SPLIT) as usize]
    }

    /// Opens message `id` for reading and looks at its end record.
    pub fn stored(&self, id: u64) -> Result<Stored, Trouble> {
        let (file, seen) = self.folder(id).read_and_see(id.to_string())?;
        Stored::seen(file, &seen, stored::TAIL)
    }

    /// Marks the recipients at `places` of message `id` as done. Not synced: a power cut may
    /// repeat a delivery, never lose one.
    pub fn mark_done(&self, id: u64, places: &[u64]) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let file = self.folder(id).edit(id.to_string())?;
        places.iter().try_for_each(|place| file.write_all_at(b"D", *place))
    }

    /// Leaves a time with the message: when it is to be tried next. Not synced.
    pub fn plan(&self, id: u64, due: SystemTime) -> io::Result<()> {
        self.folder(id).edit(id.to_string())?.set_modified(due)
    }

    /// Removes message `id`. Not synced.
    pub fn remove(&self, id: u64) -> io::Result<()> {
        self.folder(id).remove(id.to_string())
    }

    /// Goes through all of `mess/`, without opening a file.
    pub fn scan(&self, mut each: impl FnMut(Found)) -> io::Result<()> {
        for (number, folder) in (0u64..).zip(&self.mess) {
            folder.each_entry(|name, kind| {
                let id = id(name).filter(|id| id % SPLIT == number);
                each(match id {
                    Some(id) if matches!(kind, Kind::File | Kind::Unknown) => Found::Message(id),
                    _ => Found::Stranger(number, name.to_vec()),
                });
            })?;
        }
        Ok(())
    }

    /// Moves `name` in folder `mess/`number to `bad/`, where nobody looks but the admin; gives
    /// its name there.
    pub fn set_aside(&self, number: u64, name: &[u8]) -> io::Result<String> {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(name);
        let mut new = name.to_os_string();
        let from = &self.mess[(number % SPLIT) as usize];
        for attempt in 1.. {
            match from.rename_new(name, &self.bad, &new) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && attempt < 1000 => {
                    new = name.to_os_string();
                    new.push(format!(".{attempt}"));
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        self.bad.sync()?;
        Ok(new.to_string_lossy().into_owned())
    }

    /// Removes what has lain in `tmp/` for longer than `age`: writers that died. Gives how many.
    pub fn sweep(&self, age: Duration) -> io::Result<usize> {
        let limit = sys::unix_seconds().saturating_sub(age.as_secs());
        let stale =
            |name: &std::ffi::OsString| self.tmp.stat(name).is_ok_and(|seen| (seen.st_mtime as u64) < limit);
        let names: Vec<_> = self.tmp.names()?.into_iter().filter(stale).collect();
        Ok(names.iter().filter(|name| self.tmp.remove(name).is_ok()).count())
    }

    /// Takes the lock `lock/`name for this process; `None`: another has it. Ends with the file.
    pub fn lock(&self, name: &str) -> io::Result<Option<File>> {
        let file = self.lock.append(name, 0o600)?;
        Ok(durable::lock(&file)?.then_some(file))
    }

    /// Writes a small file in `lock/`, durably.
    pub fn remember(&self, name: &str, text: &str) -> io::Result<()> {
        self.lock.replace(name, text.as_bytes(), 0o600)
    }

    /// Reads a number from a small file in `lock/`. `None`: missing or garbled.
    pub fn recall(&self, name: &str) -> Option<u64> {
        use std::io::Read;
        let mut text = String::new();
        self.lock.read(name).ok()?.take(64).read_to_string(&mut text).ok()?;
        text.trim_end().parse().ok()
    }

    /// The highest ID that is in use anywhere in the queue.
    pub(crate) fn highest(&self) -> io::Result<u64> {
        let mut highest = 0;
        for folder in self.mess.iter().chain([&self.tmp, &self.bounce, &self.bad]) {
            folder.each_name(|name| highest = highest.max(id(name).unwrap_or(0)))?;
        }
        Ok(highest)
    }
}

/// The ID that `name` is: digits without leading zero, below 2⁶³.
pub(crate) fn id(name: &[u8]) -> Option<u64> {
    let canonical = name.len() <= 19 && name.first() != Some(&b'0') && name.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(name).ok().filter(|_| canonical)?;
    text.parse().ok().filter(|id| *id < 1 << 63)
}
