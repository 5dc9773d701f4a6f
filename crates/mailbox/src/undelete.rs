//! Removed mail that is kept for some days: `fulmar-deleted/FOLDER/` in the Maildir, which is no Maildir++ folder
//! and counts to no quota. A file there is named `seconds-name`: when the message was removed, and its name before.
//!
//! Lists, restores and purges; who removes a message moves it to its [`place`].

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use maildir::{Maildir, Name, unique};
use sys::durable::{Folder, open_any};

use crate::names::{INBOX, Names};
use crate::place::mode;

const FOLDER: &str = "fulmar-deleted";
/// Its time stamp tells when purging was last begun.
const PURGED: &str = "purged";
const DAY: i64 = 86_400;
/// Files that one login looks at.
const MOST: usize = 50_000;
/// Where mail goes whose folder is not there any more.
const RESTORED: &str = ".Restored";
/// Names are shown so.
const NAMES: Names = Names { separator: '.' };

/// Where what is removed from the folder `disk` (empty: the inbox) of a Maildir is kept.
pub(crate) fn place(maildir: &Path, disk: &OsStr) -> PathBuf {
    let kept = maildir.join(FOLDER);
    if disk.is_empty() { kept.join(INBOX) } else { kept.join(disk) }
}

/// Opens such a place; makes it if need be, for those whom the Maildir is for.
pub(crate) fn folder(place: &Path) -> io::Result<Folder> {
    match open_any(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let above = place.ancestors().skip(1).find_map(|path| open_any(path).ok());
            let private = above.is_none_or(|above| mode(&above) == 0o600);
            let bits = if private { 0o700 } else { 0o770 };
            std::fs::DirBuilder::new().recursive(true).mode(bits).create(place)?;
            // Its own name, and that of the folder of all such.
            place.ancestors().skip(1).take(2).try_for_each(|path| open_any(path)?.sync())?;
            open_any(place)
        }
        other => other,
    }
}

/// The name of a removed message's file.
pub(crate) fn named(now: i64, name: &[u8]) -> OsString {
    OsString::from_vec([format!("{now}-").as_bytes(), name].concat())
}

/// When a message was removed, and the name it had.
fn parts(file: &OsStr) -> Option<(i64, &[u8])> {
    let at = file.as_bytes().iter().position(|octet| *octet == b'-')?;
    let (seconds, name) = file.as_bytes().split_at(at);
    Some((std::str::from_utf8(seconds).ok()?.parse().ok()?, &name[1..]))
}

/// A removed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The mailbox that it was in, as a client names it with `.` between levels.
    pub mailbox: String,
    /// Its file's name.
    pub file: OsString,
    /// When it was removed, seconds since 1970.
    pub removed: i64,
    /// Octets.
    pub octets: u64,
    folder: OsString,
}

/// The removed mail of a Maildir.
#[derive(Debug)]
pub struct Deletions {
    maildir: PathBuf,
    kept: Folder,
}

impl Deletions {
    /// Opens it. `None`: there is none.
    pub fn open(maildir: &Path) -> io::Result<Option<Deletions>> {
        match open_any(maildir)?.folder(FOLDER) {
            Ok(kept) => Ok(Some(Deletions { maildir: maildir.to_owned(), kept })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Calls `each` with every removed message, in no order, as long as it gives true.
    fn each(&self, mut each: impl FnMut(&Folder, Deleted) -> bool) -> io::Result<()> {
        for folder in self.kept.names()? {
            let Ok(open) = self.kept.folder(&folder) else { continue };
            let mailbox = if folder == INBOX { INBOX.to_owned() } else { NAMES.name(folder.as_bytes()) };
            for file in open.names()? {
                let Ok(seen) = open.stat(&file) else { continue };
                let removed = parts(&file).map_or(seen.st_ctime, |(removed, _)| removed);
                let octets = seen.st_size.unsigned_abs();
                let deleted =
                    Deleted { mailbox: mailbox.clone(), file, removed, octets, folder: folder.clone() };
                if !each(&open, deleted) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// What was removed since then, the last first.
    pub fn list(&self, since: i64) -> io::Result<Vec<Deleted>> {
        let mut all = Vec::new();
        self.each(|_, deleted| {
            if deleted.removed >= since {
                all.push(deleted);
            }
            true
        })?;
        all.sort_by(|a, b| (b.removed, &b.file).cmp(&(a.removed, &a.file)));
        Ok(all)
    }

    /// Puts a message back into the mailbox it was in, or into `Restored` if that is gone, as a new one: nobody has
    /// seen it under its new name. It is durable there before it is gone here. Gives the mailbox.
    pub fn restore(&self, deleted: &Deleted) -> io::Result<String> {
        let (path, mailbox) = self.target(deleted);
        let target = open_any(&Maildir::create(&path).map(|_| path)?)?.folder("cur")?;
        let file = parts(&deleted.file).map_or(deleted.file.as_bytes(), |(_, name)| name);
        let name = Name::read(file);
        let sizes = name.base.iter().position(|octet| *octet == b',').map_or(&b""[..], |at| &name.base[at..]);
        let flags: Vec<u8> = name.flags.iter().copied().filter(|flag| *flag != b'T').collect();
        let base = [unique().as_bytes(), sizes].concat();
        let file = Name { base: &base, flags: b"" }.with(&flags);
        self.kept.folder(&deleted.folder)?.move_durably(&deleted.file, &target, OsStr::from_bytes(&file))?;
        // The quota's use is counted anew.
        let _ = open_any(&self.maildir)?.remove("maildirsize");
        Ok(mailbox)
    }

    fn target(&self, deleted: &Deleted) -> (PathBuf, String) {
        if deleted.folder == INBOX {
            return (self.maildir.clone(), INBOX.to_owned());
        }
        let path = self.maildir.join(&deleted.folder);
        match deleted.folder.as_bytes().starts_with(b".") && Maildir::open(&path).is_ok() {
            true => (path, deleted.mailbox.clone()),
            false => (self.maildir.join(RESTORED), NAMES.name(RESTORED.as_bytes())),
        }
    }

    /// Removes for good what was removed before then; looks at `most` messages. Gives how many it were.
    pub fn purge(&self, before: i64, most: usize) -> io::Result<usize> {
        let (mut purged, mut looked) = (0, 0);
        self.each(|folder, deleted| {
            looked += 1;
            if deleted.removed < before && folder.remove(&deleted.file).is_ok() {
                purged += 1;
            }
            looked < most
        })?;
        for folder in self.kept.names()? {
            // Only those that are empty go; the others are no error.
            let _ = std::fs::remove_dir(self.maildir.join(FOLDER).join(folder));
        }
        Ok(purged)
    }

    /// As [`Deletions::purge`] of what is older than so many days, once a day: for logins.
    pub(crate) fn purge_daily(&self, now: i64, days: u32) -> io::Result<()> {
        let last = self.kept.stat(PURGED).map_or(0, |seen| seen.st_mtime);
        if (last..last + DAY).contains(&now) {
            return Ok(());
        }
        self.kept.replace(PURGED, b"", mode(&self.kept))?;
        self.purge(now - i64::from(days) * DAY, MOST).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("m");
        Maildir::create(&path).unwrap();
        Maildir::create(&path.join(".Lists")).unwrap();
        assert!(Deletions::open(&path).unwrap().is_none());
        for (disk, file) in [("", "1.a.b,S=3:2,ST"), (".Lists", "2.b"), (".Gone.&ANw-", "3.c,S=3,W=4:2,F")] {
            let place = place(&path, OsStr::new(disk));
            std::fs::create_dir_all(&place).unwrap();
            let file = named(sys::unix_seconds() as i64, file.as_bytes());
            std::fs::write(place.join(file), "abc").unwrap();
        }
        (home, path)
    }

    fn cur(path: &Path) -> Vec<String> {
        let names = std::fs::read_dir(path.join("cur")).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn removed_mail_comes_back_to_where_it_was_or_to_restored() {
        let (_home, path) = home();
        let deletions = Deletions::open(&path).unwrap().unwrap();
        let all = deletions.list(0).unwrap();
        let mut names: Vec<_> = all.iter().map(|deleted| deleted.mailbox.as_str()).collect();
        names.sort();
        assert_eq!(names, ["Gone.Ü", "INBOX", "Lists"]);
        assert!(deletions.list(sys::unix_seconds() as i64 + 60).unwrap().is_empty());
        let mut back: Vec<_> = all.iter().map(|deleted| deletions.restore(deleted).unwrap()).collect();
        back.sort();
        assert_eq!(back, ["INBOX", "Lists", "Restored"]);
        assert!(cur(&path)[0].ends_with(",S=3:2,S"));
        assert!(cur(&path.join(".Lists"))[0].ends_with(":2,"));
        assert!(cur(&path.join(".Restored"))[0].ends_with(",S=3,W=4:2,F"));
        assert!(deletions.list(0).unwrap().is_empty());
        assert!(deletions.restore(&all[0]).is_err());
    }

    #[test]
    fn only_old_mail_is_purged_and_once_a_day() {
        let (_home, path) = home();
        let now = sys::unix_seconds() as i64;
        let deletions = Deletions::open(&path).unwrap().unwrap();
        deletions.purge_daily(now, 3).unwrap();
        assert_eq!(deletions.list(0).unwrap().len(), 3);
        deletions.purge_daily(now + 4 * DAY - 10, 3).unwrap();
        assert!(deletions.list(0).unwrap().is_empty());
        // The folders are gone too.
        assert_eq!(std::fs::read_dir(path.join(FOLDER)).unwrap().count(), 1);
        let (_home, path) = home_purged_now();
        let deletions = Deletions::open(&path).unwrap().unwrap();
        deletions.purge_daily(now + 3600, 0).unwrap();
        assert_eq!(deletions.list(0).unwrap().len(), 3);
        assert_eq!(deletions.purge(now + 3600, 2).unwrap(), 2);
        assert_eq!(deletions.list(0).unwrap().len(), 1);
    }

    fn home_purged_now() -> (tempfile::TempDir, PathBuf) {
        let (home, path) = home();
        std::fs::write(path.join(FOLDER).join(PURGED), "").unwrap();
        (home, path)
    }

    #[test]
    fn what_is_a_link_is_not_followed() {
        let (home, path) = home();
        std::fs::create_dir(home.path().join("outside")).unwrap();
        std::fs::write(home.path().join("outside/x"), "abc").unwrap();
        std::os::unix::fs::symlink(home.path().join("outside"), path.join(FOLDER).join(".link")).unwrap();
        let deletions = Deletions::open(&path).unwrap().unwrap();
        assert_eq!(deletions.list(0).unwrap().len(), 3);
        deletions.purge(i64::MAX, 100).unwrap();
        assert!(home.path().join("outside/x").exists());
    }
}
