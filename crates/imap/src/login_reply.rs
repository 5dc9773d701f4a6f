//! All wording of the session before the login.

use std::io::{self, Write};

use wire::Flow;

/// What is offered before the login, whatever else may be; AUTH= and STARTTLS come behind it.
pub const CAPABILITIES_BEFORE_LOGIN: &str = "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE";

pub(super) const GREETING: &str = "IMAP ready";
pub(super) const GO_ON: &str = "+ Go on";
pub(super) const WHO_WE_ARE: &str = "* ID (\"name\" \"Fulmar\")";

pub(super) const CAPABILITY_DONE: &str = "OK That is all";
pub(super) const ID_DONE: &str = "OK Pleased to meet you";
pub(super) const NOOP_DONE: &str = "OK Nothing done";
pub(super) const LOGOUT_DONE: &str = "OK Logged out";
pub(super) const BEGIN_TLS: &str = "OK Begin TLS now";

pub(super) const NOT_YET: &str = "BAD Log in first";
pub(super) const SECRET_ALREADY: &str = "BAD TLS has begun already";
pub(super) const NO_STARTTLS: &str = "BAD STARTTLS is not offered here";
pub(super) const NO_TLS: &str = "NO [UNAVAILABLE] TLS is out of reach now, try again later";
pub(super) const INJECTED: &str = "BAD Nothing may follow STARTTLS before its answer";
pub(super) const ENCRYPT_FIRST: &str = "NO [PRIVACYREQUIRED] No password without TLS: STARTTLS first";
pub(super) const NO_MECHANISM: &str = "NO [CANNOT] This mechanism is not offered here";
pub(super) const CANCELLED: &str = "BAD The login is called off";
pub(super) const BAD_BASE64: &str = "BAD That is no base64";
pub(super) const BAD_MESSAGE: &str = "BAD That is no message of this mechanism";
pub(super) const BAD_NAME: &str = "NO [AUTHENTICATIONFAILED] This cannot be a user name";
pub(super) const REFUSED: &str = "NO [AUTHENTICATIONFAILED] Wrong user name or password";
pub(super) const LATER: &str = "NO [UNAVAILABLE] Logins cannot be checked now, try again later";
pub(super) const NOT_OPENED: &str = "NO [UNAVAILABLE] The mailbox cannot be reached now, try again later";
pub(super) const TOO_LONG: &str = "BAD The line is too long";
pub(super) const TOO_BIG: &str = "NO [TOOBIG] The literal is too large here";

pub(super) const GOOD_BYE: &str = "Good bye";
pub(super) const ENOUGH: &str = "Enough for now";
pub(super) const ENDLESS: &str = "That is far too much";
pub(super) const TOO_SLOW: &str = "Silent for too long";

/// Lines of an answer, and what the shell does after them.
#[derive(Debug)]
pub(super) struct Reply {
    /// Without the last line end; empty: nothing is said.
    lines: String,
    pub(super) flow: Flow,
}

impl Reply {
    /// Nothing.
    pub(super) const NONE: Reply = Reply { lines: String::new(), flow: Flow::More };
    /// Nothing: the next program says the rest.
    pub(super) const HANDOVER: Reply = Reply { lines: String::new(), flow: Flow::Handover };

    /// A line that is said as it is.
    pub(super) fn line(line: impl Into<String>) -> Reply {
        Reply { lines: line.into(), flow: Flow::More }
    }

    /// The answer to the command of this tag.
    pub(super) fn to(tag: &str, text: &str) -> Reply {
        Reply::line(format!("{tag} {text}"))
    }

    /// `* BYE`.
    pub(super) fn bye(why: &str) -> Reply {
        Reply { lines: format!("* BYE {why}"), flow: Flow::Close }
    }

    /// Said before this one.
    pub(super) fn after(self, before: &str) -> Reply {
        Reply { lines: format!("{before}\r\n{}", self.lines), ..self }
    }

    /// The same, and then `* BYE`.
    pub(super) fn and_bye(self, why: &str) -> Reply {
        Reply::bye(why).after(&self.lines)
    }

    pub(super) fn with(self, flow: Flow) -> Reply {
        Reply { flow, ..self }
    }

    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        out.write_all(self.lines.as_bytes())?;
        out.write_all(b"\r\n")
    }
}
