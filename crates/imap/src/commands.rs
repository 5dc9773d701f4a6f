//! One file a command, or a group of commands that are one matter.

pub(crate) mod copy;
pub(crate) mod expunge;
pub(crate) mod fetch;
pub(crate) mod r#move;
pub(crate) mod search;
pub(crate) mod sort;
pub(crate) mod store;
pub(crate) mod thread;
