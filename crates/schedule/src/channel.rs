//! The waiting recipients of one channel, and whose turn it is.
//!
//! Turns go round by sender, then by destination; what one sender has for one destination is a
//! line. A destination takes so many at once. A line holds a few recipients of each message; who
//! finds it full is parked as two numbers and read again from the file when there is room.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::step::Limits;

/// Most recipients of one message in a line: as many as go in one delivery.
const OF_A_MESSAGE: usize = 60;
/// Most recipients in a line.
const OF_A_LINE: usize = 128;
/// Most recipients that wait for one destination.
const OF_A_DESTINATION: usize = 512;

/// A recipient that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where its record stands in the message's file.
    pub place: u64,
    /// Its address as routed.
    pub address: Box<[u8]>,
}

/// A destination's name.
pub(crate) type Name = Rc<[u8]>;

/// Where a message goes on when there is room: its number and a place in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parked {
    pub(crate) message: u64,
    pub(crate) from: u64,
}

/// What to do next.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Start a delivery.
    Start { message: u64, name: Name, recipients: Vec<Recipient> },
    /// Read on in a parked message, for this destination only.
    Resume { parked: Parked, name: Name },
}

#[derive(Debug, Default)]
struct Line {
    jobs: VecDeque<(u64, Recipient)>,
    parked: VecDeque<Parked>,
    /// A parked message of this line is being read.
    resuming: bool,
    /// It stands in its sender's round or waits for the destination.
    listed: bool,
}

impl Line {
    fn has_turn(&self) -> bool {
        !self.jobs.is_empty() || (!self.parked.is_empty() && !self.resuming)
    }

    fn is_over(&self) -> bool {
        self.jobs.is_empty() && self.parked.is_empty() && !self.resuming
    }

    fn room_for(&self, message: u64, resumed: bool) -> bool {
        let most = if self.parked.is_empty() || resumed { OF_A_LINE } else { OF_A_LINE / 2 };
        let of_message = self.jobs.iter().filter(|(other, _)| *other == message).count();
        self.jobs.len() < most && of_message < OF_A_MESSAGE
    }

    /// The first recipient and those right behind it of the same message.
    fn take(&mut self, batch: usize) -> Option<(u64, Vec<Recipient>)> {
        let (message, first) = self.jobs.pop_front()?;
        let mut recipients = vec![first];
        while recipients.len() < batch && self.jobs.front().is_some_and(|(other, _)| *other == message) {
            recipients.extend(self.jobs.pop_front().map(|(_, recipient)| recipient));
        }
        Some((message, recipients))
    }

    fn resume(&mut self) -> Option<Parked> {
        if self.resuming || self.jobs.len() >= OF_A_LINE / 2 {
            return None;
        }
        let parked = self.parked.pop_front()?;
        self.resuming = true;
        Some(parked)
    }
}

#[derive(Debug, Default)]
struct Destination {
    running: u32,
    /// Deliveries that it may have at once, as far as is known.
    may: Option<u32>,
    queued: usize,
    lines: HashMap<u64, Line>,
    /// Senders whose turn came while the destination was busy.
    waiting: VecDeque<u64>,
    /// Senders whose line has only parked messages, while the destination had no room for more.
    crowded: VecDeque<u64>,
}

impl Destination {
    fn may(&self, limits: &Limits) -> u32 {
        self.may.unwrap_or(limits.at_first).clamp(1, limits.at_once.max(1))
    }

    fn has_room(&self) -> bool {
        self.queued < OF_A_DESTINATION / 2
    }
}

/// All that waits for one channel.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    destinations: HashMap<Name, Destination>,
    /// For each sender the destinations whose turn comes round.
    senders: HashMap<u64, VecDeque<Name>>,
    round: VecDeque<u64>,
    /// Messages to be read on, found while a turn was looked for.
    resumed: VecDeque<(Parked, Name)>,
    /// Recipients held.
    pub(crate) held: usize,
}

impl Waiting {
    /// Takes a recipient, or finds the line full and leaves it.
    pub(crate) fn add(
        &mut self,
        sender: u64,
        name: &[u8],
        message: u64,
        resumed: bool,
        recipient: Recipient,
    ) -> bool {
        let name = self.name(name);
        let destination = self.destinations.entry(name.clone()).or_default();
        let line = destination.lines.entry(sender).or_default();
        if destination.queued >= OF_A_DESTINATION || !line.room_for(message, resumed) {
            return false;
        }
        line.jobs.push_back((message, recipient));
        destination.queued += 1;
        self.held += 1;
        self.list(sender, &name);
        true
    }

    /// Keeps where a message is to be read on once there is room.
    pub(crate) fn park(&mut self, sender: u64, name: &[u8], parked: Parked) {
        let name = self.name(name);
        let destination = self.destinations.entry(name.clone()).or_default();
        destination.lines.entry(sender).or_default().parked.push_back(parked);
        self.list(sender, &name);
    }

    /// A resumed message of this line has been read as far as it went.
    pub(crate) fn resumed(&mut self, sender: u64, name: &Name) {
        let Some(destination) = self.destinations.get_mut(name) else { return };
        let Some(line) = destination.lines.get_mut(&sender) else { return };
        line.resuming = false;
        if line.is_over() && !line.listed {
            destination.lines.remove(&sender);
        }
        self.list(sender, name);
        self.make_room(name);
        self.drop_if_over(name);
    }

    /// Whose turn it is; `None`: nobody's, or all destinations are busy. Messages that are `full` are passed over.
    pub(crate) fn turn(&mut self, limits: &Limits, full: impl Fn(u64) -> bool) -> Option<Turn> {
        let mut passed = Vec::new();
        let mut found = None;
        while let Some((sender, name)) = self.come_round() {
            if self.first(sender, &name).is_some_and(&full) {
                passed.push((sender, name));
            } else if let Some((message, recipients)) = self.try_line(sender, &name, limits) {
                found = Some(Turn::Start { message, name, recipients });
                break;
            }
        }
        passed.into_iter().for_each(|(sender, name)| self.enter(sender, name));
        found
    }

    /// The message that is first in a line.
    fn first(&self, sender: u64, name: &Name) -> Option<u64> {
        let line = self.destinations.get(name)?.lines.get(&sender)?;
        line.jobs.front().map(|(message, _)| *message)
    }

    /// A parked message whose turn to be read on has come.
    pub(crate) fn next_read(&mut self) -> Option<Turn> {
        self.resumed.pop_front().map(|(parked, name)| Turn::Resume { parked, name })
    }

    /// A delivery to `name` is over, well or not.
    pub(crate) fn free(&mut self, name: &Name, limits: &Limits, well: bool) {
        if let Some(destination) = self.destinations.get_mut(name) {
            destination.running = destination.running.saturating_sub(1);
            let may = destination.may(limits);
            destination.may =
                Some(if well { may + 1 } else { may / 2 }).filter(|_| limits.at_first < limits.at_once);
        }
        self.wake(name);
        if well {
            self.wake(name);
        }
        self.drop_if_over(name);
    }

    /// Lets everyone who waits for a busy destination ask again: limits have changed.
    pub(crate) fn wake_all(&mut self) {
        let names: Vec<Name> = self.destinations.keys().cloned().collect();
        for name in names {
            while self.wake(&name) {}
        }
    }

    /// Forgets all that has not started; gives the messages concerned, once for each recipient or parked place.
    pub(crate) fn clear(&mut self) -> Vec<(u64, bool)> {
        let mut dropped: Vec<(u64, bool)> = Vec::new();
        for (_, destination) in self.destinations.iter_mut() {
            for (_, line) in destination.lines.drain() {
                dropped.extend(line.jobs.iter().map(|(message, _)| (*message, true)));
                dropped.extend(line.parked.iter().map(|parked| (parked.message, false)));
            }
            destination.queued = 0;
            destination.waiting.clear();
            destination.crowded.clear();
        }
        dropped.extend(self.resumed.drain(..).map(|(parked, _)| (parked.message, false)));
        self.destinations.retain(|_, destination| destination.running > 0);
        self.senders.clear();
        self.round.clear();
        self.held = 0;
        dropped
    }

    fn name(&self, name: &[u8]) -> Name {
        self.destinations.get_key_value(name).map_or_else(|| Rc::from(name), |(known, _)| known.clone())
    }

    /// Puts a line into its sender's round, if there is something in it and it is not there yet.
    fn list(&mut self, sender: u64, name: &Name) {
        let line = self.destinations.get_mut(name).and_then(|d| d.lines.get_mut(&sender));
        let Some(line) = line.filter(|line| line.has_turn() && !line.listed) else { return };
        line.listed = true;
        self.enter(sender, name.clone());
    }

    fn enter(&mut self, sender: u64, name: Name) {
        let names = self.senders.entry(sender).or_insert_with(|| {
            self.round.push_back(sender);
            VecDeque::new()
        });
        names.push_back(name);
    }

    /// The next line in the round, taken out of it.
    fn come_round(&mut self) -> Option<(u64, Name)> {
        while let Some(sender) = self.round.pop_front() {
            let Some(names) = self.senders.get_mut(&sender) else { continue };
            let name = names.pop_front();
            match names.is_empty() {
                true => drop(self.senders.remove(&sender)),
                false => self.round.push_back(sender),
            }
            if let Some(name) = name {
                return Some((sender, name));
            }
        }
        None
    }

    fn try_line(&mut self, sender: u64, name: &Name, limits: &Limits) -> Option<(u64, Vec<Recipient>)> {
        let destination = self.destinations.get_mut(name)?;
        let (room, may) = (destination.has_room(), destination.may(limits));
        let line = destination.lines.get_mut(&sender)?;
        if destination.running >= may && !line.jobs.is_empty() {
            destination.waiting.push_back(sender);
            return None;
        }
        if line.jobs.is_empty() && !room {
            destination.crowded.push_back(sender);
            self.wake(name);
            return None;
        }
        line.listed = false;
        let taken = line.take(limits.batch.max(1));
        if room {
            self.resumed.extend(line.resume().map(|parked| (parked, name.clone())));
        }
        if line.is_over() {
            destination.lines.remove(&sender);
        }
        let count = taken.as_ref().map_or(0, |(_, recipients)| recipients.len());
        destination.running += u32::from(count > 0);
        destination.queued -= count;
        self.held -= count;
        self.list(sender, name);
        self.make_room(name);
        if count == 0 {
            // The turn was not used: whoever waits for the destination may have it.
            self.wake(name);
            self.drop_if_over(name);
        }
        taken
    }

    fn wake(&mut self, name: &Name) -> bool {
        let Some(sender) = self.destinations.get_mut(name).and_then(|d| d.waiting.pop_front()) else {
            return false;
        };
        self.enter(sender, name.clone());
        true
    }

    /// Lets a line ask again that found no room for what it has parked, if there is some now.
    fn make_room(&mut self, name: &Name) {
        let Some(destination) = self.destinations.get_mut(name).filter(|d| d.has_room()) else { return };
        if let Some(sender) = destination.crowded.pop_front() {
            self.enter(sender, name.clone());
        }
    }

    fn drop_if_over(&mut self, name: &Name) {
        if self.destinations.get(name).is_some_and(|d| d.running == 0 && d.lines.is_empty()) {
            self.destinations.remove(name);
        }
    }
}
