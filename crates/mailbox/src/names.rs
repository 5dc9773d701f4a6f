//! Names of mailboxes and of the folders that hold them: `Lists.Übung` lies in `.Lists.&ANw-bung`.
//!
//! Maildir++ separates levels by dots, and levels are in modified UTF-7 (RFC 3501 §5.1.3); a dot or slash inside
//! a level is written in it too, so that no name leads out of the Maildir. Knows no folder on disk.

use imap::Trouble;

/// A folder's name may have so many octets on disk.
const LONGEST: usize = 255;
/// Levels of a name.
const DEEPEST: usize = 50;

/// The inbox.
pub const INBOX: &str = "INBOX";

/// Translates, with the separator that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// `.` or `/`.
    pub separator: char,
}

impl Names {
    /// The name with its first level spelled `INBOX` if that is the inbox in any case. RFC 9051 §5.1.
    pub fn spelled(&self, name: &str) -> String {
        let end = name.find(self.separator).unwrap_or(name.len());
        match name[..end].eq_ignore_ascii_case(INBOX) {
            true => format!("{INBOX}{}", &name[end..]),
            false => name.to_owned(),
        }
    }

    /// Is this the inbox?
    pub fn is_inbox(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(INBOX)
    }

    /// The levels of a name.
    pub fn levels<'a>(&self, name: &'a str) -> impl Iterator<Item = &'a str> + use<'a> {
        name.split(self.separator)
    }

    /// The name of the mailbox above; `None` for one at the top.
    pub fn above<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.rfind(self.separator).map(|at| &name[..at])
    }

    /// Does `name` lie below `top`?
    pub fn is_below(&self, name: &str, top: &str) -> bool {
        name.strip_prefix(top).is_some_and(|rest| rest.starts_with(self.separator))
    }

    /// Is this a name that a client may give to a mailbox?
    pub fn check(&self, name: &str) -> Result<(), Trouble> {
        let wrong = |why| Err(Trouble::Cannot(why));
        if name.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
            return wrong("no control characters in names, please");
        }
        if name.contains(['*', '%']) {
            return wrong("* and % stand for other characters and can't be part of a name");
        }
        if name.starts_with(['~', '#', '/']) {
            return wrong("a name can't begin with that");
        }
        if self.separator != '/' && name.contains('/') {
            return wrong("/ is no part of a name");
        }
        let odd = |level: &str| matches!(level, "" | "." | "..");
        if self.levels(name).any(odd) || name.split('/').any(odd) {
            return wrong("a level of the name is empty");
        }
        if self.levels(name).nth(DEEPEST).is_some() {
            return wrong("too many levels");
        }
        if self.disk(name).len() > LONGEST {
            return wrong("the name is too long");
        }
        Ok(())
    }

    /// The name as it is written on disk, without the dot before it.
    fn written(&self, name: &str) -> String {
        let levels: Vec<String> = self.levels(name).map(encode).collect();
        levels.join(".")
    }

    /// The folder of a mailbox; empty for the inbox, which is the Maildir itself.
    pub fn disk(&self, name: &str) -> String {
        let name = self.spelled(name);
        if name == INBOX { String::new() } else { format!(".{}", self.written(&name)) }
    }

    /// The name as it stands in our text files: as on disk, the inbox by name.
    pub fn line(&self, name: &str) -> String {
        self.written(&self.spelled(name))
    }

    /// What [`Names::line`] wrote, and what other programs did. A name that another separator allows is what LIST shows of
    /// such a folder.
    pub fn from_line(&self, line: &str) -> String {
        let name = self.read(line).filter(|name| self.written(name) == line);
        self.spelled(&name.unwrap_or_else(|| self.raw(line)))
    }

    /// The mailbox that the folder `disk` (with its dot) holds. One whose name is no modified UTF-7, or not as we
    /// write it, has its octets for a name.
    pub fn name(&self, disk: &[u8]) -> String {
        let text = match std::str::from_utf8(disk) {
            Ok(text) => text.to_owned(),
            Err(_) => disk.iter().map(|octet| char::from(*octet)).collect(),
        };
        let bare = text.strip_prefix('.').unwrap_or(&text);
        match self.read(bare) {
            Some(name) if self.disk(&name) == text => name,
            _ if self.is_inbox(bare) => text,
            _ => self.raw(bare),
        }
    }

    fn read(&self, written: &str) -> Option<String> {
        let levels: Option<Vec<String>> = written.split('.').map(decode).collect();
        Some(levels?.join(&self.separator.to_string()))
    }

    fn raw(&self, written: &str) -> String {
        let shown = |c: char| match c {
            '.' => self.separator,
            c if c.is_control() => '?',
            c => c,
        };
        written.chars().map(shown).collect()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/// Does it stand for itself on disk?
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '.' | '/' | '&')
}

/// A level in modified UTF-7.
fn encode(level: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(level.len()), level);
    while let Some(first) = rest.chars().next() {
        if first == '&' {
            out.push_str("&-");
            rest = &rest[1..];
            continue;
        }
        let plain = is_plain(first);
        let end = rest.find(|c| is_plain(c) != plain || c == '&').unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if plain {
            out.push_str(run)
        } else {
            shift(run, &mut out)
        }
        rest = after;
    }
    out
}

fn shift(run: &str, out: &mut String) {
    out.push('&');
    let (mut bits, mut count) = (0u32, 0);
    for unit in run.encode_utf16() {
        (bits, count) = (bits << 16 | u32::from(unit), count + 16);
        while count >= 6 {
            count -= 6;
            out.push(char::from(ALPHABET[(bits >> count & 63) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        out.push(char::from(ALPHABET[(bits << (6 - count) & 63) as usize]));
    }
    out.push('-');
}

/// A level out of modified UTF-7; `None`: it is none.
fn decode(level: &str) -> Option<String> {
    let (mut out, mut rest) = (String::with_capacity(level.len()), level);
    while let Some(at) = rest.find('&') {
        let (plain, shifted) = rest.split_at(at);
        out.push_str(plain);
        let (run, after) = shifted[1..].split_once('-')?;
        if run.is_empty() {
            out.push('&')
        } else {
            out.push_str(&unshift(run)?)
        }
        rest = after;
    }
    out.push_str(rest);
    out.chars().all(|c| !c.is_control()).then_some(out)
}

fn unshift(run: &str) -> Option<String> {
    let (mut bits, mut count, mut units) = (0u32, 0, Vec::new());
    for octet in run.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == octet)?;
        (bits, count) = ((bits << 6 | value as u32) & 0x3f_ffff, count + 6);
        if count >= 16 {
            count -= 16;
            units.push((bits >> count & 0xffff) as u16);
        }
    }
    (count < 6).then(|| String::from_utf16(&units).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOT: Names = Names { separator: '.' };
    const SLASH: Names = Names { separator: '/' };

    #[test]
    fn names_are_written_as_maildir_plus_plus_and_modified_utf_7_want_them() {
        assert_eq!(DOT.disk("Lists.Übung"), ".Lists.&ANw-bung");
        assert_eq!(SLASH.disk("Lists/台北"), ".Lists.&U,BTFw-");
        assert_eq!(SLASH.disk("v1.2"), ".v1&AC4-2");
        assert_eq!(DOT.disk("in/out"), ".in&AC8-out");
        assert_eq!(DOT.disk("Tom & Jerry"), ".Tom &- Jerry");
        assert_eq!(DOT.disk("😀"), ".&2D3eAA-");
    }

    #[test]
    fn the_inbox_is_the_inbox_in_any_case_and_so_are_its_children() {
        assert_eq!(DOT.disk("inBox"), "");
        assert_eq!(DOT.disk("inbox.x"), ".INBOX.x");
        assert_eq!(DOT.name(b".INBOX.x"), "INBOX.x");
        assert_eq!(DOT.disk("inboxes"), ".inboxes");
        // A folder that hides behind the inbox's name is not lost.
        assert_eq!(DOT.name(b".INBOX"), ".INBOX");
    }

    #[test]
    fn a_name_never_leads_out_of_the_maildir() {
        // I10
        let bad = ["../../x", "/etc/x", "a/../../b", ".", "..", "a//b", "INBOX/../x", "~root", "", "a/"];
        for name in bad {
            assert!(DOT.check(name).is_err() && SLASH.check(name).is_err(), "{name}");
        }
        for name in ["a\nb", "a\0b", "a\u{85}b", "a*", "%"] {
            assert!(DOT.check(name).is_err(), "{name}");
        }
        assert!(DOT.check(&"x".repeat(1000)).is_err());
        assert!(DOT.check(&"ü".repeat(120)).is_err());
        assert!(DOT.check(&["a"; 200].join(".")).is_err());
        for name in ["a.b.c", "Übung", "&&&", "&Jjo", "INBOX.x", "[Gmail].All Mail"] {
            assert_eq!(DOT.check(name), Ok(()), "{name}");
        }
        // The session takes no such name, either.
        assert!(DOT.check("a/b").is_err() && SLASH.check("a/b").is_ok());
    }

    #[test]
    fn folders_that_are_no_modified_utf_7_have_their_octets_for_a_name() {
        // I11
        assert_eq!(DOT.name(b".&Jjo"), "&Jjo");
        assert_eq!(DOT.name(b".&&&"), "&&&");
        assert_eq!(DOT.name(".Entwürfe".as_bytes()), "Entwürfe");
        assert_eq!(DOT.name(b".\xff\n"), "ÿ?");
        assert_eq!(SLASH.name(b".a.b"), "a/b");
        // Not as we write it: the letter a needs no shift.
        assert_eq!(DOT.name(b".&AGE-"), "&AGE-");
    }

    proptest! {
        #[test]
        fn whatever_name_is_allowed_comes_back_from_disk(name in "[a-z.&üß台😀 ]{1,40}", slash: bool) {
            let names = if slash { SLASH } else { DOT };
            prop_assume!(names.check(&name).is_ok());
            let disk = names.disk(&name);
            prop_assert!(!disk.contains('/') && disk.len() <= LONGEST && disk.is_ascii());
            prop_assert_eq!(names.name(disk.as_bytes()), name.clone());
            prop_assert_eq!(names.from_line(&names.line(&name)), name);
        }

        #[test]
        fn any_folder_has_a_name_without_control_characters(disk in proptest::collection::vec(any::<u8>(), 0..40)) {
            let name = SLASH.name(&disk);
            prop_assert!(!name.chars().any(char::is_control) || name.eq_ignore_ascii_case(INBOX));
        }
    }
}
