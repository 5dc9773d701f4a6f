//! tcpserver as others meet it: clients, programs, admins; beside Debian's where there is one.

mod beside;
mod bound;
mod limits;
mod names;
mod proxied;
mod scarce;
mod server;
mod workers;
