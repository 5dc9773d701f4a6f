//! What all servers that take mail from the network do alike: who is the client, what do the control
//! files and `lookup` say of his recipients, how does a message go to the queue and into the log.
//!
//! Knows no protocol: `smtpd`, `qmtpd` and `qmqpd` say it in their own words. What can't be found out
//! is put off, never granted and never refused for good.

mod client;
mod deposit;
mod judge;
mod lookup;
mod rights;
mod rules;
mod state;
mod tables;

pub use client::Facts;
pub use deposit::Deposit;
pub use judge::{Judge, Refused, Taken};
pub use lookup::{Hold, Lookup, Proof};
pub use rights::{confine, drop_root};
pub use rules::{Files, Rules};

/// One word for everything of a connection: when it began, and in which process.
pub fn token() -> String {
    let micros = sys::unix_micros();
    format!("{}.{:06}.{}", micros / 1_000_000, micros % 1_000_000, std::process::id())
}

/// An address for the log: a blank in it must not begin a word of its own.
pub fn word(address: &str) -> String {
    address.replace(' ', "\\x20")
}
