//! The list of subscriptions: a text, a name a line, as Dovecot's `subscriptions`, which is read and written as
//! it is. Courier's `courierimapsubscribed` is taken over where there is none yet.

use std::collections::BTreeSet;
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
    match texts::read(root, FILE) {
        Ok(text) => Ok(parse(&text, names).0),
        Err(error) if error.kind() == ErrorKind::NotFound => courier(root, names),
        Err(error) => Err(error),
    }
}

/// Puts `name` into the list, or takes it out. The caller holds the account's lock.
pub(crate) fn change(root: &Folder, names: Names, name: &str, on: bool) -> Result<(), Trouble> {
    let mut all = read(root, names)?;
    let with_tabs = texts::read(root, FILE).is_ok_and(|text| parse(&text, names).1);
    let name = names.spelled(name);
    let changed = if on { all.insert(name) } else { all.remove(&name) };
    if all.len() > MOST && on {
        return Err(Trouble::Limit("There are too many subscriptions."));
    }
    if changed || root.stat(FILE).is_err() {
        root.replace(FILE, write(&all, names, with_tabs).as_bytes(), 0o600)?;
    }
    Ok(())
}

/// The names, and whether levels are separated by tabs.
fn parse(text: &str, names: Names) -> (BTreeSet<String>, bool) {
    let with_tabs = text.lines().next() == Some(TABS);
    let lines = text.lines().skip(usize::from(with_tabs)).filter(|line| !line.is_empty());
    let name = |line: &str| match with_tabs {
        true => names.from_line(&line.replace('\t', ".")),
        false => names.from_line(line),
    };
    (lines.map(name).collect(), with_tabs)
}

fn write(all: &BTreeSet<String>, names: Names, with_tabs: bool) -> String {
    let mut text = if with_tabs { format!("{TABS}\n\n") } else { String::new() };
    for name in all {
        let line = names.line(name);
        text.push_str(&if with_tabs { line.replace('.', "\t") } else { line });
        text.push('\n');
    }
    text
}

/// Courier has all folders below INBOX.
fn courier(root: &Folder, names: Names) -> io::Result<BTreeSet<String>> {
    let text = match texts::read(root, COURIER) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other?,
    };
    let bare = |line: &str| match line.strip_prefix("INBOX.") {
        Some(folder) => names.from_line(folder),
        None => names.from_line(line),
    };
    let lines = text.lines().filter(|line| *line == INBOX || line.starts_with("INBOX."));
    Ok(lines.map(bare).collect())
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
        change(&root, NAMES, "a/b", true).unwrap();
        change(&root, NAMES, "inbox", false).unwrap();
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(text, "V\t2\n\nLists\trust\na\tb\n&ANw-\n");
        let (home, root) = self::home(FILE, "INBOX\nLists.rust\n");
        assert_eq!(list(&root), ["INBOX", "Lists/rust"]);
        change(&root, NAMES, "Ü/1.2", true).unwrap();
        let text = std::fs::read_to_string(home.path().join(FILE)).unwrap();
        assert_eq!(text, "INBOX\nLists.rust\n&ANw-.1&AC4-2\n");
    }

    #[test]
    fn couriers_list_is_taken_over() {
        let (_home, root) = home(COURIER, "INBOX\nINBOX.Sent\nINBOX.Lists.a\n#shared.x\n");
        assert_eq!(list(&root), ["INBOX", "Lists/a", "Sent"]);
        change(&root, NAMES, "Sent", false).unwrap();
        assert_eq!(list(&root), ["INBOX", "Lists/a"]);
    }
}
