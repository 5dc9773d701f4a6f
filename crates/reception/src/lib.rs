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

use std::sync::OnceLock;

pub use client::Facts;
pub use deposit::Deposit;
pub use judge::{Judge, Refused, Taken};
pub use lookup::{Hold, Lookup, Proof};
pub use rights::{confine, drop_root};
pub use rules::{Files, Rules};

/// One word for everything of a connection: when it began, and in which process.
pub fn token() -> String {
    let micros = sys::unix_micros();
    format!("{}.{:06}.{}", micros / 1_000_000, micros % 1_000_000, own_id())
}

/// Our process id, asked for once: nobody serves a connection, and is copied then.
fn own_id() -> u32 {
    static OWN: OnceLock<u32> = OnceLock::new();
    *OWN.get_or_init(std::process::id)
}

/// An address for the log: a blank in it must not begin a word of its own.
pub fn word(address: &str) -> String {
    address.replace(' ', "\\x20")
}
