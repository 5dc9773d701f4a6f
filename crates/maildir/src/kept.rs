//! A Maildir that stays open between two deliveries by the same process, as long as its path leads to it and no name in
//! it has come, gone or changed.

use std::path::{Path, PathBuf};

use sys::Seen;

use crate::Maildir;

/// The Maildir that was delivered to last.
#[derive(Debug, Default)]
pub struct Kept(Option<(PathBuf, Seen, Maildir)>);

impl Kept {
    /// None yet.
    pub fn new() -> Kept {
        Kept::default()
    }

    /// Gives `with` the Maildir at `path`: that of the last time if it still is that one, else what `open` opens.
    pub fn with<T, E>(
        &mut self,
        path: &Path,
        open: impl FnOnce() -> Result<Maildir, E>,
        with: impl FnOnce(&Maildir) -> Result<T, E>,
    ) -> Result<T, E> {
        let last = self.0.take().filter(|(last, ..)| last == path);
        let now = Seen::at(path);
        let maildir = match last.filter(|(_, then, _)| now == Some(*then)) {
            Some((.., maildir)) => maildir,
            None => open()?,
        };
        let done = with(&maildir)?;
        // What was seen before it was opened: what changes meanwhile makes it another.
        if let Some(now) = now.filter(Seen::is_settled) {
            self.0 = Some((path.to_owned(), now, maildir));
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, io};

    /// Puts it down as if nothing had changed in the folder for long.
    fn keep(kept: &mut Kept, path: &Path) {
        let seen = Seen::at(path).unwrap();
        kept.0 = Some((path.to_owned(), seen, Maildir::open(path).unwrap()));
    }

    /// Is the Maildir opened anew?
    fn is_opened(kept: &mut Kept, path: &Path) -> bool {
        let mut opened = false;
        let open = || {
            opened = true;
            Maildir::open(path)
        };
        kept.with(path, open, |_| Ok(())).unwrap();
        opened
    }

    #[test]
    fn a_maildir_is_kept_until_something_in_it_or_its_path_is_another() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("Maildir");
        Maildir::create(&path).unwrap();
        let mut kept = Kept::new();
        let changes: [(&str, &dyn Fn()); 4] = [
            ("new", &|| {
                fs::rename(path.join("new"), path.join("old")).unwrap();
                fs::create_dir(path.join("new")).unwrap();
            }),
            ("cur", &|| {
                fs::remove_dir(path.join("cur")).unwrap();
                fs::create_dir(path.join("cur")).unwrap();
            }),
            ("mode", &|| {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
            }),
            ("path", &|| {
                fs::rename(&path, home.path().join("elsewhere")).unwrap();
                Maildir::create(&path).unwrap();
            }),
        ];
        for (what, change) in changes {
            keep(&mut kept, &path);
            assert!(!is_opened(&mut kept, &path), "{what}");
            keep(&mut kept, &path);
            // The clock of the file system may have ticks of some milliseconds.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change();
            assert!(is_opened(&mut kept, &path), "{what}");
            assert!(kept.0.is_none(), "{what}: it may change again in the same tick");
        }
        keep(&mut kept, &path);
        assert!(is_opened(&mut kept, &home.path().join("elsewhere")));
    }

    #[test]
    fn after_trouble_nothing_is_kept() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("Maildir");
        Maildir::create(&path).unwrap();
        let mut kept = Kept::new();
        keep(&mut kept, &path);
        let failed = kept.with(&path, || Maildir::open(&path), |_| Err::<(), _>(io::Error::other("full")));
        assert!(failed.is_err() && kept.0.is_none());
    }
}
