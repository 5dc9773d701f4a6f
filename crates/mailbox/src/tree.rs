//! Where mailboxes lie: the account's Maildir and those of shared folders, each with its Maildir++ folders.
//!
//! A folder is a mailbox if its name begins with a dot and it has a `cur`; neither may be a symbolic link. Knows
//! nothing of what is in a mailbox.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imap::Trouble;
use maildir::Maildir;
use sys::durable::{Folder, Kind, open_any};

use crate::names::{INBOX, Names};
use crate::place::{mode, unavailable};
use crate::uidlist::List;
use crate::{texts, uids};

/// Who changes the tree, or a text of the account, holds this.
const LOCK: &str = "fulmar-tree-lock";
const PATIENCE: Duration = Duration::from_secs(10);
/// Where the index lies elsewhere, its folder has the name that stands in here, whatever becomes of the mailbox's.
const INDEX_NAME: &str = "fulmar-index-name";
/// The highest UIDVALIDITY of all mailboxes that were made here.
const UID_VALIDITY: &str = "fulmar-uidvalidity";
/// A folder that is being removed has this name, and a token.
const REMOVED: &str = "fulmar-removed.";
/// Of files that are for the owner alone.
const PRIVATE: u32 = 0o600;
/// Folders of one Maildir.
pub(crate) const MOST: usize = 10_000;

/// A Maildir with its folders.
#[derive(Debug)]
pub(crate) struct Root {
    /// Its inbox's name: `INBOX`, or such as `Shared.sales`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Where indexes lie, if not beside the mail.
    index: Option<PathBuf>,
    /// Its folder.
    pub(crate) folder: Folder,
}

impl Root {
    pub(crate) fn open(name: &str, path: &Path, index: Option<PathBuf>) -> io::Result<Root> {
        let (name, path) = (name.to_owned(), path.to_owned());
        Ok(Root { name, folder: open_any(&path)?, path, index })
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.name != INBOX
    }

    /// Waits for whoever changes this tree now. Held until it is dropped.
    pub(crate) fn lock(&self) -> io::Result<std::fs::File> {
        let locked = self.locked();
        if let Err(error) = &locked {
            unavailable(&self.path.join(LOCK), "can't lock the account", error);
        }
        locked
    }

    fn locked(&self) -> io::Result<std::fs::File> {
        // Made by the folder, with the bits that fit it.
        drop(self.folder.append(LOCK, mode(&self.folder))?);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        sys::durable::locked(&options, &self.path.join(LOCK), PATIENCE)
    }

    fn has(&self, disk: &OsStr) -> bool {
        match disk.as_bytes() {
            b"" => return true,
            b"." | b".." => return false,
            _ => {}
        }
        self.folder.folder(disk).is_ok_and(|folder| folder.folder("cur").is_ok())
    }

    /// Ends removals that were cut short.
    pub(crate) fn sweep(&self) -> io::Result<()> {
        let mut left = Vec::new();
        self.folder.each_entry(|name, _| {
            if name.starts_with(REMOVED.as_bytes()) {
                left.push(OsStr::from_bytes(name).to_owned());
            }
        })?;
        left.into_iter().try_for_each(|name| erase(&self.path.join(name)))
    }

    /// The folders, in no order.
    fn disks(&self) -> io::Result<Vec<OsString>> {
        let mut disks = Vec::new();
        self.folder.each_entry(|name, kind| {
            if name.starts_with(b".") && matches!(kind, Kind::Folder | Kind::Unknown) && disks.len() < MOST {
                disks.push(OsString::from_vec(name.to_vec()));
            }
        })?;
        disks.retain(|disk| self.has(disk));
        Ok(disks)
    }
}

/// Where a mailbox lies, or is to lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Which of [`Tree::roots`].
    pub(crate) root: usize,
    /// The folder; empty: the Maildir itself.
    pub(crate) disk: OsString,
}

/// All that this user can see.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) names: Names,
    /// The account's own, then the shared ones.
    pub(crate) roots: Vec<Root>,
}

impl Tree {
    pub(crate) fn root(&self, spot: &Spot) -> &Root {
        &self.roots[spot.root]
    }

    pub(crate) fn path(&self, spot: &Spot) -> PathBuf {
        match spot.disk.is_empty() {
            true => self.root(spot).path.clone(),
            false => self.root(spot).path.join(&spot.disk),
        }
    }

    pub(crate) fn folder(&self, spot: &Spot) -> io::Result<Folder> {
        let root = &self.root(spot).folder;
        if spot.disk.is_empty() { root.folder(".") } else { root.folder(&spot.disk) }
    }

    /// Where the index of a mailbox lies.
    pub(crate) fn index(&self, spot: &Spot) -> io::Result<PathBuf> {
        let Some(index) = &self.root(spot).index else { return Ok(self.path(spot)) };
        let path = index.join(index_name(&self.folder(spot)?)?);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Which tree a name belongs to, and what it is called in that one.
    fn place<'a>(&self, name: &'a str) -> (usize, &'a str) {
        for (place, root) in self.roots.iter().enumerate().filter(|(_, root)| root.is_shared()) {
            match name.strip_prefix(root.name.as_str()) {
                Some("") => return (place, INBOX),
                Some(rest) if rest.starts_with(self.names.separator) => return (place, &rest[1..]),
                _ => {}
            }
        }
        (0, name)
    }

    /// Where a mailbox of this name would lie.
    pub(crate) fn plan(&self, name: &str) -> Spot {
        let (root, inside) = self.place(name);
        Spot { root, disk: self.names.disk(inside).into() }
    }

    /// Where this mailbox lies.
    pub(crate) fn find(&self, name: &str) -> Result<Spot, Trouble> {
        let spot = self.plan(name);
        let length = spot.disk.len();
        if !name.contains('\0') && length <= 255 && self.root(&spot).has(&spot.disk) {
            return Ok(spot);
        }
        // Perhaps one that other programs have made, in other letters.
        let (wanted, names) = (self.names.spelled(self.place(name).1), self.names);
        let is_it = |disk: &OsString| names.spelled(&names.name(disk.as_bytes())) == wanted;
        let found = self.root(&spot).disks()?.into_iter().find(is_it);
        found.map(|disk| Spot { root: spot.root, disk }).ok_or(Trouble::NoMailbox)
    }

    /// All mailboxes, in no order.
    pub(crate) fn all(&self) -> io::Result<Vec<(String, Spot)>> {
        let mut all = Vec::new();
        for (place, root) in self.roots.iter().enumerate() {
            all.push((root.name.clone(), Spot { root: place, disk: OsString::new() }));
            for disk in root.disks()? {
                let name = self.name(root, disk.as_bytes());
                all.push((name, Spot { root: place, disk }));
            }
        }
        Ok(all)
    }

    fn name(&self, root: &Root, disk: &[u8]) -> String {
        let inside = self.names.name(disk);
        match root.is_shared() {
            true => format!("{}{}{inside}", root.name, self.names.separator),
            false => inside,
        }
    }

    /// Makes a mailbox, durably. No other one in its tree ever had its UIDVALIDITY: RFC 9051 §2.3.1.1. The caller
    /// holds the lock.
    pub(crate) fn make(&self, spot: &Spot) -> io::Result<()> {
        let root = &self.root(spot).folder;
        let now = sys::unix_seconds().clamp(1, u64::from(u32::MAX)) as u32;
        let last = texts::read_if_there(root, UID_VALIDITY)?.trim().parse().unwrap_or(0u32);
        let uid_validity = now.max(last.saturating_add(1));
        root.replace(UID_VALIDITY, uid_validity.to_string().as_bytes(), mode(root))?;
        root.make_folder(&spot.disk, 0o700)?;
        self.share(spot, &[""])?;
        // Before there is a `cur` no other session opens it, and gives it another UIDVALIDITY as it has none yet.
        self.write_first_list(spot, uid_validity)?;
        Maildir::create(&self.path(spot))?;
        self.share(spot, &["tmp", "new", "cur"])
    }

    fn write_first_list(&self, spot: &Spot, uid_validity: u32) -> io::Result<()> {
        let id = format!("{:032x}", u128::from_ne_bytes(sys::random()?));
        let list = List { uid_validity, next: 1, id, ..List::default() };
        let index = open_any(&self.index(spot)?)?;
        match index.stat(uids::NAME) {
            Ok(_) => Ok(()),
            Err(_) => index.replace(uids::NAME, list.write_head().as_bytes(), mode(&index)),
        }
    }

    /// Opens folders of a mailbox that is being made to the group that its tree belongs to.
    fn share(&self, spot: &Spot, folders: &[&str]) -> io::Result<()> {
        if mode(&self.root(spot).folder) == PRIVATE {
            return Ok(());
        }
        let path = self.path(spot);
        let open = |name: &&str| File::open(path.join(name))?.set_permissions(Permissions::from_mode(0o2770));
        folders.iter().try_for_each(open)
    }

    /// Removes a mailbox with its mail. It is gone, durably, before its files are: gives what is left to be erased,
    /// which takes its time and needs no lock.
    pub(crate) fn remove(&self, spot: &Spot) -> io::Result<Vec<PathBuf>> {
        let index = self.root(spot).index.is_some().then(|| self.index(spot)).transpose()?;
        let root = &self.root(spot).folder;
        let token = u64::from_ne_bytes(sys::random()?);
        let hidden = format!("{REMOVED}{token:016x}");
        root.rename_new(&spot.disk, root, &hidden)?;
        root.sync()?;
        self.recount(spot);
        let mut left = vec![self.root(spot).path.join(hidden)];
        left.extend(index);
        Ok(left)
    }

    /// Gives a mailbox another place in the same tree; not synced.
    pub(crate) fn rename(&self, from: &Spot, to: &Spot) -> io::Result<()> {
        let root = &self.root(from).folder;
        root.rename_new(&from.disk, root, &to.disk)
    }

    /// Has the quota's use counted anew: much mail has come or gone.
    pub(crate) fn recount(&self, spot: &Spot) {
        let _ = self.root(spot).folder.remove("maildirsize");
    }
}

/// Erases what is left of a mailbox that was removed. What fails here is swept by the next login.
pub(crate) fn erase_all(left: &[PathBuf]) {
    for path in left {
        if let Err(error) = erase(path) {
            unavailable(path, "can't remove it", &error);
        }
    }
}

/// Removes a folder with all in it. Sessions that have it open may put something in meanwhile.
fn erase(path: &Path) -> io::Result<()> {
    let mut tries = 5;
    loop {
        match std::fs::remove_dir_all(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && !path.exists() => return Ok(()),
            Err(error) if tries == 0 => return Err(error),
            Err(_) => tries -= 1,
            Ok(()) => return Ok(()),
        }
    }
}

/// The name of a mailbox's index, which it gets now if it has none.
fn index_name(mailbox: &Folder) -> io::Result<String> {
    match texts::read(mailbox, INDEX_NAME) {
        Ok(name) if name.len() == 32 && name.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
            return Ok(name);
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let name = format!("{:032x}", u128::from_ne_bytes(sys::random()?));
    mailbox.replace(INDEX_NAME, name.as_bytes(), 0o600)?;
    // Another session may have done so at the same time: the last one's name counts.
    texts::read(mailbox, INDEX_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree(home: &Path) -> Tree {
        Maildir::create(&home.join("m")).unwrap();
        Maildir::create(&home.join("s")).unwrap();
        let roots = vec![
            Root::open(INBOX, &home.join("m"), None).unwrap(),
            Root::open("Shared.sales", &home.join("s"), None).unwrap(),
        ];
        Tree { names: Names { separator: '.' }, roots }
    }

    fn names(tree: &Tree) -> Vec<String> {
        let mut names: Vec<_> = tree.all().unwrap().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    }

    #[test]
    fn only_real_folders_with_a_dot_and_a_cur_are_mailboxes() {
        let home = tempfile::tempdir().unwrap();
        let tree = tree(home.path());
        let path = home.path().join("m");
        tree.make(&tree.plan("A.B")).unwrap();
        std::fs::create_dir(path.join(".empty")).unwrap();
        std::fs::write(path.join(".file"), "").unwrap();
        symlink(home.path().join("s"), path.join(".link")).unwrap();
        std::fs::create_dir(path.join(".half")).unwrap();
        symlink(home.path().join("s/cur"), path.join(".half/cur")).unwrap();
        std::fs::create_dir_all(path.join("nodot/cur")).unwrap();
        assert_eq!(names(&tree), ["A.B", "INBOX", "Shared.sales"]);
        for name in ["link", "empty", "half", "nodot", "A", "", ".", "..", "x\0y", &"x".repeat(300)] {
            assert_eq!(tree.find(name), Err(Trouble::NoMailbox), "{name}");
        }
        assert_eq!(tree.find("inbox").unwrap().disk, "");
    }

    #[test]
    fn folders_that_others_have_made_are_found_by_the_name_they_are_shown_with() {
        let home = tempfile::tempdir().unwrap();
        let tree = tree(home.path());
        for disk in [".&Jjo", ".Entw\u{fc}rfe", ".inbox.x", ".INBOX"] {
            Maildir::create(&home.path().join("m").join(disk)).unwrap();
        }
        for (name, spot) in tree.all().unwrap() {
            assert_eq!(tree.find(&name).unwrap(), spot, "{name}");
        }
    }

    #[test]
    fn shared_folders_are_a_tree_of_their_own() {
        let home = tempfile::tempdir().unwrap();
        let tree = tree(home.path());
        tree.make(&tree.plan("Shared.sales.2026")).unwrap();
        tree.make(&tree.plan("Shared.other")).unwrap();
        assert!(home.path().join("s/.2026/cur").exists());
        assert!(home.path().join("m/.Shared.other/cur").exists());
        assert_eq!(names(&tree), ["INBOX", "Shared.other", "Shared.sales", "Shared.sales.2026"]);
    }

    #[test]
    fn a_removed_mailbox_leaves_nothing_and_the_rest_of_a_cut_removal_is_swept() {
        let home = tempfile::tempdir().unwrap();
        let tree = tree(home.path());
        let spot = tree.plan("A");
        tree.make(&spot).unwrap();
        std::fs::write(home.path().join("m/.A/cur/1"), "x").unwrap();
        std::fs::write(home.path().join("m/maildirsize"), "x").unwrap();
        erase_all(&tree.remove(&spot).unwrap());
        std::fs::create_dir_all(home.path().join("m/fulmar-removed.1/cur")).unwrap();
        tree.roots[0].sweep().unwrap();
        let mut left: Vec<_> =
            std::fs::read_dir(home.path().join("m")).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["cur", "fulmar-uidvalidity", "new", "tmp"]);
    }

    #[test]
    fn a_mailbox_has_its_uidvalidity_before_anybody_can_see_it() {
        let home = tempfile::tempdir().unwrap();
        let mut tree = tree(home.path());
        for (name, elsewhere) in [("A", None), ("B", Some(home.path().join("i")))] {
            tree.roots[0].index = elsewhere;
            let spot = tree.plan(name);
            // Stopped at the moment at which it becomes a mailbox.
            std::fs::create_dir(tree.path(&spot)).unwrap();
            let cur = tree.path(&spot).join("cur");
            std::fs::write(&cur, "").unwrap();
            tree.make(&spot).unwrap_err();
            assert_eq!(tree.find(name), Err(Trouble::NoMailbox));
            let list = || std::fs::read(tree.index(&spot).unwrap().join(uids::NAME)).unwrap();
            let before = list();
            std::fs::remove_file(cur).unwrap();
            tree.make(&spot).unwrap();
            assert_eq!((tree.find(name), list()), (Ok(spot.clone()), before));
        }
    }

    #[test]
    fn an_index_elsewhere_stays_when_its_mailbox_is_renamed() {
        let home = tempfile::tempdir().unwrap();
        let mut tree = tree(home.path());
        tree.roots[0].index = Some(home.path().join("i"));
        let (one, two) = (tree.plan("A"), tree.plan("B"));
        tree.make(&one).unwrap();
        let index = tree.index(&one).unwrap();
        assert!(index.starts_with(home.path().join("i")) && index.is_dir());
        tree.rename(&one, &two).unwrap();
        assert_eq!(tree.index(&two).unwrap(), index);
        erase_all(&tree.remove(&two).unwrap());
        assert!(!index.exists());
    }
}
