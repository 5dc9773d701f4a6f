//! What the schedule says and is told: limits, steps, offers, outcomes.

use crate::Channel;
use crate::channel::{Name, Recipient};

/// What one channel may do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Deliveries at once. 0: none is started.
    pub concurrency: u32,
    /// Deliveries at once to one destination.
    pub at_once: u32,
    /// The same for a destination of which nothing is known yet: one more each time it goes well, half as many when
    /// all is deferred.
    pub at_first: u32,
    /// Recipients of one message in one delivery.
    pub batch: usize,
    /// Seconds from the end of a delivery until its place at the destination is free again.
    pub pause: i64,
}

/// What the schedule is told by the admin.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Seconds after which a message gets its last pass.
    pub lifetime: i64,
    /// The same for bounces: see [`crate::Schedule::mark_bounce`].
    pub bounce_lifetime: i64,
    /// By [`Channel::index`].
    pub channels: [Limits; 2],
}

/// Where a message is being read. Handed out with [`Step::Read`], to be given back by
/// [`crate::Schedule::more`] or [`crate::Schedule::close`].
#[derive(Debug)]
pub struct Cursor {
    pub(crate) message: u64,
    /// Only recipients of this destination are wanted.
    pub(crate) only: Option<(Channel, Name)>,
    /// Where this cursor has left a mark: what follows for these is read from there, later.
    pub(crate) left: Vec<(Channel, Name)>,
    /// Cursors of an earlier epoch are of no use: routes have changed since.
    pub(crate) epoch: u32,
    /// Where to read on; 0 at first. Kept up to date by the reader.
    pub from: u64,
}

impl Cursor {
    /// The message.
    pub fn message(&self) -> u64 {
        self.message
    }
}

/// What the caller is to do.
#[derive(Debug)]
pub enum Step {
    /// Read some recipients from `cursor.from` on and offer those that are not done.
    Read(Cursor),
    /// Start a delivery, and report it.
    Start {
        /// To be named in the report.
        slot: usize,
        /// Which way.
        channel: Channel,
        /// The message.
        message: u64,
        /// Whom to; all of one destination.
        recipients: Vec<Recipient>,
    },
    /// A pass is over; the next is at `due` (as far as it is known).
    Planned {
        /// The message.
        message: u64,
        /// Seconds on the schedule's clock.
        due: i64,
    },
    /// All recipients are done; the schedule has forgotten the message.
    Finish(u64),
}

/// What became of an offered recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It will be started.
    Taken,
    /// Not now. Read on.
    Passed,
    /// Not now, and nothing behind it either: close the cursor.
    Stop,
}

/// What became of a recipient that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, one way or the other, and marked in the file.
    Finished,
    /// It is to be tried again.
    Deferred,
}
