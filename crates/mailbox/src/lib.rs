//! Mailboxes of an account: UIDs, flags, changes, on plain Maildirs.

mod annotations;
mod names;
mod rights;
mod settings;
mod special;
mod subscriptions;
mod texts;
mod tree;
mod undelete;

pub use names::{INBOX, Names};
pub use rights::Rights;
pub use settings::Settings;
pub use undelete::{Deleted, Deletions};
