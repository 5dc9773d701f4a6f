//! What is tried when: the schedule of all messages in the queue.
//!
//! Knows messages by number, recipients by their place in the message's envelope, destinations
//! by name, and time as a number that is handed in. Knows no files, sockets, clocks or routes:
//! it says what to read, start, plan or finish ([`Step`]) and is told what came of it.
//! Recipients stay in the message's file; only a window of them is ever held here.

mod channel;
mod message;
mod messages;
mod retry;
mod state;
mod step;

pub use channel::Recipient;
pub use retry::{Found, birth, next_try};
pub use state::Schedule;
pub use step::{Cursor, Limits, Offer, Outcome, Settings, Step};

#[cfg(test)]
mod tests;

/// The two ways mail leaves the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// To mailboxes of this house.
    Local,
    /// To other hosts.
    Remote,
}

impl Channel {
    /// Both.
    pub const ALL: [Channel; 2] = [Channel::Local, Channel::Remote];

    /// Its place in arrays that have one entry a channel.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `local` or `remote`, as the log says it.
    pub fn name(self) -> &'static str {
        match self {
            Channel::Local => "local",
            Channel::Remote => "remote",
        }
    }

    /// Steps by which the root of a message's age grows from one try to the next.
    fn skip(self) -> i64 {
        match self {
            Channel::Local => 10,
            Channel::Remote => 20,
        }
    }
}
