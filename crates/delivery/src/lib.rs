//! One message for one recipient: the home is checked, the .qmail file that decides is found, and what
//! it says is done: Maildirs, mbox files, programs in their order, then all forwards at once.
//!
//! Runs as the mailbox's owner, whose rights are the limit of what instructions can do. Does not know
//! who ordered the delivery, and starts no program itself: [`Programs`] is how its caller does, and a
//! caller that can't ([`Report::NeedsPrograms`]) is told so before anything is done.

mod deliver;
mod forward;
mod home;
mod mbox;
mod order;

use std::path::Path;

pub use deliver::{Programs, Report, deliver, report, show};
pub use maildir::Kept;
pub use order::{Call, Order, PRIVATE, path};

/// Enters a home folder, if mail may be delivered in it now: [`deliver`] does so too.
pub fn enter(home: &Path) -> Result<(), wire::Fate> {
    home::Home::enter(home).map(drop)
}
