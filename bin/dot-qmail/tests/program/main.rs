//! The real program, started as qmail-local is: what each statement about .qmail files says, it does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // tests

mod case;
mod commands;
mod statements;
mod surroundings;
