//! Annotations of mailboxes and of the server (RFC 5464), in a text beside the mail they are about: a line an
//! entry, name and value separated by a tab. Backslash, line ends, NUL and what is no UTF-8 are escaped.

use std::collections::BTreeMap;
use std::io;

use imap::Trouble;
use sys::durable::Folder;

use crate::texts;

/// Of a mailbox.
pub(crate) const OF_MAILBOX: &str = "fulmar-metadata";
/// Of the server, in the account's Maildir.
pub(crate) const OF_SERVER: &str = "fulmar-metadata-server";

/// Octets of a value.
pub(crate) const LARGEST: usize = 65_536;
/// Entries of a mailbox.
const MOST: usize = 500;
const LONGEST_NAME: usize = 500;
/// Octets of all values of a mailbox.
const MOST_OCTETS: usize = 1 << 20;

/// Name and value of each.
pub(crate) type Entries = BTreeMap<String, Vec<u8>>;

pub(crate) fn read(folder: &Folder, file: &str) -> io::Result<Entries> {
    let text = texts::read_if_there(folder, file)?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(name, value)| (name.to_owned(), unescape(value))).collect())
}

/// Sets an entry, or removes it. The caller holds the account's lock.
pub(crate) fn change(folder: &Folder, file: &str, entry: &str, value: Option<&[u8]>) -> Result<(), Trouble> {
    let name = check(entry)?;
    let mut entries = read(folder, file)?;
    match value {
        Some(value) if value.len() > LARGEST => return Err(Trouble::TooBig),
        Some(value) => entries.insert(name, value.to_vec()),
        None if !entries.contains_key(&name) => return Ok(()),
        None => entries.remove(&name),
    };
    let octets: usize = entries.values().map(Vec::len).sum();
    if value.is_some() && (entries.len() > MOST || octets > MOST_OCTETS) {
        return Err(Trouble::Limit("There are too many annotations."));
    }
    let line = |(name, value): (&String, &Vec<u8>)| format!("{name}\t{}\n", escape(value));
    let text: String = entries.iter().map(line).collect();
    Ok(folder.replace(file, text.as_bytes(), 0o600)?)
}

/// Entry names make no difference of case. RFC 5464 §4.1.
pub(crate) fn check(entry: &str) -> Result<String, Trouble> {
    let name = entry.to_ascii_lowercase();
    let known = name.starts_with("/private/") || name.starts_with("/shared/");
    let odd = |c: char| !c.is_ascii_graphic() && c != ' ' || matches!(c, '*' | '%');
    match known && !name.contains(odd) && !name.contains("//") && !name.ends_with('/') {
        true if name.len() <= LONGEST_NAME => Ok(name),
        _ => Err(Trouble::Cannot("No entry can have such a name.")),
    }
}

fn escape(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' | '\n' | '\r' | '\0' => out.push_str(&format!("\\{:03o}", c as u32)),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|octet| out.push_str(&format!("\\{octet:03o}")));
    }
    out
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| *first == b'\\');
        let octet = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        out.push(octet.unwrap_or(*first));
        rest = if octet.is_some() { &after[3..] } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_annotation_is_kept_in_any_case_of_its_name_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        change(&folder, OF_MAILBOX, "/Private/Comment", Some(b"a\tb\\\r\nc\0\xff")).unwrap();
        change(&folder, OF_MAILBOX, "/shared/vendor/x/y", Some(b"")).unwrap();
        let entries = read(&folder, OF_MAILBOX).unwrap();
        assert_eq!(entries["/private/comment"], b"a\tb\\\r\nc\0\xff");
        assert_eq!(entries.len(), 2);
        change(&folder, OF_MAILBOX, "/private/COMMENT", None).unwrap();
        assert_eq!(read(&folder, OF_MAILBOX).unwrap().len(), 1);
    }

    #[test]
    fn entries_have_limits() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        for name in ["/other/x", "/private", "/private/", "/private//x", "/private/*", "/private/a\tb", "x"] {
            assert!(
                matches!(change(&folder, OF_MAILBOX, name, Some(b"")), Err(Trouble::Cannot(_))),
                "{name}"
            );
        }
        let large = vec![b'x'; LARGEST + 1];
        assert_eq!(change(&folder, OF_MAILBOX, "/private/x", Some(&large)), Err(Trouble::TooBig));
        for n in 0..16 {
            change(&folder, OF_MAILBOX, &format!("/private/{n}"), Some(&large[1..])).unwrap();
        }
        let one_more = change(&folder, OF_MAILBOX, "/private/16", Some(b"x"));
        assert!(matches!(one_more, Err(Trouble::Limit(_))));
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = escape(&value);
            prop_assert!(!text.contains(['\n', '\r', '\0']));
            prop_assert_eq!(unescape(&text), value);
        }
    }
}
