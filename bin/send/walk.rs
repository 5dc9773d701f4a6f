//! Reading messages: taking them into the schedule, and offering it their recipients.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use queue::{Head, Stored, Trouble};
use schedule::{Channel, Cursor, Found, Offer, Recipient, next_try};

use crate::lookup::Verdict;
use crate::office::Office;
use crate::outcome::safe;
use crate::settings::is_bounce;
use route::{Route, domain};

/// Recipients that are read at once.
const WINDOW: usize = 100;
/// A file that was touched this long after its arrival has been tried already, in seconds.
const TRIED: u64 = 60;

/// Where a recipient ended up.
enum Placed {
    /// Somewhere; go on.
    There,
    /// Nothing more of this message is wanted now.
    Stop,
    /// Nowhere yet: the verdict on this domain has to come first.
    Waits(Vec<u8>),
}

impl Office {
    /// Takes message `id` into the schedule, unless it is there.
    pub(crate) fn load(&mut self, id: u64) {
        if self.schedule.knows(id) || self.partings.knows(id) {
            return;
        }
        let seen = self.at_hand.open(&self.queue, id);
        let seen = seen.and_then(|stored| stored.check().map(|(head, all, done)| (stored, head, all, done)));
        match seen.and_then(|seen| self.look_for_decision(id).map(|()| seen)) {
            Ok((stored, ..)) if stored.owner() != self.uid => {
                let owner = stored.owner();
                sys::log!(
                    "warning: msg {id} belongs to uid {owner}; skipped until it is given to the queue's"
                );
            }
            Ok((stored, head, all, done)) => {
                self.take(id, &stored, &head, all == done && all > 0);
                self.at_hand.keep(id, stored);
            }
            Err(Trouble::Gone) => {}
            Err(Trouble::Damaged(how)) => self.set_aside(id, how),
            Err(Trouble::Io(error)) => {
                sys::log!("warning: can't read msg {id}: {error}; will try again");
                self.scan_soon();
            }
        }
    }

    fn take(&mut self, id: u64, stored: &Stored, head: &Head, settled: bool) {
        let arrival = (head.arrival / 1_000_000) as i64;
        let (wall, steady) = (sys::unix_seconds() as i64, self.clock.now());
        self.trusted &= !self.clock.has_leapt();
        let lifetime = self.settings.lifetime_of(&head.sender);
        let birth = schedule::birth(Found { arrival, wall, steady, lifetime, trusted: self.trusted });
        let touched = stored.touched().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        let tried = settled || touched > head.arrival / 1_000_000 + TRIED;
        let due = if tried {
            // As it was planned, but never later than a plan could be.
            self.clock.steady(stored.touched()).min(next_try(birth, steady, Channel::Remote))
        } else {
            let (sender, bytes) = (safe(&head.sender), stored.message_length());
            sys::log!("new msg {id}");
            sys::log!("info msg {id}: bytes {bytes} from <{sender}> qp {} uid {}", head.pid, head.uid);
            steady
        };
        let mut sender = DefaultHasher::new();
        head.sender.hash(&mut sender);
        self.schedule.add(id, birth, sender.finish(), if settled { steady } else { due });
        if is_bounce(&head.sender) {
            self.schedule.mark_bounce(id);
        }
        if self.steered.get(&id).is_some_and(|steering| steering.held) {
            self.schedule.hold(id, true);
        }
    }

    /// Offers some recipients to the schedule. Verdicts that were good at the time `since` count.
    pub(crate) fn read(&mut self, mut cursor: Cursor, since: Duration) {
        let id = cursor.message();
        let read = self.at_hand.open(&self.queue, id);
        let read = read.and_then(|stored| Ok((stored.recipients(cursor.from, WINDOW)?, stored)));
        let window = match read {
            Ok((window, stored)) => {
                self.at_hand.keep(id, stored);
                window
            }
            Err(trouble) => return self.unreadable(cursor, &trouble),
        };
        if cursor.from == 0 && window.next.is_none() && window.recipients.len() == 1 {
            self.single.insert(id);
        }
        let mut left = window.recipients.as_slice();
        while let Some((recipient, rest)) = left.split_first() {
            cursor.from = recipient.place;
            left = rest;
            if recipient.done {
                continue;
            }
            match self.place(&mut cursor, recipient, since) {
                Placed::There => {}
                Placed::Stop => return self.schedule.close(cursor, self.clock.now()),
                Placed::Waits(domain) => return self.suspend(cursor, domain, rest),
            }
        }
        match window.next {
            Some(next) => {
                cursor.from = next;
                self.schedule.more(cursor, self.clock.now());
            }
            None => self.schedule.close(cursor, self.clock.now()),
        }
    }

    /// Has a message wait for the verdict on `domain`, and asks ahead for those `behind`. Answers come in the order of the
    /// questions: it is read on when the last one is there, not once for each domain. What is known now will be known then,
    /// however long it takes.
    fn suspend(&mut self, cursor: Cursor, mut domain: Vec<u8>, behind: &[queue::Recipient]) {
        let since = sys::monotonic();
        for recipient in behind.iter().filter(|recipient| !recipient.done) {
            if !self.lookup.has_time() {
                break;
            }
            let Ok(Route::Ask(address)) = self.settings.routes.of(&recipient.address) else { continue };
            let next = route::domain(&address).to_ascii_lowercase();
            if self.lookup.verdict(&next, since).is_none() {
                domain = next;
            }
        }
        self.suspended.entry(domain).or_default().push((cursor, since));
    }

    fn place(&mut self, cursor: &mut Cursor, recipient: &queue::Recipient, since: Duration) -> Placed {
        let (channel, address) = match self.settings.routes.of(&recipient.address) {
            Ok(Route::Local(address)) => (Channel::Local, address),
            Ok(Route::Remote(address)) => (Channel::Remote, address),
            Ok(Route::Ask(address)) => {
                let domain = domain(&address).to_ascii_lowercase();
                let known = self.lookup.known(&domain, since);
                match known.or_else(|| self.lookup.verdict(&domain, sys::monotonic())) {
                    Some(Verdict::Ours) => (Channel::Local, address),
                    Some(Verdict::NotOurs) => (Channel::Remote, address),
                    Some(Verdict::Listed) => {
                        return self.nowhere(cursor, recipient, "control files have changed; send HUP");
                    }
                    Some(Verdict::Later) => return self.nowhere(cursor, recipient, "lookup can't tell"),
                    None => return Placed::Waits(domain),
                }
            }
            Err(broken) => return self.nowhere(cursor, recipient, &broken.to_string()),
        };
        let destination = match channel {
            Channel::Local => address.to_ascii_lowercase(),
            Channel::Remote => self.settings.destination(&domain(&address).to_ascii_lowercase()),
        };
        let recipient = Recipient { place: recipient.place, address: address.into() };
        match self.schedule.offer(cursor, channel, &destination, recipient) {
            Offer::Taken | Offer::Passed => Placed::There,
            Offer::Stop => Placed::Stop,
        }
    }

    /// It can't be told where a recipient's mail goes: it waits, however old it is.
    fn nowhere(&mut self, cursor: &Cursor, recipient: &queue::Recipient, cause: &str) -> Placed {
        let (id, address) = (cursor.message(), safe(&recipient.address));
        sys::log!("warning: msg {id} waits, since the way to {address} is not known: {cause}");
        self.schedule.defer(cursor, Channel::Local);
        Placed::There
    }

    fn unreadable(&mut self, cursor: Cursor, trouble: &Trouble) {
        let id = cursor.message();
        match trouble {
            Trouble::Gone => {
                sys::log!("warning: msg {id} has vanished");
                self.schedule.forget(id);
            }
            Trouble::Damaged(how) => self.set_aside(id, how),
            Trouble::Io(error) => {
                sys::log!("warning: can't read msg {id}: {error}; will try again");
                self.schedule.defer(&cursor, Channel::Local);
            }
        }
        self.schedule.close(cursor, self.clock.now());
    }
}
