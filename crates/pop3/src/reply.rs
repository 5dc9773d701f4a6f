//! All wording of the POP3 server.

use std::borrow::Cow;
use std::io::{self, Write};

use wire::Flow;

/// What a mailbox server says in place of its greeting when the mailbox can't be opened. RFC 3206 §4.
pub const UNREADABLE: &[u8] = b"-ERR [SYS/TEMP] The mailbox cannot be opened now, try again later\r\n";

/// The last line of a reply of several lines. RFC 1939 §3.
pub(crate) const END: &[u8] = b".\r\n";

/// What CAPA lists, alike before and after the login. RFC 2449 §6, RFC 3206 §6, RFC 6856 §2 and §3.
pub(crate) const CAPABILITIES: &[&str] = &[
    "TOP",
    "UIDL",
    "USER",
    "RESP-CODES",
    "AUTH-RESP-CODE",
    "PIPELINING",
    "EXPIRE NEVER",
    "UTF8 USER",
    "LANG",
    "IMPLEMENTATION Fulmar",
];

/// What LANG lists. RFC 6856 §3.
pub(crate) const LANGUAGES: &[&str] = &["en English", "i-default Default language"];

/// One status line, and what the shell does after it.
#[derive(Debug)]
pub(crate) struct Reply {
    line: Cow<'static, str>,
    pub(crate) flow: Flow,
}

impl Reply {
    // Of both sessions.
    pub(crate) const SENT: Reply = Reply::new("");
    pub(crate) const TOO_LONG: Reply = Reply::new("-ERR Line too long");
    pub(crate) const ENDLESS: Reply = Reply::last("-ERR Line far too long, good bye");
    pub(crate) const UNKNOWN: Reply = Reply::new("-ERR Unknown command");
    pub(crate) const WANTS_NOTHING: Reply = Reply::new("-ERR This command takes no argument");
    pub(crate) const WANTS_SOMETHING: Reply = Reply::new("-ERR This command needs an argument");
    pub(crate) const BYE: Reply = Reply::last("+OK Good bye");
    pub(crate) const LANGUAGE: Reply = Reply::new("+OK en English it is");
    pub(crate) const NO_LANGUAGE: Reply = Reply::new("-ERR Only English is spoken here");

    // Before the login.
    pub(crate) const NOT_YET: Reply = Reply::new("-ERR Log in first");
    pub(crate) const PASSWORD_PLEASE: Reply = Reply::new("+OK Password, please");
    pub(crate) const NAMED_ALREADY: Reply = Reply::new("-ERR A user name has been given already, send PASS");
    pub(crate) const NAME_FIRST: Reply = Reply::new("-ERR USER first");
    pub(crate) const BAD_NAME: Reply = Reply::new("-ERR [AUTH] This cannot be a user name");
    pub(crate) const REFUSED: Reply = Reply::new("-ERR [AUTH] Wrong user name or password");
    pub(crate) const LATER: Reply =
        Reply::new("-ERR [SYS/TEMP] Logins cannot be checked now, try again later");
    pub(crate) const NOT_OPENED: Reply =
        Reply::last("-ERR [SYS/TEMP] The mailbox cannot be reached now, try again later");
    pub(crate) const NO_APOP: Reply = Reply::new("-ERR APOP is not offered here");
    pub(crate) const BAD_APOP: Reply =
        Reply::new("-ERR APOP needs a user name and a digest of 32 hexadecimal digits");
    pub(crate) const BEGIN_TLS: Reply =
        Reply { line: Cow::Borrowed("+OK Begin TLS now"), flow: Flow::Secure };
    pub(crate) const NO_TLS: Reply = Reply::new("-ERR [SYS/TEMP] TLS is out of reach now, try again later");
    pub(crate) const NO_STLS: Reply = Reply::new("-ERR STLS is not offered here");
    pub(crate) const SECRET_ALREADY: Reply = Reply::new("-ERR TLS has begun already");
    pub(crate) const ENCRYPT_FIRST: Reply = Reply::new("-ERR [AUTH] No password without TLS: STLS first");
    pub(crate) const INJECTED: Reply =
        Reply::last("-ERR Nothing may follow STLS before its answer, good bye");
    pub(crate) const UTF8: Reply = Reply::new("+OK UTF-8 from now on");

    // After it.
    pub(crate) const LOGGED_IN: Reply = Reply::new("-ERR You are logged in already");
    pub(crate) const BAD_NUMBER: Reply = Reply::new("-ERR This is not a message number");
    pub(crate) const BAD_LINES: Reply = Reply::new("-ERR TOP needs a message number and a number of lines");
    pub(crate) const NO_SUCH: Reply = Reply::new("-ERR No such message");
    pub(crate) const DELETED: Reply = Reply::new("-ERR This message is marked as deleted");
    pub(crate) const GONE: Reply = Reply::new("-ERR This message has been removed meanwhile");
    pub(crate) const NOT_READ: Reply = Reply::new("-ERR [SYS/TEMP] This message cannot be read now");
    pub(crate) const MARKED: Reply = Reply::new("+OK Marked as deleted");
    pub(crate) const NOTHING: Reply = Reply::new("+OK Nothing done");
    pub(crate) const UNMARKED: Reply = Reply::new("+OK No message is marked as deleted");
    pub(crate) const NOT_REMOVED: Reply =
        Reply::last("-ERR [SYS/TEMP] Some deleted messages could not be removed");

    /// A line to go on after.
    pub(crate) const fn new(line: &'static str) -> Reply {
        Reply { line: Cow::Borrowed(line), flow: Flow::More }
    }

    const fn last(line: &'static str) -> Reply {
        Reply { line: Cow::Borrowed(line), flow: Flow::Close }
    }

    /// `+OK` and what a person or program wants to know.
    pub(crate) fn ok(text: impl std::fmt::Display) -> Reply {
        Reply { line: format!("+OK {text}").into(), flow: Flow::More }
    }

    /// No line: the connection goes to another program, which answers.
    pub(crate) const fn handover() -> Reply {
        Reply { line: Cow::Borrowed(""), flow: Flow::Handover }
    }

    /// The same line, but the last one.
    pub(crate) fn and_close(self) -> Reply {
        Reply { flow: Flow::Close, ..self }
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.line.is_empty() {
            return Ok(());
        }
        out.write_all(self.line.as_bytes())?;
        out.write_all(b"\r\n")
    }
}

/// Writes a reply of several lines, none of which begins with a dot.
pub(crate) fn listing(head: &str, lines: &[&str], out: &mut dyn Write) -> io::Result<Reply> {
    write!(out, "+OK {head}\r\n")?;
    for line in lines {
        write!(out, "{line}\r\n")?;
    }
    out.write_all(END)?;
    Ok(Reply::SENT)
}

/// CAPA. RFC 2449 §5.
pub(crate) fn capabilities(out: &mut dyn Write, stls: bool) -> io::Result<Reply> {
    let stls = stls.then_some("STLS");
    let all: Vec<&str> = CAPABILITIES.iter().copied().chain(stls).collect();
    listing("What can be done here:", &all, out)
}

/// LANG: there is one language, by the names that RFC 6856 §3 asks for.
pub(crate) fn language(wanted: &[u8], out: &mut dyn Write) -> io::Result<Reply> {
    let wanted = wanted.to_ascii_lowercase();
    match &wanted[..] {
        b"" => listing("Languages:", LANGUAGES, out),
        b"*" | b"en" | b"i-default" => Ok(Reply::LANGUAGE),
        other if other.starts_with(b"en-") => Ok(Reply::LANGUAGE),
        _ => Ok(Reply::NO_LANGUAGE),
    }
}
