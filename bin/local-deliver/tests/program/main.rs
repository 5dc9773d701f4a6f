//! The program as its callers see it: arguments, descriptors, exit codes, files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod delivering;
mod faults;
mod house;
mod qmail_files;
