//! Turns: where programs are run, one delivery at a time to one address.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Who is being delivered to.
#[derive(Default)]
pub(crate) struct Turns {
    busy: Mutex<HashSet<String>>,
    changed: Condvar,
}

/// A turn; ends when dropped.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    address: String,
}

impl Turns {
    /// Waits for the turn of `local@domain`. Half of all deliveries at most go to one address, so that
    /// there are others that don't wait here.
    pub(crate) fn take(&self, local: &str, domain: &str) -> Turn<'_> {
        let address = format!("{local}@{domain}").to_lowercase();
        let mut busy = self.lock();
        while !busy.insert(address.clone()) {
            busy = self.changed.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Turn { turns: self, address }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().remove(&self.address);
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_address_is_never_served_twice_at_a_time_and_others_do_not_wait() {
        let (turns, inside, most) = (Turns::default(), AtomicUsize::new(0), AtomicUsize::new(0));
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
        assert!(turns.lock().is_empty());
    }
}
