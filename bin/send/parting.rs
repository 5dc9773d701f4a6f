//! The end of a message: its bounce, if there are failures, then its removal.
//!
//! The order is what keeps mail: the bounce is durably queued, the message is removed and that is
//! synced, the notes are removed. Stopped in between, the message is bounced twice, never not at all.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::time::Duration;

use queue::{Steering, Trouble};
use schedule::Channel;
use sys::process::{self, Exit, Start};

use crate::office::Office;

/// Bounces made at once.
const AT_ONCE: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// Messages that are to be bounced.
#[derive(Debug, Default)]
pub(crate) struct Partings {
    /// By the time of the next try; with the pause after it.
    waiting: BTreeMap<(Duration, u64), Duration>,
    running: HashMap<u32, Running>,
    all: HashSet<u64>,
}

#[derive(Debug)]
struct Running {
    message: u64,
    pause: Duration,
}

impl Partings {
    /// Is the message here?
    pub(crate) fn knows(&self, message: u64) -> bool {
        self.all.contains(&message)
    }

    /// Bounces being made.
    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// When there is something to do.
    pub(crate) fn wakeup(&self) -> Option<Duration> {
        let ((when, _), _) = self.waiting.first_key_value()?;
        Some(*when).filter(|_| self.running.len() < AT_ONCE)
    }

    /// Takes a message out whose bounce is not being made just now; false: it is.
    pub(crate) fn withdraw(&mut self, message: u64) -> bool {
        if self.running.values().any(|running| running.message == message) {
            return false;
        }
        self.waiting.retain(|(_, other), _| *other != message);
        self.all.remove(&message);
        true
    }

    /// The message's bounce is tried at once.
    pub(crate) fn hurry(&mut self, message: u64, now: Duration) {
        let waits = self.waiting.keys().find(|(_, other)| *other == message).copied();
        if let Some(pause) = waits.and_then(|key| self.waiting.remove(&key)) {
            self.waiting.insert((now, message), pause);
        }
    }

    fn wait(&mut self, message: u64, when: Duration, pause: Duration) {
        self.all.insert(message);
        self.waiting.insert((when, message), pause);
    }

    fn due(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, message), pause) = first.remove_entry();
        Some((message, pause))
    }
}

impl Office {
    /// All recipients of the message are done.
    pub(crate) fn finish(&mut self, id: u64) {
        let delivered = self.delivered.remove(&id);
        self.single.remove(&id);
        if delivered && !self.queue.has_notes(id) {
            return self.end(id);
        }
        // What the file says counts, not what was thought.
        match self.queue.stored(id).and_then(|stored| stored.check()) {
            Ok((_, all, done)) if all == done || delivered => {}
            Ok(_) => {
                sys::log!("alert: msg {id} has recipients that are not done; will try again");
                let now = self.clock.now();
                self.schedule.add(id, now, 0, schedule::next_try(now, now, Channel::Local));
                return;
            }
            Err(Trouble::Damaged(how)) => return self.set_aside(id, how),
            Err(Trouble::Gone) => return,
            Err(Trouble::Io(error)) => {
                sys::log!("warning: can't read msg {id}: {error}; will try again");
                return self.scan_soon();
            }
        }
        if !self.queue.has_notes(id) {
            return self.end(id);
        }
        self.partings.wait(id, sys::monotonic(), FIRST_PAUSE);
        self.start_partings();
    }

    /// Starts the bounces whose time has come.
    pub(crate) fn start_partings(&mut self) {
        while self.partings.running.len() < AT_ONCE {
            let Some((message, pause)) = self.partings.due(sys::monotonic()) else { return };
            // What it says comes after what has led to it.
            sys::logging::flush();
            match Start::new(process::sibling("bounce")).arg(message.to_string()).spawn() {
                Ok(child) => {
                    self.partings.running.insert(child.pid(), Running { message, pause });
                }
                Err(error) => {
                    sys::log!("warning: can't start bounce: {error}");
                    self.put_off(message, pause);
                }
            }
        }
    }

    /// A program has ended.
    pub(crate) fn parted(&mut self, pid: u32, exit: Exit) {
        let Some(Running { message, pause, .. }) = self.partings.running.remove(&pid) else { return };
        if !exit.is_success() {
            sys::log!("warning: trouble injecting bounce message of msg {message}, will try later");
            return self.put_off(message, pause);
        }
        if let Err(error) = self.remove_bounced(message) {
            sys::log!("alert: can't remove msg {message}: {error}; it may be bounced twice");
            return self.put_off(message, pause);
        }
        self.partings.all.remove(&message);
        self.forget(message);
        sys::log!("end msg {message}");
    }

    fn put_off(&mut self, message: u64, pause: Duration) {
        self.partings.wait(message, sys::monotonic() + pause, (pause * 2).min(LONGEST_PAUSE));
    }

    fn remove_bounced(&self, id: u64) -> io::Result<()> {
        gone_is_fine(self.queue.remove(id))?;
        self.queue.folder(id).sync()?;
        gone_is_fine(self.queue.remove_notes(id))
    }

    /// Forgets what was remembered beside the message.
    fn forget(&mut self, id: u64) {
        self.queue.forget_answers(id);
        self.given_up.remove(&id);
        self.deleted.remove(&id);
        if self.steered.remove(&id).is_some() {
            // One that stays is removed at the next start.
            let _ = self.queue.steer(id, &Steering::default());
        }
    }

    pub(crate) fn end(&mut self, id: u64) {
        match gone_is_fine(self.queue.remove(id)) {
            Ok(()) => {
                self.forget(id);
                sys::log!("end msg {id}");
            }
            // Its recipients are marked, or will be delivered to again: the next scan finds it.
            Err(error) => {
                sys::log!("alert: can't remove msg {id}: {error}; will try again");
                self.scan_soon();
            }
        }
    }
}

fn gone_is_fine(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
