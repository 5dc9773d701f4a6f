//! A command out of a [`Frame`]: by table, a verb and the function that reads what stands behind it.
//!
//! As strict as RFC 9051 §9 and the extensions' grammars, but that blanks at a line's end are passed over. Every list,
//! name and depth has a bound. Knows nothing of states: whether a command may be given now the session knows.

mod access;
mod append;
#[cfg(test)]
mod clients_tests;
mod fetch;
mod mailboxes;
mod notify;
#[cfg(test)]
mod said;
mod scan;
mod search;
mod select;
#[cfg(test)]
mod tests;
mod values;

pub use append::{Appending, appending};
pub(crate) use fetch::section_of;

use crate::frame::Frame;
use crate::syntax::{Command, Request};
use scan::Scan;

/// Octets of a tag.
const MOST_TAG: usize = 100;

/// Why a command can't be taken, in words for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The command's tag; `*` if it can't be read or has no business in an answer.
    pub tag: String,
    /// What kind of answer this is.
    pub kind: FaultKind,
    /// A sentence.
    pub text: &'static str,
}

/// Kinds of [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not of the grammar. `BAD`
    Bad,
    /// There is no such command. `BAD`
    Unknown,
    /// `NO [BADCHARSET (US-ASCII UTF-8)]`
    BadCharset,
    /// `NO [LIMIT]`: RFC 9051 §7.1.
    Limit,
    /// `NO [TOOBIG]`
    TooBig,
    /// `NO [CANNOT]`: no mailbox can have this name.
    Cannot,
    /// `NO [UNKNOWN-CTE]`: RFC 3516.
    UnknownCte,
    /// `NO [BADURL]`: RFC 4469.
    BadUrl,
}

impl FaultKind {
    /// What stands between the tag and the sentence.
    pub fn answer(self) -> &'static str {
        match self {
            FaultKind::Bad | FaultKind::Unknown => "BAD",
            FaultKind::BadCharset => "NO [BADCHARSET (US-ASCII UTF-8)]",
            FaultKind::Limit => "NO [LIMIT]",
            FaultKind::TooBig => "NO [TOOBIG]",
            FaultKind::Cannot => "NO [CANNOT]",
            FaultKind::UnknownCte => "NO [UNKNOWN-CTE]",
            FaultKind::BadUrl => "NO [BADURL]",
        }
    }
}

impl Fault {
    /// The answer to the command, without its line end.
    pub fn line(&self) -> String {
        format!("{} {} {}", self.tag, self.kind.answer(), self.text)
    }
}

/// A fault before its tag is known.
pub(crate) type Refusal = (FaultKind, &'static str);
pub(crate) type Parsed<T> = Result<T, Refusal>;

/// That is not of the grammar.
pub(crate) const fn bad(text: &'static str) -> Refusal {
    (FaultKind::Bad, text)
}

/// Reads what follows a verb and its blank, up to the end of the command.
type Read = fn(&mut Scan<'_>) -> Parsed<Request>;

/// The command in `frame`. `utf8`: mailbox names are UTF-8, by ENABLE; else modified UTF-7.
pub fn parse(frame: &Frame, utf8: bool) -> Result<Command, Fault> {
    let mut scan = Scan::new(frame, utf8);
    let tag = tag_of(&frame.line);
    if !scan.take_tag(tag.as_deref()) {
        let text = if frame.line.is_empty() { "An empty line is no command" } else { "A tag was expected" };
        return Err(Fault { tag: "*".to_owned(), kind: FaultKind::Bad, text });
    }
    let tag = tag.unwrap_or_default();
    match request(&mut scan) {
        Ok(request) => Ok(Command { tag, request }),
        Err((kind, text)) => Err(Fault { tag, kind, text }),
    }
}

/// The tag at the beginning of a command, if it is one and may stand in an answer.
pub fn tag_of(line: &[u8]) -> Option<String> {
    let end = line.iter().take(MOST_TAG + 1).position(|octet| *octet == b' ').unwrap_or(line.len());
    let tag = line.get(..end).filter(|tag| !tag.is_empty() && tag.len() <= MOST_TAG)?;
    let fits = |octet: &u8| (scan::is_atom(*octet) || *octet == b']') && *octet != b'+';
    tag.iter().all(fits).then(|| String::from_utf8_lossy(tag).into_owned())
}

impl<'a> Scan<'a> {
    fn take_tag(&mut self, tag: Option<&str>) -> bool {
        let Some(tag) = tag else { return false };
        self.take_while(|octet| octet != b' ').len() == tag.len()
    }
}

fn request(scan: &mut Scan<'_>) -> Parsed<Request> {
    scan.expect(b' ', "A command was expected behind the tag")?;
    let verb = scan.word();
    match verb.as_str() {
        "UID" => {
            scan.blank()?;
            let verb = scan.word();
            read(scan, BY_UID, &verb)
        }
        verb => read(scan, COMMANDS, verb),
    }
}

fn read(scan: &mut Scan<'_>, table: &[(&str, Read)], verb: &str) -> Parsed<Request> {
    let row = table.iter().find(|(name, _)| *name == verb);
    let (_, read) = row.ok_or((FaultKind::Unknown, "There is no such command"))?;
    let request = read(scan)?;
    scan.end()?;
    Ok(request)
}

/// After `UID`.
const BY_UID: &[(&str, Read)] = &[
    ("FETCH", |scan| fetch::fetch(scan, true)),
    ("STORE", |scan| fetch::store(scan, true)),
    ("SEARCH", |scan| search::search(scan, true)),
    ("COPY", |scan| fetch::copy(scan, true)),
    ("MOVE", |scan| fetch::relocate(scan, true)),
    ("EXPUNGE", fetch::expunge_these),
    ("SORT", |scan| search::sort(scan, true)),
    ("THREAD", |scan| search::thread(scan, true)),
    ("REPLACE", |scan| append::replace(scan, true)),
];

const COMMANDS: &[(&str, Read)] = &[
    ("CAPABILITY", |_| Ok(Request::Capability)),
    ("NOOP", |_| Ok(Request::Noop)),
    ("LOGOUT", |_| Ok(Request::Logout)),
    ("ID", access::id),
    ("STARTTLS", |_| Ok(Request::Starttls)),
    ("AUTHENTICATE", access::authenticate),
    ("LOGIN", access::login),
    ("ENABLE", access::enable),
    ("SELECT", |scan| select::select(scan, false)),
    ("EXAMINE", |scan| select::select(scan, true)),
    ("CREATE", mailboxes::create),
    ("DELETE", |scan| mailboxes::named(scan, Request::Delete)),
    ("RENAME", mailboxes::rename),
    ("SUBSCRIBE", |scan| mailboxes::named(scan, Request::Subscribe)),
    ("UNSUBSCRIBE", |scan| mailboxes::named(scan, Request::Unsubscribe)),
    ("LIST", mailboxes::list),
    ("LSUB", mailboxes::lsub),
    ("NAMESPACE", |_| Ok(Request::Namespace)),
    ("STATUS", mailboxes::status),
    ("APPEND", append::append),
    ("IDLE", |_| Ok(Request::Idle)),
    ("COMPRESS", access::compress),
    ("UNAUTHENTICATE", |_| Ok(Request::Unauthenticate)),
    ("GETQUOTA", access::get_quota),
    ("GETQUOTAROOT", |scan| mailboxes::named(scan, Request::GetQuotaRoot)),
    ("SETQUOTA", access::set_quota),
    ("GETMETADATA", notify::get_metadata),
    ("SETMETADATA", notify::set_metadata),
    ("GETACL", |scan| mailboxes::named(scan, Request::GetAcl)),
    ("SETACL", access::set_acl),
    ("DELETEACL", access::delete_acl),
    ("LISTRIGHTS", access::list_rights),
    ("MYRIGHTS", |scan| mailboxes::named(scan, Request::MyRights)),
    ("NOTIFY", notify::notify),
    ("CHECK", |_| Ok(Request::Check)),
    ("CLOSE", |_| Ok(Request::Close)),
    ("UNSELECT", |_| Ok(Request::Unselect)),
    ("EXPUNGE", |_| Ok(Request::Expunge { uids: None })),
    ("FETCH", |scan| fetch::fetch(scan, false)),
    ("STORE", |scan| fetch::store(scan, false)),
    ("SEARCH", |scan| search::search(scan, false)),
    ("COPY", |scan| fetch::copy(scan, false)),
    ("MOVE", |scan| fetch::relocate(scan, false)),
    ("SORT", |scan| search::sort(scan, false)),
    ("THREAD", |scan| search::thread(scan, false)),
    ("CANCELUPDATE", search::cancel_update),
    ("REPLACE", |scan| append::replace(scan, false)),
];
