//! May `lookup` read what is under `users/`? An editor that root ran may have shut it out.
//!
//! Knows permission bits and whom files belong to, nothing of what is in them, nor of access lists.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use control::Broken;
use sys::Identity;
use sys::durable::{Folder, open_any};

use crate::store::domains;
use crate::text::FILES;

/// Do permission bits let `who` read the file? Root reads everything.
pub(crate) fn may_read(seen: &Metadata, who: &Identity) -> bool {
    let bit = if seen.uid() == who.uid {
        0o400
    } else if seen.gid() == who.gid || who.groups.contains(&seen.gid()) {
        0o040
    } else {
        0o004
    };
    seen.mode() & bit != 0
}

/// Gives `defaults` and the texts of all domains under `users` to `reader`, if root has saved them or
/// `reader` cannot read them, and the folder of a domain, if root has made it. Only root can do this.
/// What cannot be given is told; the others are given all the same.
pub fn give_back(users: &Path, reader: &Identity) -> Vec<Broken> {
    let names = match domains(users) {
        Ok(names) => names,
        Err(broken) => return vec![broken],
    };
    let defaults = open_any(users).and_then(|folder| give(&folder, "defaults", 0o640, reader));
    let mut problems = Vec::from_iter(defaults.err().map(|error| Broken::io("users/defaults", &error)));
    for name in names {
        problems.extend(give_domain(users, &name, reader));
    }
    problems
}

fn give_domain(users: &Path, name: &str, reader: &Identity) -> Vec<Broken> {
    let shown = format!("users/{name}");
    let folder = match Folder::open(&users.join(name)).and_then(|folder| enter(folder, reader)) {
        Ok(folder) => folder,
        Err(error) => return vec![Broken::io(shown, &error)],
    };
    let mode = |file| if file == "passwords" { 0o600 } else { 0o640 };
    let failed = |file| {
        let error = give(&folder, file, mode(file), reader).err()?;
        Some(Broken::io(format!("{shown}/{file}"), &error))
    };
    FILES.into_iter().filter_map(failed).collect()
}

fn enter(folder: Folder, reader: &Identity) -> io::Result<Folder> {
    if folder.stat(".")?.st_uid == 0 {
        folder.give(".", reader.uid, reader.gid)?;
    }
    Ok(folder)
}

fn give(folder: &Folder, file: &str, mode: u32, reader: &Identity) -> io::Result<()> {
    let file = match folder.read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let seen = file.metadata()?;
    if seen.uid() != 0 && may_read(&seen, reader) {
        return Ok(());
    }
    hand_over(&file, &seen, mode, reader)
}

/// A file with a second name may be somebody's secret, linked here by whoever broke into `lookup`.
fn hand_over(file: &File, seen: &Metadata, mode: u32, reader: &Identity) -> io::Result<()> {
    if seen.nlink() != 1 {
        return Err(io::Error::new(ErrorKind::InvalidInput, "has another name too, so it is not given away"));
    }
    fchown(file, Some(reader.uid), Some(reader.gid))?;
    file.set_permissions(Permissions::from_mode(mode))
}
