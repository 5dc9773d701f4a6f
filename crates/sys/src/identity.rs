//! Who a process is. Names are looked up in /etc/passwd and /etc/group themselves, so that
//! statically linked programs need no name service.

use std::io;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

/// What a process runs as.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Supplementary groups, without `gid`.
    pub groups: Vec<u32>,
}

impl Identity {
    /// An error for what must never be handed out: uid 0, and the number that means "leave it as it is"
    /// to the kernel, so that whoever takes it would stay root.
    pub fn refuse_root(&self) -> io::Result<()> {
        let keeps = [self.uid, self.gid].contains(&u32::MAX);
        match self.uid == 0 || keeps {
            true => Err(io::Error::new(io::ErrorKind::PermissionDenied, "refusing to run as root")),
            false => Ok(()),
        }
    }
}

/// An entry of /etc/passwd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// What it runs as, supplementary groups from /etc/group included.
    pub identity: Identity,
    /// Home folder.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// The effective user id of this process.
pub fn uid() -> u32 {
    Uid::effective().as_raw()
}

/// The effective group id of this process.
pub fn gid() -> u32 {
    Gid::effective().as_raw()
}

/// Does this process run as root?
pub fn is_root() -> bool {
    uid() == 0
}

/// Becomes `identity` for good: groups, gid and uid, real, effective and saved.
/// A process that has not been root may only become what it is already.
/// Refuses uid 0. On an error the process must not go on.
pub fn become_user(identity: &Identity) -> io::Result<()> {
    identity.refuse_root()?;
    if !is_root() {
        let same = identity.uid == uid();
        return if same { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) };
    }
    let groups: Vec<Gid> = identity.groups.iter().copied().map(Gid::from_raw).collect();
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    setgroups(&groups)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}

/// The user `name` by /etc/passwd; `None` when there is none.
pub fn user(name: &str) -> io::Result<Option<User>> {
    find(|user| user.name == name)
}

/// The first user with this uid by /etc/passwd; `None` when there is none.
pub fn user_of(uid: u32) -> io::Result<Option<User>> {
    find(|user| user.identity.uid == uid)
}

/// A file of the system as text: a full name in another encoding is no reason to know nobody.
fn read(path: &str) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned())
}

fn find(wanted: impl Fn(&User) -> bool) -> io::Result<Option<User>> {
    let passwd = read("/etc/passwd")?;
    let Some(mut user) = passwd.lines().filter_map(passwd_line).find(wanted) else { return Ok(None) };
    let group = read("/etc/group").unwrap_or_default();
    let gid = user.identity.gid;
    user.identity.groups =
        group.lines().filter_map(|line| membership(line, &user.name)).filter(|g| *g != gid).collect();
    Ok(Some(user))
}

/// The id of group `name` by /etc/group; `None` when there is none.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    let group = read("/etc/group")?;
    Ok(group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    }))
}

fn passwd_line(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let identity = Identity { uid: uid.parse().ok()?, gid: gid.parse().ok()?, groups: Vec::new() };
    Some(User { name: name.to_owned(), identity, home: home.to_owned(), shell: shell.to_owned() })
}

fn membership(line: &str, name: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split(':').collect();
    let [_, _, gid, members] = fields[..] else { return None };
    members.split(',').any(|member| member == name).then(|| gid.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_and_nobody_by_a_strange_name_is() {
        assert_eq!(user("root").unwrap().unwrap().identity.uid, 0);
        assert_eq!(user_of(0).unwrap(), user("root").unwrap());
        assert_eq!(user("no such user").unwrap(), None);
    }

    #[test]
    fn uid_0_is_refused_even_to_root() {
        // setresuid takes the last number for "no change": root would stay root.
        for (uid, gid) in [(0, 0), (0, 5), (u32::MAX, 5), (5, u32::MAX)] {
            assert!(become_user(&Identity { uid, gid, groups: vec![] }).is_err(), "{uid}:{gid}");
        }
    }

    #[test]
    fn a_name_in_another_alphabet_hides_no_other_user() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("passwd");
        std::fs::write(&path, b"m\xfcller:x:5:5:M\xfcller:/home/m:/bin/sh\nmail:x:8:8::/:/bin/sh\n").unwrap();
        let users = read(path.to_str().unwrap()).unwrap();
        assert_eq!(users.lines().filter_map(passwd_line).map(|u| u.identity.uid).collect::<Vec<_>>(), [5, 8]);
    }

    #[test]
    fn broken_passwd_lines_are_no_users() {
        for line in ["", "a:b", "a:x:one:1:::", "a:x:-1:1::/:/bin/sh", "a:x:4294967296:1::/:"] {
            assert_eq!(passwd_line(line), None, "{line}");
        }
    }
}
