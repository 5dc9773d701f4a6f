//! Messages that have been opened and will be wanted again in the same turn: to be taken in, offered to the schedule
//! and ordered, most need one opening.
//!
//! Nothing stays from one wait to the next, nor what has been changed: else others' wishes and our own marks were missed.

use queue::{Queue, Stored, Trouble};

/// Most messages that are kept open.
const MOST: usize = 16;

/// The open ones, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct AtHand(Vec<(u64, Stored)>);

impl AtHand {
    /// Message `id`, taken away from here or opened.
    pub(crate) fn open(&mut self, queue: &Queue, id: u64) -> Result<Stored, Trouble> {
        match self.0.iter().position(|(other, _)| *other == id) {
            Some(place) => Ok(self.0.remove(place).1),
            None => queue.stored(id),
        }
    }

    /// Keeps it for the next who wants it.
    pub(crate) fn keep(&mut self, id: u64, stored: Stored) {
        self.forget(id);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push((id, stored));
    }

    /// It has been changed, or is gone.
    pub(crate) fn forget(&mut self, id: u64) {
        self.0.retain(|(other, _)| *other != id);
    }

    /// The turn is over.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_opened_once_and_never_given_twice() {
        let home = tempfile::tempdir().unwrap();
        let queue = Queue::make(&home.path().join("queue")).unwrap();
        let mut hand = AtHand::default();
        assert!(matches!(hand.open(&queue, 1), Err(Trouble::Gone)));
        for id in 0..=MOST as u64 {
            let mut draft = queue::Draft::new(&queue, id + 1, Vec::new());
            draft.message(b"x").unwrap();
            let head = queue::Head {
                arrival: 1,
                uid: 1,
                pid: 1,
                token: Vec::new(),
                requiretls: false,
                sender: Vec::new(),
            };
            draft.envelope(&head).unwrap();
            draft.save().unwrap();
            let stored = hand.open(&queue, id + 1).unwrap();
            hand.keep(id + 1, stored);
            queue.remove(id + 1).unwrap();
        }
        assert!(matches!(hand.open(&queue, 1), Err(Trouble::Gone)), "the oldest had to go");
        assert!(hand.open(&queue, 2).is_ok());
        assert!(matches!(hand.open(&queue, 2), Err(Trouble::Gone)));
        hand.forget(3);
        assert!(matches!(hand.open(&queue, 3), Err(Trouble::Gone)));
        hand.clear();
        assert!(matches!(hand.open(&queue, 4), Err(Trouble::Gone)));
    }
}
