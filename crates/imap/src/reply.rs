//! All wording of tagged answers, and which code stands for which trouble.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::store::Trouble;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ok,
    No,
    Bad,
    /// The session ends.
    Bye,
    /// Nothing is said now.
    Later,
}

/// A tagged answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    kind: Kind,
    /// What stands in brackets; empty: none.
    code: Cow<'static, str>,
    text: Cow<'static, str>,
}

impl Reply {
    pub(crate) const DONE: Reply = Reply::new(Kind::Ok, "", "Done.");
    pub(crate) const NOT_SELECTED: Reply = Reply::new(Kind::Bad, "", "No mailbox is selected.");
    pub(crate) const NO_SUCH_NUMBER: Reply = Reply::new(Kind::Bad, "", "There is no message of that number.");
    pub(crate) const NO_SUCH_MESSAGE: Reply = Reply::new(Kind::No, "", "There is no such message.");
    pub(crate) const READ_ONLY: Reply = Reply::new(Kind::No, "", "The mailbox is open for reading only.");
    pub(crate) const LOGGED_IN: Reply = Reply::new(Kind::Bad, "", "You are logged in already.");
    pub(crate) const UNKNOWN: Reply = Reply::new(Kind::Bad, "", "There is no such command.");
    pub(crate) const TRY_CREATE: Reply = Reply::new(Kind::No, "TRYCREATE", "There is no such mailbox yet.");
    pub(crate) const UID_REQUIRED: Reply = Reply::new(Kind::Bad, "UIDREQUIRED", "Only UIDs are in use.");

    pub(crate) const WRONG: Reply =
        Reply::new(Kind::Bad, "SERVERBUG", "That was understood as something else.");
    pub(crate) const SELECTED: Reply = Reply::new(Kind::Ok, "READ-WRITE", "Selected.");
    pub(crate) const SELECTED_READ_ONLY: Reply = Reply::new(Kind::Ok, "READ-ONLY", "Selected.");
    pub(crate) const NO_COMPRESSION: Reply = Reply::new(Kind::No, "CANNOT", "There is no compression here.");
    pub(crate) const COMPRESSED: Reply = Reply::new(Kind::Ok, "", "Compressed from now on.");
    pub(crate) const COMPRESSED_ALREADY: Reply =
        Reply::new(Kind::No, "COMPRESSIONACTIVE", "Everything is compressed already.");
    pub(crate) const BAD_USE: Reply = Reply::new(Kind::No, "USEATTR", "A mailbox can't have this use.");
    pub(crate) const NO_ROOT: Reply = Reply::new(Kind::No, "NONEXISTENT", "There is no such quota root.");
    pub(crate) const NO_PERMISSION: Reply =
        Reply::new(Kind::No, "NOPERM", "Only an administrator may do this.");
    pub(crate) const BAD_RIGHTS: Reply = Reply::new(Kind::Bad, "", "There is no such right.");
    pub(crate) const BAD_ENTRY: Reply =
        Reply::new(Kind::No, "CANNOT", "Annotations are below /private/ or /shared/.");
    pub(crate) const ENTRY_TOO_BIG: Reply = Reply::new(Kind::No, "", "The value is too large.");
    pub(crate) const TOO_MANY_ENTRIES: Reply =
        Reply::new(Kind::No, "METADATA TOOMANY", "There are too many annotations.");
    pub(crate) const HALF_OF_EVENTS: Reply =
        Reply::new(Kind::Bad, "", "These events can't be watched by themselves, or there.");
    pub(crate) const BAD_EVENT: Reply = Reply::new(
        Kind::No,
        "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange \
        ServerMetadataChange)",
        "There is no such event here.",
    );
    pub(crate) const TOO_MANY_NOTICES: Reply =
        Reply::new(Kind::No, "NOTIFICATIONOVERFLOW", "These are too many mailboxes.");
    pub(crate) const LINE_TOO_LONG: Reply = Reply::new(Kind::Bad, "", "The line is too long.");
    pub(crate) const ENDLESS: Reply = Reply::new(Kind::Bye, "", "That is too much.");
    pub(crate) const SILENT: Reply = Reply::new(Kind::Bye, "", "You have been silent for too long.");
    pub(crate) const NOT_DONE: Reply = Reply::new(Kind::Bad, "", "DONE was expected.");
    pub(crate) const LITERAL_TOO_BIG: Reply = Reply::new(Kind::No, "TOOBIG", "The literal is too large.");
    pub(crate) const NUL: Reply = Reply::new(Kind::Bad, "", "There is a NUL in the literal.");
    pub(crate) const NUL_BINARY: Reply = Reply::new(Kind::No, "UNKNOWN-CTE", "NUL can't be kept.");
    pub(crate) const NO_TEXT: Reply = Reply::new(Kind::No, "", "A message can't be empty.");
    pub(crate) const BAD_URL: Reply = Reply::new(Kind::No, "", "There is nothing at this URL.");
    /// The answer comes later.
    pub(crate) const NOT_YET: Reply = Reply::new(Kind::Later, "", "");
    /// Untagged lines.
    pub(crate) const CLOSED: &str = "* OK [CLOSED] The mailbox before is closed.\r\n";
    pub(crate) const LEAVING: &str = "* BYE See you.\r\n";
    pub(crate) const IDLING: &str = "+ Waiting for news, until DONE.\r\n";
    pub(crate) const GO_AHEAD: &str = "+ Go ahead.\r\n";
    pub(crate) const NO_QRESYNC: Reply = Reply::new(Kind::Bad, "", "QRESYNC has not been enabled.");
    pub(crate) const UNKNOWN_CTE: Reply =
        Reply::new(Kind::No, "UNKNOWN-CTE", "A part has a transfer encoding that is not known.");
    pub(crate) const SOME_NOT_CHANGED: Reply = Reply::new(Kind::Ok, "", "Some were not changed.");

    /// An answer whose words are known; an empty code is none.
    pub(crate) const fn new(kind: Kind, code: &'static str, text: &'static str) -> Reply {
        Reply { kind, code: Cow::Borrowed(code), text: Cow::Borrowed(text) }
    }

    /// With a code such as `[APPENDUID 1 2]`.
    pub(crate) fn with(mut self, code: impl Into<Cow<'static, str>>) -> Reply {
        self.code = code.into();
        self
    }

    /// Does the session end with it?
    pub(crate) fn last(&self) -> bool {
        self.kind == Kind::Bye
    }

    /// The last line of a session.
    pub(crate) fn write_bye(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "* BYE {}\r\n", self.text)
    }

    /// Writes the line.
    pub(crate) fn write(&self, tag: &str, out: &mut dyn Write) -> io::Result<()> {
        let word = match self.kind {
            Kind::Ok => "OK",
            Kind::No => "NO",
            Kind::Bad => "BAD",
            Kind::Bye => return self.write_bye(out),
            Kind::Later => return Ok(()),
        };
        match self.code.is_empty() {
            true => write!(out, "{tag} {word} {}\r\n", self.text),
            false => write!(out, "{tag} {word} [{}] {}\r\n", self.code, self.text),
        }
    }
}

/// The one place where trouble becomes an answer. RFC 9051 §7.1, RFC 5530.
impl From<Trouble> for Reply {
    fn from(trouble: Trouble) -> Reply {
        let (kind, code, text) = match trouble {
            Trouble::NoMailbox => (Kind::No, "NONEXISTENT", "There is no such mailbox."),
            Trouble::Exists => (Kind::No, "ALREADYEXISTS", "There is a mailbox of this name."),
            Trouble::Cannot(reason) => (Kind::No, "CANNOT", reason),
            Trouble::NotAllowed => (Kind::No, "NOPERM", "You may not do this."),
            Trouble::OverQuota => (Kind::No, "OVERQUOTA", "There is no room left (quota)."),
            Trouble::Limit(reason) => (Kind::No, "LIMIT", reason),
            Trouble::TooBig => (Kind::No, "TOOBIG", "It is too large."),
            Trouble::Gone => (Kind::No, "EXPUNGEISSUED", "Some of the messages are gone."),
            Trouble::MailboxGone => (Kind::Bye, "", "The mailbox is gone."),
            Trouble::Unavailable(_) => {
                (Kind::No, "UNAVAILABLE", "This can't be done now; please try again later.")
            }
        };
        Reply::new(kind, code, text)
    }
}
