//! One sync of a folder for all who wait for it.
//!
//! Whoever comes first leads: syncs, while the others gather for the next round. A round's sync begins
//! after all its members have renamed their files, so its end is the end of the waiting for all of
//! them; its failure is the failure of all of them, and nobody asks the kernel a second time.

use std::io;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use sys::durable::Folder;

/// The rounds of one folder.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Debug, Default)]
struct State {
    gathering: Arc<Round>,
    leading: bool,
    waiting: usize,
}

/// How a round ended.
type Round = OnceLock<Result<(), io::ErrorKind>>;

impl Rounds {
    /// Returns when all that was done in `folder` before this call is durable, or can't be.
    pub(crate) fn sync(&self, folder: &Folder) -> io::Result<()> {
        self.sync_by(|| folder.sync())
    }

    fn sync_by(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = state.gathering.clone();
        while state.leading && mine.get().is_none() {
            state.waiting += 1;
            state = self.over.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        if let Some(outcome) = mine.get() {
            return outcome.map_err(io::Error::from);
        }
        state.leading = true;
        state.gathering = Arc::default();
        drop(state);
        let outcome = sync().map_err(|error| error.kind());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = mine.set(outcome);
        if outcome.is_err() {
            // Who has gathered meanwhile may have lost his name too, and would not be told again.
            let _ = std::mem::take(&mut state.gathering).set(outcome);
        }
        state.leading = false;
        // Who comes alone need not tell anybody.
        if state.waiting > 0 {
            self.over.notify_all();
        }
        outcome.map_err(io::Error::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Barrier, mpsc};
    use std::thread;

    #[test]
    fn a_sync_that_began_earlier_does_not_count_and_one_serves_all_who_wait() {
        let (rounds, syncs) = (Rounds::default(), AtomicU32::new(0));
        let (go, gate) = mpsc::channel::<()>();
        let begun = Barrier::new(2);
        thread::scope(|scope| {
            let (rounds, begun, syncs) = (&rounds, &begun, &syncs);
            let first = scope.spawn(move || {
                rounds.sync_by(|| {
                    begun.wait();
                    let _ = gate.recv();
                    Ok(())
                })
            });
            begun.wait();
            let others: Vec<_> = (0..10)
                .map(|_| {
                    scope.spawn(move || {
                        rounds.sync_by(|| {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        })
                    })
                })
                .collect();
            // All others wait for the next round, which can't begin yet.
            while Arc::strong_count(&rounds.state.lock().unwrap().gathering) < 11 {
                thread::yield_now();
            }
            assert_eq!(syncs.load(Ordering::SeqCst), 0);
            go.send(()).unwrap();
            assert!(first.join().unwrap().is_ok());
            assert!(others.into_iter().all(|other| other.join().unwrap().is_ok()));
        });
        assert_eq!(syncs.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn who_came_while_a_sync_failed_is_not_told_that_all_is_well_by_the_next() {
        // L05: the kernel tells of a failed write once; a name that came meanwhile may be among the lost.
        let rounds = Rounds::default();
        thread::scope(|scope| {
            let (rounds, mut late) = (&rounds, None);
            let first = rounds.sync_by(|| {
                late = Some(scope.spawn(|| rounds.sync_by(|| Ok(()))));
                while Arc::strong_count(&rounds.state.lock().unwrap().gathering) < 2 {
                    thread::yield_now();
                }
                Err(io::ErrorKind::Other.into())
            });
            assert!(first.is_err() && late.unwrap().join().unwrap().is_err());
        });
        assert!(rounds.sync_by(|| Ok(())).is_ok());
    }

    #[test]
    fn a_failed_sync_is_everybodys_failure_and_is_not_repeated() {
        // L05
        let rounds = Rounds::default();
        let fails = || Err(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(rounds.sync_by(fails).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(rounds.sync_by(|| Ok(())).is_ok());
    }
}
