//! A session after the login: octets in, octets out, questions to a [`Store`].
//!
//! Keeps what the client has been told of the open mailbox ([`View`](crate::view::View)) apart from what the mailbox
//! is now: the difference is told where a command allows it. Commands stand in `commands/`, their rules in the table
//! of `command.rs`.

use std::io::{self, Write};

use crate::open::Open;
use crate::reply::Reply;
use crate::store::{Folder, Store, Trouble, Uid};

/// What the shell knows that a session can't.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who has logged in.
    pub user: String,
    /// Our version, for ID; empty: not told.
    pub version: String,
    /// The shell can compress.
    pub compress: bool,
}

/// What the shell does once all input has been eaten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Read on.
    More,
    /// Compress both ways from now on (RFC 4978), after what has been written; so many octets of the input are not eaten
    /// and are compressed already.
    Compress(usize),
    /// Hang up after what has been written.
    Close,
}

/// What the client has enabled: RFC 5161.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Enabled {
    pub(crate) condstore: bool,
    pub(crate) qresync: bool,
    pub(crate) utf8: bool,
    pub(crate) rev2: bool,
    pub(crate) uid_only: bool,
}

impl Enabled {
    /// Begins the line of a message: `* 1 FETCH (`, or `* 17 UIDFETCH (` under UIDONLY; with `UID 17 ` inside where the
    /// client has to have it (`with_uid`: UID commands, QRESYNC).
    pub(crate) fn begin_fetch(self, number: u32, uid: Uid, with_uid: bool, out: Out<'_>) -> io::Result<()> {
        match (self.uid_only, with_uid) {
            (true, _) => write!(out, "* {uid} UIDFETCH ("),
            (false, true) => write!(out, "* {number} FETCH (UID {uid} "),
            (false, false) => write!(out, "* {number} FETCH ("),
        }
    }
}

/// A session.
pub struct Session<S: Store> {
    pub(crate) store: S,
    pub(crate) options: Options,
    pub(crate) enabled: Enabled,
    pub(crate) open: Option<Open<S::Folder>>,
    /// Of the command under way.
    pub(crate) tag: String,
    /// Literals of the command under way that were spooled, by number.
    pub(crate) drafts: Vec<Option<S::Draft>>,
}

/// Why a command ends before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The connection is broken.
    Broken(io::Error),
    /// The answer is this.
    Refused(Reply),
}

/// What a command comes to.
pub(crate) type Answer = Result<Reply, Stop>;

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Broken(error)
    }
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Stop {
        Stop::Refused(reply)
    }
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Stop {
        Stop::Refused(Reply::from(trouble))
    }
}

impl<S: Store> Session<S> {
    /// A session of somebody who has just logged in.
    pub fn new(store: S, options: Options) -> Session<S> {
        Session {
            store,
            options,
            enabled: Enabled::default(),
            open: None,
            tag: String::new(),
            drafts: Vec::new(),
        }
    }

    /// The open mailbox; without one the answer is BAD.
    pub(crate) fn selected(&mut self) -> Result<&mut Open<S::Folder>, Stop> {
        self.open.as_mut().ok_or(Stop::Refused(Reply::NOT_SELECTED))
    }

    /// The open mailbox and the account: COPY and MOVE need both.
    pub(crate) fn both(&mut self) -> Result<(&mut Open<S::Folder>, &mut S), Stop> {
        match &mut self.open {
            Some(open) => Ok((open, &mut self.store)),
            None => Err(Stop::Refused(Reply::NOT_SELECTED)),
        }
    }

    /// The client has used CONDSTORE (RFC 7162 §3.1): from now on it is told of mod-sequences.
    pub(crate) fn use_condstore(&mut self, out: Out<'_>) -> io::Result<()> {
        let before = std::mem::replace(&mut self.enabled.condstore, true);
        match &self.open {
            Some(open) if !before => {
                let highest = open.folder.status().highest_modseq;
                write!(out, "* OK [HIGHESTMODSEQ {highest}] Mod-sequences.\r\n")
            }
            _ => Ok(()),
        }
    }

    /// As [`Enabled::begin_fetch`].
    pub(crate) fn begin_fetch(&self, number: u32, uid: Uid, with_uid: bool, out: Out<'_>) -> io::Result<()> {
        self.enabled.begin_fetch(number, uid, with_uid, out)
    }

    /// The folder that is open, for the shell's poll.
    pub fn folder(&self) -> Option<&S::Folder> {
        self.open.as_ref().map(|open| &open.folder)
    }
}

/// Writes a command's untagged lines. One name for the type, as every handler has it.
pub(crate) type Out<'a> = &'a mut dyn Write;
