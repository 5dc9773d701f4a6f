//! Threads that carry orders out, as many as there are orders, up to a limit.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

use sys::Packets;
use wire::Fate;

use crate::carrier::{Carrier, Shared};
use crate::order::{Order, answer};

/// Octets of a thread's stack.
const STACK: usize = 256 * 1024;

/// The threads and what waits for them.
pub(crate) struct Crew {
    most: usize,
    shared: Arc<Shared>,
    board: Arc<Board>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Board {
    notes: Mutex<Notes>,
    changed: Condvar,
}

#[derive(Default)]
struct Notes {
    waiting: VecDeque<(Order, Arc<Packets>)>,
    idle: usize,
    closing: bool,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        // A thread that panicked has left the notes whole: no lock is held while an order is carried out.
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The next order; `None`: there will be none.
    fn next(&self) -> Option<(Order, Arc<Packets>)> {
        let mut notes = self.lock();
        loop {
            if let Some(work) = notes.waiting.pop_front() {
                return Some(work);
            }
            if notes.closing {
                return None;
            }
            notes.idle += 1;
            notes = self.changed.wait(notes).unwrap_or_else(std::sync::PoisonError::into_inner);
            notes.idle -= 1;
        }
    }
}

impl Crew {
    pub(crate) fn new(most: usize, shared: Arc<Shared>) -> Crew {
        Crew { most, shared, board: Arc::default(), threads: Mutex::default() }
    }

    /// Has `order` carried out; the answer goes to `client`.
    pub(crate) fn give(&self, order: Order, client: &Arc<Packets>) {
        let mut notes = self.board.lock();
        if notes.waiting.len() >= self.most {
            drop(notes);
            refuse(&order, client, "more deliveries ordered than agreed");
            return;
        }
        notes.waiting.push_back((order, Arc::clone(client)));
        if notes.waiting.len() <= notes.idle {
            drop(notes);
            self.board.changed.notify_one();
            return;
        }
        drop(notes);
        self.grow();
    }

    fn grow(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if threads.len() >= self.most {
            return;
        }
        let (board, shared) = (Arc::clone(&self.board), Arc::clone(&self.shared));
        let work = move || {
            let mut carrier = Carrier::new(shared);
            while let Some((order, client)) = board.next() {
                carrier.carry_out(order, &client);
            }
        };
        match std::thread::Builder::new().stack_size(STACK).spawn(work) {
            Ok(thread) => threads.push(thread),
            // Those there are do the work; without any, no order would ever be answered.
            Err(error) => {
                sys::log!("spawn: warning: can't start a thread: {error}");
                if threads.is_empty() {
                    self.refuse_all();
                }
            }
        }
    }

    fn refuse_all(&self) {
        let waiting = std::mem::take(&mut self.board.lock().waiting);
        for (order, client) in waiting {
            refuse(&order, &client, "no thread for this delivery");
        }
    }

    /// Waits until all orders are carried out, and ends the threads.
    pub(crate) fn finish(&mut self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.board.lock().closing = true;
        self.board.changed.notify_all();
        let mut threads = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn refuse(order: &Order, client: &Packets, why: &'static str) {
    let fates = vec![Fate::later(3, 0, why); order.recipients.len()];
    let _ = client.send(&answer(&order.slot, &fates), &[]);
}
