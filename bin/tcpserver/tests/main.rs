//! tcpserver as others meet it: clients, programs, admins; beside Debian's where there is one.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]

mod beside;
mod bound;
mod limits;
mod names;
mod proxied;
mod scarce;
mod server;
mod workers;
