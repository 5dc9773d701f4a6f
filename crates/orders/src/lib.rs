//! Orders from `send`: the deliverers' side of its contract, for `spawn` and `remote` alike.
//!
//! A [`Desk`] listens where only the queue's uid may order, a [`Crew`] of threads carries orders out, as
//! many at a time as were agreed, and every order gets an answer, also when its [`Carrier`] panics. Does
//! not know how anything is delivered.

mod crew;
mod desk;
mod order;

pub use crew::{Carrier, Crew};
pub use desk::{Concurrency, Desk};
pub use order::{Order, TEXT_MAX};
