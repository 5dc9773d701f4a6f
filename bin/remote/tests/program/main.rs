//! The real program before servers that say what a test wants, and a name server of the test's own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

mod once;
mod relays;
mod servers;
