//! Which user of the system gets the mail of a local part: `users/assign`, compiled to `users/cdb`, then
//! /etc/passwd, as qmail-lspawn and qmail-getpw find it.
//!
//! Knows no domain (whoever asks has found that the address is local), no password and no .qmail file.

mod getpw;
mod pw2u;
mod table;
mod text;

use sys::Identity;

pub use getpw::getpw;
pub use pw2u::{Homes, Options, pw2u};
pub use table::Assigned;
pub use text::compile;

/// Who gets the mail, and what is left of the local part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// His name, as programs see it in USER. Empty: mail for him is thrown away.
    pub user: String,
    /// Who delivers.
    pub identity: Identity,
    /// His home folder, absolute.
    pub home: String,
    /// `-` if there is an extension, else nothing.
    pub dash: String,
    /// The extension.
    pub ext: String,
}
