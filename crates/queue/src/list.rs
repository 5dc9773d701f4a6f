//! The queue as an admin sees it. Reads only; a message may vanish while it is looked at.

use std::io;
use std::time::SystemTime;

use crate::{Found, Head, Queue, Steering, Stored, Trouble};

/// A message as it is listed.
#[derive(Debug)]
pub struct Listed {
    /// Its number.
    pub id: u64,
    /// Arrival, uid, process id, token, sender.
    pub head: Head,
    /// Octets of the message.
    pub size: u64,
    /// Recipients in all.
    pub recipients: u64,
    /// Recipients that are done.
    pub done: u64,
    /// When it is tried next, as far as it has been planned.
    pub due: SystemTime,
    /// Some recipients have failed for good.
    pub noted: bool,
    /// What the admin has decided about it.
    pub steering: Steering,
    /// For the recipients: [`Stored::recipients`].
    pub stored: Stored,
}

/// The queue in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Messages.
    pub messages: u64,
    /// Recipients that are not done.
    pub waiting: u64,
    /// Octets of all messages.
    pub octets: u64,
    /// Messages that the admin holds.
    pub held: u64,
    /// Files that can't be read or are damaged.
    pub damaged: u64,
    /// Arrival of the oldest message, µs since 1970.
    pub oldest: Option<u64>,
}

impl Queue {
    /// The numbers of all messages, oldest first.
    pub fn ids(&self) -> io::Result<Vec<u64>> {
        let mut ids = Vec::new();
        self.scan(|found| {
            if let Found::Message(id) = found {
                ids.push(id);
            }
        })?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// Looks at message `id`; checks its envelope, not its text.
    pub fn show(&self, id: u64) -> Result<Listed, Trouble> {
        let stored = self.stored(id)?;
        let (head, recipients, done) = stored.check()?;
        let (size, due, noted) = (stored.message_length(), stored.touched(), self.has_notes(id));
        let steering = self.steering(id)?;
        Ok(Listed { id, head, size, recipients, done, due, noted, steering, stored })
    }

    /// Counts everything.
    pub fn totals(&self) -> io::Result<Totals> {
        let mut totals = Totals::default();
        for id in self.ids()? {
            match self.show(id) {
                Ok(listed) => {
                    totals.messages += 1;
                    totals.waiting += listed.recipients - listed.done;
                    totals.octets += listed.size;
                    totals.held += u64::from(listed.steering.held);
                    let oldest = totals.oldest.unwrap_or(u64::MAX).min(listed.head.arrival);
                    totals.oldest = Some(oldest);
                }
                Err(Trouble::Gone) => {}
                Err(_) => totals.damaged += 1,
            }
        }
        Ok(totals)
    }
}
