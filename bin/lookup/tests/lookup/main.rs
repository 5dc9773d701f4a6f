//! The real program over its sockets, in a home of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod admin;
mod auth;
mod house;
mod memory;
mod people;
mod rights;
mod sasl;
mod speed;
mod starts;
