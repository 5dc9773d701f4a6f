//! Words to a client whose command takes long: `* OK [INPROGRESS ("a7" 454 1000)] Still at work.` RFC 9585.
//!
//! Long loops say how far they are, all the time, to a [`Progress`]; a [`Teller`] passes that on to the client from time to
//! time, between two lines of the answer and never within one. It also finds out that the client is gone.

use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

/// So many small things are nearly no work.
const SMALL: usize = if cfg!(test) { 4 } else { 64 };
/// A longer tag is not repeated: a word is to fit where there is a little room.
const LONGEST_TAG: usize = 64;

/// How often a client is told, by a clock that the shell has.
#[derive(Clone)]
pub struct Pace {
    /// Time since some moment, that never goes back.
    pub clock: fn() -> Duration,
    /// Between two words.
    pub step: Duration,
    /// Would the client take a line now? It is not waited for: some work holds the lock of a mailbox that others wait for.
    pub takes: Rc<dyn Fn() -> bool>,
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").field("step", &self.step).finish_non_exhaustive()
    }
}

/// Who passes on how far a work is.
trait Hear {
    /// `share`: of the whole, from 0 to 1.
    fn at(&mut self, share: f64);
    /// Nobody listens any more.
    fn deaf(&self) -> bool;
}

/// Hears how far a long work is. Nothing comes back to what changes mail: once begun, it is ended, whether anybody still
/// listens or not.
#[derive(Default)]
pub struct Progress<'a> {
    to: Option<&'a mut dyn Hear>,
    /// Which part of the whole it is.
    from: f64,
    width: f64,
    done: usize,
    total: usize,
}

impl Progress<'_> {
    /// Nobody wants to hear of it.
    pub fn unheard() -> Progress<'static> {
        Progress::default()
    }

    /// The part `number`, from 0, of so many that are alike long.
    pub fn part(&mut self, number: usize, of: usize) -> Progress<'_> {
        let width = self.width / of.max(1) as f64;
        let to = self.to.as_mut().map(|to| &mut **to as &mut dyn Hear);
        Progress { to, from: self.from + width * number as f64, width, done: 0, total: 0 }
    }

    /// So many of `total` things are done.
    pub fn reached(&mut self, done: usize, total: usize) {
        (self.done, self.total) = (done, total);
        self.ahead(0);
    }

    /// As [`Progress::reached`], of things so small that not each of them is worth a look at the clock.
    pub(crate) fn passed(&mut self, done: usize, total: usize) {
        (self.done, self.total) = (done, total);
        if done.is_multiple_of(SMALL) {
            self.ahead(0);
        }
    }

    /// Besides what is reached, so many of the next things are prepared.
    pub fn ahead(&mut self, prepared: usize) {
        if let Some(to) = &mut self.to {
            let done = self.done.saturating_add(prepared).min(self.total);
            to.at(self.from + self.width * (done as f64 / self.total.max(1) as f64));
        }
    }

    /// The client is gone: what is only looked up for it can stay unfinished.
    pub fn deaf(&self) -> bool {
        self.to.as_ref().is_some_and(|to| to.deaf())
    }
}

/// Passes it on to a client, whose answer is written through it.
pub(crate) struct Teller<'a> {
    out: &'a mut dyn Write,
    tag: &'a str,
    /// How many things the whole is, for the client.
    goal: usize,
    pace: Option<Pace>,
    /// When the next word is due.
    due: Duration,
    /// What was told, so that it never goes back.
    told: usize,
    /// A line is half written.
    within: bool,
    broken: Option<io::Error>,
}

impl<'a> Teller<'a> {
    /// For the command of this tag. `goal`: how many things it is about.
    pub(crate) fn new(tag: &'a str, goal: usize, pace: Option<Pace>, out: &'a mut dyn Write) -> Teller<'a> {
        let due = pace.as_ref().map_or(Duration::ZERO, |pace| (pace.clock)() + pace.step);
        Teller { out, tag, goal, pace, due, told: 0, within: false, broken: None }
    }

    /// For work that holds a lock which others wait for: what was said before goes out now. A client that reads nothing is
    /// waited for here; later nothing is sent but single words, and these only where the client would take a line.
    pub(crate) fn cleared(mut self) -> Teller<'a> {
        if self.pace.is_some() {
            self.broken = self.out.flush().err();
        }
        self
    }

    /// The client is told nothing: it has not asked for what is written.
    pub(crate) fn silent(out: &'a mut dyn Write) -> Teller<'a> {
        Teller::new("", 0, None, out)
    }

    /// Hears of the whole.
    pub(crate) fn progress(&mut self) -> Progress<'_> {
        Progress { to: Some(self), from: 0.0, width: 1.0, done: 0, total: 0 }
    }

    /// Hears of the whole, of which so many things are left.
    pub(crate) fn left(&mut self, left: usize) -> Progress<'_> {
        let goal = self.goal;
        let mut progress = self.progress();
        progress.passed(goal.saturating_sub(left), goal);
        progress
    }

    /// A line is half written, and nothing may come between its halves; or it has been ended.
    pub(crate) fn within(&mut self, within: bool) {
        self.within = within;
    }

    /// An error: the client is gone.
    pub(crate) fn heard(&mut self) -> io::Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    fn tell(&mut self, done: usize) -> io::Result<()> {
        // A tag may hold what ends the code.
        match self.tag.contains(']') || self.tag.len() > LONGEST_TAG {
            true => write!(self.out, "* OK [INPROGRESS (NIL {done} {})] Still at work.\r\n", self.goal)?,
            false => {
                let Teller { tag, goal, .. } = self;
                write!(self.out, "* OK [INPROGRESS (\"{tag}\" {done} {goal})] Still at work.\r\n")?;
            }
        }
        // Now, not with the answer.
        self.out.flush()
    }
}

impl Hear for Teller<'_> {
    fn at(&mut self, share: f64) {
        let Some(pace) = &self.pace else { return };
        if self.within || self.goal == 0 || self.broken.is_some() {
            return;
        }
        let now = (pace.clock)();
        if now < self.due {
            return;
        }
        self.due = now + pace.step;
        if !(pace.takes)() {
            return;
        }
        // §4: the goal is more than what is done, as long as the command is not.
        self.told = self.told.max((share * self.goal as f64) as usize).min(self.goal - 1);
        self.broken = self.tell(self.told).err();
    }

    fn deaf(&self) -> bool {
        self.broken.is_some()
    }
}

impl Write for Teller<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.out.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
