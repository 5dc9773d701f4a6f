//! One file a command, or a group of commands that are one matter.

pub(crate) mod append;
pub(crate) mod close;
pub(crate) mod copy;
pub(crate) mod expunge;
pub(crate) mod fetch;
pub(crate) mod list;
pub(crate) mod mailboxes;
pub(crate) mod metadata;
pub(crate) mod r#move;
pub(crate) mod notify;
pub(crate) mod quota;
pub(crate) mod replace;
pub(crate) mod rights;
pub(crate) mod search;
pub(crate) mod select;
pub(crate) mod session;
pub(crate) mod sort;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod thread;

#[cfg(test)]
mod fetch_tests;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod selected_tests;
#[cfg(test)]
mod trial;
