//! `users/cdb`, asked.

use std::io::ErrorKind;
use std::path::Path;

use cdb::Cdb;
use control::Broken;
use sys::Identity;

use crate::Person;

const FILE: &str = "users/cdb";

/// The compiled table.
#[derive(Debug)]
pub struct Assigned(Option<Cdb>);

impl Assigned {
    /// Opens the table; one that is not there assigns nothing.
    pub fn open(path: &Path) -> Result<Assigned, Broken> {
        match Cdb::open(path) {
            Ok(cdb) => Ok(Assigned(Some(cdb))),
            Err(cdb::Error::Io(error)) if error.kind() == ErrorKind::NotFound => Ok(Assigned(None)),
            Err(error) => Err(damaged(&error)),
        }
    }

    /// Who is assigned the mail of `local`: exactly, else by the longest wildcard.
    pub fn find(&self, local: &str) -> Result<Option<Person>, Broken> {
        let Some(cdb) = &self.0 else { return Ok(None) };
        let get = |key: &[u8]| cdb.get(key).map_err(|error| damaged(&error));
        let key = [b"!", &local.to_ascii_lowercase().into_bytes()[..]].concat();
        if let Some(value) = get(&[&key[..], b"\0"].concat())? {
            return read(&value, "").map(Some);
        }
        let ends = get(b"")?.unwrap_or_default();
        for length in (1..=key.len()).rev() {
            if length > 1 && !ends.contains(&key[length - 1]) {
                continue;
            }
            if let Some(value) = get(&key[..length])? {
                // The name is ASCII up to here, or the wildcard ends between two letters.
                let rest = local.get(length - 1..).unwrap_or_default();
                return read(&value, rest).map(Some);
            }
        }
        Ok(None)
    }
}

fn read(value: &[u8], rest: &str) -> Result<Person, Broken> {
    let fields: Vec<&str> =
        value.split(|octet| *octet == 0).map(|f| str::from_utf8(f).unwrap_or("\0")).collect();
    let [user, uid, gid, home, dash, ext] = fields[..] else { return Err(garbled()) };
    let number = |text: &str| text.parse().map_err(|_| garbled());
    if fields.contains(&"\0") || !home.starts_with('/') {
        return Err(garbled());
    }
    Ok(Person {
        user: user.to_owned(),
        identity: Identity { uid: number(uid)?, gid: number(gid)?, groups: Vec::new() },
        home: home.to_owned(),
        dash: dash.to_owned(),
        ext: format!("{ext}{rest}"),
    })
}

fn damaged(error: &cdb::Error) -> Broken {
    Broken::new(FILE, error.to_string(), "compile users/assign: qmail-newu")
}

fn garbled() -> Broken {
    Broken::new(FILE, "a record that is none", "compile users/assign: qmail-newu")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, local: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cdb");
        std::fs::write(&path, crate::compile(text.as_bytes()).unwrap()).unwrap();
        let found = Assigned::open(&path).unwrap().find(local).unwrap()?;
        let Person { user, identity, home, dash, ext } = found;
        Some(format!("{user} {}:{} {home} {dash}|{ext}", identity.uid, identity.gid))
    }

    #[test]
    fn the_exact_name_then_the_longest_wildcard_and_the_first_of_twins() {
        let text = "=info:ann:1:2:/ann:::\n=info:bob:3:4:/bob:::\n+info-:bob:3:4:/bob:-::\n\
            +info-sales-:cid:5:6:/cid:-:x-:\n+:alias:7:8:/alias:-::\n.\n";
        for (local, expect) in [
            ("info", "ann 1:2 /ann |"),
            ("INFO", "ann 1:2 /ann |"),
            ("info-", "bob 3:4 /bob -|"),
            ("Info-Ext", "bob 3:4 /bob -|Ext"),
            ("info-sales-East", "cid 5:6 /cid -|x-East"),
            ("information", "alias 7:8 /alias -|information"),
            ("infö", "alias 7:8 /alias -|infö"),
            ("", "alias 7:8 /alias -|"),
        ] {
            assert_eq!(find(text, local).as_deref(), Some(expect), "{local}");
        }
        assert_eq!(find("=a:b:1:2:/h:::\n.\n", "b"), None);
    }

    #[test]
    fn without_a_table_nothing_is_assigned_and_a_damaged_one_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cdb");
        assert_eq!(Assigned::open(&path).unwrap().find("a").unwrap(), None);
        std::fs::write(&path, "damaged").unwrap();
        assert!(Assigned::open(&path).is_err());
        let bytes = cdb::build([(&b"!a\0"[..], &b"a\0x\x001\0/h\0\0"[..])]).unwrap();
        std::fs::write(&path, bytes).unwrap();
        assert!(Assigned::open(&path).unwrap().find("a").is_err());
    }
}
