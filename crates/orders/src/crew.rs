//! Threads that carry orders out, as many as there are orders, up to a limit.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use sys::Packets;
use wire::Fate;

use crate::order::{Order, answer};

/// Who carries orders out, one after the other, in a thread of its own.
pub trait Carrier {
    /// What becomes of `order`: one fate for each recipient.
    fn carry_out(&mut self, order: &Order) -> Vec<Fate>;
}

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(30);
/// How often a report is tried that the system has no room for, and how long between two times.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 250 });
/// Octets of a thread's stack.
const STACK: usize = 256 * 1024;

/// The threads and what waits for them.
pub struct Crew {
    most: usize,
    idle: Duration,
    hire: Arc<dyn Fn() -> Box<dyn Carrier> + Send + Sync>,
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
    /// Threads that there are.
    alive: usize,
    closing: bool,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        // A thread that panicked has left the notes whole: no lock is held while an order is carried out.
        self.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The next order; `None`: there will be none, or there has been none for long.
    fn next(&self, idle: Duration) -> Option<(Order, Arc<Packets>)> {
        let mut notes = self.lock();
        loop {
            if let Some(work) = notes.waiting.pop_front() {
                return Some(work);
            }
            if notes.closing {
                notes.alive -= 1;
                return None;
            }
            notes.idle += 1;
            let waited = self.changed.wait_timeout(notes, idle);
            let (back, time) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            notes = back;
            notes.idle -= 1;
            if time.timed_out() && notes.waiting.is_empty() {
                notes.alive -= 1;
                return None;
            }
        }
    }
}

impl Crew {
    /// `most`: deliveries at one time. `hire` makes a carrier, in the thread that it will work in.
    pub fn new(most: usize, hire: impl Fn() -> Box<dyn Carrier> + Send + Sync + 'static) -> Crew {
        Crew { most, idle: IDLE, hire: Arc::new(hire), board: Arc::default(), threads: Mutex::default() }
    }

    /// Has `order` carried out; the answer goes to `client`.
    pub fn give(&self, order: Order, client: &Arc<Packets>) {
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
        threads.retain(|thread| !thread.is_finished());
        {
            let mut notes = self.board.lock();
            if notes.alive >= self.most {
                return;
            }
            notes.alive += 1;
        }
        let (board, hire, idle) = (Arc::clone(&self.board), Arc::clone(&self.hire), self.idle);
        let work = move || {
            let mut carrier = hire();
            while let Some((order, client)) = board.next(idle) {
                work(&mut *carrier, &order, &client);
            }
        };
        match std::thread::Builder::new().stack_size(STACK).spawn(work) {
            Ok(thread) => threads.push(thread),
            // Those there are do the work; without any, no order would ever be answered.
            Err(error) => {
                sys::log!("{}: warning: can't start a thread: {error}", sys::logging::name());
                self.board.lock().alive -= 1;
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
    pub fn finish(&mut self) {
        self.board.lock().closing = true;
        self.board.changed.notify_all();
        let mut threads = self.threads.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Carries `order` out and reports to `client`. A client that is gone has the order again later.
fn work(carrier: &mut dyn Carrier, order: &Order, client: &Packets) {
    let fates = whatever_happens(order, || carrier.carry_out(order));
    report(&answer(&order.slot, &fates), client);
}

/// Whoever has ordered waits for every report: one that can't be made at all ends the connection, and all that he has not
/// heard of is ordered again.
fn report(answer: &[u8], client: &Packets) {
    if let Err(error) = persist(|| client.send(answer, &[])) {
        sys::log!("{}: warning: can't report: {error}", sys::logging::name());
        let _ = client.no_more();
    }
}

/// Tries again as long as there is hope: for lack of memory, or of room in a socket.
fn persist(mut send: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    for _ in 1..TRIES {
        match send() {
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
    send()
}

/// The fates that `deliver` gives; "later" for all should it panic, since `send` waits for every order.
fn whatever_happens(order: &Order, deliver: impl FnOnce() -> Vec<Fate>) -> Vec<Fate> {
    std::panic::catch_unwind(AssertUnwindSafe(deliver))
        .unwrap_or_else(|_| vec![Fate::later(3, 0, "a bug in the deliverer"); order.recipients.len()])
}

fn refuse(order: &Order, client: &Packets, why: &'static str) {
    let fates = vec![Fate::later(3, 0, why); order.recipients.len()];
    report(&answer(&order.slot, &fates), client);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_in_one_delivery_is_answered_as_later() {
        let bytes = b"7\x00123\0\0s\0a@x\0b@x".to_vec();
        let fds = vec![tempfile::tempfile().unwrap().into()];
        let order = Order::from_packet(sys::Packet { bytes, fds }).unwrap();
        let fates = whatever_happens(&order, || panic!("a bug"));
        assert!(fates.len() == 2 && fates.iter().all(|fate| fate.letter() == b'Z'));
    }

    #[test]
    fn a_report_that_the_system_has_no_room_for_is_made_a_moment_later() {
        let mut left = 3;
        // ENOBUFS.
        let no_room_at_first = || {
            left -= 1;
            if left > 0 { Err(io::Error::from_raw_os_error(105)) } else { Ok(()) }
        };
        persist(no_room_at_first).unwrap();
        let mut tries = 0;
        let gone = || {
            tries += 1;
            Err(ErrorKind::BrokenPipe.into())
        };
        assert_eq!(persist(gone).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!((left, tries), (0, 1));
    }

    #[test]
    fn whoever_can_not_be_told_is_hung_up_on_and_orders_again() {
        let (ours, theirs) = Packets::pair().unwrap();
        let too_long = vec![b'x'; sys::packet::MAX + 1];
        report(&too_long, &ours);
        assert!(theirs.recv().unwrap().is_none(), "he sees the end");
    }

    struct Quick;

    impl Carrier for Quick {
        fn carry_out(&mut self, order: &Order) -> Vec<Fate> {
            order.recipients.iter().map(|_| Fate::done("x")).collect()
        }
    }

    #[test]
    fn threads_without_work_end_and_come_back_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let listener = sys::Listener::bind(&folder.path().join("x"), 0o600).unwrap();
        let theirs = Packets::connect(&folder.path().join("x")).unwrap();
        let client = Arc::new(listener.accept().unwrap());
        let mut crew = Crew::new(4, || Box::new(Quick));
        crew.idle = Duration::from_millis(20);
        for _ in 0..3 {
            for slot in 0..20 {
                let bytes = format!("{slot}\0123\0\0s\0a@x").into_bytes();
                let fds = vec![tempfile::tempfile().unwrap().into()];
                let order = Order::from_packet(sys::Packet { bytes, fds }).unwrap();
                crew.give(order, &client);
                assert!(theirs.recv().unwrap().is_some());
            }
            let start = sys::monotonic();
            while crew.board.lock().alive > 0 {
                assert!(sys::monotonic() - start < Duration::from_secs(20));
                std::thread::yield_now();
            }
        }
        crew.finish();
    }
}
