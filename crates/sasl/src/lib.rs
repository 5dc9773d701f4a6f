//! Proving who one is: stored passwords, digests of them, and how often one may guess.
//!
//! Knows the schemes in which a password is kept ([`Secret`]), what APOP computes ([`apop`]), and the
//! limits against guessing ([`Guesses`]). A new scheme is a variant of `Secret`; an exchange of
//! challenges ([`cram`], [`scram`]) is a module beside `apop` that works on `Secret::plain` or on keys
//! of its own. [`pass`] is what one host of ours proves to another.
//! [`client`] is the other side: our own name and password for another server. Knows no files, users, sockets or clocks: salt, randomness and time are parameters.

pub mod apop;
mod argon;
pub mod client;
pub mod cram;
mod crypt;
mod guess;
mod md5_crypt;
pub mod pass;
pub mod plain;
mod salted;
pub mod scram;
mod secret;

pub use argon::{Cost, Room};
pub use guess::{Client, Guesses, Limits, Refused};
pub use secret::{LONGEST, Secret, Unusable, check};
