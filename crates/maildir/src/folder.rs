//! A Maildir's four folders, opened once.

use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sys::durable::{Folder, open_any};

/// An open Maildir. `tmp`, `new` and `cur` are real folders: symbolic links are refused, so that
/// nobody can have mail written elsewhere by them. The Maildir itself may be reached by a link.
#[derive(Debug)]
pub struct Maildir {
    pub(crate) root: Folder,
    pub(crate) tmp: Folder,
    pub(crate) new: Folder,
    pub(crate) cur: Folder,
}

impl Maildir {
    /// Opens the Maildir at `path`. `NotFound` when it or one of its folders is missing.
    pub fn open(path: &Path) -> io::Result<Maildir> {
        let root = open_any(path)?;
        // Which of the three it is helps whoever has to put it right.
        let inside = |name: &str| {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
            root.folder(name).map_err(named)
        };
        Ok(Maildir { tmp: inside("tmp")?, new: inside("new")?, cur: inside("cur")?, root })
    }

    /// Makes what is missing of the Maildir at `path` (mode 0700), durably, and opens it.
    /// The folder that holds it must be there; but a Maildir++ folder (its name begins with a dot)
    /// brings its Maildir with it, and gets the file `maildirfolder` that marks it.
    pub fn create(path: &Path) -> io::Result<Maildir> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let parent = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let is_folder = name.as_bytes().starts_with(b".");
        let parent = match open_any(parent) {
            Err(error) if is_folder && error.kind() == ErrorKind::NotFound => Maildir::create(parent)?.root,
            other => other?,
        };
        let root = match open_any(path) {
            Ok(root) => root,
            Err(_) => parent.make_folder(name, 0o700)?,
        };
        Maildir::make(root, &parent, is_folder)
    }

    /// `tmp`, without which there is no Maildir, comes when all else is durable: one that is open has
    /// a durable way to its mail, also when whoever made it was killed half-way.
    fn make(root: Folder, parent: &Folder, is_folder: bool) -> io::Result<Maildir> {
        let make = |name: &str| root.make_folder(name, 0o700);
        let (new, cur) = (make("new")?, make("cur")?);
        if is_folder {
            root.append("maildirfolder", 0o600)?;
        }
        root.sync()?;
        parent.sync()?;
        let tmp = make("tmp")?;
        root.sync()?;
        Ok(Maildir { root, tmp, new, cur })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_maildir_is_made_whole_and_private_and_making_it_again_does_no_harm() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("Maildir");
        assert_eq!(Maildir::open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        Maildir::create(&path).unwrap();
        std::fs::write(path.join("new/1"), "x").unwrap();
        Maildir::create(&path).unwrap();
        assert!(path.join("new/1").exists());
        for name in ["", "tmp", "new", "cur"] {
            let mode = std::fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{name}");
        }
    }

    #[test]
    fn a_folder_brings_its_maildir_with_it_and_is_marked() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("Maildir/.Lists");
        Maildir::create(&path).unwrap();
        Maildir::create(&path).unwrap();
        assert!(Maildir::open(&home.path().join("Maildir")).is_ok());
        assert!(path.join("maildirfolder").exists());
        assert!(!home.path().join("Maildir/maildirfolder").exists());
        assert!(Maildir::create(&home.path().join("no/such/Maildir")).is_err());
    }

    #[test]
    fn a_maildir_that_was_not_made_to_the_end_is_not_taken_for_one() {
        // Q02
        for name in ["new", "cur"] {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("Maildir");
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join(name), "").unwrap();
            assert!(Maildir::create(&path).is_err());
            assert!(!path.join("tmp").exists(), "{name}");
        }
    }

    #[test]
    fn a_linked_tmp_new_or_cur_never_takes_mail_elsewhere() {
        // L09
        for name in ["tmp", "new", "cur"] {
            let home = tempfile::tempdir().unwrap();
            let (path, other) = (home.path().join("Maildir"), home.path().join("other"));
            Maildir::create(&path).unwrap();
            std::fs::remove_dir(path.join(name)).unwrap();
            std::fs::create_dir(&other).unwrap();
            symlink(&other, path.join(name)).unwrap();
            assert!(Maildir::open(&path).is_err(), "{name}");
            assert!(Maildir::create(&path).is_err(), "{name}");
        }
    }

    #[test]
    fn a_maildir_reached_by_a_link_is_used() {
        let home = tempfile::tempdir().unwrap();
        Maildir::create(&home.path().join("disk")).unwrap();
        symlink("disk", home.path().join("Maildir")).unwrap();
        assert!(Maildir::open(&home.path().join("Maildir")).is_ok());
        assert!(Maildir::create(&home.path().join("Maildir")).is_ok());
    }
}
