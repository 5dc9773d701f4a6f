//! The server's side of IMAP: IMAP4rev1 (RFC 3501), IMAP4rev2 (RFC 9051) and their extensions.
//!
//! Bytes in, bytes out, questions to a [`Store`]. Knows nothing of files, sockets, clocks or uids: `bin/imapd` joins
//! it to a connection and to the mailboxes on disk.

mod flags;
mod frame;
mod login;
mod parse;
mod sequence;
mod store;
mod syntax;
mod utf7;
mod write;

pub use flags::{FlagWord, Flags};
pub use frame::{Announced, Frame, Frames, Limits, Literal, Refused, Taken};
pub use login::{CAPABILITIES_BEFORE_LOGIN, Door, Encryption, Login, Step};
pub use parse::{Appending, Fault, FaultKind, appending, parse, tag_of};
pub use sequence::{Set, compact};
pub use store::{
    Arrived, Folder, Happened, Letter, Listed, MOST_TEXT, Marks, Message, Namespace, NamespaceKind, Needle,
    News, QuotaRoot, Status, Store, Trouble, Uid,
};
pub use syntax::*;
pub use utf7::{decode_mailbox, encode_mailbox};
pub use write::{write_astring, write_literal, write_mailbox, write_nstring, write_string, write_text};
