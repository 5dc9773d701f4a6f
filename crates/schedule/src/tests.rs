//! The schedule against a simulated post office: messages as lists of destinations, a clock that
//! jumps to the next event, deliverers that take their time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::*;

const WEEK: i64 = 604_800;

fn settings(concurrency: u32, at_once: u32) -> Settings {
    let limits = Limits { concurrency, at_once, at_first: at_once, batch: 1, pause: 0 };
    Settings { lifetime: WEEK, bounce_lifetime: WEEK / 7, channels: [limits, Limits { batch: 10, ..limits }] }
}

/// What a destination does with a delivery.
#[derive(Clone, Copy)]
enum Host {
    /// Takes it after so many seconds.
    Takes(i64),
    /// Defers it after so many seconds.
    Defers(i64),
}

struct Letter {
    to: Vec<(Channel, u32)>,
    done: Vec<bool>,
    finished: Option<i64>,
    /// When each try happened: recipient, time.
    tries: Vec<(usize, i64)>,
}

struct Office {
    schedule: Schedule,
    now: i64,
    letters: HashMap<u64, Letter>,
    hosts: HashMap<u32, Host>,
    under_way: BinaryHeap<Reverse<(i64, usize)>>,
    slots: HashMap<usize, (u64, Vec<usize>, u32)>,
    most_held: usize,
    most_running: u32,
    bounced: Vec<(u64, usize, i64)>,
    keep_tries: bool,
}

impl Office {
    fn new(settings: Settings) -> Office {
        Office {
            schedule: Schedule::new(settings),
            now: 0,
            letters: HashMap::new(),
            hosts: HashMap::new(),
            under_way: BinaryHeap::new(),
            slots: HashMap::new(),
            most_held: 0,
            most_running: 0,
            bounced: Vec::new(),
            keep_tries: true,
        }
    }

    fn post(&mut self, number: u64, sender: u64, to: Vec<(Channel, u32)>) {
        let done = vec![false; to.len()];
        self.letters.insert(number, Letter { to, done, finished: None, tries: Vec::new() });
        self.schedule.add(number, self.now, sender, self.now);
    }

    fn read(&mut self, mut cursor: Cursor) {
        let Some(letter) = self.letters.get(&cursor.message()) else {
            return self.schedule.close(cursor, self.now);
        };
        let from = cursor.from as usize;
        for place in from..letter.to.len().min(from + 100) {
            let (channel, destination) = letter.to[place];
            cursor.from = place as u64 + 1;
            let recipient = Recipient { place: place as u64, address: Box::default() };
            if letter.done[place] {
                continue;
            }
            let offer = self.schedule.offer(&mut cursor, channel, &destination.to_be_bytes(), recipient);
            if offer == Offer::Stop {
                return self.schedule.close(cursor, self.now);
            }
        }
        match (cursor.from as usize) < letter.to.len() {
            true => self.schedule.more(cursor, self.now),
            false => self.schedule.close(cursor, self.now),
        }
    }

    fn start(&mut self, slot: usize, message: u64, recipients: Vec<Recipient>) {
        let places: Vec<usize> = recipients.iter().map(|r| r.place as usize).collect();
        let letter = self.letters.get_mut(&message).unwrap();
        let destination = letter.to[places[0]].1;
        for place in &places {
            assert!(!letter.done[*place], "tried twice");
            assert_eq!(letter.to[*place].1, destination, "one destination a delivery");
            if self.keep_tries {
                letter.tries.push((*place, self.now));
            }
        }
        let host = self.hosts.get(&destination).copied().unwrap_or(Host::Takes(1));
        let (Host::Takes(time) | Host::Defers(time)) = host;
        self.under_way.push(Reverse((self.now + time, slot)));
        self.slots.insert(slot, (message, places, destination));
    }

    fn report(&mut self, slot: usize) {
        let (message, places, destination) = self.slots.remove(&slot).unwrap();
        let deferred = matches!(self.hosts.get(&destination), Some(Host::Defers(_)));
        let last = self.schedule.is_last(message);
        let letter = self.letters.get_mut(&message).unwrap();
        for place in &places {
            letter.done[*place] = !deferred || last;
            if deferred && last {
                self.bounced.push((message, *place, self.now));
            }
        }
        let outcome = if deferred && !last { Outcome::Deferred } else { Outcome::Finished };
        self.schedule.report(slot, &vec![outcome; places.len()], self.now);
    }

    /// Does all that can be done now, without time passing.
    fn settle(&mut self) {
        while let Some(step) = self.schedule.next(self.now) {
            match step {
                Step::Read(cursor) => self.read(cursor),
                Step::Start { slot, message, recipients, .. } => self.start(slot, message, recipients),
                Step::Planned { due, .. } => assert!(due >= 0),
                Step::Finish(message) => {
                    let letter = self.letters.get_mut(&message).unwrap();
                    assert!(letter.done.iter().all(|done| *done), "finished too early");
                    letter.finished = Some(self.now);
                }
            }
            self.most_held = self.most_held.max(self.schedule.held());
            let running = Channel::ALL.map(|c| self.schedule.running(c));
            self.most_running = self.most_running.max(running[0].max(running[1]));
        }
    }

    /// Runs until `until`, or until nothing is left to wait for.
    fn run(&mut self, until: i64) {
        loop {
            self.settle();
            let report = self.under_way.peek().map(|Reverse((time, _))| *time);
            let wake = self.schedule.wakeup();
            let next = report.unwrap_or(i64::MAX).min(wake.unwrap_or(i64::MAX));
            if next > until {
                self.now = until.min(next);
                return;
            }
            self.now = self.now.max(next);
            while self.under_way.peek().is_some_and(|Reverse((time, _))| *time <= self.now) {
                let Reverse((_, slot)) = self.under_way.pop().unwrap();
                self.report(slot);
            }
        }
    }
}

#[test]
fn retries_come_when_qmail_has_them() {
    let times = |channel| {
        let mut all = vec![0];
        for _ in 0..4 {
            all.push(next_try(0, *all.last().unwrap(), channel));
        }
        all
    };
    assert_eq!(times(Channel::Remote), [0, 400, 1600, 3600, 6400]);
    assert_eq!(times(Channel::Local), [0, 100, 400, 900, 1600]);
    assert_eq!(next_try(i64::MAX, 1000, Channel::Local), 1100);
}

#[test]
fn a_message_that_keeps_being_deferred_gets_one_pass_after_its_life_and_is_over() {
    let mut office = Office::new(settings(10, 10));
    office.hosts.insert(7, Host::Defers(0));
    office.post(1, 1, vec![(Channel::Remote, 7)]);
    office.run(3 * WEEK);
    let letter = &office.letters[&1];
    assert!(letter.finished.is_some());
    let (before, after): (Vec<i64>, Vec<i64>) =
        letter.tries.iter().map(|(_, time)| *time).partition(|time| *time <= WEEK);
    assert_eq!(&before[..4], [0, 400, 1600, 3600]);
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(office.bounced.len(), 1);
    assert!(office.schedule.is_empty());
}

#[test]
fn a_bounce_has_a_life_of_its_own() {
    let mut office = Office::new(settings(10, 10));
    office.hosts.insert(7, Host::Defers(0));
    office.post(1, 1, vec![(Channel::Remote, 7)]);
    office.schedule.mark_bounce(1);
    office.run(WEEK);
    let last = office.letters[&1].tries.last().unwrap().1;
    assert!(last > WEEK / 7 && last < WEEK / 6, "{last}");
}

#[test]
fn a_pause_lies_between_two_deliveries_to_one_recipient_and_others_do_not_wait_for_it() {
    let mut settings = settings(10, 1);
    settings.channels[0].pause = 30;
    let mut office = Office::new(settings);
    for number in 1..=4 {
        office.post(number, number, vec![(Channel::Local, u32::from(number != 4))]);
    }
    office.run(1000);
    let mut times: Vec<i64> = (1..=3).map(|number| office.letters[&number].tries[0].1).collect();
    times.sort_unstable();
    assert_eq!(times, [0, 31, 62]);
    assert_eq!(office.letters[&4].tries, [(0, 0)]);
}

#[test]
fn both_channels_of_a_message_keep_their_own_times() {
    let mut office = Office::new(settings(10, 10));
    office.hosts.extend([(7, Host::Defers(0)), (8, Host::Defers(0))]);
    office.post(1, 1, vec![(Channel::Local, 7), (Channel::Remote, 8), (Channel::Local, 9)]);
    office.run(1000);
    let of = |place| -> Vec<i64> {
        office.letters[&1].tries.iter().filter(|(p, _)| *p == place).map(|(_, time)| *time).collect()
    };
    assert_eq!(of(0), [0, 100, 400, 900]);
    assert_eq!(of(1), [0, 400]);
    assert_eq!(of(2), [0]);
}

#[test]
fn a_hundred_thousand_messages_to_a_dead_host_do_not_delay_another() {
    // Q08
    let mut office = Office::new(settings(20, 10));
    office.keep_tries = false;
    office.hosts.insert(7, Host::Defers(60));
    for number in 0..100_000 {
        office.post(number, number % 1000, vec![(Channel::Remote, 7)]);
    }
    office.run(1000);
    office.post(1_000_000, 5, vec![(Channel::Remote, 8)]);
    let posted = office.now;
    office.run(posted + 10);
    assert!(office.letters[&1_000_000].finished.unwrap() <= posted + 2);
    assert!(office.most_held <= 600, "{} held", office.most_held);
    assert_eq!(office.most_running, 11, "ten to the dead host");
}

#[test]
fn a_message_with_a_hundred_thousand_recipients_delays_neither_the_same_host_nor_the_same_sender() {
    // Q08
    for (channel, spread) in [(Channel::Remote, 1), (Channel::Remote, 1000), (Channel::Local, 100_000)] {
        let mut office = Office::new(settings(20, 10));
        office.post(1, 1, (0..100_000).map(|place| (channel, place % spread)).collect());
        office.run(100);
        office.post(2, 2, vec![(channel, 0)]);
        office.post(3, 1, vec![(channel, 1)]);
        let posted = office.now;
        office.run(posted + 60);
        assert!(office.letters[&2].finished.unwrap() <= posted + 5, "other sender, {spread}");
        assert!(office.letters[&3].finished.unwrap() <= posted + 40, "same sender, {spread}");
        assert!(office.letters[&1].finished.is_none() || channel == Channel::Remote);
        assert!(office.most_held <= 2500, "{} held", office.most_held);
        office.run(WEEK);
        assert!(office.letters[&1].finished.is_some());
        assert_eq!(office.letters[&1].tries.len(), 100_000, "each recipient once");
    }
}

#[test]
fn a_dead_host_inside_a_large_message_does_not_hold_up_its_other_recipients() {
    let mut office = Office::new(settings(20, 5));
    office.hosts.insert(0, Host::Defers(60));
    office.post(1, 1, (0..20_000).map(|place| (Channel::Remote, place % 2)).collect());
    office.run(1500);
    let letter = &office.letters[&1];
    let live = (0..20_000).filter(|place| place % 2 == 1 && letter.done[*place]).count();
    assert_eq!(live, 10_000);
}

#[test]
fn one_destination_never_gets_more_at_once_than_its_limit() {
    let mut office = Office::new(settings(20, 1));
    for number in 0..100 {
        office.post(number, number, vec![(Channel::Local, 7)]);
    }
    office.settle();
    assert_eq!(office.schedule.running(Channel::Local), 1);
    office.run(1000);
    assert!((0..100).all(|number| office.letters[&number].finished.is_some()));
    assert_eq!(office.most_running, 1);
}

#[test]
fn raising_a_limit_lets_those_go_who_waited_for_it() {
    let mut office = Office::new(settings(20, 1));
    (0..10).for_each(|number| office.post(number, number, vec![(Channel::Local, 7)]));
    office.settle();
    office
        .schedule
        .limit(Channel::Local, Limits { concurrency: 20, at_once: 20, at_first: 20, batch: 1, pause: 0 });
    office.settle();
    assert_eq!(office.schedule.running(Channel::Local), 10);
}

#[test]
fn a_channel_on_hold_keeps_its_mail_and_lets_the_other_go() {
    let mut office = Office::new(settings(20, 10));
    let held = Limits { concurrency: 0, at_once: 10, at_first: 10, batch: 1, pause: 0 };
    office.schedule.limit(Channel::Local, held);
    office.keep_tries = false;
    for number in 0..60_000 {
        office.post(number, number, vec![(Channel::Local, number as u32)]);
    }
    office.post(60_000, 1, vec![(Channel::Remote, 1)]);
    office.run(10);
    assert!(office.letters[&60_000].finished.is_some());
    assert!(office.most_held <= 20_100, "{} held", office.most_held);
    office.schedule.limit(Channel::Local, Limits { concurrency: 100, ..held });
    office.run(10_000);
    assert!(office.letters.values().all(|letter| letter.finished.is_some()));
}

#[test]
fn everything_is_due_after_alrm_and_the_plan_goes_on_from_there() {
    let mut office = Office::new(settings(20, 10));
    office.hosts.insert(7, Host::Defers(0));
    office.post(1, 1, vec![(Channel::Remote, 7)]);
    office.run(10);
    office.schedule.all_due(10);
    office.run(20);
    let times: Vec<i64> = office.letters[&1].tries.iter().map(|(_, time)| *time).collect();
    assert_eq!(times, [0, 10]);
    for _ in 0..1000 {
        office.schedule.all_due(20); // Q15
    }
    office.run(20);
    assert_eq!(office.letters[&1].tries.len(), 3);
}

#[test]
fn routes_changed_in_the_middle_lose_no_recipient_and_try_none_twice() {
    let mut office = Office::new(settings(5, 5));
    office.post(1, 1, (0..5000).map(|place| (Channel::Remote, place % 3)).collect());
    for round in 0..50 {
        office.run(round * 3);
        for letter in office.letters.values_mut() {
            for to in &mut letter.to {
                to.1 = (to.1 + 1) % 3;
            }
        }
        // Those under way were started by the old routes.
        office.schedule.reroute(office.now);
        for step in 0..3 {
            if let Some(Step::Read(cursor)) = office.schedule.next(office.now) {
                if step == 1 {
                    office.schedule.reroute(office.now); // while the caller holds a cursor
                }
                office.read(cursor);
            }
        }
    }
    office.run(WEEK);
    assert!(office.letters[&1].finished.is_some());
    assert_eq!(office.letters[&1].tries.len(), 5000);
    assert!(office.schedule.is_empty());
}

#[test]
fn after_stop_nothing_starts_and_what_runs_is_still_reported() {
    let mut office = Office::new(settings(5, 5));
    office.post(1, 1, (0..50).map(|place| (Channel::Local, place)).collect());
    office.settle();
    office.schedule.stop();
    office.run(1000);
    assert_eq!(office.letters[&1].tries.len(), 5);
    assert_eq!(office.schedule.running(Channel::Local), 0);
}

#[test]
fn a_message_that_vanishes_is_forgotten_without_a_word() {
    let mut office = Office::new(settings(5, 5));
    office.post(1, 1, vec![(Channel::Local, 1), (Channel::Local, 2)]);
    office.settle();
    office.schedule.forget(1);
    office.run(100);
    assert!(office.letters[&1].finished.is_none());
    assert!(office.schedule.is_empty());
}

#[test]
fn a_clock_that_leaps_bounces_nothing_early() {
    // L02, Q09
    let year = 365 * 86_400;
    let found = |arrival, wall, trusted| {
        let steady = 1_000;
        steady - birth(Found { arrival, wall, steady, lifetime: WEEK, trusted })
    };
    let day = 86_400;
    assert_eq!(found(5000, 5600, true), 600);
    assert_eq!(found(5000, 5000 - 3600, true), 0, "an hour back");
    assert_eq!(found(20 * year, 0, true), 0, "to 1970");
    assert!(found(0, 50 * year, true) <= WEEK - day, "from 1970 to now");
    assert!(found(50 * year, 60 * year, true) <= WEEK - day, "ten years forward");
    assert!(found(50 * year, 50 * year + 2 * WEEK, false) <= WEEK - day, "after a leap of the clock");
    assert!(found(50 * year, 50 * year + WEEK + 1, true) > WEEK, "a real week is a week");
    for number in [i64::MIN, -1, 0, 1, i64::MAX] {
        for other in [i64::MIN, -1, 0, 1, i64::MAX] {
            for lifetime in [i64::MIN, 0, WEEK, i64::MAX] {
                let found = Found { arrival: number, wall: other, steady: number, lifetime, trusted: false };
                let _ = next_try(birth(found), other, Channel::Remote);
            }
        }
    }
}

#[test]
fn a_million_messages_are_planned_in_bounded_memory() {
    let mut office = Office::new(settings(500, 20));
    office.keep_tries = false;
    (0..1000).filter(|host| host % 10 == 0).for_each(|host| {
        office.hosts.insert(host, Host::Defers(1));
    });
    for number in 0..1_000_000u64 {
        office.post(number, number % 5000, vec![(Channel::Remote, (number % 1000) as u32)]);
    }
    office.run(4000);
    let finished = office.letters.values().filter(|letter| letter.finished.is_some()).count();
    assert!(finished >= 850_000, "{finished}");
    assert!(office.most_held <= 40_600, "{} held", office.most_held);
}

#[test]
fn what_is_held_is_not_begun_until_it_is_released_whatever_the_clock_or_alrm_say() {
    let mut schedule = Schedule::new(settings(10, 10));
    schedule.add(1, 0, 0, 0);
    schedule.hold(1, true);
    schedule.all_due(5);
    schedule.due(1, 6);
    assert!(schedule.next(1_000_000).is_none());
    assert_eq!(schedule.wakeup(), None);
    schedule.hold(1, false);
    assert!(matches!(schedule.next(1_000_000), Some(Step::Read(_))));
}

#[test]
fn one_message_is_due_at_once_and_others_keep_their_time() {
    let mut schedule = Schedule::new(settings(10, 10));
    schedule.add(1, 0, 0, 500);
    schedule.add(2, 0, 0, 400);
    schedule.due(1, 100);
    assert_eq!(schedule.wakeup(), Some(100));
    let Some(Step::Read(cursor)) = schedule.next(100) else { panic!("nothing to read") };
    assert_eq!(cursor.message(), 1);
    assert_eq!(schedule.wakeup(), Some(400));
}

#[test]
fn a_destination_begins_with_one_delivery_gets_more_as_they_go_well_and_fewer_as_they_fail() {
    let limits = Limits { concurrency: 100, at_once: 8, at_first: 1, batch: 1, pause: 0 };
    let mut office = Office::new(Settings { lifetime: WEEK, bounce_lifetime: WEEK, channels: [limits; 2] });
    office.post(1, 1, (0..500).map(|_| (Channel::Remote, 7)).collect());
    office.settle();
    assert_eq!(office.schedule.running(Channel::Remote), 1);
    let mut most = 0;
    for second in 1..60 {
        office.run(second);
        most = most.max(office.schedule.running(Channel::Remote));
    }
    assert_eq!(most, 8);
    let mut office = Office::new(Settings { lifetime: WEEK, bounce_lifetime: WEEK, channels: [limits; 2] });
    office.hosts.insert(7, Host::Defers(60));
    office.post(1, 1, (0..500).map(|_| (Channel::Remote, 7)).collect());
    for second in 1..600 {
        office.run(second);
        assert!(office.schedule.running(Channel::Remote) <= 1, "one that fails gets no more");
    }
}

#[test]
fn a_thousand_dead_hosts_in_one_message_delay_none_of_its_other_recipients_and_no_other_message() {
    let limits = Limits { concurrency: 1000, at_once: 10, at_first: 1, batch: 60, pause: 0 };
    let mut office = Office::new(Settings { lifetime: WEEK, bounce_lifetime: WEEK, channels: [limits; 2] });
    office.hosts.extend((0..500).map(|host| (10 * host, Host::Defers(60))));
    office.post(1, 1, (0..10_000).map(|place| (Channel::Remote, place % 5000)).collect());
    office.run(5);
    office.post(2, 1, vec![(Channel::Remote, 1)]);
    office.run(50);
    let letter = &office.letters[&1];
    let live = (0..10_000).filter(|place| place % 10 != 0 && letter.done[*place]).count();
    assert_eq!(live, 9000, "before any of the dead ones has been given up");
    assert!(office.letters[&2].finished.is_some());
}
