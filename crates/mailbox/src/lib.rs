//! Mailboxes of an account: UIDs, flags, changes, on plain Maildirs.
//!
//! A [`Mailbox`] is one Maildir folder with an index beside it. The mail and its flags are in the Maildir, where
//! other programs may do as they like; the UIDs are in `fulmar-uidlist`; all else can be made anew. Knows nothing of
//! the protocol, of accounts' names or of who may do what.

mod add;
mod cache;
mod change;
mod draft;
mod index;
mod keywords;
mod listing;
mod look;
mod mailbox;
mod place;
mod rebuild;
mod record;
mod seen;
mod state;
mod sync;
mod text;
mod uidlist;
mod uids;
mod watch;

pub use add::{Arrival, Original, Source};
pub use draft::Draft;
pub use mailbox::Mailbox;
pub use place::{Options, Place};
pub use uidlist::{Line, List};
