//! How the control files lie in their folder: has one of them been touched?
//!
//! Where the folder itself is as it was, no name has come or gone, and only the files that are there are looked at: a
//! house has few of those it may have.

use std::fs;
use std::path::Path;

use sys::Seen;

use crate::rules::{FILES, TABLES};

/// The folder of the networks that tables may name.
const NETWORKS: &str = "networks";

/// All that tells the files and tables of one moment from others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    folder: Option<Seen>,
    /// Of the names that are there, what they lead to.
    files: Vec<(String, Option<Seen>)>,
    /// Of the networks; `None`: there is no folder of that name.
    networks: Option<Vec<(String, Option<Seen>)>>,
    /// No file or network had been changed a moment ago, so that it could be changed again in the same tick of the clock.
    certain: bool,
}

impl State {
    /// That of now.
    pub(crate) fn of(path: &Path) -> State {
        // The folder first: what changes meanwhile makes it another.
        let folder = Seen::at(path);
        let names = TABLES.iter().map(|name| format!("{name}.cdb"));
        let names = TABLES.iter().chain(FILES).map(|name| (*name).to_owned()).chain(names);
        let files = names.filter_map(|name| {
            let seen = fs::symlink_metadata(path.join(&name)).ok()?;
            let seen = if seen.is_symlink() { Seen::at(&path.join(&name)) } else { Some(Seen::of(&seen)) };
            Some((name, seen))
        });
        let files: Vec<_> = files.collect();
        let networks = path.join(NETWORKS);
        let networks = fs::symlink_metadata(&networks).ok().map(|_| control::networks::stamps(&networks));
        let mut all = files.iter().chain(networks.iter().flatten()).filter_map(|(_, seen)| seen.as_ref());
        let certain = all.all(Seen::is_settled);
        State { folder: folder.filter(Seen::is_settled), files, networks, certain }
    }

    /// As if the last change were long ago.
    #[cfg(test)]
    pub(crate) fn of_old(path: &Path) -> State {
        State { folder: Seen::at(path), certain: true, ..State::of(path) }
    }

    /// Is nothing changed in the folder `path` since?
    pub(crate) fn is_still(&self, path: &Path) -> bool {
        self.certain
            && self.folder.is_some()
            && Seen::at(path) == self.folder
            && self.files.iter().all(|(name, then)| Seen::at(&path.join(name)) == *then)
            && self
                .networks
                .as_ref()
                .is_none_or(|then| control::networks::stamps(&path.join(NETWORKS)) == *then)
    }

    /// Are files and networks the same for certain?
    pub(crate) fn says_as(&self, other: &State) -> bool {
        self.certain && (&self.files, &self.networks) == (&other.files, &other.networks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn is_seen(path: &Path, what: &str, change: impl FnOnce()) {
        let before = State::of_old(path);
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
    fn what_was_changed_a_moment_ago_is_looked_through_again() {
        let home = tempfile::tempdir().unwrap();
        let now = State::of(home.path());
        assert!(now.folder.is_none() && !now.is_still(home.path()) && now.says_as(&State::of(home.path())));
        fs::write(home.path().join("me"), "one").unwrap();
        let now = State::of(home.path());
        assert!(
            !now.is_still(home.path()) && !now.says_as(&State::of(home.path())),
            "nor is a file believed"
        );
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
