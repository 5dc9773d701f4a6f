//! Who may do what with a mailbox: RFC 4314.
//!
//! The owner may do all with his own mailboxes. Those of a shared folder have the text `fulmar-acl`, lines
//! `WHO RIGHTS` as in Dovecot's `dovecot-acl`; one without such a text is as the one above it. A name with `-` before
//! it takes away. The system's permissions stand above all this.

use std::fmt;
use std::io;

use imap::Trouble;
use sys::durable::Folder;

use crate::place::mode;
use crate::texts;

const FILE: &str = "fulmar-acl";
/// Identifiers of a mailbox.
const MOST: usize = 1000;
/// All rights, in the order in which they are written. RFC 4314 §2.1.
pub(crate) const ALL: &str = "lrswipkxtea";
/// What users may do with a shared folder that says nothing.
const READERS: &str = "lrs";

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// Every right.
    pub fn all() -> Rights {
        Rights::read(ALL)
    }

    /// Reads letters; the old `c` and `d` (RFC 2086) stand for those they became. Others mean nothing.
    pub fn read(letters: &str) -> Rights {
        let bits = |letter: char| match letter {
            'c' => bit('k') | bit('x'),
            'd' => bit('t') | bit('e') | bit('x'),
            letter => bit(letter),
        };
        Rights(letters.chars().fold(0, |all, letter| all | bits(letter)))
    }

    /// Is this right among them?
    pub fn has(self, letter: char) -> bool {
        self.0 & bit(letter) != 0
    }

    /// `Ok` if this right is among them.
    pub fn need(self, letter: char) -> Result<(), Trouble> {
        if self.has(letter) { Ok(()) } else { Err(Trouble::NotAllowed) }
    }
}

fn bit(letter: char) -> u16 {
    ALL.find(letter).map_or(0, |place| 1 << place)
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ALL.chars().filter(|letter| self.has(*letter)).try_for_each(|letter| write!(f, "{letter}"))
    }
}

/// The text of a shared mailbox, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct List(Vec<(String, Rights)>);

impl List {
    /// `None`: the mailbox has none of its own.
    pub(crate) fn read(folder: &Folder) -> io::Result<Option<List>> {
        match texts::read(folder, FILE) {
            Ok(text) => Ok(Some(List::parse(&text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn of_readers() -> List {
        List(vec![("anyone".to_owned(), Rights::read(READERS))])
    }

    fn parse(text: &str) -> List {
        let line = |line: &str| {
            let (who, letters) = line.trim().rsplit_once([' ', '\t'])?;
            let who = who.trim_end();
            let (minus, who) = who.strip_prefix('-').map_or(("", who), |who| ("-", who));
            let who = who.strip_prefix("user=").unwrap_or(who);
            (!who.starts_with('#')).then(|| (format!("{minus}{who}"), Rights::read(letters)))
        };
        List(text.lines().filter_map(line).take(MOST).collect())
    }

    /// What `user` may do.
    pub(crate) fn rights(&self, user: &str) -> Rights {
        let about = |who: &str| matches!(who, "anyone" | "authenticated") || who.eq_ignore_ascii_case(user);
        let sum = |minus: bool| {
            let who = |who: &str| match who.strip_prefix('-') {
                Some(who) => minus && about(who),
                None => !minus && about(who),
            };
            self.0.iter().filter(|(name, _)| who(name)).fold(0, |all, (_, rights)| all | rights.0)
        };
        Rights(sum(false) & !sum(true))
    }

    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(who, rights)| (who.clone(), rights.to_string())).collect()
    }

    /// Sets what `who` may do; nothing: takes him out. The caller holds the lock.
    pub(crate) fn change(mut self, folder: &Folder, who: &str, rights: Rights) -> Result<(), Trouble> {
        let strange = |c: char| c.is_control() || c.is_whitespace();
        let (minus, bare) = who.strip_prefix('-').map_or(("", who), |bare| ("-", bare));
        // As such a line is read.
        let who = &[minus, bare.strip_prefix("user=").unwrap_or(bare)].concat()[..];
        if who.is_empty() || who == "-" || who.len() > 255 || who.contains(strange) || who.starts_with('#') {
            return Err(Trouble::Cannot("Nobody can have such a name."));
        }
        self.0.retain(|(name, _)| !name.eq_ignore_ascii_case(who));
        if rights != Rights::default() {
            self.0.push((who.to_owned(), rights));
        }
        if self.0.len() > MOST {
            return Err(Trouble::Limit("There are too many identifiers."));
        }
        let text: String = self.0.iter().map(|(who, rights)| format!("{who} {rights}\n")).collect();
        Ok(folder.replace(FILE, text.as_bytes(), mode(folder))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_added_up_and_those_with_a_minus_taken_away() {
        let list = List::parse(
            "# who may\nanyone lr\nuser=Bob@x.test swt\n-bob@x.test w\nowner lrswipkxtea\nbroken\n",
        );
        assert_eq!(list.rights("bob@x.test").to_string(), "lrst");
        assert_eq!(list.rights("eve@x.test").to_string(), "lr");
    }

    #[test]
    fn the_letters_of_rfc_2086_stand_for_what_they_became() {
        assert_eq!(Rights::read("lrd9c").to_string(), "lrkxte");
        assert_eq!(Rights::all().to_string(), ALL);
        assert_eq!(Rights::read("lr").need('w'), Err(Trouble::NotAllowed));
    }

    #[test]
    fn a_list_is_changed_and_read_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        assert_eq!(List::read(&folder).unwrap(), None);
        List::of_readers().change(&folder, "bob@x", Rights::all()).unwrap();
        let list = List::read(&folder).unwrap().unwrap();
        assert_eq!(
            list.lines(),
            [("anyone".to_owned(), "lrs".to_owned()), ("bob@x".to_owned(), ALL.to_owned())]
        );
        list.change(&folder, "bob@x", Rights::default()).unwrap();
        let list = List::read(&folder).unwrap().unwrap();
        assert_eq!(list.rights("bob@x").to_string(), "lrs");
        for who in ["", "a b", "a\nb lrs", "#x"] {
            assert!(List::of_readers().change(&folder, who, Rights::all()).is_err());
        }
    }
}
