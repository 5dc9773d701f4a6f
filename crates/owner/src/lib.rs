//! Whose a mailbox is, by the word of `lookup`: the answer to `owner ADDRESS` and `login TICKET`.
//!
//! All that the root parents, `spawn` and `gate`, know of users. They
//! 1. ask `run/lookup-root`: `owner ADDRESS` or `login TICKET`;
//! 2. read the answer with [`Owner::from_packet`], whose error is a `wire::Fate` to pass on; uid 0 never passes;
//! 3. call [`ensure_home`]`(&home.mail(), &owner)`, which makes the account's folder if it is missing and
//!    refuses one that is a link, belongs to somebody else, or is open to everybody: an error is "later";
//! 4. become `owner.identity` and confine themselves to `owner.home`. The owner himself makes the Maildir inside.
//!
//! Does not know how users are kept, nor any password.

mod elsewhere;
mod home;
mod shared;

pub use elsewhere::{Elsewhere, Opened};
pub use home::ensure as ensure_home;
pub use shared::{Shared, ensure as ensure_shared};

use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use sys::Identity;
use wire::Fate;

/// One delivery's or login's owner. As a packet: `K`, then fields `key=value`: `uid gid groups`
/// (commas between) `home maildir quota user local domain dash ext programs` (`yes` or `no`), and any number of `do`
/// and `shared`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Who to become; never root.
    pub identity: Identity,
    /// The account's folder, absolute.
    pub home: PathBuf,
    /// Its Maildir, absolute.
    pub maildir: PathBuf,
    /// Octets, 0 for no limit.
    pub quota: u64,
    /// The account's address; the alias's own if there is no account.
    pub user: String,
    /// What stood before the `@` of the address that was asked for.
    pub local: String,
    /// What stood after it.
    pub domain: String,
    /// `-` if there is an extension, else nothing.
    pub dash: String,
    /// The extension.
    pub ext: String,
    /// May instructions run programs? Not where the uid is shared with others' mail.
    pub programs: bool,
    /// Instructions in the language of .qmail files; `.qmail` alone: the account's own files decide,
    /// by dash and ext.
    pub instructions: Vec<String>,
    /// Folders of shared mailboxes that he may open, absolute. Of a login only.
    pub shared: Vec<PathBuf>,
}

impl Owner {
    /// The packet.
    pub fn to_packet(&self) -> Vec<u8> {
        let groups: Vec<_> = self.identity.groups.iter().map(u32::to_string).collect();
        let mut fields = vec![b"K".to_vec()];
        let mut field = |key: &str, value: &[u8]| fields.push([key.as_bytes(), b"=", value].concat());
        field("uid", self.identity.uid.to_string().as_bytes());
        field("gid", self.identity.gid.to_string().as_bytes());
        field("groups", groups.join(",").as_bytes());
        field("home", self.home.as_os_str().as_bytes());
        field("maildir", self.maildir.as_os_str().as_bytes());
        field("quota", self.quota.to_string().as_bytes());
        field("user", self.user.as_bytes());
        field("local", self.local.as_bytes());
        field("domain", self.domain.as_bytes());
        field("dash", self.dash.as_bytes());
        field("ext", self.ext.as_bytes());
        field("programs", if self.programs { b"yes" } else { b"no" });
        self.instructions.iter().for_each(|line| field("do", line.as_bytes()));
        self.shared.iter().for_each(|path| field("shared", path.as_os_str().as_bytes()));
        wire::packet(&fields.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// Reads the packet. The error is the answer that was no `K`; a packet that is none, or that names
    /// root, is "later".
    pub fn from_packet(packet: &[u8]) -> Result<Owner, Fate> {
        let strange = || Fate::later(3, 5, "lookup gave a strange answer");
        let fields = wire::fields(packet);
        match fields.first().and_then(|head| Fate::parse(head)) {
            Some(Fate::Done(_)) => {}
            Some(other) => return Err(other),
            None => return Err(strange()),
        }
        let owner = Owner::read(&fields[1..]).ok_or_else(strange)?;
        match owner.identity.uid {
            0 => Err(Fate::later(3, 5, "refusing to act for root")),
            _ => Ok(owner),
        }
    }

    fn read(fields: &[&[u8]]) -> Option<Owner> {
        let all = |key: &str| {
            let key = format!("{key}=").into_bytes();
            let values = fields.iter().filter_map(|field| field.strip_prefix(&key[..]));
            values.map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        let one = |key: &str| match all(key).as_slice() {
            [value] => Some(value.clone()),
            _ => None,
        };
        let text = |key: &str| String::from_utf8(one(key)?).ok();
        let absolute = |bytes: Vec<u8>| {
            Some(PathBuf::from(std::ffi::OsString::from_vec(bytes))).filter(|path| path.is_absolute())
        };
        let path = |key: &str| absolute(one(key)?);
        let groups = text("groups")?;
        let groups = groups.split(',').filter(|group| !group.is_empty()).map(|group| group.parse().ok());
        Some(Owner {
            identity: Identity {
                uid: text("uid")?.parse().ok()?,
                gid: text("gid")?.parse().ok()?,
                groups: groups.collect::<Option<_>>()?,
            },
            home: path("home")?,
            maildir: path("maildir")?,
            quota: text("quota")?.parse().ok()?,
            user: text("user")?,
            local: text("local")?,
            domain: text("domain")?,
            dash: text("dash")?,
            ext: text("ext")?,
            programs: one("programs").as_deref() == Some(b"yes"),
            instructions: all("do").into_iter().map(String::from_utf8).collect::<Result<_, _>>().ok()?,
            shared: all("shared").into_iter().map(absolute).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Owner {
        Owner {
            identity: Identity { uid: 500, gid: 501, groups: vec![7, 8] },
            home: "/var/fulmar/mail/example.test/alice".into(),
            maildir: "/var/fulmar/mail/example.test/alice/Maildir".into(),
            quota: 5,
            user: "alice@example.test".into(),
            local: "alice+x=y".into(),
            domain: "example.test".into(),
            dash: "-".into(),
            ext: "x=y".into(),
            programs: true,
            instructions: vec!["./Maildir/".into(), "&b@x".into()],
            shared: vec!["/var/fulmar/mail/shared/sales".into()],
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        assert_eq!(Owner::from_packet(&alice().to_packet()), Ok(alice()));
    }

    // P11
    #[test]
    fn root_is_never_taken_from_an_answer() {
        let mut root = alice();
        root.identity.uid = 0;
        assert!(matches!(Owner::from_packet(&root.to_packet()), Err(Fate::Later(_))));
    }

    #[test]
    fn a_refusal_stays_one_and_garbage_is_worth_a_retry() {
        assert_eq!(Owner::from_packet(b"D5.1.1 no").unwrap_err().letter(), b'D');
        assert_eq!(Owner::from_packet(b"Z4.3.0 no").unwrap_err().letter(), b'Z');
        let whole = alice().to_packet();
        for cut in 0..whole.len() {
            if let Err(fate) = Owner::from_packet(&whole[..cut]) {
                assert_eq!(fate.letter(), b'Z', "cut at {cut}");
            }
        }
    }
}
