//! A home folder and the .qmail files in it: whether they may be trusted, which one decides.
//! dot-qmail(5); qmail-local's search, octet for octet.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use dotqmail::{candidates, new_sender, owner_names};
use sys::durable::{Folder, open_any};
use wire::Fate;

use crate::order::Order;

/// Octets of a .qmail file: room for 20,000 addresses.
const LONGEST: u64 = 1 << 20;
/// ELOOP: too many symbolic links.
const LOOP: i32 = 40;
const OTHERS_MAY_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;
const OWNER_X: u32 = 0o100;

/// The home folder, found fit to deliver in. Opened when a name in it is first asked for.
#[derive(Debug)]
pub(crate) struct Home(OnceCell<Folder>);

/// A .qmail file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its name.
    pub name: Vec<u8>,
    /// What it says.
    pub text: Vec<u8>,
    /// Its x bit is set.
    pub forward_only: bool,
    /// What stands for `default` in its name.
    pub default: Option<Vec<u8>>,
}

impl Home {
    /// Enters the folder: relative paths in instructions start here. Mail waits while others could
    /// write to it (they could redirect it) and while its sticky bit is set (its owner is at work).
    pub(crate) fn enter(path: &Path) -> Result<Home, Fate> {
        let at =
            |error: io::Error| Fate::later(3, 0, format!("unable to switch to {}: {error}", path.display()));
        std::env::set_current_dir(path).map_err(at)?;
        let seen = std::fs::metadata(".").map_err(at)?;
        if seen.mode() & OTHERS_MAY_WRITE != 0 {
            return Err(Fate::later(7, 0, format!("home folder {} is writable by others", path.display())));
        }
        if seen.mode() & STICKY != 0 {
            return Err(Fate::later(2, 1, format!("home folder {} is sticky: being edited", path.display())));
        }
        if !ours(seen.uid()) {
            return Err(Fate::later(7, 0, format!("home folder {} is another user's", path.display())));
        }
        Ok(Home(OnceCell::new()))
    }

    /// The .qmail file that decides for `order`, if there is one.
    pub(crate) fn search(&self, order: &Order) -> Result<Option<Found>, Fate> {
        for candidate in candidates(&order.dash, &order.ext) {
            let default = candidate.default.map(|at| order.ext[at..].to_vec());
            if let Some(found) = self.open(candidate.name, default)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The sender that forwarded mail leaves with: see [`dotqmail::new_sender`].
    pub(crate) fn new_sender(&self, order: &Order) -> Result<Vec<u8>, Fate> {
        let [owner, each] = owner_names(&order.dash, &order.ext);
        let owner = !matches!(&order.sender[..], b"" | b"#@[]") && self.exists(&owner)?;
        let each = owner && self.exists(&each)?;
        Ok(new_sender(&order.sender, &order.local, &order.domain, owner, each))
    }

    /// The folder; that it can't be opened is not to be taken for a name that is not in it.
    fn folder(&self) -> Result<&Folder, Fate> {
        if let Some(folder) = self.0.get() {
            return Ok(folder);
        }
        let at = |error: io::Error| Fate::later(3, 0, format!("unable to open the home folder: {error}"));
        let folder = open_any(Path::new(".")).map_err(at)?;
        Ok(self.0.get_or_init(|| folder))
    }

    fn exists(&self, name: &[u8]) -> Result<bool, Fate> {
        match self.folder()?.read_linked(OsStr::from_bytes(name)) {
            Ok(_) => Ok(true),
            Err(error) if absent(&error) => Ok(false),
            Err(error) => Err(unable(name, &error)),
        }
    }

    fn open(&self, name: Vec<u8>, default: Option<Vec<u8>>) -> Result<Option<Found>, Fate> {
        let file = match self.folder()?.read_linked(OsStr::from_bytes(&name)) {
            Ok(file) => file,
            Err(error) if absent(&error) => return Ok(None),
            Err(error) => return Err(unable(&name, &error)),
        };
        let seen = file.metadata().map_err(|error| unable(&name, &error))?;
        if seen.mode() & OTHERS_MAY_WRITE != 0 {
            return Err(Fate::later(7, 0, format!("{} is writable by others", show(&name))));
        }
        if !ours(seen.uid()) {
            return Err(Fate::later(7, 0, format!("{} is another user's", show(&name))));
        }
        let text = read(file).map_err(|error| unable(&name, &error))?;
        Ok(Some(Found { name, text, forward_only: seen.mode() & OWNER_X != 0, default }))
    }
}

/// Owned by whom the mail is for, or by root, who may do anything anyway.
fn ours(uid: u32) -> bool {
    uid == sys::uid() || uid == 0
}

fn read(file: File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    match text.len() as u64 > LONGEST {
        true => Err(io::Error::new(ErrorKind::InvalidData, "longer than a megabyte")),
        false => Ok(text),
    }
}

/// What is there is no .qmail file, and trying again would not change it. FIFOs, folders and devices
/// are passed over as in qmail.
fn absent(error: &io::Error) -> bool {
    use ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    const NO_SUCH_DEVICE: i32 = 6; // ENXIO, a socket
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
        || matches!(error.raw_os_error(), Some(LOOP | NO_SUCH_DEVICE))
}

fn unable(name: &[u8], error: &io::Error) -> Fate {
    Fate::later(3, 0, format!("unable to read {}: {error}", show(name)))
}

fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_no_crash_and_no_file() {
        // D05
        let home = tempfile::tempdir().unwrap();
        let folder = Home(open_any(home.path()).unwrap().into());
        let order = Order { dash: b"-".to_vec(), ext: vec![b'X'; 300], ..Order::default() };
        assert_eq!(folder.search(&order).unwrap(), None);
        std::fs::write(home.path().join(".qmail-default"), "#").unwrap();
        let found = folder.search(&order).unwrap().unwrap();
        assert_eq!((&found.name[..], found.default), (&b".qmail-default"[..], Some(vec![b'X'; 300])));
    }
}
