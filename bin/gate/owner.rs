//! Whose mailbox a ticket opens, by the word of `lookup`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sys::{Env, Identity, Packets};
use wire::{Fate, packet};

const PATIENCE: Duration = Duration::from_secs(30);

/// The owner of a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) user: String,
    pub(crate) identity: Identity,
    pub(crate) home: PathBuf,
    pub(crate) maildir: PathBuf,
    pub(crate) quota: String,
}

/// Why a mailbox is not opened.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// `lookup` could not be asked.
    Lookup(io::Error),
    /// It knows no such ticket, or can't tell now.
    Said(Fate),
    /// Its answer lacks something, or says what can't be: uid 0, a relative path.
    Answer(&'static str),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lookup(error) => write!(f, "no answer from lookup: {error}"),
            Trouble::Said(fate) => write!(f, "lookup refused the ticket: {}", fate.text()),
            Trouble::Answer(what) => write!(f, "lookup's answer has no valid {what}"),
        }
    }
}

impl Owner {
    /// Asks `lookup`, at the socket for root, what `ticket` stands for.
    pub(crate) fn redeem(socket: &Path, ticket: &[u8]) -> Result<Owner, Trouble> {
        let ask = || {
            let lookup = Packets::connect(socket)?;
            lookup.set_timeout(PATIENCE)?;
            lookup.ask(&packet(&[b"login", ticket]))
        };
        Owner::read(&ask().map_err(Trouble::Lookup)?.bytes)
    }

    fn read(answer: &[u8]) -> Result<Owner, Trouble> {
        let mut fields = answer.split(|b| *b == 0);
        match fields.next() {
            Some([b'K', ..]) => {}
            Some(first) => return Err(Fate::parse(first).map_or(Trouble::Answer("letter"), Trouble::Said)),
            None => return Err(Trouble::Answer("letter")),
        }
        let said = Env::from_fields(fields);
        let path = |name| path(&said, name).ok_or(Trouble::Answer(name));
        Ok(Owner {
            user: said.text("user").ok_or(Trouble::Answer("user"))?.to_owned(),
            identity: identity(&said)?,
            home: path("home")?,
            maildir: path("maildir")?,
            quota: said.text("quota").unwrap_or("0").to_owned(),
        })
    }
}

fn path(said: &Env, name: &'static str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(said.get(name)?));
    path.is_absolute().then(|| path.to_owned())
}

fn identity(said: &Env) -> Result<Identity, Trouble> {
    let number = |name: &'static str| {
        let id = said.text(name).and_then(|digits| digits.parse::<u32>().ok());
        id.filter(|id| *id != 0 && *id != u32::MAX).ok_or(Trouble::Answer(name))
    };
    let groups = said.text("groups").unwrap_or_default();
    let groups = groups.split(',').filter(|group| !group.is_empty()).map(str::parse);
    let groups: Result<Vec<u32>, _> = groups.collect();
    let groups = groups.map_err(|_| Trouble::Answer("groups"))?;
    if groups.contains(&0) {
        return Err(Trouble::Answer("groups"));
    }
    Ok(Identity { uid: number("uid")?, gid: number("gid")?, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "K\0uid=1001\0gid=1001\0groups=5,6\0home=/h\0maildir=/h/Maildir\0quota=7\0user=a@b";

    #[test]
    fn an_answer_names_the_owner() {
        let owner = Owner::read(GOOD.as_bytes()).unwrap();
        assert_eq!(owner.identity, Identity { uid: 1001, gid: 1001, groups: vec![5, 6] });
        assert_eq!((owner.user.as_str(), owner.quota.as_str()), ("a@b", "7"));
        assert_eq!(owner.maildir, Path::new("/h/Maildir"));
    }

    #[test]
    fn nobody_becomes_root_whatever_the_answer_says() {
        // P11
        for (from, to) in [
            ("uid=1001", "uid=0"),
            ("uid=1001", "uid=-1"),
            ("uid=1001", "uid=4294967295"),
            ("uid=1001", "uid=4294967296"),
            ("uid=1001", "uid="),
            ("uid=1001", "x=1"),
            ("gid=1001", "gid=0"),
            ("groups=5,6", "groups=5,0"),
            ("groups=5,6", "groups=x"),
            ("home=/h", "home=h"),
            ("maildir=/h/", "maildir="),
            ("user=", "u="),
        ] {
            assert!(Owner::read(GOOD.replacen(from, to, 1).as_bytes()).is_err(), "{to}");
        }
    }

    #[test]
    fn only_a_k_opens() {
        for bad in ["", "Z4.3.0 later", "D5.7.8 no such ticket", "X", "\0K\0uid=1"] {
            assert!(Owner::read(format!("{bad}{}", &GOOD[1..]).as_bytes()).is_err(), "{bad}");
        }
    }
}
