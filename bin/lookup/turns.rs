//! Hashing passwords takes memory and time, so only as many do it at once as there are processors.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use sasl::Room;

/// Most that wait for their turn; whoever comes then is told to come later.
const MOST_WAITING: usize = 500;
/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// The places there are.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: usize,
    /// Memory for hashes, of those who had a turn lately.
    rooms: Vec<Room>,
    /// Has anybody had a turn since the last rest?
    busy: bool,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns, Room);

impl Turn<'_> {
    /// Where a hash can be computed.
    pub(crate) fn room(&mut self) -> &mut Room {
        &mut self.1
    }
}

impl Turns {
    /// As many places as processors.
    pub(crate) fn new() -> Turns {
        Turns::of(std::thread::available_parallelism().map_or(1, usize::from))
    }

    fn of(free: usize) -> Turns {
        Turns {
            state: Mutex::new(State { free, waiting: 0, rooms: Vec::new(), busy: false }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a place; `None`: too many wait, or it took too long.
    pub(crate) fn take(&self) -> Option<Turn<'_>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.free == 0 && state.waiting >= MOST_WAITING {
            return None;
        }
        state.waiting += 1;
        let none_free = |state: &mut State| state.free == 0;
        let waited = self.changed.wait_timeout_while(state, PATIENCE, none_free);
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        if waited.timed_out() && state.free == 0 {
            return None;
        }
        state.free -= 1;
        state.busy = true;
        let room = state.rooms.pop().unwrap_or_default();
        Some(Turn(self, room))
    }

    /// Gives back the memory for hashes if nobody has had a turn since this was called last.
    pub(crate) fn rest(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut state.busy) {
            state.rooms = Vec::new();
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.free += 1;
        state.rooms.push(std::mem::take(&mut self.1));
        drop(state);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_than_the_places_are_at_work_and_all_get_their_turn() {
        let turns = Turns::of(2);
        let (working, most, done) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _turn = turns.take().unwrap();
                        most.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        working.fetch_sub(1, Ordering::SeqCst);
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 2);
        assert_eq!(done.into_inner(), 800);
    }
}
