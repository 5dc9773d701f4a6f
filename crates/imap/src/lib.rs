//! The server's side of IMAP: IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and their extensions.
//!
//! Bytes in, bytes out, questions to a [`Store`]. Knows nothing of files, sockets, clocks or uids: `bin/imapd` joins
//! it to a connection and to the mailboxes on disk.

mod command;
mod commands;
mod flags;
mod names;
mod open;
mod reply;
mod sequence;
mod session;
mod store;
mod syntax;
mod thread;
mod view;
mod write;

pub use flags::{FlagWord, Flags};
pub use sequence::{Set, compact};
pub use session::{Flow, Options, Session};
pub use store::{
    Arrived, Folder, Happened, Letter, Listed, MOST_TEXT, Marks, Message, Namespace, NamespaceKind, Needle,
    News, QuotaRoot, Status, Store, Trouble, Uid,
};
pub use syntax::*;
