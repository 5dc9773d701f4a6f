//! qmail-queue's exit codes: 11 to 40 are permanent, all others temporary.

use std::io::{self, ErrorKind};

use sys::Stop;
use wire::Fate;

/// Why the message was not taken; the value is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An address is too long.
    LongAddress = 11,
    /// Refused for good.
    Refused = 31,
    /// Message or envelope can't be read.
    Unreadable = 54,
    /// Not now.
    TryAgain = 71,
    /// `queued` did not answer in time.
    Silent = 72,
    /// `queued` can't be reached.
    Unreachable = 73,
    /// The envelope does not have qmail-queue's form.
    BadEnvelope = 91,
}

impl Outcome {
    /// There is no connection to `queued`.
    pub(crate) fn unreachable(error: &io::Error) -> Outcome {
        sys::log!("enqueue: run/queue: {error} (is queued running?)");
        if error.kind() == ErrorKind::TimedOut { Outcome::Silent } else { Outcome::Unreachable }
    }

    /// `queued` said no.
    pub(crate) fn refused(fate: &Fate) -> Outcome {
        sys::log!("enqueue: not taken: {}", fate.text());
        if matches!(fate, Fate::Never(_)) { Outcome::Refused } else { Outcome::TryAgain }
    }

    /// Ends the program.
    pub(crate) fn stop(self) -> Stop {
        Stop(self as i32)
    }
}
