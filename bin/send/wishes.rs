//! What the admin wants done with messages: `fulmar queue` leaves wishes, here they come true.
//!
//! One at a time, between the steps of the loop: a wish finds a message waiting, being read or under
//! way, never in between. The wish's file is removed after the deed, so that a crash repeats it.

use std::collections::HashSet;
use std::io;

use queue::{Failure, Queue, Steering, Trouble, Wish};
use wire::Fate;

use crate::office::Office;

/// Recipients looked at at once.
const WINDOW: usize = 1000;
const GIVEN_UP: &str = "The administrator of the mail server has given this message up";

/// What a wish came to.
enum Deed {
    Done,
    /// Not now: the wish stays.
    Later,
}

impl Office {
    /// What was decided before this start.
    pub(crate) fn recall_decisions(&mut self) {
        let mut ids = Vec::new();
        let _ = self.queue.each_steered(|id| ids.push(id));
        for id in ids {
            // What can't be read is held: it must not go where nobody wanted it.
            let held = Steering { held: true, route: None };
            let steering = self.queue.steering(id).unwrap_or(held);
            match self.queue.stored(id) {
                Err(Trouble::Gone) => drop(self.queue.steer(id, &Steering::default())),
                _ => drop(self.steered.insert(id, steering)),
            }
        }
    }

    /// What was decided about a message when it was accepted.
    pub(crate) fn look_for_decision(&mut self, id: u64) -> Result<(), Trouble> {
        let steering = match self.queue.steering(id) {
            // What is no decision holds the message; what can't be read now is read later.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Steering { held: true, route: None },
            other => other.map_err(Trouble::Io)?,
        };
        if steering != Steering::default() {
            self.steered.insert(id, steering);
        }
        Ok(())
    }

    /// Carries out all wishes that there are.
    pub(crate) fn take_wishes(&mut self) {
        let wishes = match self.queue.wishes() {
            Ok(wishes) => wishes,
            Err(error) => return sys::log!("alert: can't look into ask: {error}"),
        };
        let changed = wishes.iter().any(|(_, wish)| !matches!(wish, Wish::Retry));
        let mut loaded = HashSet::new();
        for (id, wish) in &wishes {
            if loaded.insert(*id) {
                self.load(*id);
            }
            match self.carry_out_wish(*id, wish) {
                Ok(Deed::Done) => {
                    sys::log!("wish msg {id}: {}", wish.verb());
                    let _ = self.queue.fulfilled(*id, wish);
                }
                Ok(Deed::Later) => {}
                Err(Trouble::Gone) => {
                    sys::log!("wish msg {id}: {}: there is no such message any more", wish.verb());
                    let _ = self.queue.fulfilled(*id, wish);
                }
                Err(trouble) => sys::log!("alert: wish msg {id}: {}: {trouble}", wish.verb()),
            }
        }
        if changed {
            self.reroute();
        }
        if !wishes.is_empty() {
            self.start_partings();
        }
    }

    fn carry_out_wish(&mut self, id: u64, wish: &Wish) -> Result<Deed, Trouble> {
        let now = self.clock.now();
        if self.partings.knows(id) {
            return self.wish_for_bounced(id, wish);
        }
        self.queue.stored(id)?;
        match wish {
            Wish::Retry => self.schedule.due(id, now),
            Wish::Hold => self.hold(id, true)?,
            Wish::Release => self.hold(id, false)?,
            Wish::Route(relay) => {
                let held = self.steering(id).held;
                self.steer(id, Steering { held, route: relay.clone() })?;
                self.schedule.due(id, now);
            }
            Wish::Delete => {
                settle(&self.queue, id, &HashSet::new(), None, |_| true)?;
                self.deleted.insert(id);
                remove_notes(&self.queue, id)?;
                self.let_go(id)?;
            }
            Wish::Bounce => {
                let fate = Fate::never(0, 0, GIVEN_UP);
                settle(&self.queue, id, &self.under_way(id), Some(&fate), |_| true)?;
                self.given_up.insert(id);
                self.let_go(id)?;
            }
            Wish::Drop(addresses) => {
                let is_meant = |address: &[u8]| addresses.iter().any(|one| one.eq_ignore_ascii_case(address));
                settle(&self.queue, id, &HashSet::new(), None, is_meant)?;
                self.schedule.due(id, now);
            }
        }
        Ok(Deed::Done)
    }

    /// All recipients are done already; the bounce is being made or waits for its next try.
    fn wish_for_bounced(&mut self, id: u64, wish: &Wish) -> Result<Deed, Trouble> {
        match wish {
            Wish::Retry | Wish::Bounce => self.partings.hurry(id, sys::monotonic()),
            Wish::Delete if !self.partings.withdraw(id) => return Ok(Deed::Later),
            Wish::Delete => {
                remove_notes(&self.queue, id)?;
                self.end(id);
            }
            _ => sys::log!("wish msg {id}: {}: it is bouncing, that is all there is left", wish.verb()),
        }
        Ok(Deed::Done)
    }

    fn steering(&self, id: u64) -> Steering {
        self.steered.get(&id).cloned().unwrap_or_default()
    }

    fn steer(&mut self, id: u64, steering: Steering) -> io::Result<()> {
        self.queue.steer(id, &steering)?;
        if steering == Steering::default() {
            self.steered.remove(&id);
        } else {
            self.steered.insert(id, steering);
        }
        Ok(())
    }

    fn hold(&mut self, id: u64, held: bool) -> io::Result<()> {
        let route = self.steering(id).route;
        self.steer(id, Steering { held, route })?;
        self.schedule.hold(id, held);
        Ok(())
    }

    /// Nothing holds the message any more: its end is found at once.
    fn let_go(&mut self, id: u64) -> io::Result<()> {
        self.hold(id, false)?;
        self.schedule.due(id, self.clock.now());
        Ok(())
    }

    /// The recipients of the message that are being delivered to, by their places.
    fn under_way(&self, id: u64) -> HashSet<u64> {
        let of_message = self.deliveries.values().filter(|delivery| delivery.message == id);
        of_message.flat_map(|delivery| delivery.open()).collect()
    }
}

/// Marks the recipients that `is_meant` names as done, but for those at the places `spared`; notes `fate` as
/// the failure of each, if there is one.
fn settle(
    queue: &Queue,
    id: u64,
    spared: &HashSet<u64>,
    fate: Option<&Fate>,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Result<(), Trouble> {
    let (stored, mut from) = (queue.stored(id)?, Some(0));
    while let Some(place) = from {
        let window = stored.recipients(place, WINDOW)?;
        let open = window.recipients.into_iter().filter(|one| !one.done && !spared.contains(&one.place));
        let meant: Vec<_> = open.filter(|one| is_meant(&one.address)).collect();
        if let Some(fate) = fate.filter(|_| !meant.is_empty()) {
            let failure =
                |one: &queue::Recipient| Failure { address: one.address.clone(), fate: fate.clone() };
            queue.note(id, &meant.iter().map(failure).collect::<Vec<_>>())?;
        }
        queue.mark_done(id, &meant.iter().map(|one| one.place).collect::<Vec<_>>())?;
        from = window.next;
    }
    Ok(())
}

fn remove_notes(queue: &Queue, id: u64) -> io::Result<()> {
    match queue.remove_notes(id) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
