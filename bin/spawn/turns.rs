//! Turns: where programs are run, one delivery at a time to one address; and no owner has all deliveries.
//!
//! The owner of a mailbox may stop what delivers to him, his programs may sleep: each holds a thread of ours
//! for as long as a delivery may take. Others' mail goes on all the same.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a delivery waits while none of the same owner's ends, if he has his share.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits though they end one by one: others could be starved so, too.
const LONGEST: Duration = Duration::from_secs(60);

/// Who is being delivered to.
pub(crate) struct Turns {
    busy: Mutex<Busy>,
    changed: Condvar,
    /// Most deliveries at one time to one home.
    share: usize,
}

#[derive(Default)]
struct Busy {
    addresses: HashSet<String>,
    homes: HashMap<PathBuf, Share>,
    /// How many wait for a change.
    waiting: usize,
}

/// What one home has of all deliveries.
#[derive(Clone, Copy, Default)]
struct Share {
    now: usize,
    /// Deliveries that have ended since it had none.
    ended: u64,
}

/// A turn; ends when dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    address: String,
}

/// A place in the share of one home; given back when dropped.
pub(crate) struct Place<'a> {
    turns: &'a Turns,
    home: PathBuf,
}

impl Turns {
    /// `most`: deliveries at one time. Three quarters of them may go to one home.
    pub(crate) fn new(most: usize) -> Turns {
        Turns { busy: Mutex::default(), changed: Condvar::new(), share: (most * 3 / 4).max(1) }
    }

    /// Waits for the turn of `local@domain`.
    pub(crate) fn take(&self, local: &str, domain: &str) -> Turn<'_> {
        let address = format!("{local}@{domain}").to_lowercase();
        let mut busy = self.lock();
        while !busy.addresses.insert(address.clone()) {
            busy.waiting += 1;
            busy = self.changed.wait(busy).unwrap_or_else(PoisonError::into_inner);
            busy.waiting -= 1;
        }
        Turn { turns: self, address }
    }

    /// A place for one more delivery to `home`; `None`: its owner has his share, and none of it ends.
    pub(crate) fn place(&self, home: &Path) -> Option<Place<'_>> {
        let mut busy = self.lock();
        let until = sys::monotonic() + LONGEST;
        loop {
            let seen = busy.homes.get(home).copied().unwrap_or_default();
            if seen.now < self.share {
                break;
            }
            busy.waiting += 1;
            let same = |busy: &mut Busy| busy.homes.get(home).is_some_and(|share| share.ended == seen.ended);
            let waited = self.changed.wait_timeout_while(busy, PATIENCE, same);
            let (mut again, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            again.waiting -= 1;
            if waited.timed_out() || sys::monotonic() >= until {
                return None;
            }
            busy = again;
        }
        busy.homes.entry(home.to_owned()).or_default().now += 1;
        Some(Place { turns: self, home: home.to_owned() })
    }

    /// Something has changed: for who waits, if anybody does.
    fn tell(&self, busy: &Busy) {
        if busy.waiting > 0 {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Busy> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut busy = self.turns.lock();
        busy.addresses.remove(&self.address);
        self.turns.tell(&busy);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut busy = self.turns.lock();
        if let Some(share) = busy.homes.get_mut(&self.home) {
            (share.now, share.ended) = (share.now - 1, share.ended + 1);
            if share.now == 0 {
                busy.homes.remove(&self.home);
            }
        }
        self.turns.tell(&busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_address_is_never_served_twice_at_a_time_and_others_do_not_wait() {
        let (turns, inside, most) = (Turns::new(10), AtomicUsize::new(0), AtomicUsize::new(0));
        let other = turns.take("bob", "x.test");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _turn = turns.take("Alice", "x.test");
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        drop(other);
        assert_eq!(most.into_inner(), 1);
        assert!(turns.lock().addresses.is_empty());
    }

    #[test]
    fn many_deliveries_to_one_home_wait_for_each_other_as_long_as_they_end() {
        let (turns, inside, most) = (Turns::new(4), AtomicUsize::new(0), AtomicUsize::new(0));
        let home = Path::new("/mail/x.test/.forwards");
        let got = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    let Some(_place) = turns.place(home) else { return };
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    got.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert!(got.into_inner() == 40 && most.into_inner() <= 3);
    }

    #[test]
    fn one_home_never_has_all_deliveries_and_a_place_that_gets_free_is_taken() {
        let turns = Turns::new(4);
        let alice = Path::new("/home/alice");
        let places: Vec<_> = (0..3).map(|_| turns.place(alice).unwrap()).collect();
        assert!(turns.place(Path::new("/home/bob")).is_some());
        std::thread::scope(|scope| {
            let fourth = scope.spawn(|| turns.place(alice).is_some());
            drop(places);
            assert!(fourth.join().unwrap());
        });
        assert!(turns.lock().homes.is_empty());
    }
}
