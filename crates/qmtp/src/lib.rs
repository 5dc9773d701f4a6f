//! QMTP and QMQP, the server's side: netstrings in, answers out, questions to the [`House`].
//!
//! QMTP: message, sender, recipients, each a netstring; an answer for each recipient; many messages on
//! one connection. QMQP: one netstring that holds message, sender and recipients; one answer, and the
//! connection ends. Knows nothing of files, sockets, users or policy. A message leaves it with LF line
//! ends; one in which a CR or LF stands alone is refused, as `smtpd` does: what comes in by one door
//! must be fit to leave by any other.

mod session;
mod text;

pub use session::{Form, House, Limits, Session};

#[cfg(test)]
mod tests;
