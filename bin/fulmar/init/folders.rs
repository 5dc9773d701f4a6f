//! The folders of a home: who owns them, who may enter.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use control::{Home, Role, Uids};
use sys::{Identity, Stop};

/// The folders, their owner (none: root, or whoever runs everything) and their mode.
pub(crate) const FOLDERS: &[(&str, Option<Role>, u32)] = &[
    ("bin", None, 0o755),
    ("etc", None, 0o755),
    ("etc/run", None, 0o755),
    ("run", None, 0o755),
    ("log", None, 0o755),
    ("queue", Some(Role::Queue), 0o711),
    ("queue/ask", Some(Role::Queue), 0o730),
    ("users", Some(Role::Users), 0o700),
    ("relay", Some(Role::Users), 0o700),
    ("mail", None, 0o711),
    ("acme", None, 0o755),
    ("acme/requests", Some(Role::Tls), 0o755),
    ("acme/certificates", Some(Role::Acme), 0o755),
    ("acme/challenges", Some(Role::Acme), 0o755),
    ("acme/account", Some(Role::Acme), 0o700),
];

/// Who plays `role`; nobody when everything runs as one ordinary user.
pub(super) fn identity(uids: &Uids, role: Role) -> Result<Option<Identity>, Stop> {
    uids.identity(role).map_err(|broken| {
        Stop::permanent(format_args!("{broken}; or let numbers do, without users: fulmar init --uids 64001"))
    })
}

/// Makes what is missing, and gives everything its owner and mode.
pub(super) fn make_all(home: &Home, uids: &Uids) -> Result<(), Stop> {
    for (name, role, mode) in FOLDERS {
        make(home, name, *mode)?;
        let Some(role) = role else {
            back_to_root(home, name)?;
            continue;
        };
        if let Some(owner) = identity(uids, *role)? {
            let path = home.join(name);
            let group = match *name {
                "queue/ask" => identity(uids, Role::Admin)?.map_or(owner.gid, |admin| admin.gid),
                _ => owner.gid,
            };
            chown(&path, Some(owner.uid), Some(group)).map_err(|error| failed(&path, &error))?;
            set_mode(&path, *mode)?;
        }
    }
    Ok(())
}

/// In a folder that is root's alone nobody puts sockets, programs or homes in the place of others.
fn back_to_root(home: &Home, name: &str) -> Result<(), Stop> {
    let path = home.join(name);
    match sys::is_root() {
        true => chown(&path, Some(0), Some(0)).map_err(|error| failed(&path, &error)),
        false => Ok(()),
    }
}

/// Makes the folder `name` of the home unless it is there, and sets its mode. Parents that are missing
/// are open to everybody, since so is what `name` is in.
pub(super) fn make(home: &Home, name: &str, mode: u32) -> Result<(), Stop> {
    let path = if name.is_empty() { home.path().to_owned() } else { home.join(name) };
    if path.is_dir() {
        return Ok(());
    }
    let missing: Vec<_> = path.ancestors().skip(1).take_while(|folder| !folder.is_dir()).collect();
    for (folder, mode) in missing.into_iter().rev().map(|folder| (folder, 0o755)).chain([(&*path, mode)]) {
        fs::create_dir(folder).map_err(|error| failed(folder, &error))?;
        set_mode(folder, mode)?;
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<(), Stop> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| failed(path, &error))
}

/// The operating system refused.
pub(super) fn failed(path: &Path, error: &io::Error) -> Stop {
    Stop::temporary(format_args!("{}: {error}", path.display()))
}
