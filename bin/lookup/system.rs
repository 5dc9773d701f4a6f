//! Users of this system, as qmail delivers to them: by `users/assign` and /etc/passwd, for the domains
//! that `control/locals` and `control/virtualdomains` name. Their passwords are those of /etc/shadow.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use assign::{Assigned, Person};
use control::{Broken, Control, Home};
use owner::Owner;
use route::{Route, Routes};
use sys::Identity;

/// A day, in seconds.
const DAY: u64 = 86_400;
/// The field of /etc/shadow that says when the account expires. shadow(5).
const EXPIRES: usize = 7;
/// What is done for a person of whom nothing is left but mail to be thrown away.
const NOTHING: &str = "#";
/// Where that is done, below `mail/`. No domain's name begins with a dot.
const NOWHERE: &str = ".nobody/home";
/// The user's own .qmail files decide.
const OWN_FILES: &str = ".qmail";

/// The users of this system.
#[derive(Debug)]
pub(crate) struct System {
    control: Control,
    assigned: PathBuf,
    mail: PathBuf,
    /// Who throws mail away where users/assign says so.
    nobody: Identity,
}

impl System {
    pub(crate) fn new(home: &Home, nobody: Identity) -> System {
        System { control: Control::open(home), assigned: home.users().join("cdb"), mail: home.mail(), nobody }
    }

    /// Is mail for `domain` delivered to users of this system? A line of virtualdomains that catches many
    /// names says nothing about one of them: rcpthosts does.
    pub(crate) fn has(&self, domain: &str) -> Result<bool, Broken> {
        if self.control.table("locals")?.has(domain)? {
            return Ok(true);
        }
        let named = self.control.table("virtualdomains")?.get(domain)?;
        Ok(named.is_some_and(|hit| !hit.value.is_empty()))
    }

    /// Who gets the mail of an envelope recipient, which is routed as `send` routes it.
    pub(crate) fn recipient(&self, address: &str) -> Result<Option<Person>, Broken> {
        match Routes::read(&self.control)?.of(address.as_bytes())? {
            Route::Local(local) => self.person(local_part(&String::from_utf8_lossy(&local))),
            Route::Remote(_) | Route::Ask(_) => Ok(None),
        }
    }

    /// Who gets the mail of a local part.
    pub(crate) fn person(&self, local: &str) -> Result<Option<Person>, Broken> {
        match Assigned::open(&self.assigned)?.find(local)? {
            Some(person) => Ok(Some(person)),
            None => assign::getpw(local),
        }
    }

    /// Would a delivery find somewhere to put mail? Where the home can't be looked into, that is not for
    /// us to say: yes.
    pub(crate) fn takes_mail(&self, person: &Person) -> bool {
        if person.user.is_empty() || person.dash.is_empty() {
            return true;
        }
        let names = dotqmail::candidates(person.dash.as_bytes(), person.ext.as_bytes());
        names.iter().any(|candidate| {
            let path = Path::new(&person.home).join(OsStr::from_bytes(&candidate.name));
            match std::fs::metadata(&path) {
                Ok(seen) => seen.is_file(),
                Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput),
            }
        })
    }

    /// The owner of a person's mail, for a delivery to `local@domain`.
    pub(crate) fn owner(&self, person: &Person, local: &str, domain: &str) -> Result<Owner, Broken> {
        let thrown_away = person.user.is_empty();
        let home = if thrown_away { self.mail.join(NOWHERE) } else { PathBuf::from(&person.home) };
        let default = self.control.text("defaultdelivery")?;
        let own_files = [OWN_FILES.to_owned(), default];
        Ok(Owner {
            identity: if thrown_away { self.nobody.clone() } else { person.identity.clone() },
            maildir: home.join("Maildir"),
            home,
            quota: 0,
            user: person.user.clone(),
            local: local.to_owned(),
            domain: domain.to_ascii_lowercase(),
            dash: person.dash.clone(),
            ext: person.ext.clone(),
            programs: true,
            instructions: if thrown_away { vec![NOTHING.to_owned()] } else { own_files.into() },
            shared: Vec::new(),
        })
    }

    /// The user who logs in as `name`: a user name, alone or in a domain of this system's users.
    pub(crate) fn login(&self, name: &str) -> Result<Option<Person>, Broken> {
        let name = name.replace('#', "@").to_ascii_lowercase();
        let local = match name.split_once('@') {
            Some((_, domain)) if !self.control.table("locals")?.has(domain)? => return Ok(None),
            Some((local, _)) => local,
            None => &name,
        };
        let user = sys::user(local).map_err(|error| Broken::io("/etc/passwd", &error))?;
        Ok(user.filter(|user| user.identity.uid != 0).map(|user| Person {
            user: user.name,
            identity: user.identity,
            home: user.home,
            dash: String::new(),
            ext: String::new(),
        }))
    }

    /// The kept password of a user of this system; `None`: there is none.
    pub(crate) fn password(&self, user: &str) -> Result<Option<Vec<u8>>, Broken> {
        let text = std::fs::read("/etc/shadow").map_err(|error| {
            let problem = format!("can't be read: {error}");
            Broken::new(
                "/etc/shadow",
                problem,
                "start lookup as root, and let a group shadow read it (chgrp shadow, chmod g+r)",
            )
        })?;
        Ok(kept_password(&text, user, sys::unix_seconds() / DAY))
    }
}

/// The password field of `user` in the text of /etc/shadow; none if there is no such user, or if the account
/// has expired by `today`, in days since 1970.
fn kept_password(text: &[u8], user: &str, today: u64) -> Option<Vec<u8>> {
    let lines = text.split(|octet| *octet == b'\n');
    let mut entries = lines.map(|line| line.split(|octet| *octet == b':').collect::<Vec<_>>());
    let fields = entries.find(|fields| fields.first() == Some(&user.as_bytes()))?;
    let expires = fields.get(EXPIRES).and_then(|field| str::from_utf8(field).ok()?.parse::<u64>().ok());
    match expires {
        Some(day) if day <= today => None,
        _ => fields.get(1).map(|kept| kept.to_vec()),
    }
}

/// What stands before the last `@`.
fn local_part(address: &str) -> &str {
    address.rsplit_once('@').map_or(address, |(local, _)| local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_account_has_no_password_and_one_that_is_not_has_its_own() {
        let text = b"root:*:1:0:::::\nann:$y$x:19000:0:99999:7:::\nold:$y$y:1:0:99999:7::100:\nbob\n";
        let kept =
            |user: &str, today| kept_password(text, user, today).map(|kept| String::from_utf8(kept).unwrap());
        assert_eq!(kept("ann", 20_000).as_deref(), Some("$y$x"));
        assert_eq!((kept("old", 99).as_deref(), kept("old", 100)), (Some("$y$y"), None));
        assert_eq!((kept("bob", 1), kept("an", 1), kept("", 1)), (None, None, None));
    }
}
