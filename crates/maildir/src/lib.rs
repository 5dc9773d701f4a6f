//! Maildirs: messages as files in `tmp`, `new` and `cur`, without locks, safe with any other
//! Maildir program beside us. Format: maildir(5), Maildir++ for sizes and quotas.
//!
//! Delivers, lists, reads, marks and removes. Knows nothing of envelopes, protocols or users;
//! what a message is for and who may read it is its callers' affair.

mod clean;
mod deliver;
mod folder;
mod kept;
mod name;
mod quota;
mod scan;

pub use clean::OLD;
pub use deliver::{Delivery, Text, Trouble};
pub use folder::Maildir;
pub use kept::Kept;
pub use name::{Name, unique};
pub use quota::Quota;
pub use scan::{Entry, Place};
