//! Control files: one fact a file, read at the moment of use by the program that needs it.
//!
//! Knows where the house is, every file's name, kind, default and readers (one table), the line
//! grammar they share, the cdb that may stand beside a large one, and how to tell the admin what
//! is wrong. Does not know what programs make of a value. What cannot be read is an error, never
//! a default; what is missing is its documented default; nothing missing ever opens a relay.

mod broken;
mod check;
mod compile;
mod file;
pub mod grammar;
mod home;
mod lookup;
mod mailhost;
mod network;
pub mod networks;
mod read;
mod stamp;
mod table;
mod uids;

pub use broken::Broken;
pub use check::{Judged, Problem, Severity, Verdict, check, judge};
pub use compile::{Compiled, compile, compile_all, compile_rules};
pub use file::{Default, Entry, File, Kind};
pub use grammar::pair;
pub use home::Home;
pub use lookup::{Hit, Table};
pub use mailhost::MailHost;
pub use read::Control;
pub use table::{TABLE, file};
pub use uids::{Role, Uids};

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
