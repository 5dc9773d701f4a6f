//! Mailboxes of an account: UIDs, flags, changes, on plain Maildirs.

mod annotations;
mod names;
mod rights;
mod settings;
mod special;
mod subscriptions;
mod texts;
mod tree;

pub use names::{INBOX, Names};
pub use rights::Rights;
pub use settings::Settings;
