//! How an account is served: what the admin has set, and whose it is.

use std::path::PathBuf;

use maildir::Quota;

use crate::special;

/// See `control/imapfolders`.
const FOLDERS: &str = "Drafts \\Drafts\nSent \\Sent\nJunk \\Junk\nTrash \\Trash\nArchive \\Archive\n";

/// What [`crate::Account::open`] needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The user's address: in lists of rights, and for quota roots.
    pub user: String,
    /// Between levels of names: `.` or `/`.
    pub separator: char,
    /// Folders that every account is given once, with what they are for.
    pub folders: Vec<(String, &'static str)>,
    /// Where this account's indexes lie; `None`: beside the mail.
    pub index: Option<PathBuf>,
    /// Removed mail is kept for so many days; 0: it is not.
    pub undelete: u32,
    /// Octets of the largest message that APPEND takes.
    pub append_limit: Option<u64>,
    /// How much the account may hold.
    pub quota: Quota,
    /// Names and Maildirs of shared folders that this user can reach.
    pub shared: Vec<(String, PathBuf)>,
    /// Are searches narrowed by an index of words?
    pub fulltext: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            user: String::new(),
            separator: '.',
            folders: special::parse(FOLDERS),
            index: None,
            undelete: 0,
            append_limit: None,
            quota: Quota::NONE,
            shared: Vec::new(),
            fulltext: true,
        }
    }
}

impl Settings {
    /// Reads the admin's part: `file` gives the text of a control file, `None` when it is not there. The rest is as
    /// by default, for the caller to fill in.
    ///
    /// `imapseparator` (`.` or `/`), `imapfolders` (lines `NAME \Use`), `undelete` (days), `databytes` (largest
    /// message), `fulltext` (0: off).
    pub fn read(mut file: impl FnMut(&str) -> Option<String>) -> Settings {
        let mut settings = Settings::default();
        let number = |text: &str| text.trim().parse::<u64>().ok();
        if file("imapseparator").is_some_and(|text| text.trim() == "/") {
            settings.separator = '/';
        }
        if let Some(text) = file("imapfolders") {
            settings.folders = special::parse(&text);
        }
        let days = file("undelete").and_then(|text| number(&text));
        settings.undelete = days.unwrap_or(0).min(36_500) as u32;
        settings.append_limit = file("databytes").and_then(|text| number(&text)).filter(|limit| *limit > 0);
        settings.fulltext = file("fulltext").and_then(|text| number(&text)) != Some(0);
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_control_files_everything_is_as_usual() {
        let settings = Settings::read(|_| None);
        assert_eq!(settings, Settings::default());
        let names: Vec<_> = settings.folders.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Drafts", "Sent", "Junk", "Trash", "Archive"]);
    }

    #[test]
    fn control_files_are_read_and_nonsense_in_them_is_as_if_they_were_not_there() {
        let settings = Settings::read(|name| {
            let text = match name {
                "imapseparator" => "/\n",
                "imapfolders" => "Gesendet \\Sent\n",
                "undelete" => "14\n",
                "databytes" => "1000\n",
                "fulltext" => "0\n",
                _ => return None,
            };
            Some(text.to_owned())
        });
        assert_eq!((settings.separator, settings.undelete, settings.fulltext), ('/', 14, false));
        assert_eq!(settings.append_limit, Some(1000));
        assert_eq!(settings.folders, [("Gesendet".to_owned(), "\\Sent")]);
        let odd = Settings::read(|_| Some("what?\n".to_owned()));
        assert_eq!(odd, Settings { folders: Vec::new(), ..Settings::default() });
    }
}
