//! What deliveries that were killed left in `tmp`.

use std::io;
use std::time::{Duration, SystemTime};

use crate::Maildir;

/// Files in `tmp` that nobody has touched for so long belong to nobody: a delivery gives up
/// after 24 hours.
pub const OLD: Duration = Duration::from_secs(36 * 3600);

impl Maildir {
    /// Removes what has been in `tmp` for longer than [`OLD`] at the time `now`. For readers; what
    /// can't be removed stays.
    pub fn clean(&self, now: SystemTime) -> io::Result<()> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs() as i64);
        for name in self.tmp.names()? {
            let Ok(seen) = self.tmp.stat(&name) else { continue };
            // Some programs set the time stamps of a file in tmp; nobody can set its ctime.
            let last = seen.st_ctime.max(seen.st_mtime).max(seen.st_atime);
            if now.saturating_sub(last) > OLD.as_secs() as i64 {
                let _ = self.tmp.remove(&name);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_touched_for_36_hours_is_removed_from_tmp() {
        let home = tempfile::tempdir().unwrap();
        let maildir = Maildir::create(&home.path().join("m")).unwrap();
        for place in ["tmp", "new", "cur"] {
            std::fs::write(home.path().join("m").join(place).join("1"), "x").unwrap();
        }
        std::fs::create_dir(home.path().join("m/tmp/folder")).unwrap();
        maildir.clean(SystemTime::now() + OLD - Duration::from_secs(60)).unwrap();
        assert!(home.path().join("m/tmp/1").exists());
        maildir.clean(SystemTime::now() + OLD + Duration::from_secs(60)).unwrap();
        assert!(!home.path().join("m/tmp/1").exists());
        assert!(home.path().join("m/new/1").exists() && home.path().join("m/cur/1").exists());
    }
}
