//! When a deferred message is tried again, and how old a message is when clocks can't be trusted.

use crate::Channel;

const DAY: i64 = 86_400;

/// The next try of a message born at `birth`, after one at `now`; in seconds.
/// Quadratic, as qmail does it: birth + (√age + skip)².
pub fn next_try(birth: i64, now: i64, channel: Channel) -> i64 {
    let birth = birth.min(now);
    let step = now.saturating_sub(birth).isqrt() + channel.skip();
    birth.saturating_add(step.saturating_mul(step))
}

/// What is known when a message is found in the queue. Times in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// When it arrived, by the time of day as it was then.
    pub arrival: i64,
    /// The time of day now.
    pub wall: i64,
    /// The schedule's own clock now, which nobody can set.
    pub steady: i64,
    /// How long messages are tried.
    pub lifetime: i64,
    /// The time of day has not leapt as far as anyone knows.
    pub trusted: bool,
}

/// A message's birth on the schedule's own clock. When the time of day is in doubt (it leapt, or the
/// age is absurd) the message still has a day, or a seventh of its life if that is shorter: a clock
/// that was set must never bounce mail.
pub fn birth(found: Found) -> i64 {
    let lifetime = found.lifetime.max(0);
    let age = found.wall.saturating_sub(found.arrival).max(0);
    let absurd = age > lifetime.saturating_mul(2).saturating_add(7 * DAY);
    let most = if absurd || !found.trusted { lifetime - DAY.min(lifetime / 7) } else { i64::MAX };
    found.steady.saturating_sub(age.min(most))
}
