//! Users, domains, aliases, routes: the `cdb` backend, and the questions that are asked of any backend.
//!
//! Knows the text files `users/<domain>/...` (users(5)), their compiled form, how an address finds its
//! account, and how both are changed and checked. Does not know who asks, what a login is, or what a
//! Maildir holds; reads no password but as the text that crate `sasl` judges.
//!
//! # For the root parents, `spawn` and `gate`
//!
//! 1. Ask `run/lookup-root`: `owner ADDRESS` or `login TICKET`.
//! 2. [`Owner::from_packet`] reads the answer; its error is a `wire::Fate` to pass on. uid 0 never passes.
//! 3. [`home::ensure`]`(&home.mail(), &owner)` makes the account's folder if it is missing and refuses one
//!    that is a link, belongs to somebody else, or is open to everybody. An error is "later" (111).
//! 4. Become `owner.identity`, confine to `owner.home`. The Maildir inside is made by the owner himself.
//!
//! # For `fulmar`
//!
//! [`check`] lists problems, [`compile_all`] compiles; both take `home.users()` and can be run by root
//! beside a running `lookup`.

mod account;
mod check;
mod compile;
mod edit;
pub mod home;
mod lock;
pub mod name;
mod owner;
mod page;
mod record;
mod resolve;
mod store;
mod text;
mod words;

pub use account::{Account, Delivery, Route, Service, Settings, TARGETS_MAX};
pub use check::check;
pub use compile::{Compiled, compile, compile_all};
pub use edit::{Editor, Refusal, accounts, aliases, show};
pub use owner::Owner;
pub use record::Entry;
pub use resolve::{Hit, Resolution, real_domain, resolve};
pub use store::{Source, Store, domains};
pub use words::{show_size, size};

#[cfg(test)]
mod tests;
