//! What mailboxes are for (RFC 6154): the text `fulmar-special`, lines `FOLDER \Use`.
//!
//! A line whose folder is `-` remembers that the account was given such a folder once: whoever removed it is not
//! given it again. Does not make folders.

use std::io;

use imap::Trouble;
use sys::durable::Folder;

use crate::names::Names;
use crate::texts;

const FILE: &str = "fulmar-special";
const GONE: &str = "-";

/// The attributes that a mailbox may have here. RFC 6154 §2; `\All` and `\Flagged` are for mailboxes that show what
/// lies in others.
pub(crate) const USES: &[&str] = &["\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash"];

/// One of [`USES`], in any case.
pub(crate) fn known(attribute: &str) -> Option<&'static str> {
    USES.iter().copied().find(|known| known.eq_ignore_ascii_case(attribute))
}

/// Folders and their uses.
#[derive(Debug, Default)]
pub(crate) struct Special {
    lines: Vec<(String, &'static str)>,
}

impl Special {
    pub(crate) fn read(root: &Folder) -> io::Result<Special> {
        Ok(Special { lines: parse(&texts::read_if_there(root, FILE)?) })
    }

    fn write(&self, root: &Folder) -> io::Result<()> {
        let text: String = self.lines.iter().map(|(folder, what)| format!("{folder} {what}\n")).collect();
        root.replace(FILE, text.as_bytes(), 0o600)
    }

    /// What the mailbox is for.
    pub(crate) fn of(&self, names: Names, name: &str) -> Option<&'static str> {
        let line = names.line(name);
        self.lines.iter().find(|(folder, _)| *folder == line).map(|(_, what)| *what)
    }

    /// Has the account ever been given a folder for this?
    pub(crate) fn was_given(&self, what: &str) -> bool {
        self.lines.iter().any(|(_, given)| *given == what)
    }

    /// Is another mailbox for this?
    pub(crate) fn is_taken(&self, what: &str) -> bool {
        self.lines.iter().any(|(folder, given)| *given == what && folder != GONE)
    }

    pub(crate) fn set(
        &mut self,
        root: &Folder,
        names: Names,
        name: &str,
        what: &'static str,
    ) -> io::Result<()> {
        self.lines.retain(|(folder, given)| !(folder == GONE && *given == what));
        self.lines.push((names.line(name), what));
        self.write(root)
    }

    /// The mailbox is gone.
    pub(crate) fn forget(&mut self, root: &Folder, names: Names, name: &str) -> Result<(), Trouble> {
        if self.exchange(&names.line(name), GONE) { Ok(self.write(root)?) } else { Ok(()) }
    }

    /// Mailboxes have other names now.
    pub(crate) fn rename<'a>(
        &mut self,
        root: &Folder,
        names: Names,
        renamed: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Trouble> {
        let mut changed = false;
        for (from, to) in renamed {
            changed |= self.exchange(&names.line(from), &names.line(to));
        }
        if changed { Ok(self.write(root)?) } else { Ok(()) }
    }

    /// True: there was such a line.
    fn exchange(&mut self, from: &str, to: &str) -> bool {
        let lines = self.lines.iter_mut().filter(|(folder, _)| folder == from);
        lines.map(|(folder, _)| to.clone_into(folder)).count() > 0
    }
}

/// Lines `Name \Use`: of our file, and of control/imapfolders. Others are passed over.
pub(crate) fn parse(text: &str) -> Vec<(String, &'static str)> {
    let line = |line: &str| {
        let (name, what) = line.trim().rsplit_once([' ', '\t'])?;
        let name = name.trim_end();
        (!name.is_empty() && !name.starts_with('#')).then_some((name.to_owned(), known(what)?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { separator: '.' };

    #[test]
    fn a_removed_folder_is_remembered_as_given() {
        let home = tempfile::tempdir().unwrap();
        let root = Folder::open(home.path()).unwrap();
        let mut special = Special::read(&root).unwrap();
        assert!(!special.was_given("\\Sent"));
        special.set(&root, NAMES, "Gesendet ü", "\\Sent").unwrap();
        special.rename(&root, NAMES, [("Gesendet ü", "Sent Mail")].into_iter()).unwrap();
        let mut special = Special::read(&root).unwrap();
        assert_eq!(special.of(NAMES, "Sent Mail"), Some("\\Sent"));
        assert!(special.is_taken("\\Sent"));
        special.forget(&root, NAMES, "Sent Mail").unwrap();
        let special = Special::read(&root).unwrap();
        assert!(special.was_given("\\Sent") && !special.is_taken("\\Sent"));
        assert_eq!(special.of(NAMES, "Sent Mail"), None);
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let text = "# comment \\Sent\nSent Mail \\sent\n\\Junk\nX \\All\nDrafts\t\\Drafts\n\n";
        assert_eq!(parse(text), [("Sent Mail".to_owned(), "\\Sent"), ("Drafts".to_owned(), "\\Drafts")]);
    }
}
