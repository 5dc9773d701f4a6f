//! Making the home of a virtual account that gets its first mail.

use std::ffi::OsStr;
use std::io;
use std::path::Component;

use control::Home;
use sys::durable::{Folder, open_any};

use crate::owner::Owner;

/// Makes the owner's home if it is missing and lies in the house's `mail`, which must be there: it may
/// be another disk's place. Homes elsewhere are the admin's affair. What fails here shows when
/// `local-deliver` can't enter the home.
pub(crate) fn make_home(house: &Home, owner: &Owner) {
    let mail = house.mail();
    let Ok(below) = owner.home.strip_prefix(&mail) else { return };
    if owner.home.symlink_metadata().is_ok() {
        return;
    }
    let names: Option<Vec<&OsStr>> = below
        .components()
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    let Some(names) = names.filter(|names| !names.is_empty()) else { return };
    let made = open_any(&mail).and_then(|mail| make(mail, &names, owner));
    match made {
        Ok(()) => sys::log!("spawn: home made home={}", owner.home.display()),
        Err(error) => sys::log!("spawn: warning: can't make {}: {error}", owner.home.display()),
    }
}

fn make(mut folder: Folder, names: &[&OsStr], owner: &Owner) -> io::Result<()> {
    for name in names {
        let there = folder.stat(name).is_ok();
        let next = folder.make_folder(name, 0o700)?;
        if !there {
            if sys::is_root() {
                folder.give(name, owner.identity.uid, owner.identity.gid)?;
            }
            folder.sync()?;
        }
        folder = next;
    }
    Ok(())
}
