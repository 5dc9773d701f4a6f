//! Numbers for messages: µs since 1970, always growing, never given twice, whatever the clock does.
//!
//! What has been given is remembered ahead of time in `lock/ids`, so that neither a clock that goes
//! back nor a queue that has become empty brings a number again. Numbers of the same moment lie in
//! the same folder of `mess/`, so that one sync of it serves all messages of that moment.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::{Queue, SPLIT};

/// How far ahead numbers are remembered as given, in µs.
const AHEAD: u64 = 60_000_000;
/// How long messages go to the same folder, in µs.
const MOMENT: u64 = 250_000;
const FILE: &str = "ids";

/// Gives numbers. One for each queue, in `queued`.
#[derive(Debug)]
pub struct Ids<'q> {
    queue: &'q Queue,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: u64,
    remembered: u64,
}

impl<'q> Ids<'q> {
    /// Goes on from where the queue was left.
    pub fn open(queue: &'q Queue) -> io::Result<Ids<'q>> {
        let remembered = queue.recall(FILE).unwrap_or(0);
        let last = remembered.max(queue.highest()?);
        Ok(Ids { queue, state: Mutex::new(State { last, remembered }) })
    }

    /// The next number, for a message that arrives at `now` (µs since 1970).
    pub fn next(&self, now: u64) -> io::Result<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (now / MOMENT) % SPLIT;
        let from = now.max(state.last + 1);
        let id = from + (wanted + SPLIT - from % SPLIT) % SPLIT;
        if id > state.remembered {
            let ahead = id + AHEAD;
            self.queue.remember(FILE, &format!("{ahead}\n"))?;
            state.remembered = ahead;
        }
        state.last = id;
        Ok(id)
    }

    /// At an orderly end: the next start need not skip what has not been given.
    pub fn close(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let last = state.last;
        state.remembered = last;
        self.queue.remember(FILE, &format!("{last}\n"))
    }
}
