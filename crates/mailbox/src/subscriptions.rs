//! The list of subscriptions: a text, a name a line, as Dovecot's `subscriptions`, which is read and written as
//! it is. Courier's `courierimapsubscribed` is taken over where there is none yet.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};

use imap::Trouble;
use sys::durable::Folder;

use crate::names::{INBOX, Names};
use crate::texts;

const FILE: &str = "subscriptions";
const COURIER: &str = "courierimapsubscribed";
/// Dovecot's newer form: this line, an empty one, then names whose levels are separated by tabs.
const TABS: &str = "V\t2";
const MOST: usize = 10_000;

/// The names in the list.
pub(crate) fn read(root: &Folder, names: Names) -> io::Result<BTreeSet<String>> {
    Ok(List::read(root, names)?.lines.into_values().collect())
}

/// Puts `name` into the list, or takes it out. `disk`: its folder, with the dot, if it has one. The caller holds the
/// account's lock.
pub(crate) fn change(
    root: &Folder,
    names: Names,
    name: &str,
    disk: Option<&OsStr>,
    on: bool,
) -> Result<(), Trouble> {
    let (mut list, name) = (List::read(root, names)?, names.spelled(name));
    let before = list.lines.len();
    let there = list.lines.values().any(|known| *known == name);
    if on && !there {
        // As on disk, whatever stands between levels for clients now.
        let bare = disk.and_then(OsStr::to_str).and_then(|disk| disk.strip_prefix('.'));
        let line = bare.map_or_else(|| names.line(&name), str::to_owned);
        list.lines.insert(line, name);
    } else if !on {
        list.lines.retain(|_, known| *known != name);
    }
    if list.lines.len() > MOST && on {
        return Err(Trouble::Limit("There are too many subscriptions."));
    }
    if list.lines.len() != before || root.stat(FILE).is_err() {
        root.replace(FILE, list.written().as_bytes(), 0o600)?;
    }
    Ok(())
}

/// The list as it is in the file.
struct List {
    /// A mailbox as it is on disk, and its name.
    lines: BTreeMap<String, String>,
    with_tabs: bool,
}

impl List {
    fn read(root: &Folder, names: Names) -> io::Result<List> {
        match texts::read(root, FILE) {
            Ok(text) => Ok(List::parse(&text, names)),
            Err(error) if error.kind() == ErrorKind::NotFound => courier(root, names),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str, names: Names) -> List {
        let with_tabs = text.lines().next() == Some(TABS);
        let lines = text.lines().skip(usize::from(with_tabs)).filter(|line| !line.is_empty());
        let line = |line: &str| if with_tabs { line.replace('\t', ".") } else { line.to_owned() };
        let lines = lines.map(line).map(|line| (line.clone(), names.from_line(&line))).collect();
        List { lines, with_tabs }
    }

    fn written(&self) -> String {
        let mut text = if self.with_tabs { format!("{TABS}\n\n") } else { String::new() };
        for line in self.lines.keys() {
            text.push_str(&if self.with_tabs { line.replace('.', "\t") } else { line.clone() });
            text.push('\n');
        }
        text
    }
}

/// Courier has all folders below INBOX.
fn courier(root: &Folder, names: Names) -> io::Result<List> {
    let text = texts::read_if_there(root, COURIER)?;
    let lines = text.lines().filter(|line| *line == INBOX || line.starts_with("INBOX."));
    let bare = lines.map(|line| line.strip_prefix("INBOX.").unwrap_or(line));
    let lines = bare.map(|line| (line.to_owned(), names.from_line(line))).collect();
    Ok(List { lines, with_tabs: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { separator: '/' };

    fn home(file: &str, text: &str) -> (tempfile::TempDir, Folder) {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(file), text).unwrap();
        let folder = Folder::open(home.path()).unwrap();
        (home, folder)
    }

    fn list(root: &Folder) -> Vec<String> {
        read(root, NAMES).unwrap().into_iter().collect()
    }

    #[test]
    fn dovecots_list_is_read_and_written_in_the_form_it_has() {
        let (home, root) = home(FILE, "V\t2\n\nINBOX\nLists\trust\n&ANw-\n");
        assert_eq!(list(&root), ["INBOX", "Lists/rust", "Ü"]);
        change(&root, NAMES, "a/b", None, true).unwrap();
        change(&root, NAMES, "inbox", None, false).unwrap();
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(text, "V\t2\n\n&ANw-\nLists\trust\na\tb\n");
        let (home, root) = self::home(FILE, "INBOX\nLists.rust\n");
        assert_eq!(list(&root), ["INBOX", "Lists/rust"]);
        change(&root, NAMES, "Ü/1.2", None, true).unwrap();
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(text, "&ANw-.1&AC4-2\nINBOX\nLists.rust\n");
    }

    #[test]
    fn another_separator_loses_no_subscription() {
        let (home, root) = home(FILE, "");
        change(&root, NAMES, "v1.2", None, true).unwrap();
        change(&root, NAMES, "Lists/rust", None, true).unwrap();
        const DOT: Names = Names { separator: '.' };
        // As LIST shows the folder `.v1&AC4-2` then.
        let shown: Vec<String> = read(&root, DOT).unwrap().into_iter().collect();
        assert_eq!(shown, ["Lists.rust", "v1&AC4-2"]);
        assert_eq!(DOT.name(b".v1&AC4-2"), "v1&AC4-2");
        change(&root, DOT, "new", None, true).unwrap();
        change(&root, DOT, "w&AC4-3", Some(OsStr::new(".w&AC4-3")), true).unwrap();
        assert_eq!(list(&root), ["Lists/rust", "new", "v1.2", "w.3"]);
        change(&root, DOT, "v1&AC4-2", None, false).unwrap();
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(text, "Lists.rust\nnew\nw&AC4-3\n");
    }

    #[test]
    fn couriers_list_is_taken_over() {
        let (_home, root) = home(COURIER, "INBOX\nINBOX.Sent\nINBOX.Lists.a\n#shared.x\n");
        assert_eq!(list(&root), ["INBOX", "Lists/a", "Sent"]);
        change(&root, NAMES, "Sent", None, false).unwrap();
        assert_eq!(list(&root), ["INBOX", "Lists/a"]);
    }
}
