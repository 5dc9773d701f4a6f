//! The table of commands: where each is allowed, and what may be told while it runs.
//!
//! RFC 9051 §7.5 as data: a command that names messages by number must not see numbers change under it, so no EXPUNGE
//! while FETCH, STORE and SEARCH by number are answered (§7.5.1).

use crate::commands::*;
use crate::session::{Answer, Out, Session};
use crate::store::Store;
use crate::syntax::{Request, SearchKey};

/// What serves a command: its untagged lines go to `out`.
pub(crate) type Run<S> = fn(&mut Session<S>, Request, Out<'_>) -> Answer;

/// A command's row.
pub(crate) struct Row<S: Store> {
    /// As [`name`] gives it.
    pub(crate) name: &'static str,
    pub(crate) rules: Rules,
    pub(crate) run: Run<S>,
}

/// What holds for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules(u8);

impl Rules {
    const NONE: Rules = Rules(0);
    /// Only with an open mailbox.
    const OPEN: Rules = Rules(1);
    /// It names messages by number: refused under UIDONLY (RFC 9586 §3).
    const NUMBERS: Rules = Rules(2);
    /// No EXPUNGE while it runs.
    const KEEPS_NUMBERS: Rules = Rules(4);
    /// It changes the open mailbox: refused after EXAMINE.
    const WRITES: Rules = Rules(8);
    /// Nothing is told after it: it says itself what there is, or there is nothing open.
    const SILENT: Rules = Rules(16);

    /// It asks nothing of the messages.
    const SLEEPS: Rules = Rules(32);

    const fn and(self, other: Rules) -> Rules {
        Rules(self.0 | other.0)
    }

    const fn has(self, other: Rules) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn needs_open(self) -> bool {
        self.has(Rules::OPEN)
    }

    pub(crate) fn uses_numbers(self) -> bool {
        self.has(Rules::NUMBERS)
    }

    pub(crate) fn may_expunge(self) -> bool {
        !self.has(Rules::KEEPS_NUMBERS)
    }

    pub(crate) fn writes(self) -> bool {
        self.has(Rules::WRITES)
    }

    pub(crate) fn wakes(self) -> bool {
        !self.has(Rules::SLEEPS)
    }

    pub(crate) fn silent(self) -> bool {
        self.has(Rules::SILENT)
    }
}

const FREE: Rules = Rules::NONE;
const OPEN: Rules = Rules::OPEN;
/// SEARCH and FETCH by number.
const READ: Rules = OPEN.and(Rules::NUMBERS).and(Rules::KEEPS_NUMBERS);
const WRITE: Rules = OPEN.and(Rules::WRITES);
const SILENT: Rules = Rules::SILENT;

impl<S: Store> Session<S> {
    /// All commands after the login.
    pub(crate) const COMMANDS: &'static [Row<S>] = &[
        Row { name: "CAPABILITY", rules: FREE, run: session::capability },
        Row { name: "NOOP", rules: FREE, run: session::nothing },
        Row { name: "LOGOUT", rules: SILENT, run: session::logout },
        Row { name: "ID", rules: FREE, run: session::id },
        Row { name: "ENABLE", rules: FREE, run: session::enable },
        Row { name: "SELECT", rules: SILENT, run: select::run },
        Row { name: "CREATE", rules: FREE, run: mailboxes::create },
        Row { name: "DELETE", rules: FREE, run: mailboxes::delete },
        Row { name: "RENAME", rules: FREE, run: mailboxes::rename },
        Row { name: "SUBSCRIBE", rules: FREE, run: mailboxes::subscribe },
        Row { name: "UNSUBSCRIBE", rules: FREE, run: mailboxes::unsubscribe },
        Row { name: "LIST", rules: FREE, run: list::list },
        Row { name: "LSUB", rules: FREE, run: list::lsub },
        Row { name: "NAMESPACE", rules: FREE, run: session::namespace },
        Row { name: "STATUS", rules: FREE, run: status::run },
        Row { name: "APPEND", rules: FREE, run: append::run },
        Row { name: "IDLE", rules: FREE, run: session::idle },
        Row { name: "COMPRESS", rules: FREE, run: session::compress },
        Row { name: "GETQUOTA", rules: FREE, run: quota::get },
        Row { name: "GETQUOTAROOT", rules: FREE, run: quota::get_root },
        Row { name: "SETQUOTA", rules: FREE, run: quota::set },
        Row { name: "GETMETADATA", rules: FREE, run: metadata::get },
        Row { name: "SETMETADATA", rules: FREE, run: metadata::set },
        Row { name: "GETACL", rules: FREE, run: rights::get },
        Row { name: "SETACL", rules: FREE, run: rights::set },
        Row { name: "DELETEACL", rules: FREE, run: rights::delete },
        Row { name: "LISTRIGHTS", rules: FREE, run: rights::list },
        Row { name: "MYRIGHTS", rules: FREE, run: rights::mine },
        Row { name: "NOTIFY", rules: FREE, run: notify::run },
        Row { name: "CHECK", rules: OPEN.and(Rules::SLEEPS), run: session::nothing },
        Row { name: "CLOSE", rules: OPEN.and(SILENT), run: close::close },
        Row { name: "UNSELECT", rules: OPEN.and(SILENT).and(Rules::SLEEPS), run: close::unselect },
        Row { name: "REPLACE", rules: WRITE.and(Rules::NUMBERS), run: replace::run },
        Row { name: "UID REPLACE", rules: WRITE, run: replace::run },
        Row { name: "EXPUNGE", rules: WRITE, run: expunge::run },
        Row { name: "UID EXPUNGE", rules: WRITE, run: expunge::run },
        Row { name: "FETCH", rules: READ, run: fetch::run },
        Row { name: "UID FETCH", rules: OPEN, run: fetch::run },
        Row { name: "STORE", rules: READ.and(WRITE), run: store::run },
        Row { name: "UID STORE", rules: WRITE, run: store::run },
        Row { name: "SEARCH", rules: READ, run: search::run },
        Row { name: "UID SEARCH", rules: OPEN, run: search::run },
        Row { name: "SORT", rules: READ, run: sort::run },
        Row { name: "UID SORT", rules: OPEN, run: sort::run },
        Row { name: "THREAD", rules: READ, run: thread::run },
        Row { name: "UID THREAD", rules: OPEN, run: thread::run },
        Row { name: "COPY", rules: OPEN.and(Rules::NUMBERS), run: copy::run },
        Row { name: "UID COPY", rules: OPEN, run: copy::run },
        Row { name: "MOVE", rules: WRITE.and(Rules::NUMBERS), run: r#move::run },
        Row { name: "UID MOVE", rules: WRITE, run: r#move::run },
        Row { name: "CANCELUPDATE", rules: OPEN, run: search::cancel },
    ];
}

/// The name by which a request stands in the table.
pub(crate) fn name(request: &Request) -> &'static str {
    use Request::*;
    let by = |by_uid: bool, uid: &'static str, plain: &'static str| if by_uid { uid } else { plain };
    match request {
        Capability => "CAPABILITY",
        Noop => "NOOP",
        Logout => "LOGOUT",
        Id(_) => "ID",
        Starttls => "STARTTLS",
        Authenticate { .. } => "AUTHENTICATE",
        Login { .. } => "LOGIN",
        Enable(_) => "ENABLE",
        Select { .. } => "SELECT",
        Create { .. } => "CREATE",
        Delete(_) => "DELETE",
        Rename { .. } => "RENAME",
        Subscribe(_) => "SUBSCRIBE",
        Unsubscribe(_) => "UNSUBSCRIBE",
        List(_) => "LIST",
        Lsub { .. } => "LSUB",
        Namespace => "NAMESPACE",
        Status { .. } => "STATUS",
        Append { .. } => "APPEND",
        Idle => "IDLE",
        Compress => "COMPRESS",
        Unauthenticate => "UNAUTHENTICATE",
        GetQuota(_) => "GETQUOTA",
        GetQuotaRoot(_) => "GETQUOTAROOT",
        SetQuota => "SETQUOTA",
        GetMetadata { .. } => "GETMETADATA",
        SetMetadata { .. } => "SETMETADATA",
        GetAcl(_) => "GETACL",
        SetAcl { .. } => "SETACL",
        DeleteAcl { .. } => "DELETEACL",
        ListRights { .. } => "LISTRIGHTS",
        MyRights(_) => "MYRIGHTS",
        Notify(_) => "NOTIFY",
        Check => "CHECK",
        Close => "CLOSE",
        Unselect => "UNSELECT",
        Expunge { uids } => by(uids.is_some(), "UID EXPUNGE", "EXPUNGE"),
        Fetch { by_uid, .. } => by(*by_uid, "UID FETCH", "FETCH"),
        Store { by_uid, .. } => by(*by_uid, "UID STORE", "STORE"),
        Copy { by_uid, .. } => by(*by_uid, "UID COPY", "COPY"),
        Move { by_uid, .. } => by(*by_uid, "UID MOVE", "MOVE"),
        Search { by_uid, .. } => by(*by_uid, "UID SEARCH", "SEARCH"),
        Sort { by_uid, .. } => by(*by_uid, "UID SORT", "SORT"),
        Thread { by_uid, .. } => by(*by_uid, "UID THREAD", "THREAD"),
        CancelUpdate(_) => "CANCELUPDATE",
        Replace { by_uid, .. } => by(*by_uid, "UID REPLACE", "REPLACE"),
    }
}

/// Does the client name messages by number inside a command that is one by UID? RFC 9586 §3.
pub(crate) fn names_numbers(request: &Request) -> bool {
    match request {
        Request::Search { key, .. } | Request::Sort { key, .. } | Request::Thread { key, .. } => {
            key.any(&mut |key| matches!(key, SearchKey::Sequence(_)))
        }
        Request::Select { qresync: Some(qresync), .. } => qresync.matching.is_some(),
        _ => false,
    }
}
