//! Connections that are kept for the next message, and how many there may be.
//!
//! A connection that has just carried a message waits a moment for the next one to the same address, on the same
//! terms. An address gets five connections at first, more as they go well, fewer when they fail; all together there
//! are as many as control/concurrencyremote says. Whoever is only being knocked at counts for neither: hosts that do
//! not answer take nobody's place.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smtp::client::Login;

use crate::line::Line;
use crate::wanted::Wanted;

/// How long a connection waits for the next message.
const KEPT: Duration = Duration::from_secs(3);
/// Messages on one connection: some servers take it amiss if there is no end.
const USES: u32 = 100;
/// Connections to one address, before anything is known of it.
const AT_FIRST: usize = 5;

/// On what terms a connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) to: SocketAddr,
    /// The name in whose place its certificate was looked at.
    pub(crate) host: String,
    pub(crate) from: Option<IpAddr>,
    pub(crate) login: Option<Login>,
    pub(crate) wanted: Wanted,
}

/// All connections.
pub(crate) struct Lines {
    most: usize,
    state: Mutex<State>,
    /// There is room for one more who talks.
    room: Condvar,
}

#[derive(Default)]
struct State {
    kept: Vec<(Terms, Line, Duration)>,
    talking: usize,
    crowds: HashMap<SocketAddr, Crowd>,
}

/// What goes on at one address.
struct Crowd {
    here: usize,
    may: usize,
    /// Those who wait for a turn here, and what wakes them.
    waiting: usize,
    turns: Arc<Condvar>,
    /// When it did not answer a call.
    failed: Option<Duration>,
}

/// One of those at an address, until it is dropped.
pub(crate) struct Turn<'a> {
    lines: &'a Lines,
    at: SocketAddr,
    talking: bool,
}

impl Lines {
    /// At most `most` connections at one time.
    pub(crate) fn new(most: usize) -> Lines {
        Lines { most: most.max(1), state: Mutex::default(), room: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn at `at`. `None`: meanwhile somebody else has called there, and got no answer.
    pub(crate) fn turn(&self, at: SocketAddr) -> Option<Turn<'_>> {
        let mut state = self.lock();
        let (most, since) = (self.most, sys::monotonic());
        loop {
            let crowd = state.crowds.entry(at).or_insert_with(|| Crowd::new(AT_FIRST.min(most)));
            if crowd.failed.is_some_and(|when| when > since) {
                return None;
            }
            if crowd.here < crowd.may {
                crowd.here += 1;
                return Some(Turn { lines: self, at, talking: false });
            }
            crowd.waiting += 1;
            let turns = crowd.turns.clone();
            state = turns.wait(state).unwrap_or_else(PoisonError::into_inner);
            // It has not gone: it is there as long as somebody waits.
            state.crowds.entry(at).and_modify(|crowd| crowd.waiting -= 1);
        }
    }

    /// A connection that waits on these terms and is still good.
    pub(crate) fn take(&self, terms: &Terms) -> Option<Line> {
        loop {
            let mut state = self.lock();
            let at = state.kept.iter().rposition(|(others, ..)| others == terms)?;
            let (_, line, _) = state.kept.swap_remove(at);
            drop(state);
            if line.is_ready() {
                return Some(line);
            }
            line.close();
        }
    }

    /// Keeps a connection, or closes it.
    pub(crate) fn keep(&self, terms: Terms, line: Line) {
        if line.uses >= USES || !line.is_ready() {
            return line.close();
        }
        let mut state = self.lock();
        let alike = state.kept.iter().filter(|(others, ..)| others.to == terms.to).count();
        if state.kept.len() >= self.most || alike >= self.most.div_ceil(2) {
            drop(state);
            return line.close();
        }
        state.kept.push((terms, line, sys::monotonic() + KEPT));
    }

    /// Closes those that have waited long enough; `all`: all.
    pub(crate) fn sweep(&self, all: bool) {
        let now = sys::monotonic();
        let mut state = self.lock();
        let kept = std::mem::take(&mut state.kept);
        let (over, kept) = kept.into_iter().partition(|(_, _, until)| all || *until <= now);
        state.kept = kept;
        drop(state);
        let over: Vec<(Terms, Line, Duration)> = over;
        over.into_iter().for_each(|(_, line, _)| line.close());
    }
}

impl Crowd {
    fn new(may: usize) -> Crowd {
        Crowd { here: 0, may, waiting: 0, turns: Arc::default(), failed: None }
    }
}

impl Turn<'_> {
    /// It has answered: from now on it counts for all. Waits until there is room.
    pub(crate) fn talk(&mut self) {
        let mut state = self.lines.lock();
        while !self.talking {
            if state.talking < self.lines.most {
                state.talking += 1;
                self.talking = true;
            } else {
                state = self.lines.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// It did not answer: whoever waits here need not call too.
    pub(crate) fn unanswered(&self) {
        self.went(false);
        if let Some(crowd) = self.lines.lock().crowds.get_mut(&self.at) {
            crowd.failed = Some(sys::monotonic());
            crowd.turns.notify_all();
        }
    }

    /// How it went: one more, or half as many, may be here.
    pub(crate) fn went(&self, well: bool) {
        let most = self.lines.most;
        if let Some(crowd) = self.lines.lock().crowds.get_mut(&self.at) {
            crowd.may = if well { (crowd.may + 1).min(most) } else { (crowd.may / 2).max(1) };
            if well {
                crowd.turns.notify_one();
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.lines.lock();
        state.talking -= usize::from(self.talking);
        let last = state.crowds.get_mut(&self.at).is_some_and(|crowd| {
            crowd.here -= 1;
            crowd.turns.notify_one();
            crowd.here + crowd.waiting == 0 && crowd.may >= AT_FIRST.min(self.lines.most)
        });
        if last {
            state.crowds.remove(&self.at);
        }
        // What is known of those that fail is kept, and bounded.
        if state.crowds.len() > 10_000 {
            state.crowds.retain(|_, crowd| crowd.here + crowd.waiting > 0);
        }
        drop(state);
        self.lines.room.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn at(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 25))
    }

    fn may(lines: &Lines) -> usize {
        lines.lock().crowds.get(&at(1)).map_or(0, |crowd| crowd.may)
    }

    #[test]
    fn an_address_gets_five_at_first_more_as_it_goes_well_and_fewer_when_it_fails() {
        let lines = Lines::new(7);
        let turn = lines.turn(at(1)).unwrap();
        assert_eq!(may(&lines), 5);
        (0..9).for_each(|_| turn.went(true));
        assert_eq!(may(&lines), 7, "never more than there may be in all");
        (0..9).for_each(|_| turn.went(false));
        assert_eq!(may(&lines), 1);
        drop(turn);
        assert_eq!(may(&lines), 1, "that it failed is remembered");
    }

    #[test]
    fn no_more_talk_at_one_time_than_may_and_those_who_only_knock_are_not_counted() {
        let lines = Arc::new(Lines::new(3));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let knocking: Vec<Turn<'_>> = (100..150).map(|n| lines.turn(at(n)).unwrap()).collect();
        let threads: Vec<_> = (0..20u8)
            .map(|n| {
                let (lines, now, most) = (lines.clone(), now.clone(), most.clone());
                std::thread::spawn(move || {
                    let mut turn = lines.turn(at(n)).unwrap();
                    turn.talk();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(lines.lock().talking, 0);
        drop(knocking);
        assert!(lines.lock().crowds.is_empty());
    }

    #[test]
    fn those_who_wait_where_nobody_answers_do_not_call_one_after_the_other() {
        let lines = Arc::new(Lines::new(1));
        let first = lines.turn(at(1)).unwrap();
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let lines = lines.clone();
                std::thread::spawn(move || lines.turn(at(1)).is_none())
            })
            .collect();
        let all_wait = || lines.lock().crowds.get(&at(1)).is_some_and(|crowd| crowd.waiting == 20);
        while !all_wait() {
            std::thread::yield_now();
        }
        first.unanswered();
        drop(first);
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        assert!(lines.turn(at(1)).is_some(), "whoever comes later calls again");
    }
}
