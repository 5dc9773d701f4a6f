//! Making the folder of a virtual account, by a root parent, just before somebody becomes its owner.
//!
//! `mail/` and `mail/<domain>/` belong to whom the parent runs as and nobody else may write there, so
//! no owner of a mailbox can put a link in the way; still no link is followed below `mail/`.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use sys::durable::{Folder, open_any};

use crate::Owner;

/// Sees to it that `owner.home` is there, below `mail` (`control::Home::mail`), with mode 0700 and the
/// owner's uid and gid; makes it durably when it is missing. A home that is not below `mail` (that of a
/// system user) has to be there already. An error, and nobody may be let in: a link or a file in its
/// place, another owner, a folder that others may write to.
pub fn ensure(mail: &Path, owner: &Owner) -> io::Result<()> {
    let Ok(below) = owner.home.strip_prefix(mail) else {
        return verify(&open_any(&owner.home)?, owner);
    };
    let parts: Vec<_> = below.components().collect();
    let [Component::Normal(domain), Component::Normal(name)] = parts[..] else {
        return Err(strange("the home is not mail/DOMAIN/NAME"));
    };
    let top = match open_any(mail) {
        Err(error) if error.kind() == ErrorKind::NotFound => make_top(mail)?,
        other => other?,
    };
    if let Ok(home) = top.folder(domain).and_then(|folder| folder.folder(name)) {
        // The usual case: three system calls.
        if verify(&home, owner).is_ok() {
            return Ok(());
        }
    }
    let folder = make(&top, domain.as_bytes(), 0o711, None)?;
    // Another may have made it a moment ago, and not be done with it, or dead.
    top.sync()?;
    let give = (owner.identity.uid, owner.identity.gid);
    let home = make(&folder, name.as_bytes(), 0o700, Some(give))?;
    verify(&home, owner)
}

pub(crate) fn make_top(mail: &Path) -> io::Result<Folder> {
    std::fs::create_dir(mail)?;
    std::fs::set_permissions(mail, Permissions::from_mode(0o711))?;
    open_any(mail)
}

/// Opens the folder `name`, or makes it, durably. One that root has made and not given away yet (the
/// process died between the two) is finished. It is given away last, so that one that has its owner has
/// a durable name; and as the open folder that it is, whatever its name has become meanwhile.
pub(crate) fn make(parent: &Folder, name: &[u8], mode: u32, give: Option<(u32, u32)>) -> io::Result<Folder> {
    let name = std::ffi::OsStr::from_bytes(name);
    let is_new = matches!(parent.stat(name), Err(error) if error.kind() == ErrorKind::NotFound);
    let folder = parent.make_folder(name, mode)?;
    let unfinished = sys::is_root() && give.is_some() && folder.stat(".")?.st_uid == 0;
    if is_new || unfinished {
        // The umask has no say in it.
        File::from(folder.as_fd().try_clone_to_owned()?).set_permissions(Permissions::from_mode(mode))?;
        folder.sync()?;
        parent.sync()?;
        if let Some((uid, gid)) = give.filter(|_| sys::is_root()) {
            folder.give(".", uid, gid)?;
            // Giving a folder away clears its setgid bit where the kernel thinks so.
            File::from(folder.as_fd().try_clone_to_owned()?).set_permissions(Permissions::from_mode(mode))?;
            folder.sync()?;
        }
    }
    Ok(folder)
}

/// Whose it is, and that nobody else may write to it.
fn verify(home: &Folder, owner: &Owner) -> io::Result<()> {
    let seen = home.stat(".")?;
    match () {
        () if owner.identity.uid == 0 => Err(strange("refusing to act for root")),
        () if seen.st_uid != owner.identity.uid => Err(strange("the home belongs to somebody else")),
        () if seen.st_mode & 0o002 != 0 => Err(strange("everybody may write to the home")),
        () => Ok(()),
    }
}

fn strange(problem: &'static str) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};
    use std::path::PathBuf;

    /// As root the tests give homes away; otherwise the only owner is who runs them.
    fn owner(home: PathBuf) -> Owner {
        let uid = if sys::is_root() { 4242 } else { sys::uid() };
        Owner {
            identity: sys::Identity {
                uid,
                gid: if sys::is_root() { 4243 } else { sys::gid() },
                groups: vec![],
            },
            maildir: home.join("Maildir"),
            home,
            quota: 0,
            user: "alice@example.test".into(),
            local: "alice".into(),
            domain: "example.test".into(),
            dash: String::new(),
            ext: String::new(),
            programs: false,
            instructions: vec![],
            shared: vec![],
        }
    }

    #[test]
    fn a_missing_home_is_made_for_its_owner_alone_and_a_second_call_changes_nothing() {
        let top = tempfile::tempdir().unwrap();
        let mail = top.path().join("mail");
        let alice = owner(mail.join("example.test/alice"));
        ensure(&mail, &alice).unwrap();
        ensure(&mail, &alice).unwrap();
        let seen = fs::metadata(&alice.home).unwrap();
        assert_eq!((seen.uid(), seen.gid()), (alice.identity.uid, alice.identity.gid));
        assert_eq!(seen.mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(mail.join("example.test")).unwrap().mode() & 0o777, 0o711);
        assert_eq!(fs::metadata(&mail).unwrap().mode() & 0o777, 0o711);
    }

    // P11 S21
    #[test]
    fn no_link_file_or_foreign_folder_is_taken_for_a_home() {
        let top = tempfile::tempdir().unwrap();
        let (mail, other) = (top.path().join("mail"), top.path().join("other"));
        fs::create_dir_all(other.join("alice")).unwrap();
        fs::create_dir_all(mail.join("file.test")).unwrap();
        fs::create_dir_all(mail.join("open.test/alice")).unwrap();
        symlink(&other, mail.join("link.test")).unwrap();
        symlink(other.join("alice"), mail.join("file.test/link")).unwrap();
        fs::write(mail.join("file.test/file"), "").unwrap();
        let open = mail.join("open.test/alice");
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        let nobody = owner(mail.join("open.test/bob"));
        std::os::unix::fs::chown(&open, Some(nobody.identity.uid), None).unwrap();
        for home in [
            "link.test/alice",
            "file.test/link",
            "file.test/file",
            "open.test/alice",
            "x",
            "a/b/c",
            "../other",
        ] {
            assert!(ensure(&mail, &owner(mail.join(home))).is_err(), "{home}");
        }
        assert!(fs::read_dir(other.join("alice")).unwrap().next().is_none());
        assert_eq!(fs::metadata(other.join("alice")).unwrap().uid(), sys::uid());
    }

    #[test]
    fn a_home_somewhere_else_has_to_be_there_and_to_be_the_owner_s() {
        let top = tempfile::tempdir().unwrap();
        let (mail, home) = (top.path().join("mail"), top.path().join("alice"));
        assert!(ensure(&mail, &owner(home.clone())).is_err());
        fs::create_dir(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(owner(home.clone()).identity.uid), None).unwrap();
        assert!(ensure(&mail, &owner(home)).is_ok());
        assert!(ensure(&mail, &owner("/".into())).is_err());
    }
}
