//! One message: what it waits for, and what is under way.

use crate::step::Cursor;

/// Not due: nothing of the message waits for this channel.
pub(crate) const NEVER: i64 = i64::MAX;
/// Due when the channel holds fewer recipients.
pub(crate) const OVERFLOW: i64 = i64::MAX - 1;

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) birth: i64,
    pub(crate) sender: u64,
    pub(crate) due: [i64; 2],
    /// When the pass began.
    pub(crate) began: i64,
    pub(crate) paused: Option<Box<Cursor>>,
    /// Recipients held or under way.
    pub(crate) open: u32,
    /// Recipients under way, and the deliveries they are in, by channel.
    pub(crate) started: u32,
    pub(crate) deliveries: [u32; 2],
    /// Cursors and marks.
    pub(crate) cursors: u32,
    pub(crate) trying: [bool; 2],
    pub(crate) deferred: [bool; 2],
    pub(crate) overflow: [bool; 2],
    pub(crate) last: bool,
    pub(crate) again: bool,
    pub(crate) gone: bool,
    pub(crate) held: bool,
    pub(crate) bounce: bool,
}

impl Message {
    pub(crate) fn new(birth: i64, sender: u64, due: i64) -> Message {
        Message {
            birth,
            sender,
            due: [due; 2],
            began: due,
            paused: None,
            open: 0,
            started: 0,
            deliveries: [0; 2],
            cursors: 0,
            trying: [false; 2],
            deferred: [false; 2],
            overflow: [false; 2],
            last: false,
            again: false,
            gone: false,
            held: false,
            bounce: false,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.open == 0 && self.cursors == 0
    }

    /// Recipients that are held, and wait for their turn.
    pub(crate) fn held(&self) -> u32 {
        self.open - self.started
    }

    pub(crate) fn next(&self) -> i64 {
        self.due[0].min(self.due[1])
    }

    pub(crate) fn hurry(&mut self, now: i64) {
        for due in self.due.iter_mut().filter(|due| **due < OVERFLOW) {
            *due = now.min(*due);
        }
    }
}
