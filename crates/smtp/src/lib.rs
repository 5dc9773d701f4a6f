//! SMTP, the server's side: bytes in, bytes out, questions to the [`House`]; and the client's side, in
//! [`mod@client`].
//!
//! RFC 5321 with STARTTLS, AUTH, PIPELINING, 8BITMIME, SIZE, ENHANCEDSTATUSCODES, SMTPUTF8, CHUNKING and LIMITS.
//! Knows nothing of files, sockets, clocks, users or policy: whatever a session must learn or
//! cause goes through the house. Messages leave it with LF line ends, as the suite keeps them.

mod answer;
mod auth;
mod body;
pub mod client;
mod command;
mod house;
mod parse;
mod received;
mod reply;
mod session;

pub use auth::Step;
pub use house::{Client, Encryption, Envelope, Fault, House, Settings};
pub use parse::MailParameters;
pub use received::{Via, received};
pub use reply::Reply;
pub use session::Session;

#[cfg(test)]
mod tests;
