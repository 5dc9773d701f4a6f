//! The server's side of IMAP: IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and their extensions.
//!
//! Bytes in, bytes out, questions to a [`Store`]. Knows nothing of files, sockets, clocks or uids: `bin/imapd` joins
//! it to a connection and to the mailboxes on disk.

mod body;
mod capability;
mod command;
mod commands;
mod digest;
mod find;
mod flags;
mod frame;
mod ids;
mod login;
#[doc(hidden)]
pub mod memory;
mod names;
mod notices;
mod open;
mod outline;
mod parse;
mod pattern;
mod pour;
mod progress;
mod ranges;
mod records;
mod reply;
mod scribe;
mod search;
mod section;
mod sequence;
mod session;
mod sort;
mod spool;
mod store;
mod structure;
mod subject;
mod syntax;
mod thread;
mod tree;
mod update;
mod url;
mod utf7;
mod view;
mod write;

pub use digest::{Digest, digest};
pub use flags::{FlagWord, Flags};
pub use frame::{Announced, Frame, Frames, Limits, Literal, Refused, Taken};
pub use login::{CAPABILITIES_BEFORE_LOGIN, Door, Encryption, Login, Step};
pub use parse::{Appending, Fault, FaultKind, appending, parse, tag_of};
pub use progress::{Pace, Progress};
pub use sequence::{Set, compact};
pub use session::{Flow, Options, Session};
pub use store::{
    Arrived, Folder, Happened, Letter, Listed, MOST_TEXT, Marks, Message, Namespace, NamespaceKind, Needle,
    News, QuotaRoot, Status, Store, Trouble, Uid, first_unseen,
};
pub use syntax::*;
pub use utf7::{decode_mailbox, encode_mailbox};
pub use write::{write_astring, write_literal, write_mailbox, write_nstring, write_string, write_text};

// So that what tests share with the fuzz targets names this crate alike.
#[cfg(test)]
extern crate self as imap;
#[cfg(test)]
mod tests;
