//! Mailboxes of an account: UIDs, flags, changes, on plain Maildirs.
//!
//! A [`Mailbox`] is one Maildir folder with an index beside it. The mail and its flags are in the Maildir, where
//! other programs may do as they like; the UIDs are in `fulmar-uidlist`; all else can be made anew. It knows nothing of
//! accounts' names or of who may do what. An [`Account`] does: its folders are mailboxes by Maildir++, and small texts
//! beside them say what they are for. None of it knows the protocol.

mod account;
mod add;
mod adding;
mod annotations;
mod asleep;
mod cache;
mod change;
mod draft;
pub mod examine;
mod index;
mod keywords;
mod listing;
mod look;
mod mailbox;
mod moving;
mod names;
mod narrowing;
mod news;
mod opened;
mod place;
mod reach;
mod rebuild;
mod record;
mod rights;
mod seen;
mod settings;
mod sizes;
mod special;
mod state;
mod subscriptions;
mod sync;
mod text;
mod texts;
mod tree;
mod uidlist;
mod uids;
mod undelete;
mod watch;

pub use account::Account;
pub use add::{Arrival, Original, Source};
pub use draft::Draft;
pub use mailbox::Mailbox;
pub use names::{INBOX, Names};
pub use opened::Opened;
pub use place::{Options, Place};
pub use rights::Rights;
pub use settings::Settings;
pub use uidlist::{Line, List};
pub use undelete::{Deleted, Deletions};
