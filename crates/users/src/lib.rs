//! Users, domains, aliases, routes: in files (`cdb`) and databases, and the questions that are asked of any place.
//!
//! Knows the text files `users/<domain>/...` (users(5)), their compiled form, how an address finds its
//! account, and how both are changed and checked. Does not know who asks, what a login is, or what a
//! Maildir holds; reads no password but as the text that crate `sasl` judges.
//!
//! # For `fulmar`
//!
//! [`check`] lists problems, [`compile_all`] compiles, [`give_back`] mends whom texts belong to; all take
//! `home.users()` and can be run by root beside a running `lookup`.

mod account;
mod check;
mod compile;
mod edit;
mod lock;
pub mod name;
mod page;
mod places;
mod reader;
mod record;
mod resolve;
mod sql;
mod store;
mod text;
mod words;

pub use account::{Account, Delivery, Route, Service, Settings, TARGETS_MAX};
pub use check::check;
pub use compile::{Compiled, compile, compile_all};
pub use edit::{Editor, Refusal, accounts, aliases, facts, show};
pub use places::Places;
pub use reader::give_back;
pub use record::Entry;
pub use resolve::{Hit, Resolution, real_domain, resolve};
pub use sql::{Sender, Sql};
pub use store::{Source, Store, at_once, domains};
pub use words::{show_size, size};

#[cfg(test)]
mod tests;
