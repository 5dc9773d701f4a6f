//! The schedule's clock: starts with the time of day and goes on steadily, whatever is done to that.

use std::time::{Duration, SystemTime};

/// A leap of the time of day that makes ages doubtful, in seconds.
const LEAP: i64 = 3600;

/// A clock that nobody can set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: i64,
    monotonic: Duration,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { start: sys::unix_seconds() as i64, monotonic: sys::monotonic() }
    }

    /// Seconds on this clock.
    pub(crate) fn now(&self) -> i64 {
        self.start + sys::monotonic().saturating_sub(self.monotonic).as_secs() as i64
    }

    /// How long until `due`.
    pub(crate) fn until(&self, due: i64) -> Duration {
        let passed = sys::monotonic().saturating_sub(self.monotonic);
        let due = Duration::from_secs(u64::try_from(due.saturating_sub(self.start)).unwrap_or(0));
        due.saturating_sub(passed)
    }

    /// `due` by the time of day as it is now.
    pub(crate) fn wall(&self, due: i64) -> SystemTime {
        sys::now() + self.until(due)
    }

    /// A time of day that is ahead, on this clock; now for one that has passed.
    pub(crate) fn steady(&self, time: SystemTime) -> i64 {
        let ahead = time.duration_since(sys::now()).unwrap_or_default();
        self.now().saturating_add(i64::try_from(ahead.as_secs()).unwrap_or(i64::MAX))
    }

    /// Has the time of day leapt since the start?
    pub(crate) fn has_leapt(&self) -> bool {
        (sys::unix_seconds() as i64).abs_diff(self.now()) > LEAP as u64
    }
}
