//! The messages: what each waits for, and the steps that follow.
//!
//! A pass goes through a message's recipients once, trying those whose channel is due. It is over
//! when all of the file has been read and nothing is under way; then the message is planned again
//! or finished. A pass that meets a full line leaves a mark there and goes on without it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::channel::{Name, Parked, Turn, Waiting};
use crate::message::{Message, NEVER, OVERFLOW};
use crate::messages::Messages;
use crate::step::{Cursor, Limits, Offer, Outcome, Settings, Step};
use crate::{Channel, Recipient, next_try};

/// Most recipients that a channel holds; beyond that, messages wait as a number.
const OF_A_CHANNEL: usize = 20_000;
/// Most recipients of one message that are held while all are busy; and while some are not, since those that are held
/// wait for hosts that are.
const OF_A_MESSAGE: u32 = 200;
const OF_A_STALLED_MESSAGE: u32 = 2000;
/// Most messages being read at once.
const READERS: usize = 1000;

#[derive(Debug)]
struct Running {
    channel: Channel,
    message: u64,
    name: Name,
    count: u32,
}

/// The schedule.
#[derive(Debug)]
pub struct Schedule {
    settings: Settings,
    messages: Messages,
    heap: BinaryHeap<Reverse<(i64, u64)>>,
    waiting: [Waiting; 2],
    overflow: [VecDeque<u64>; 2],
    /// Destinations that have a pause after a delivery, until when.
    resting: [VecDeque<(i64, Name)>; 2],
    reading: VecDeque<Cursor>,
    /// Messages that have been paused in reading; some may be read on by now.
    stalled: VecDeque<u64>,
    /// Cursors that the caller holds.
    lent: usize,
    slots: Vec<Option<Running>>,
    free: Vec<usize>,
    running: [u32; 2],
    events: VecDeque<Step>,
    epoch: u32,
    stopping: bool,
}

impl Schedule {
    /// An empty schedule.
    pub fn new(settings: Settings) -> Schedule {
        Schedule {
            settings,
            messages: Messages::default(),
            heap: BinaryHeap::new(),
            waiting: Default::default(),
            overflow: Default::default(),
            resting: Default::default(),
            reading: VecDeque::new(),
            stalled: VecDeque::new(),
            lent: 0,
            slots: Vec::new(),
            free: Vec::new(),
            running: [0; 2],
            events: VecDeque::new(),
            epoch: 0,
            stopping: false,
        }
    }

    /// Takes a message; `sender`: the same number for the same sender. False: it is known already.
    pub fn add(&mut self, message: u64, birth: i64, sender: u64, due: i64) -> bool {
        if self.messages.contains(message) {
            return false;
        }
        let new = Message::new(birth, sender, due);
        self.messages.insert(message, new);
        self.heap.push(Reverse((due, message)));
        true
    }

    /// Is the message in here?
    pub fn knows(&self, message: u64) -> bool {
        self.messages.contains(message)
    }

    /// The message is gone from the queue: nothing more is said of it.
    pub fn forget(&mut self, message: u64) {
        match self.messages.get_mut(message) {
            Some(known) if !known.is_idle() => known.gone = true,
            _ => self.messages.remove(message),
        }
    }

    /// The message is in its last pass: who is deferred now gets no other try.
    pub fn is_last(&self, message: u64) -> bool {
        self.messages.get(message).is_some_and(|known| known.last)
    }

    /// Messages in the queue.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Is there no message at all?
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Deliveries under way.
    pub fn running(&self, channel: Channel) -> u32 {
        self.running[channel.index()]
    }

    /// Recipients held in memory, started ones not counted.
    pub fn held(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.held).sum()
    }

    /// Sets a channel's limits.
    pub fn limit(&mut self, channel: Channel, limits: Limits) {
        let before = std::mem::replace(&mut self.settings.channels[channel.index()], limits);
        if before.pause != limits.pause {
            self.end_rests(channel, i64::MAX);
        }
        self.waiting[channel.index()].wake_all();
    }

    /// Sets how long messages are tried, and bounces, in seconds.
    pub fn set_lifetime(&mut self, lifetime: i64, bounce: i64) {
        (self.settings.lifetime, self.settings.bounce_lifetime) = (lifetime, bounce);
    }

    /// The message is a bounce, which has a lifetime of its own.
    pub fn mark_bounce(&mut self, number: u64) {
        if let Some(message) = self.messages.get_mut(number) {
            message.bounce = true;
        }
    }

    /// Nothing new is started or read from now on.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// All that waits for its time is due at `now`. What is held stays so.
    pub fn all_due(&mut self, now: i64) {
        self.messages.for_each(|number, message| {
            message.hurry(now);
            if message.is_idle() && message.next() < OVERFLOW {
                self.heap.push(Reverse((message.next(), number)));
            }
        });
    }

    /// If the message waits for its time, it is due at `now`.
    pub fn due(&mut self, number: u64, now: i64) {
        let Some(message) = self.messages.get_mut(number) else { return };
        message.hurry(now);
        if message.is_idle() && message.next() < OVERFLOW {
            self.heap.push(Reverse((message.next(), number)));
        }
    }

    /// No pass of the message is begun while it is held. What has begun goes on; [`Schedule::reroute`]
    /// takes back what has not been started.
    pub fn hold(&mut self, number: u64, held: bool) {
        let Some(message) = self.messages.get_mut(number) else { return };
        message.held = held;
        if message.is_idle() && message.next() < OVERFLOW {
            self.heap.push(Reverse((message.next(), number)));
        }
    }

    /// Routes have changed: whoever has not been started is read and offered anew.
    pub fn reroute(&mut self, now: i64) {
        self.epoch = self.epoch.wrapping_add(1);
        let mut touched = Vec::new();
        for waiting in &mut self.waiting {
            touched.extend(waiting.clear());
        }
        touched.extend(self.reading.drain(..).map(|cursor| (cursor.message, false)));
        self.messages.for_each(|number, message| {
            touched.extend(message.paused.take().map(|_| (number, false)));
        });
        for (number, recipient) in &touched {
            if let Some(message) = self.messages.get_mut(*number) {
                message.open -= u32::from(*recipient);
                message.cursors -= u32::from(!*recipient);
                message.again = true;
            }
        }
        for (number, _) in touched {
            self.settle(number, now);
        }
    }

    /// The next thing to do at `now`; `None`: nothing until [`Schedule::wakeup`] or a report.
    pub fn next(&mut self, now: i64) -> Option<Step> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.stopping {
            return None;
        }
        Channel::ALL.into_iter().for_each(|channel| self.end_rests(channel, now));
        let start = Channel::ALL.into_iter().find_map(|channel| self.start(channel));
        start.or_else(|| self.read(now))
    }

    /// When the next message is due, or the next pause over; `None`: nothing is waiting for a time.
    pub fn wakeup(&mut self) -> Option<i64> {
        let rest = self.resting.iter().filter_map(|resting| resting.front().map(|(until, _)| *until)).min();
        self.next_due().into_iter().chain(rest).min()
    }

    fn next_due(&mut self) -> Option<i64> {
        while let Some(Reverse((due, number))) = self.heap.peek().copied() {
            if self.is_due_at(number, due) {
                return Some(due);
            }
            self.heap.pop();
        }
        None
    }

    /// Offers a recipient that is not done, bound for `destination` on `channel`.
    pub fn offer(
        &mut self,
        cursor: &mut Cursor,
        channel: Channel,
        destination: &[u8],
        recipient: Recipient,
    ) -> Offer {
        let here = |(other, name): &(Channel, Name)| *other == channel && **name == *destination;
        let Some(message) = self.messages.get_mut(cursor.message) else { return Offer::Stop };
        if cursor.epoch != self.epoch {
            return Offer::Stop;
        }
        let wanted = match &cursor.only {
            Some(only) => here(only),
            None => message.trying[channel.index()] && !cursor.left.iter().any(here),
        };
        if !wanted {
            return Offer::Passed;
        }
        let waiting = &mut self.waiting[channel.index()];
        let resumed = cursor.only.is_some();
        if waiting.held >= OF_A_CHANNEL && !resumed {
            message.overflow[channel.index()] = true;
            return Offer::Passed;
        }
        let place = recipient.place;
        if waiting.add(message.sender, destination, cursor.message, resumed, recipient) {
            message.open += 1;
            return Offer::Taken;
        }
        message.cursors += 1;
        waiting.park(message.sender, destination, Parked { message: cursor.message, from: place });
        if resumed {
            return Offer::Stop;
        }
        cursor.left.push((channel, Name::from(destination)));
        Offer::Passed
    }

    /// A recipient can't be routed now: it is deferred without having been tried.
    pub fn defer(&mut self, cursor: &Cursor, channel: Channel) {
        if let Some(message) = self.messages.get_mut(cursor.message) {
            message.deferred[channel.index()] = true;
        }
    }

    /// Gives back a cursor that has more to read.
    pub fn more(&mut self, cursor: Cursor, now: i64) {
        if cursor.epoch != self.epoch {
            return self.close(cursor, now);
        }
        self.lent -= 1;
        match self.messages.get_mut(cursor.message) {
            Some(message) if message.held() >= OF_A_MESSAGE && cursor.only.is_none() => {
                self.stalled.push_back(cursor.message);
                message.paused = Some(Box::new(cursor));
            }
            _ => self.reading.push_back(cursor),
        }
    }

    /// Gives back a cursor that has read to the end, or was told to stop.
    pub fn close(&mut self, cursor: Cursor, now: i64) {
        self.lent -= 1;
        let Some(message) = self.messages.get_mut(cursor.message) else { return };
        message.cursors -= 1;
        message.again |= cursor.epoch != self.epoch;
        if let Some((channel, name)) = &cursor.only
            && cursor.epoch == self.epoch
        {
            self.waiting[channel.index()].resumed(message.sender, name);
        }
        self.settle(cursor.message, now);
    }

    /// The delivery in `slot` is over; one outcome a recipient (order does not matter).
    pub fn report(&mut self, slot: usize, outcomes: &[Outcome], now: i64) {
        let Some(running) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        self.free.push(slot);
        let index = running.channel.index();
        self.running[index] -= 1;
        let limits = self.settings.channels[index];
        match limits.pause {
            pause if pause > 0 => self.resting[index].push_back((now.saturating_add(pause), running.name)),
            _ => self.waiting[index].free(&running.name, &limits, outcomes.contains(&Outcome::Finished)),
        }
        self.refill(index);
        let Some(message) = self.messages.get_mut(running.message) else { return };
        message.open -= running.count;
        message.started -= running.count;
        message.deliveries[index] -= 1;
        message.deferred[index] |= outcomes.contains(&Outcome::Deferred);
        if message.held() <= OF_A_MESSAGE / 2 {
            self.reading.extend(message.paused.take().map(|cursor| *cursor));
        }
        self.settle(running.message, now);
    }

    /// Whose pause is over may have deliveries again.
    fn end_rests(&mut self, channel: Channel, now: i64) {
        let index = channel.index();
        while let Some((_, name)) = self.resting[index].pop_front_if(|(until, _)| *until <= now) {
            self.waiting[index].free(&name, &self.settings.channels[index], true);
        }
    }

    fn start(&mut self, channel: Channel) -> Option<Step> {
        let limits = self.settings.channels[channel.index()];
        if self.running[channel.index()] >= limits.concurrency {
            return None;
        }
        // One message, whose hosts may all be slow, has three quarters of all at most.
        let most = match channel {
            Channel::Remote => (limits.concurrency - limits.concurrency / 4).max(1),
            Channel::Local => u32::MAX,
        };
        let messages = &self.messages;
        let full = |number: u64| {
            messages.get(number).is_some_and(|message| message.deliveries[channel.index()] >= most)
        };
        let turn = self.waiting[channel.index()].turn(&limits, full)?;
        let Turn::Start { message, name, recipients } = turn else { return None };
        self.running[channel.index()] += 1;
        if let Some(known) = self.messages.get_mut(message) {
            known.started += recipients.len() as u32;
            known.deliveries[channel.index()] += 1;
        }
        let running = Running { channel, message, name, count: recipients.len() as u32 };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(running);
        Some(Step::Start { slot, channel, message, recipients })
    }

    fn read(&mut self, now: i64) -> Option<Step> {
        let cursor = self.resumed().or_else(|| self.reading.pop_front());
        let cursor = cursor.or_else(|| self.begin(now)).or_else(|| self.read_on())?;
        self.lent += 1;
        Some(Step::Read(cursor))
    }

    fn resumed(&mut self) -> Option<Cursor> {
        Channel::ALL.into_iter().find_map(|channel| {
            let Some(Turn::Resume { parked, name }) = self.waiting[channel.index()].next_read() else {
                return None;
            };
            Some(Cursor {
                message: parked.message,
                only: Some((channel, name)),
                left: Vec::new(),
                epoch: self.epoch,
                from: parked.from,
            })
        })
    }

    /// Nothing can be started, and not all are busy: what is held waits for hosts that are, and others may be behind it.
    fn read_on(&mut self) -> Option<Cursor> {
        let idle: [bool; 2] =
            std::array::from_fn(|index| self.running[index] < self.settings.channels[index].concurrency);
        if !idle.contains(&true) {
            return None;
        }
        for _ in 0..self.stalled.len() {
            let number = self.stalled.pop_front()?;
            let Some(message) = self.messages.get_mut(number) else { continue };
            let use_of_it = [0, 1].iter().any(|index| idle[*index] && message.deliveries[*index] > 0);
            if message.paused.is_some() && (!use_of_it || message.held() >= OF_A_STALLED_MESSAGE) {
                self.stalled.push_back(number);
            } else if let Some(cursor) = message.paused.take() {
                return Some(*cursor);
            }
        }
        None
    }

    /// Begins a pass of the message that has been due for longest.
    fn begin(&mut self, now: i64) -> Option<Cursor> {
        if self.lent + self.reading.len() >= READERS || self.next_due()? > now {
            return None;
        }
        let Reverse((_, number)) = self.heap.pop()?;
        let message = self.messages.get_mut(number)?;
        for index in [0, 1] {
            message.trying[index] = message.due[index] <= now || message.due[index] == NEVER;
            if message.trying[index] {
                message.due[index] = NEVER;
            }
        }
        let Settings { lifetime, bounce_lifetime, .. } = self.settings;
        let lifetime = if message.bounce { bounce_lifetime } else { lifetime };
        message.last = now.saturating_sub(message.birth) > lifetime;
        message.began = now;
        message.cursors = 1;
        Some(Cursor { message: number, only: None, left: Vec::new(), epoch: self.epoch, from: 0 })
    }

    /// If the message's pass is over, plans the next one or finishes it.
    fn settle(&mut self, number: u64, now: i64) {
        let Some(message) = self.messages.get_mut(number).filter(|m| m.is_idle()) else { return };
        if message.gone {
            self.messages.remove(number);
            return;
        }
        for channel in Channel::ALL {
            let index = channel.index();
            if message.again && message.trying[index] {
                message.due[index] = now;
            } else if std::mem::take(&mut message.overflow[index]) {
                message.due[index] = OVERFLOW;
                self.overflow[index].push_back(number);
            } else if message.deferred[index] {
                let due = next_try(message.birth, message.began, channel);
                message.due[index] = if due > now { due } else { next_try(message.birth, now, channel) };
            }
            message.deferred[index] = false;
            message.trying[index] = false;
            message.overflow[index] = false;
        }
        message.again = false;
        let due = message.next();
        if due == NEVER {
            self.messages.remove(number);
            self.events.push_back(Step::Finish(number));
            return;
        }
        if due < OVERFLOW {
            self.heap.push(Reverse((due, number)));
            self.events.push_back(Step::Planned { message: number, due });
        }
        self.refill(0);
        self.refill(1);
    }

    /// Lets messages that waited for room be due, as long as there is some.
    fn refill(&mut self, index: usize) {
        let mut room = (OF_A_CHANNEL / 2).saturating_sub(self.waiting[index].held).min(100);
        while room > 0 {
            let Some(number) = self.overflow[index].pop_front() else { return };
            let Some(message) = self.messages.get_mut(number) else { continue };
            if message.due[index] == OVERFLOW {
                room -= 1;
                message.due[index] = message.birth;
                if message.is_idle() {
                    self.heap.push(Reverse((message.next(), number)));
                }
            }
        }
    }

    fn is_due_at(&self, number: u64, due: i64) -> bool {
        let message = self.messages.get(number);
        message.is_some_and(|message| !message.held && message.is_idle() && message.next() == due)
    }
}
