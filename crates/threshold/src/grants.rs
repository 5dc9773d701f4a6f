//! What a server program gets besides the account's folder: control files to read, a place for its index, shared
//! mailboxes. All of it is found, and made where it is missing, while this process is still root.

use std::io;
use std::path::{Path, PathBuf};

use control::{Control, Home, Role, TABLE, Uids};
use owner::{Owner, Shared};
use sys::Env;
use sys::confine::Confine;

/// The servers that know shared mailboxes and keep an index.
const MAILBOX_SERVERS: &[&str] = &["imapd"];
/// Where the index of a user of this system is; no domain begins with a dot.
const USERS: &str = ".users";
/// What tells the time of day here, and whether the machine has been started anew.
const CLOCKS: &[&str] = &["/etc/localtime", "/usr/share/zoneinfo", "/proc/sys/kernel/random/boot_id"];

/// What is granted.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    read: Vec<PathBuf>,
    index: Option<PathBuf>,
    shared: Vec<Shared>,
}

impl Grants {
    /// What `server` gets for `owner`. A control file that is broken, and a place for the index that can't be
    /// had: an error, since an index elsewhere would know nothing. A shared mailbox that can't be had is left out.
    pub(crate) fn find(house: &Home, server: &str, owner: &Owner) -> io::Result<Grants> {
        let mut grants = Grants { read: control_files(house, server), ..Grants::default() };
        if MAILBOX_SERVERS.contains(&server) {
            grants.index = index(house, owner)?;
            grants.shared = shared(house, owner)?;
        }
        Ok(grants)
    }

    /// The groups by which shared mailboxes are reached.
    pub(crate) fn groups(&self) -> impl Iterator<Item = u32> {
        self.shared.iter().filter_map(|shared| shared.gid)
    }

    /// Adds them to what is kept.
    pub(crate) fn keep(&self, confine: Confine) -> Confine {
        let clocks = CLOCKS.iter().map(Path::new);
        let confine = self.read.iter().map(PathBuf::as_path).chain(clocks).fold(confine, Confine::read);
        let shared = self.shared.iter().map(|shared| &shared.path);
        self.index.iter().chain(shared).fold(confine, Confine::write)
    }

    /// Tells the server where they are. A shared mailbox that the owner, who we are by now, can't enter is not
    /// told.
    pub(crate) fn describe(&self, env: &mut Env) {
        env.remove("INDEX");
        env.remove("SHARED");
        if let Some(index) = &self.index {
            env.set("INDEX", index.as_os_str().as_encoded_bytes());
        }
        let open = self.shared.iter().filter(|shared| shared.path.read_dir().is_ok());
        let told: Vec<Vec<u8>> = open
            .map(|Shared { name, path, .. }| {
                [name.as_bytes(), path.as_os_str().as_encoded_bytes()].join(&b'=')
            })
            .collect();
        if !told.is_empty() {
            env.set("SHARED", told.join(&b':'));
        }
    }
}

/// The files of which the table of control files says that `server` reads them, compiled or not.
pub(crate) fn control_files(house: &Home, server: &str) -> Vec<PathBuf> {
    let control = Control::open(house);
    let own = TABLE.iter().filter(|file| file.readers.contains(&server));
    own.flat_map(|file| [control.path(file.name), control.path(&format!("{}.cdb", file.name))]).collect()
}

/// The account's place in the folder that control/indexdir names.
fn index(house: &Home, owner: &Owner) -> io::Result<Option<PathBuf>> {
    let line = Control::open(house).line("indexdir").map_err(io::Error::other)?;
    let Some(top) = line.filter(|line| !line.is_empty()).map(|line| house.join(line)) else {
        return Ok(None);
    };
    let place = match owner.user.rsplit_once('@') {
        Some((local, domain)) => top.join(domain).join(local),
        None => top.join(USERS).join(&owner.user),
    };
    if !place.starts_with(&top) {
        // A name that leads elsewhere would not be made, but taken for a home.
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "this user's name is none for a folder"));
    }
    owner::ensure_home(&top, &Owner { home: place.clone(), ..owner.clone() })?;
    Ok(Some(place))
}

fn shared(house: &Home, owner: &Owner) -> io::Result<Vec<Shared>> {
    if owner.shared.is_empty() {
        return Ok(Vec::new());
    }
    let mail = Uids::read(house).and_then(|uids| uids.identity(Role::Mail)).map_err(io::Error::other)?;
    let whose = mail.map_or_else(|| (sys::uid(), sys::gid()), |mail| (mail.uid, mail.gid));
    let open = |path: &PathBuf| match owner::ensure_shared(&house.mail(), path, whose) {
        Ok(shared) => Some(shared),
        Err(error) => {
            sys::log!("gate: {} warning {}: {error}", std::process::id(), path.display());
            None
        }
    };
    Ok(owner.shared.iter().filter_map(open).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_user_leads_out_of_the_folder_of_indexes() {
        let home = tempfile::tempdir().unwrap();
        let house = Home::at(home.path());
        std::fs::create_dir_all(house.control()).unwrap();
        std::fs::write(house.control().join("indexdir"), "indexes\n").unwrap();
        std::fs::create_dir(home.path().join("own")).unwrap();
        let identity = sys::Identity { uid: 4242, gid: 4242, groups: vec![] };
        let own = home.path().join("own");
        if sys::is_root() {
            std::os::unix::fs::chown(&own, Some(4242), Some(4242)).unwrap();
        }
        let (own, text) = (own.to_str().unwrap(), String::new);
        for user in
            [format!("{own}@x.test"), own.to_owned(), "../own@x".into(), "..@x".into(), "a/b@x".into()]
        {
            let owner = Owner {
                identity: identity.clone(),
                home: "/".into(),
                maildir: "/".into(),
                quota: 0,
                user: user.clone(),
                local: text(),
                domain: text(),
                dash: text(),
                ext: text(),
                programs: false,
                instructions: vec![],
                shared: vec![],
            };
            assert!(index(&house, &owner).is_err(), "{user}");
        }
    }
}
