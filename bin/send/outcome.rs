//! Deliveries: giving orders, and what is done with the reports.

use std::fs::File;

use queue::{Failure, Stored, Trouble};
use schedule::{Channel, Outcome, Recipient};
use wire::Fate;

use crate::office::Office;
use crate::verp;

/// A delivery under way.
#[derive(Debug)]
pub(crate) struct Delivery {
    channel: Channel,
    pub(crate) message: u64,
    recipients: Vec<Pending>,
}

#[derive(Debug)]
struct Pending {
    place: u64,
    number: u64,
    outcome: Option<Outcome>,
}

impl Delivery {
    /// Where the recipients that have no answer yet stand in the message's file.
    pub(crate) fn open(&self) -> impl Iterator<Item = u64> {
        self.recipients.iter().filter(|one| one.outcome.is_none()).map(|one| one.place)
    }
}

/// Why a recipient was not tried at all; that never makes a bounce.
const MANGLED: &str = "report mangled, will defer";
const LOST: &str = "the deliverer went away, will try again";
/// Without a program for it remote mail is tried like any other, and given up in time.
const NO_REMOTE: Fate = Fate::Later(wire::Text {
    code: wire::Code(4, 4, 0),
    sentence: std::borrow::Cow::Borrowed("No program delivers to other hosts here: run/remote is missing"),
});

impl Office {
    /// Orders a delivery.
    pub(crate) fn start(&mut self, slot: usize, channel: Channel, id: u64, recipients: Vec<Recipient>) {
        let pending = recipients.iter().map(|recipient| {
            self.number += 1;
            let (number, address) = (self.number, safe(&recipient.address));
            sys::log!("starting delivery {number}: msg {id} to {} {address}", channel.name());
            Pending { place: recipient.place, number, outcome: None }
        });
        let recipients_pending = pending.collect();
        let delivery = Delivery { channel, message: id, recipients: recipients_pending };
        self.deliveries.insert(slot, delivery);
        self.log_status();
        if channel == Channel::Remote && self.no_remote {
            let answers = vec![NO_REMOTE; recipients.len()];
            return self.settle(slot, None, answers.into_iter().map(Some).collect());
        }
        match self.orders(slot, id, &recipients) {
            Ok(orders) => {
                // What is said of them by others comes after it.
                sys::logging::flush();
                for (packet, file) in orders {
                    self.carriers[channel.index()].order(packet, file);
                }
            }
            Err(trouble) => {
                match trouble {
                    Trouble::Damaged(how) => self.set_aside(id, how),
                    Trouble::Gone => self.schedule.forget(id),
                    Trouble::Io(error) => sys::log!("warning: can't open msg {id}: {error}"),
                }
                self.settle(slot, None, vec![None; recipients.len()]);
            }
        }
    }

    /// One order, or one a recipient if each of them sees another sender.
    fn orders(
        &mut self,
        slot: usize,
        id: u64,
        recipients: &[Recipient],
    ) -> Result<Vec<(Vec<u8>, File)>, Trouble> {
        // Whoever gets the file has it for himself: it is not kept here.
        let stored: Stored = self.at_hand.open(&self.queue, id)?;
        let sender = stored.head()?.sender;
        let (slot, number) = (slot.to_string(), id.to_string());
        let route = self.steered.get(&id).and_then(|steering| steering.route.as_deref());
        let route = route.unwrap_or_default().as_bytes();
        let mut orders = Vec::new();
        if !verp::is_verp(&sender) {
            let mut fields: Vec<&[u8]> = vec![slot.as_bytes(), number.as_bytes(), route, &sender];
            fields.extend(recipients.iter().map(|recipient| &recipient.address[..]));
            orders.push((wire::packet(&fields), stored.into_file()));
            return Ok(orders);
        }
        for (index, recipient) in recipients.iter().enumerate() {
            let name = format!("{slot}.{index}");
            let sender = verp::sender_for(&sender, &recipient.address);
            let fields = [name.as_bytes(), number.as_bytes(), route, &sender, &recipient.address];
            orders.push((wire::packet(&fields), stored.file().try_clone()?));
        }
        Ok(orders)
    }

    /// Takes a report: the order's name, then an answer for each of its recipients.
    pub(crate) fn report(&mut self, fields: &[Vec<u8>]) {
        let Some((name, answers)) = fields.split_first() else { return };
        let name = String::from_utf8_lossy(name);
        let (slot, index) = match name.split_once('.') {
            Some((slot, index)) => (slot.parse(), index.parse().map(Some)),
            None => (name.parse::<usize>(), Ok(None)),
        };
        let (Ok(slot), Ok(index)) = (slot, index) else {
            return sys::log!("warning: internal error: delivery report out of range");
        };
        let answers = answers.iter().map(|answer| Fate::parse(answer)).collect();
        self.settle(slot, index, answers);
    }

    /// All deliveries of a channel are lost with who had them.
    pub(crate) fn lost(&mut self, channel: Channel) {
        let of_channel = self.deliveries.iter().filter(|(_, delivery)| delivery.channel == channel);
        let slots: Vec<usize> = of_channel.map(|(slot, _)| *slot).collect();
        for slot in slots {
            let Some(delivery) = self.deliveries.get_mut(&slot) else { continue };
            for pending in delivery.recipients.iter_mut().filter(|pending| pending.outcome.is_none()) {
                sys::log!("delivery {}: deferral: {}", pending.number, safe(LOST.as_bytes()));
                pending.outcome = Some(Outcome::Deferred);
            }
            self.close(slot);
        }
    }

    /// Does what the answers to a delivery (or to recipient `index` of it) want. No answer: mangled.
    fn settle(&mut self, slot: usize, index: Option<usize>, mut answers: Vec<Option<Fate>>) {
        let Some(delivery) = self.deliveries.get(&slot) else {
            return sys::log!("warning: internal error: delivery report out of range");
        };
        let range = match index {
            Some(index) if index < delivery.recipients.len() => index..index + 1,
            Some(_) => return sys::log!("warning: internal error: delivery report out of range"),
            None => 0..delivery.recipients.len(),
        };
        let damaged = answers.iter().flatten().any(doubts_the_file) && self.is_damaged(delivery.message);
        if answers.len() != range.len() || damaged {
            answers = vec![None; range.len()];
        }
        let Some(delivery) = self.deliveries.get(&slot) else { return };
        let id = delivery.message;
        let last = self.schedule.is_last(id) || self.given_up.contains(&id);
        let pending: Vec<(usize, u64)> = range.map(|at| (at, delivery.recipients[at].place)).collect();
        let decided: Vec<Decision> = answers.into_iter().map(|answer| Decision::of(answer, last)).collect();
        self.at_hand.forget(id);
        let outcomes = self.carry_out(id, &pending, &decided);
        let Some(delivery) = self.deliveries.get_mut(&slot) else { return };
        for (((at, _), outcome), decision) in pending.iter().zip(outcomes).zip(&decided) {
            let recipient = &mut delivery.recipients[*at];
            decision.log(recipient.number, outcome);
            recipient.outcome = Some(outcome);
        }
        if delivery.recipients.iter().all(|recipient| recipient.outcome.is_some()) {
            self.close(slot);
        }
    }

    /// Notes failures and last answers, then marks who is done. What can't be noted is not done.
    fn carry_out(&mut self, id: u64, pending: &[(usize, u64)], decided: &[Decision]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = decided.iter().map(Decision::outcome).collect();
        if let Err(error) = self.note(id, pending, decided) {
            sys::log!("alert: unable to note failures of msg {id}: {error}; will try again");
            for (outcome, _) in outcomes.iter_mut().zip(decided).filter(|(_, d)| d.failure().is_some()) {
                *outcome = Outcome::Deferred;
            }
        }
        let all = pending.iter().zip(&outcomes);
        let done = all.filter(|(_, outcome)| **outcome == Outcome::Finished);
        let places: Vec<u64> = done.map(|((_, place), _)| *place).collect();
        if places.is_empty() {
            return outcomes;
        }
        // The whole message is removed in the next moment: no need to mark its one recipient.
        if self.single.contains(&id) && matches!(decided, [Decision::Success(_)]) {
            self.delivered.insert(id);
        } else if let Err(error) = self.queue.mark_done(id, &places) {
            sys::log!("alert: unable to mark msg {id}: {error}; it may be delivered twice");
        }
        outcomes
    }

    fn note(&self, id: u64, pending: &[(usize, u64)], decided: &[Decision]) -> Result<(), Trouble> {
        // What the admin has deleted comes back to nobody.
        if self.deleted.contains(&id) {
            return Ok(());
        }
        let deferred = self.named(id, pending, decided, Decision::deferral)?;
        if !deferred.is_empty() {
            // Only for the admin to read.
            let _ = self.queue.remember_answers(id, &deferred);
        }
        let failed = self.named(id, pending, decided, Decision::failure)?;
        if failed.is_empty() { Ok(()) } else { Ok(self.queue.note(id, &failed)?) }
    }

    /// The recipients with an answer that `of` picks, as they were handed in: without what virtualdomains
    /// put in front.
    fn named(
        &self,
        id: u64,
        pending: &[(usize, u64)],
        decided: &[Decision],
        of: fn(&Decision) -> Option<&Fate>,
    ) -> Result<Vec<Failure>, Trouble> {
        let picked = pending.iter().zip(decided).filter_map(|((_, place), d)| Some((*place, of(d)?)));
        let picked: Vec<(u64, &Fate)> = picked.collect();
        if picked.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.queue.stored(id)?;
        let mut named = Vec::with_capacity(picked.len());
        for (place, fate) in picked {
            let recipient = stored.recipients(place, 1)?.recipients.pop();
            let address = recipient.ok_or(Trouble::Damaged("recipient missing"))?.address;
            named.push(Failure { address, fate: fate.clone() });
        }
        Ok(named)
    }

    fn close(&mut self, slot: usize) {
        let Some(delivery) = self.deliveries.remove(&slot) else { return };
        let outcomes: Vec<Outcome> =
            delivery.recipients.iter().map(|r| r.outcome.unwrap_or(Outcome::Deferred)).collect();
        self.schedule.report(slot, &outcomes, self.clock.now());
        if self.deleted.contains(&delivery.message) || self.given_up.contains(&delivery.message) {
            self.schedule.due(delivery.message, self.clock.now());
        }
        self.log_status();
    }

    /// Looks at a message that could not be copied; one that is damaged is moved away.
    fn is_damaged(&mut self, id: u64) -> bool {
        let seen = self.queue.stored(id).and_then(|stored| stored.check_message());
        let Err(Trouble::Damaged(how)) = seen else { return false };
        self.set_aside(id, how);
        true
    }
}

/// Said by someone who could not read the message.
fn doubts_the_file(answer: &Fate) -> bool {
    answer.text().code == wire::Code(4, 3, 0)
}

/// What an answer means here.
#[derive(Clone, Debug)]
enum Decision {
    Success(Fate),
    Deferral(Fate),
    Failure(Fate),
    Mangled,
}

impl Decision {
    fn of(answer: Option<Fate>, last: bool) -> Decision {
        match answer {
            Some(fate @ Fate::Done(_)) => Decision::Success(fate),
            Some(fate @ Fate::Later(_)) if !last => Decision::Deferral(fate),
            Some(fate) => Decision::Failure(fate),
            None => Decision::Mangled,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Decision::Success(_) | Decision::Failure(_) => Outcome::Finished,
            Decision::Deferral(_) | Decision::Mangled => Outcome::Deferred,
        }
    }

    fn deferral(&self) -> Option<&Fate> {
        if let Decision::Deferral(fate) = self { Some(fate) } else { None }
    }

    fn failure(&self) -> Option<&Fate> {
        if let Decision::Failure(fate) = self { Some(fate) } else { None }
    }

    fn log(&self, number: u64, outcome: Outcome) {
        let (word, text) = match self {
            Decision::Success(fate) => ("success", fate.text().to_string()),
            Decision::Deferral(fate) => ("deferral", fate.text().to_string()),
            Decision::Failure(fate) if outcome == Outcome::Deferred => ("deferral", fate.text().to_string()),
            Decision::Failure(Fate::Later(text)) => (
                "failure",
                format!("{text}/I'm not going to try again; this message has been in the queue too long."),
            ),
            Decision::Failure(fate) => ("failure", fate.text().to_string()),
            Decision::Mangled => return sys::log!("delivery {number}: {MANGLED}"),
        };
        sys::log!("delivery {number}: {word}: {}", safe(text.as_bytes()));
    }
}

/// Octets as qmail-send logs them: one word on one line.
pub(crate) fn safe(bytes: &[u8]) -> String {
    let letter = |byte: &u8| match byte {
        b'!'..=b'~' => *byte as char,
        b'\n' => '/',
        _ => '_',
    };
    bytes.iter().map(letter).collect()
}
