//! How a file or folder lay there when it was looked at, as far as that tells its state from all others: for those who keep
//! what they have read as long as it is what they would read again.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// For so many seconds after a change the next one may bear the same time.
const BLURRED: i64 = 2;

/// Device, inode and size; the times (seconds, nanoseconds) at which the text, or a folder's names, and anything at all were last
/// changed. The last of them nobody can set, and a new name of a file changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen([u64; 3], [i64; 4]);

impl Seen {
    /// By what the kernel says of it. To be asked before it is read: what changes meanwhile makes it another.
    pub fn of(seen: &Metadata) -> Seen {
        let times = [seen.mtime(), seen.mtime_nsec(), seen.ctime(), seen.ctime_nsec()];
        Seen([seen.dev(), seen.ino(), seen.size()], times)
    }

    /// What `path` leads to; `None`: nothing, or nothing that can be looked at.
    pub fn at(path: &Path) -> Option<Seen> {
        std::fs::metadata(path).ok().map(|seen| Seen::of(&seen))
    }

    /// Would a change that comes now be seen for certain? Not in what was changed a moment ago.
    pub fn is_settled(&self) -> bool {
        let Seen(_, [.., changed, _]) = self;
        crate::unix_seconds().cast_signed().saturating_sub(*changed) > BLURRED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn whoever_sets_a_time_back_does_not_hide_that_a_file_is_another() {
        let home = tempfile::tempdir().unwrap();
        let (file, other) = (home.path().join("file"), home.path().join("other"));
        let changes: [(&str, &dyn Fn()); 2] = [
            ("in place", &|| fs::write(&file, "two").unwrap()),
            ("replaced", &|| {
                fs::write(&other, "two").unwrap();
                fs::rename(&other, &file).unwrap();
            }),
        ];
        for (how, change) in changes {
            fs::write(&file, "one").unwrap();
            let (before, time) = (Seen::at(&file), fs::metadata(&file).unwrap().modified().unwrap());
            assert_eq!(Seen::at(&file), before);
            // The clock of the file system may have ticks of some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change();
            fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
            assert_ne!(Seen::at(&file), before, "{how}");
        }
        assert_eq!(Seen::at(&home.path().join("none")), None);
    }

    #[test]
    fn what_was_changed_a_moment_ago_may_be_changed_again_unseen() {
        let home = tempfile::tempdir().unwrap();
        assert!(!Seen::at(home.path()).unwrap().is_settled());
        let changed = |before: i64| Seen([0; 3], [0, 0, crate::unix_seconds().cast_signed() - before, 0]);
        assert!(changed(3).is_settled() && !changed(-3600).is_settled(), "nor after the clock was set back");
    }
}
