//! What others do in `cur` and `new`, as the kernel tells it while it happens (inotify).
//!
//! A session with a watch need not look through 100,000 names to learn that one was renamed. Where there is no watch
//! to be had, the mailbox compares mtimes and looks through all names.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use maildir::Name;
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

use crate::place::Place;

/// More than so many names are not worth being told apart.
const MOST: usize = 50_000;

/// A watch over the folders.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: Inotify,
    cur: WatchDescriptor,
    new: WatchDescriptor,
}

/// What has happened since it was last looked at.
#[derive(Debug, Default)]
pub(crate) struct Happened {
    /// In `cur`, by base.
    pub(crate) touched: HashMap<Vec<u8>, Touch>,
    /// Something has come into `new`.
    pub(crate) new: bool,
    /// Nobody knows what: all names have to be looked at.
    pub(crate) all: bool,
}

/// What has happened to a base.
#[derive(Debug, Default)]
pub(crate) struct Touch {
    /// The last name that came and has not gone again.
    pub(crate) came: Option<Vec<u8>>,
    /// It went by being renamed, and to where has not been seen.
    pub(crate) moved: bool,
}

impl Watch {
    /// Begins to watch. `None`: not to be had here.
    pub(crate) fn begin(place: &Place) -> Option<Watch> {
        match Watch::try_begin(place) {
            Ok(watch) => Some(watch),
            Err(error) => {
                tell(&place.maildir, error);
                None
            }
        }
    }

    fn try_begin(place: &Place) -> nix::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let names = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVE | AddWatchFlags::IN_DELETE;
        let folder = AddWatchFlags::IN_ONLYDIR;
        let cur = inotify.add_watch(&place.maildir.join("cur"), names | folder)?;
        let new = inotify.add_watch(&place.maildir.join("new"), names | folder)?;
        let written = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO;
        inotify.add_watch(&place.index, written | folder)?;
        Ok(Watch { inotify, cur, new })
    }

    /// Reads what has happened. A name in `cur` that is `known` already is passed over, and the one that it was renamed
    /// from.
    pub(crate) fn drain(&self, happened: &mut Happened, mut known: impl FnMut(&[u8]) -> bool) {
        loop {
            match self.inotify.read_events() {
                Ok(events) => {
                    for told in events.chunk_by(|one, next| one.cookie == next.cookie) {
                        if !self.is_known_rename(told, happened, &mut known) {
                            told.iter().for_each(|event| self.note(event, happened));
                        }
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    happened.all = true;
                    return;
                }
            }
        }
    }

    /// The two events of one rename in `cur`, of a message of which nothing else has been told, to a known name?
    fn is_known_rename(
        &self,
        told: &[InotifyEvent],
        happened: &Happened,
        known: &mut impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let [from, to] = told else { return false };
        let (Some(old), Some(new)) = (&from.name, &to.name) else { return false };
        let base = Name::read(new.as_bytes()).base;
        from.wd == self.cur
            && to.wd == self.cur
            && from.mask.contains(AddWatchFlags::IN_MOVED_FROM)
            && to.mask.contains(AddWatchFlags::IN_MOVED_TO)
            && Name::read(old.as_bytes()).base == base
            && !happened.touched.contains_key(base)
            && known(new.as_bytes())
    }

    fn note(&self, event: &InotifyEvent, happened: &mut Happened) {
        let has = |flags| event.mask.intersects(flags);
        if has(AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_UNMOUNT) {
            happened.all = true;
        }
        let Some(name) = event.name.as_ref().map(|name| name.as_bytes()) else { return };
        if name.starts_with(b".") || has(AddWatchFlags::IN_ISDIR) {
            return;
        }
        let came = has(AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO);
        if event.wd == self.new {
            happened.new |= came;
        } else if event.wd == self.cur {
            happened.note(name, came, has(AddWatchFlags::IN_MOVED_FROM));
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

impl Happened {
    pub(crate) fn is_nothing(&self) -> bool {
        self.touched.is_empty() && !self.new && !self.all
    }

    fn note(&mut self, name: &[u8], came: bool, moved: bool) {
        if self.touched.len() >= MOST {
            self.all = true;
        }
        if self.all {
            self.touched.clear();
            return;
        }
        let touch = self.touched.entry(Name::read(name).base.to_vec()).or_default();
        if came {
            touch.came = Some(name.to_vec());
            touch.moved = false;
            return;
        }
        if touch.came.as_deref() == Some(name) {
            touch.came = None;
        }
        touch.moved = moved;
    }
}

/// Once for each process.
fn tell(path: &Path, error: Errno) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if TOLD.swap(true, Ordering::Relaxed) {
        return;
    }
    let cure = match error {
        Errno::EMFILE => "; cure: sysctl fs.inotify.max_user_instances=65536",
        Errno::ENOSPC => "; cure: sysctl fs.inotify.max_user_watches=1048576",
        _ => "",
    };
    let (name, path) = (sys::logging::name(), path.display());
    sys::log!("{name}: warning: {path}: no watch by inotify, looking for changes instead: {error}{cure}");
}
