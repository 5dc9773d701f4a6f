//! POP3 server sessions: bytes in, bytes out, questions to the house.
//!
//! Two sessions on one grammar: [`Login`] until someone has proved who he is (RFC 1939 §4),
//! [`Mailbox`] from then on (§5, §6). They run in two programs, `bin/login` and `bin/pop3d`.
//! Knows RFC 1939, 2449, 2595, 3206 and 6856, and nothing of files, sockets, clocks or users:
//! whatever a session must learn or cause goes through [`Door`] or [`Store`].

mod command;
mod login;
mod mailbox;
mod reply;
#[cfg(test)]
mod tests;
mod uid;

pub use login::{Door, Encryption, Login, Verdict};
pub use mailbox::{Mailbox, Store};
pub use reply::UNREADABLE;
pub use uid::uid;
