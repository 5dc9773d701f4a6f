//! Bytes as mail protocols frame them: lines, dots, fields; and the three answers.
//!
//! Knows how bytes are cut up, joined and moved between a session and a connection.
//! Knows no protocol's words, and nothing of files, sockets, clocks or processes.

pub mod dot;
mod fate;
mod fields;
mod lines;
pub mod netstring;
mod pump;

pub use fate::{Code, Fate, Text};
pub use fields::{fields, packet};
pub use lines::{Line, Lines};
pub use pump::{End, Flow, Session, pump, resume};
