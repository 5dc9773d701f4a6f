//! What all connections share: the queue, numbers, who sits where, how much room is left.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use control::{Control, Role, Uids};
use queue::{Bell, FLOOR, Ids, Queue, SPLIT};
use sys::packet::Peer;

use crate::commit::Rounds;

/// Connections of one ordinary user at one time.
const OF_A_USER: u32 = 100;
/// Connections of the suite's own users, each.
const OF_OURS: u32 = 2000;
/// Connections in all.
const ALL: usize = 4000;
/// For how long an answer about the disk or a control file is good, in ms.
const FRESH: u64 = 1000;
/// What a writer that died has left is removed after this.
const STALE: Duration = Duration::from_secs(36 * 3600);
const HOUR: u64 = 3600;

/// The shared things.
pub(crate) struct House {
    pub(crate) queue: &'static Queue,
    pub(crate) ids: Ids<'static>,
    bell: Bell,
    rounds: [Rounds; SPLIT as usize],
    uids: Uids,
    /// Our own.
    uid: u32,
    control: Control,
    seats: Mutex<HashMap<u32, u32>>,
    taken: AtomicUsize,
    /// Commits under way; [`CLOSED`] added: no more are begun.
    commits: AtomicUsize,
    disk: Mutex<(u64, bool)>,
    extra: Mutex<(u64, Extra)>,
    swept: AtomicU64,
}

type Extra = Result<Option<Vec<u8>>, ()>;
const CLOSED: usize = usize::MAX / 2;

impl House {
    pub(crate) fn open(queue: Queue, uids: Uids, control: Control) -> io::Result<House> {
        // One queue for the life of the process.
        let queue: &'static Queue = Box::leak(Box::new(queue));
        let bell = Bell::new(queue);
        bell.ask_scan(queue);
        Ok(House {
            queue,
            ids: Ids::open(queue)?,
            bell,
            rounds: Default::default(),
            uids,
            uid: sys::uid(),
            control,
            seats: Mutex::default(),
            taken: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
            disk: Mutex::default(),
            extra: Mutex::new((0, Ok(None))),
            swept: AtomicU64::new(0),
        })
    }

    /// Lets a connection of `uid` in, unless it has too many.
    pub(crate) fn seat(&self, uid: u32) -> bool {
        let ours = Role::ALL.into_iter().any(|role| self.uids.holds(uid, role)) || uid == 0;
        let most = if ours { OF_OURS } else { OF_A_USER };
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = seats.entry(uid).or_default();
        if *taken >= most || self.taken.load(Ordering::Relaxed) >= ALL {
            return false;
        }
        *taken += 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// A connection of `uid` that was let in has ended.
    pub(crate) fn leave(&self, uid: u32) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&uid) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&uid);
            }
        }
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }

    /// How the Received line names the client: qmail-queue's words.
    pub(crate) fn origin(&self, peer: Peer) -> String {
        let other = peer.uid != 0 && peer.uid != self.uid;
        let is = |role| other && self.uids.holds(peer.uid, role);
        let who = if is(Role::Net) {
            "from network".to_owned()
        } else if is(Role::Mail) {
            "by alias".to_owned()
        } else if self.uid == peer.uid && self.has_own_user() {
            "for bounce".to_owned()
        } else {
            format!("by uid {}", peer.uid)
        };
        format!("(fulmar {} invoked {who})", peer.pid)
    }

    /// Started by root: the queue has a user of its own, and a peer of this uid is bounce.
    fn has_own_user(&self) -> bool {
        matches!(self.uids.identity(Role::Queue), Ok(Some(_)))
    }

    /// Is there room on the disk? `anew`: what was seen a moment ago does not count.
    pub(crate) fn has_room(&self, anew: bool) -> bool {
        let mut seen = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock();
        if anew || !seen.1 || now >= seen.0 {
            let free = sys::durable::free_space(self.queue.path());
            *seen = (now + FRESH, free.map_or(true, |(octets, _)| octets >= FLOOR));
        }
        seen.1
    }

    /// The recipient of a copy of everything, if one is named. Err: the file can't be read.
    pub(crate) fn extra_recipient(&self) -> Extra {
        let mut seen = self.extra.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock();
        if now >= seen.0 {
            let read = self.control.line("extraqueue").map_err(|broken| {
                sys::log!("queued: warning: {broken}");
            });
            let read = read.map(|line| line.filter(|l| !l.is_empty()).map(String::into_bytes));
            *seen = (now + FRESH, read);
        }
        seen.1.clone()
    }

    /// Makes the name of message `id` durable, together with others that wait for the same.
    pub(crate) fn sync(&self, id: u64) -> io::Result<()> {
        self.rounds[(id % SPLIT) as usize].sync(self.queue.folder(id))
    }

    pub(crate) fn ring(&self, id: u64) {
        self.bell.ring(self.queue, id);
    }

    /// Begins a commit; false: the house is closing.
    pub(crate) fn begin_commit(&self) -> bool {
        if self.commits.fetch_add(1, Ordering::SeqCst) < CLOSED {
            return true;
        }
        self.end_commit();
        false
    }

    pub(crate) fn end_commit(&self) {
        self.commits.fetch_sub(1, Ordering::SeqCst);
    }

    /// Removes left-overs, once an hour.
    pub(crate) fn tidy(&self) {
        let now = clock() / 1000;
        let due = self.swept.load(Ordering::Relaxed);
        if due > now {
            return;
        }
        self.swept.store(now + HOUR, Ordering::Relaxed);
        match self.queue.sweep(STALE) {
            Ok(0) => {}
            Ok(count) => sys::log!("queued: removed {count} unfinished messages from tmp"),
            Err(error) => sys::log!("queued: warning: can't look through tmp: {error}"),
        }
    }

    /// Begins no more commits, and waits a little for those under way.
    pub(crate) fn close(&self) {
        self.commits.fetch_add(CLOSED, Ordering::SeqCst);
        for _ in 0..500 {
            if self.commits.load(Ordering::SeqCst) == CLOSED {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        if let Err(error) = self.ids.close() {
            sys::log!("queued: warning: can't write lock/ids: {error}");
        }
    }
}

/// Milliseconds that nobody can set back; above 0.
fn clock() -> u64 {
    sys::monotonic().as_millis() as u64 + 1
}
