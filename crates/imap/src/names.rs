//! Names of mailboxes: which can be, and what `INBOX` is.

use std::io;

use crate::reply::Reply;
use crate::session::{Out, Session, Stop};
use crate::store::{Store, Trouble};
use crate::write::{write_astring, write_mailbox, write_text};

/// The longest name, octets.
const LONGEST: usize = 1000;
/// The most levels.
const DEEPEST: usize = 50;

const UNFIT: Trouble = Trouble::Cannot("A mailbox can't have this name.");

/// Whether this is the inbox, which has its name in any case (RFC 9051 §5.1).
pub(crate) fn is_inbox(name: &str) -> bool {
    name.eq_ignore_ascii_case("INBOX")
}

/// The name as the store knows it: `INBOX` in capitals also as the first level, no separator at the end.
pub(crate) fn canonical(name: &str, separator: char) -> String {
    let name = name.strip_suffix(separator).unwrap_or(name);
    match name.split_once(separator) {
        _ if is_inbox(name) => "INBOX".to_owned(),
        Some((first, rest)) if is_inbox(first) => format!("INBOX{separator}{rest}"),
        _ => name.to_owned(),
    }
}

/// The name, if there can be a mailbox of it. Neither a file's path nor a control character gets any further: no empty
/// level, no `.` or `..`, no `/` (or, where that is the separator, no level that begins with `.`), no `~` first.
pub(crate) fn fit(name: &str, separator: char) -> Result<String, Trouble> {
    let name = canonical(name, separator);
    let odd = |level: &str| level.is_empty() || level == "." || level == ".." || level.starts_with('~');
    let unfit = name.len() > LONGEST
        || name.chars().any(|c| {
            c.is_control() || (c == '/' && separator != '/') || matches!(c, '\u{2028}' | '\u{2029}')
        })
        || name.split(['/', separator]).any(odd)
        || name.split(separator).count() > DEEPEST;
    if unfit { Err(UNFIT) } else { Ok(name) }
}

impl<S: Store> Session<S> {
    /// Does the client write and read names in UTF-8? RFC 6855 §3, RFC 9051 §5.1.
    pub(crate) fn names_are_utf8(&self) -> bool {
        self.enabled.utf8 || self.enabled.rev2
    }

    /// A name as the client reads it.
    pub(crate) fn written(&self, name: &str) -> String {
        let mut out = Vec::new();
        // A vector takes everything.
        let _ = write_mailbox(name, self.names_are_utf8(), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    /// A word that is no mailbox: an astring.
    pub(crate) fn write_word(&self, word: &str, out: Out<'_>) -> io::Result<()> {
        match word.is_ascii() {
            true => write_astring(word.as_bytes(), out),
            false => write_text(word, self.names_are_utf8(), out),
        }
    }

    /// The separator between quotation marks.
    pub(crate) fn separator_escaped(&self) -> String {
        match self.store.separator() {
            special @ ('\\' | '"') => format!("\\{special}"),
            plain => plain.to_string(),
        }
    }

    /// A mailbox that is to be there already, by its name: one that can't be isn't there.
    pub(crate) fn mailbox(&self, name: &str) -> Result<String, Stop> {
        fit(name, self.store.separator()).map_err(|_| Trouble::NoMailbox.into())
    }

    /// A mailbox that is to take mail: `[TRYCREATE]` where it is missing (RFC 9051 §6.3.12, §6.4.7).
    pub(crate) fn target(&mut self, name: &str) -> Result<String, Stop> {
        let fit = fit(name, self.store.separator())?;
        match self.store.accepts(&fit) {
            Ok(()) => Ok(fit),
            Err(Trouble::NoMailbox) => Err(Reply::TRY_CREATE.into()),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_out_of_the_mailbox_is_no_name() {
        for bad in [
            "../../x",
            "/etc/x",
            "a/../../b",
            ".",
            "..",
            "",
            "INBOX/../x",
            "~root",
            "a..b",
            ".a",
            "a\nb",
            "a\0",
            "a/b",
        ] {
            assert!(fit(bad, '.').is_err(), "{bad:?}");
        }
        for bad in ["../../x", "/etc/x", "a/../../b", ".", "..", "", "INBOX/../x", "~root", "a//b", "/"] {
            assert!(fit(bad, '/').is_err(), "{bad:?}");
        }
        assert!(fit(&"x".repeat(1001), '/').is_err());
        assert!(fit(&["x"; 200].join("/"), '/').is_err());
    }

    #[test]
    fn the_inbox_is_the_inbox_in_any_case() {
        assert_eq!(fit("inBox", '/'), Ok("INBOX".into()));
        assert_eq!(fit("inbox/Sub", '/'), Ok("INBOX/Sub".into()));
        assert_eq!(fit("Grüße.2024", '.'), Ok("Grüße.2024".into()));
        assert_eq!(fit("Work/", '/'), Ok("Work".into()));
    }
}
