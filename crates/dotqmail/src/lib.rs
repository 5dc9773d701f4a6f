//! The language of .qmail files (dot-qmail(5)): lines, which file decides, what programs see and how
//! their exit codes are read.
//!
//! Knows octets and rules. Opens no file, runs nothing, delivers nothing, and does not know whose
//! home it is about: crate `delivery` does.

mod exit;
mod line;
mod name;
mod world;

pub use exit::Verdict;
pub use line::{Fault, Instruction, read};
pub use name::{Candidate, candidates, owner_names};
pub use world::{World, new_sender};
