//! Blocking stub resolver: one question to the name servers of this host, one bounded answer.
//!
//! Knows how to ask (random id and port, EDNS0, TCP when cut, several servers, one deadline) and
//! what of an answer to believe (sizes, alias chains, names that are host names). Knows nothing of
//! mail: who prefers which MX, and what a missing host means, is decided by the callers. Does no
//! recursion, no cache and no DNSSEC validation of its own: `secure` is the word of a loopback server.

mod ask;
mod config;
mod hosts;
pub mod message;
mod names;
mod resolver;

pub use config::{Config, FOLDERS};
pub use hosts::in_hosts_file;
pub use message::{Answer, Kind, Record};
pub use names::{is_host, reverse};
pub use resolver::{Exchange, Exchanges, Resolver};

use std::fmt;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The name, or this kind of record for it, does not exist: asking again is no use.
    NotFound,
    /// No server gave a usable answer; it may go better later. Says what was wrong.
    Later(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFound => f.write_str("not found in the DNS"),
            Error::Later(cause) => write!(f, "DNS: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
