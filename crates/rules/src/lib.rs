//! The rule language of tcprules: who may connect, and with what environment.
//!
//! Knows the language, the records it is compiled to and the order in which they are asked for;
//! reads and writes no file: a table is a closure from key to value. The records are those of
//! ucspi-tcp; IPv4 networks become the prefixes that it knows, IPv6 networks keys of our own.

mod address;
mod compile;
mod fault;
mod find;
mod record;
mod rule;

pub use compile::{Compiler, compile};
pub use fault::Fault;
pub use find::{Client, Failure, Found, find};
pub use record::{Change, Verdict};
pub use rule::{Rule, line};

/// The key under which the lengths of all IPv6 networks of a table stand, one octet each.
/// No address begins so.
const LENGTHS: &[u8] = b"/";

#[cfg(test)]
mod tests;
