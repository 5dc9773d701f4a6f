//! The folders of shared mailboxes, `mail/shared/GROUP`: made by a root parent just before somebody who may open
//! one becomes himself.

use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use sys::durable::open_any;

use crate::home::{make, make_top};

/// The last part of a Maildir that is made.
const CUR: &str = "cur";

/// Groups below this belong to the system (login.defs(5), GID_MIN): a shared mailbox that happens to be called `news`
/// or `mail` gives nobody their rights.
const FIRST_GROUP: u32 = 1000;
/// `nogroup`.
const NOBODY: u32 = 65_534;

/// A folder of shared mailboxes that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The group's name.
    pub name: String,
    /// The folder, absolute.
    pub path: PathBuf,
    /// The group of the system by which it is reached, where several uids share it.
    pub gid: Option<u32>,
}

/// Sees to it that the Maildir `path` is there, directly below `mail/shared`. One that is missing is made for `owner`, uid and
/// gid: alone, or, where the system has a group of this name, with that group. Links are not followed.
pub fn ensure(mail: &Path, path: &Path, owner: (u32, u32)) -> io::Result<Shared> {
    let strange = || io::Error::new(ErrorKind::PermissionDenied, "the folder is not mail/shared/GROUP");
    let below: Vec<_> = path.strip_prefix(mail).map_err(|_| strange())?.components().collect();
    let [Component::Normal(shared), Component::Normal(group)] = below[..] else { return Err(strange()) };
    let name = group.to_str().filter(|_| shared == "shared").ok_or_else(strange)?;
    let group_id = sys::group_id(name)?.filter(|gid| FIRST_GROUP <= *gid && *gid != NOBODY);
    let top = match open_any(mail) {
        Err(error) if error.kind() == ErrorKind::NotFound => make_top(mail)?,
        other => other?,
    };
    let all = make(&top, shared.as_bytes(), 0o711, None)?;
    let (mode, gid) = group_id.map_or((0o700, owner.1), |gid| (0o2770, gid));
    let folder = make(&all, name.as_bytes(), mode, Some((owner.0, gid)))?;
    if folder.stat(CUR).is_err() {
        for part in [&b"tmp"[..], b"new", CUR.as_bytes()] {
            make(&folder, part, mode, Some((owner.0, gid)))?;
        }
    }
    let found = folder.stat(".")?.st_gid;
    Ok(Shared { name: name.to_owned(), path: path.to_owned(), gid: group_id.filter(|gid| *gid == found) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_shared_folder_is_made_once_for_those_who_share_it() {
        let top = tempfile::tempdir().unwrap();
        let mail = top.path().join("mail");
        let owner = if sys::is_root() { (4242, 4243) } else { (sys::uid(), sys::gid()) };
        let path = mail.join("shared/no-such-group-here");
        let shared = ensure(&mail, &path, owner).unwrap();
        assert_eq!((shared.name.as_str(), shared.gid), ("no-such-group-here", None));
        let seen = fs::metadata(&path).unwrap();
        assert_eq!((seen.uid(), seen.gid(), seen.mode() & 0o7777), (owner.0, owner.1, 0o700));
        let cur = fs::metadata(path.join("cur")).unwrap();
        assert_eq!((cur.uid(), cur.mode() & 0o7777), (owner.0, 0o700));
        assert!(path.join("new").is_dir() && path.join("tmp").is_dir());
        assert_eq!(ensure(&mail, &path, owner).unwrap(), shared);
        if sys::is_root() {
            // The system's own groups are no groups of people.
            let shared = ensure(&mail, &mail.join("shared/daemon"), owner).unwrap();
            assert_eq!(shared.gid, None);
        }
    }

    #[test]
    fn no_link_and_no_other_place_is_taken_for_a_shared_folder() {
        let top = tempfile::tempdir().unwrap();
        let mail = top.path().join("mail");
        let owner = (sys::uid(), sys::gid());
        fs::create_dir_all(mail.join("shared")).unwrap();
        symlink(top.path(), mail.join("shared/link")).unwrap();
        for path in ["shared/link", "shared", "shared/a/b", "other/a", "shared/..", "../x"] {
            assert!(ensure(&mail, &mail.join(path), owner).is_err(), "{path}");
        }
        assert!(ensure(&mail, top.path(), owner).is_err());
    }
}
