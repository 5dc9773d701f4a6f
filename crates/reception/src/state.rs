//! How the control files lie in their folder: has one of them been touched?
//!
//! Where the folder itself is as it was, no name has come or gone, and only the files that are there are looked at: a
//! house has few of those it may have.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::rules::{FILES, TABLES};

/// For so many seconds after a change in the folder the next one may bear the same time.
const BLURRED: i64 = 2;
/// The folder of the networks that tables may name.
const NETWORKS: &str = "networks";

/// All that tells the files and tables of one moment from others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// `None`: it had been changed a moment ago, and may be changed again in the same tick of the clock.
    folder: Option<Folder>,
    /// Of the names that are there, what they lead to.
    files: Vec<(String, Stamp)>,
    /// Of the networks; `None`: there is no folder of that name.
    networks: Option<Vec<(String, Vec<u8>)>>,
}

/// Device and inode of the folder, and the times at which its names and anything about it were last changed. The
/// latter nobody can set.
#[derive(Debug, PartialEq, Eq)]
struct Folder([u64; 2], [i64; 4]);

/// Device and inode of a file, its size, the times at which it was last written and anything about it was last changed;
/// `None`: there is no such file.
type Stamp = Option<([u64; 3], [i64; 4])>;

impl State {
    /// That of now.
    pub(crate) fn of(path: &Path) -> State {
        // The folder first: what changes meanwhile makes it another.
        let folder = Folder::of(path).filter(Folder::is_settled);
        let names = TABLES.iter().map(|name| format!("{name}.cdb"));
        let names = TABLES.iter().chain(FILES).map(|name| (*name).to_owned()).chain(names);
        let files = names.filter_map(|name| {
            let seen = fs::symlink_metadata(path.join(&name)).ok()?;
            let stamp = if seen.is_symlink() { stamp(path, name.as_ref()) } else { Some(stamp_of(&seen)) };
            Some((name, stamp))
        });
        let files = files.collect();
        let networks = path.join(NETWORKS);
        let networks = fs::symlink_metadata(&networks).ok().map(|_| control::networks::stamps(&networks));
        State { folder, files, networks }
    }

    /// Is nothing changed in the folder `path` since?
    pub(crate) fn is_still(&self, path: &Path) -> bool {
        self.folder.is_some()
            && Folder::of(path) == self.folder
            && self.files.iter().all(|(name, then)| stamp(path, name.as_ref()) == *then)
            && self
                .networks
                .as_ref()
                .is_none_or(|then| control::networks::stamps(&path.join(NETWORKS)) == *then)
    }

    /// Are files and networks the same?
    pub(crate) fn says_as(&self, other: &State) -> bool {
        (&self.files, &self.networks) == (&other.files, &other.networks)
    }
}

impl Folder {
    fn of(path: &Path) -> Option<Folder> {
        let seen = fs::metadata(path).ok()?;
        let times = [seen.mtime(), seen.mtime_nsec(), seen.ctime(), seen.ctime_nsec()];
        Some(Folder([seen.dev(), seen.ino()], times))
    }

    /// Would a change that comes now be seen for certain?
    fn is_settled(&self) -> bool {
        let Folder(_, [.., changed, _]) = self;
        sys::unix_seconds().cast_signed().saturating_sub(*changed) > BLURRED
    }
}

fn stamp(path: &Path, name: &OsStr) -> Stamp {
    fs::metadata(path.join(name)).ok().map(|seen| stamp_of(&seen))
}

fn stamp_of(seen: &Metadata) -> ([u64; 3], [i64; 4]) {
    let times = [seen.mtime(), seen.mtime_nsec(), seen.ctime(), seen.ctime_nsec()];
    ([seen.dev(), seen.ino(), seen.size()], times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The state of the folder as if its last change were long ago.
    fn settled(path: &Path) -> State {
        State { folder: Folder::of(path), ..State::of(path) }
    }

    fn is_seen(path: &Path, what: &str, change: impl FnOnce()) {
        let before = settled(path);
        assert!(before.is_still(path), "{what}");
        // The clock of the file system may have ticks of some milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change();
        assert!(!before.is_still(path) && !before.says_as(&State::of(path)), "{what}");
    }

    #[test]
    fn whatever_happens_to_a_file_is_seen() {
        let home = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (home.path().join("control"), home.path().join("elsewhere"));
        let file = |name: &str| path.join(name);
        fs::create_dir(&path).unwrap();
        fs::write(file("me"), "one").unwrap();
        is_seen(&path, "written in place, as long as before", || fs::write(file("me"), "two").unwrap());
        is_seen(&path, "new", || fs::write(file("rcpthosts.cdb"), "").unwrap());
        is_seen(&path, "replaced", || fs::rename(file("rcpthosts.cdb"), file("me")).unwrap());
        is_seen(&path, "a link to nothing", || symlink(&elsewhere, file("databytes")).unwrap());
        is_seen(&path, "which is something now", || fs::write(&elsewhere, "1").unwrap());
        is_seen(&path, "and another thing", || fs::write(&elsewhere, "22").unwrap());
        is_seen(&path, "removed", || fs::remove_file(file("me")).unwrap());
        is_seen(&path, "networks", || fs::create_dir(file("networks")).unwrap());
        is_seen(&path, "a network", || fs::write(file("networks/us"), "1").unwrap());
        is_seen(&path, "of another size", || fs::write(file("networks/us"), "12").unwrap());
    }

    #[test]
    fn a_folder_that_was_changed_a_moment_ago_is_looked_through_again() {
        let home = tempfile::tempdir().unwrap();
        let now = State::of(home.path());
        assert!(now.folder.is_none() && !now.is_still(home.path()) && now.says_as(&State::of(home.path())));
        let old = Folder([0; 2], [0, 0, sys::unix_seconds().cast_signed() - 3, 0]);
        assert!(old.is_settled());
    }

    #[test]
    fn another_folder_of_the_same_name_is_another() {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("control"), home.path().join("other"));
        fs::create_dir(&path).unwrap();
        fs::create_dir(&other).unwrap();
        fs::write(other.join("me"), "x").unwrap();
        is_seen(&path, "replaced", || fs::rename(&other, &path).unwrap());
    }
}
