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
    pub(crate) const READ_ONLY: Reply = Reply::new(Kind::No, "", "The mailbox is open for reading only.");
    pub(crate) const LOGGED_IN: Reply = Reply::new(Kind::Bad, "", "You are logged in already.");
    pub(crate) const TRY_CREATE: Reply = Reply::new(Kind::No, "TRYCREATE", "There is no such mailbox yet.");
    pub(crate) const UID_REQUIRED: Reply = Reply::new(Kind::Bad, "UIDREQUIRED", "Only UIDs are in use.");

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

    /// Did the command do what was asked?
    pub(crate) fn good(&self) -> bool {
        self.kind == Kind::Ok
    }

    /// Does the session end with it?
    pub(crate) fn last(&self) -> bool {
        self.kind == Kind::Bye
    }

    /// Writes the line.
    pub(crate) fn write(&self, tag: &str, out: &mut dyn Write) -> io::Result<()> {
        let word = match self.kind {
            Kind::Ok => "OK",
            Kind::No => "NO",
            Kind::Bad => "BAD",
            Kind::Bye => return write!(out, "* BYE {}\r\n", self.text),
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
