//! Which mailboxes a user reaches, and where what he has noted about those that he shares with others is.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use imap::Trouble;
use sys::durable::open_any;

use crate::account::{Account, SHARED};
use crate::mailbox::Mailbox;
use crate::place::unavailable;
use crate::rights::{List, Rights};
use crate::tree::Spot;
use crate::{annotations, uids};

/// What the user has seen of shared folders, and noted about them, is in this folder of his own Maildir.
const OF_SHARED: &str = "fulmar-shared";

impl Account {
    /// What this user may do with a mailbox.
    pub(crate) fn may(&self, spot: &Spot) -> Result<Rights, Trouble> {
        if !self.tree.root(spot).is_shared() {
            return Ok(Rights::all());
        }
        Ok(self.list_of(spot)?.rights(&self.settings.user))
    }

    /// The list of rights that holds for a shared mailbox: its own, or that of the next above it that has one.
    pub(crate) fn list_of(&self, spot: &Spot) -> Result<List, Trouble> {
        let mut above = spot.clone();
        loop {
            match self.tree.folder(&above) {
                Ok(folder) => {
                    if let Some(list) = List::read(&folder)? {
                        return Ok(list);
                    }
                }
                // No mailbox. But one whose list can't be read now is not one without a list.
                Err(error) if is_none(&error) => {}
                Err(error) => return Err(unavailable(&self.tree.path(&above), "can't open it", &error)),
            }
            if above.disk.is_empty() {
                return Ok(List::of_readers());
            }
            above.disk = above_of(&above.disk);
        }
    }

    /// The file of what this user has noted about a shared mailbox: named by the mailbox's id, which stays when another
    /// user renames it. What is called by the mailbox's name, as it was once, is taken over; it is not there any more for
    /// another mailbox of that name.
    pub(crate) fn note_of(&self, spot: &Spot, what: &str) -> Result<PathBuf, Trouble> {
        let (named, place) = (self.named_note(spot, what)?, self.place(spot)?);
        let id = || uids::id(&open_any(&place.index).ok()?);
        let made = || Mailbox::peek(place.clone(), false).ok().and_then(|_| id());
        // Where no list can be written there is no id that stays.
        let Some(id) = id().or_else(made) else { return Ok(named) };
        let own = named.with_file_name(format!("{id}:{what}"));
        let is_there = |path: &Path| path.symlink_metadata().is_ok();
        if is_there(&own) || !is_there(&named) {
            return Ok(own);
        }
        // Another session of this user may just have done so.
        let taken = std::fs::rename(&named, &own).is_ok() || is_there(&own);
        Ok(if taken { own } else { named })
    }

    /// Where that was once, and is where there are no ids.
    fn named_note(&self, spot: &Spot, what: &str) -> Result<PathBuf, Trouble> {
        let folder = self.root().path.join(OF_SHARED);
        self.root().folder.make_folder(OF_SHARED, 0o700)?;
        let root = self.names().line(&self.tree.root(spot).name);
        Ok(folder.join(format!("{root}{}:{what}", spot.disk.display())))
    }

    /// The folder and the file with annotations of one kind.
    pub(crate) fn notes(
        &self,
        spot: &Spot,
        private: bool,
    ) -> Result<(sys::durable::Folder, String), Trouble> {
        if !(private && self.tree.root(spot).is_shared()) {
            return Ok((self.tree.folder(spot)?, annotations::OF_MAILBOX.to_owned()));
        }
        let path = self.note_of(spot, "metadata")?;
        let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok((self.root().folder.folder(OF_SHARED)?, file))
    }

    /// An existing mailbox with which this user may do `right`. Of one that he may not even see, nothing is said.
    pub(crate) fn reach(&self, name: &str, right: char) -> Result<(Spot, Rights), Trouble> {
        let spot = self.tree.find(name)?;
        let rights = self.may(&spot)?;
        match rights.has(right) {
            true => Ok((spot, rights)),
            false if rights.has('l') || rights.has('r') => Err(Trouble::NotAllowed),
            false => Err(Trouble::NoMailbox),
        }
    }

    /// Does something with a mailbox, of whose `cur` it is given device and number. What fails because another session
    /// or program has removed or renamed the mailbox meanwhile, fails because there is no such mailbox.
    pub(crate) fn steady<T>(
        &self,
        spot: &Spot,
        act: impl FnOnce((u64, u64)) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let cur = self.tree.path(spot).join("cur");
        // One that is made when another has been removed may have the same number.
        let birth = |seen: std::fs::Metadata| (seen.dev(), seen.ino(), seen.created().ok());
        let number = || std::fs::metadata(&cur).map(birth);
        let before = number().map_err(|_| Trouble::NoMailbox)?;
        act((before.0, before.1)).map_err(|trouble| match trouble {
            Trouble::Gone | Trouble::MailboxGone | Trouble::NotAllowed | Trouble::Unavailable(_)
                if number().ok() != Some(before) =>
            {
                Trouble::NoMailbox
            }
            // This one is not open for the client: he can try again.
            Trouble::MailboxGone => Trouble::Unavailable("the mailbox has been made anew".to_owned()),
            other => other,
        })
    }

    /// Would it stand among the shared folders that this user has, or above them?
    fn is_for_groups(&self, name: &str) -> bool {
        self.tree.roots.len() > 1 && (name == SHARED || self.names().is_below(name, SHARED))
    }

    /// May this user make a mailbox of this name?
    pub(crate) fn may_create(&self, name: &str, spot: &Spot) -> Result<(), Trouble> {
        self.names().check(name)?;
        if !self.tree.root(spot).is_shared() {
            return match spot.disk.is_empty() {
                true => Err(Trouble::Exists),
                // Where others could not see it, and a group of that name would hide it.
                false if self.is_for_groups(name) => Err(Trouble::Cannot("Here are shared mailboxes only.")),
                false => Ok(()),
            };
        }
        self.may(&Spot { root: spot.root, disk: above_of(&spot.disk) })?.need('k')
    }
}

/// Is there no folder, or only something else of its name?
fn is_none(error: &std::io::Error) -> bool {
    use ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory) || error.raw_os_error() == Some(nix::libc::ELOOP)
}

/// The folder above: of `.a.b`, `.a`.
fn above_of(disk: &OsStr) -> OsString {
    let octets = disk.as_bytes();
    let end = octets.iter().rposition(|octet| *octet == b'.').unwrap_or(0);
    OsStr::from_bytes(&octets[..end]).to_owned()
}
