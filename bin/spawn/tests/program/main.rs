//! The program with real workers, a `lookup` and a queue that are the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod delivering;
mod house;
mod trouble;
