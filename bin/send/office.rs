//! The loop: what has come, what is due, what to wait for.

use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::AsFd;
use std::time::Duration;

use control::{Control, Home};
use queue::{Found, Queue, Steering, Trigger, Trouble};
use schedule::{Channel, Cursor, Schedule, Step};
use sys::signals::{Signal, Signals};
use sys::wait::{Interest, poll};
use sys::{Stop, process};

use crate::at_hand::AtHand;
use crate::carrier::{Carrier, Said};
use crate::clock::Clock;
use crate::lookup::Lookup;
use crate::outcome::Delivery;
use crate::parting::Partings;
use crate::settings::Settings;

/// Between two looks at `lock/rescan` and the trigger's name.
const LOOK: Duration = Duration::from_secs(20);
/// Between two scans of everything.
const SCAN: Duration = Duration::from_secs(3600);
/// Until a scan after trouble.
const SOON: Duration = Duration::from_secs(60);
/// A longer silence before the start makes the time of day doubtful, in seconds.
const SILENCE: u64 = 86_400;
/// Steps and new messages between two looks at what has come.
const SLICE: usize = 200;

/// Everything that `send` knows.
pub(crate) struct Office {
    pub(crate) queue: Queue,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    pub(crate) schedule: Schedule,
    pub(crate) lookup: Lookup,
    pub(crate) carriers: [Carrier; 2],
    /// Deliveries under way, by the schedule's slot.
    pub(crate) deliveries: HashMap<usize, Delivery>,
    /// The last delivery's number in the log.
    pub(crate) number: u64,
    /// Messages being read that wait for a verdict, by domain; with since when.
    pub(crate) suspended: HashMap<Vec<u8>, Vec<(Cursor, Duration)>>,
    /// Messages of one recipient that is not marked, to save writing: under way, and delivered.
    pub(crate) single: HashSet<u64>,
    pub(crate) delivered: HashSet<u64>,
    pub(crate) partings: Partings,
    /// What the admin has decided about messages.
    pub(crate) steered: HashMap<u64, Steering>,
    /// Messages that the admin wants back with their senders now: nothing of them is tried again.
    pub(crate) given_up: HashSet<u64>,
    /// Messages that the admin has deleted while something of them was under way.
    pub(crate) deleted: HashSet<u64>,
    /// Messages that this turn has opened.
    pub(crate) at_hand: AtHand,
    /// The time of day has not leapt, as far as is known.
    pub(crate) trusted: bool,
    /// No program delivers to other hosts here.
    pub(crate) no_remote: bool,
    /// Whom we run as, and messages belong to.
    pub(crate) uid: u32,
    control: Control,
    signals: Signals,
    trigger: Trigger,
    /// Found, not looked into yet.
    unloaded: VecDeque<u64>,
    look: Duration,
    /// The tables are not read again before, unless by HUP.
    reread_again: Duration,
    scan: Duration,
    exiting: bool,
}

impl Office {
    pub(crate) fn open(home: Home, queue: Queue, signals: Signals) -> Result<Office, Stop> {
        let control = Control::open(&home);
        let settings = Settings::read(&control).map_err(Stop::temporary)?;
        let trigger = Trigger::open(&queue).map_err(Stop::temporary)?;
        let limits = Channel::ALL.map(|channel| settings.limits(channel, 0));
        let last = queue.recall("clock");
        let trusted = last.is_none_or(|last| sys::unix_seconds().wrapping_sub(last) <= SILENCE);
        if !trusted {
            sys::log!("warning: the clock leapt or send was away for long: old messages get another day");
        }
        Ok(Office {
            queue,
            clock: Clock::new(),
            schedule: Schedule::new(settings.schedule(limits)),
            settings,
            lookup: Lookup::at(home.run("lookup")),
            carriers: ["spawn", "remote"].map(|name| Carrier::new(name, home.run(name))),
            deliveries: HashMap::new(),
            number: 0,
            suspended: HashMap::new(),
            single: HashSet::new(),
            delivered: HashSet::new(),
            partings: Partings::default(),
            steered: HashMap::new(),
            given_up: HashSet::new(),
            deleted: HashSet::new(),
            at_hand: AtHand::default(),
            trusted,
            no_remote: false,
            uid: sys::uid(),
            control,
            signals,
            trigger,
            unloaded: VecDeque::new(),
            look: Duration::ZERO,
            reread_again: Duration::ZERO,
            scan: Duration::ZERO,
            exiting: false,
        })
    }

    /// Works until a signal ends it.
    pub(crate) fn run(mut self) -> Result<(), Stop> {
        sys::logging::gather();
        self.remove_orphans();
        self.recall_decisions();
        self.set_limits();
        self.take_wishes();
        self.log_status();
        loop {
            let busy = self.work();
            if self.is_over() {
                break;
            }
            self.wait(busy)?;
        }
        self.beat();
        sys::log!("status: exiting");
        Ok(())
    }

    /// How many deliveries are under way, of how many.
    pub(crate) fn log_status(&self) {
        let [local, remote] = Channel::ALL.map(|channel| {
            let most = self.settings.concurrency[channel.index()];
            let most = match self.carriers[channel.index()].capacity() {
                0 => most,
                // No more than `most` of them talk at one time: remote sees to it. The others only knock.
                _ if channel == Channel::Remote => most,
                capacity => most.min(capacity),
            };
            format!("{} {}/{most}", channel.name(), self.schedule.running(channel))
        });
        let ending = if self.exiting { " exitasap" } else { "" };
        sys::log!("status: {local} {remote}{ending}");
    }

    /// Something could not be read or removed: has everything scanned soon.
    pub(crate) fn scan_soon(&mut self) {
        self.scan = self.scan.min(sys::monotonic() + SOON);
    }

    /// Moves a message that can't be used out of the way.
    pub(crate) fn set_aside(&mut self, id: u64, how: &str) {
        self.schedule.forget(id);
        self.at_hand.forget(id);
        let number = id % queue::SPLIT;
        match self.queue.set_aside(number, id.to_string().as_bytes()) {
            Ok(name) => sys::log!("warning: mess/{number}/{id} is damaged ({how}); moved to bad/{name}"),
            Err(error) => sys::log!("alert: mess/{number}/{id} is damaged ({how}); can't move it: {error}"),
        }
    }

    /// Lets each channel have what its carrier takes and the admin allows.
    fn set_limits(&mut self) {
        for channel in Channel::ALL {
            let (index, most) = (channel.index(), self.settings.concurrency[channel.index()]);
            let takes = match &self.carriers[index] {
                // Without the program its mail must not wait for ever: it is deferred, and bounced in time.
                _ if channel == Channel::Remote && self.no_remote => most,
                carrier if channel == Channel::Remote && most > 0 => carrier.capacity(),
                carrier => most.min(carrier.capacity()),
            };
            let takes = if self.settings.hold[index] { 0 } else { takes };
            self.schedule.limit(channel, self.settings.limits(channel, takes));
        }
    }

    /// Does some of what can be done; true: there is more.
    fn work(&mut self) -> bool {
        for _ in 0..SLICE {
            let Some(id) = self.unloaded.pop_front().filter(|_| !self.exiting) else { break };
            self.load(id);
        }
        for _ in 0..SLICE {
            match self.schedule.next(self.clock.now()) {
                Some(Step::Read(cursor)) => self.read(cursor, sys::monotonic()),
                Some(Step::Start { slot, channel, message, recipients }) => {
                    self.start(slot, channel, message, recipients);
                }
                Some(Step::Planned { message, due }) => {
                    // Only for the next start of this program, and for the admin's list.
                    self.at_hand.forget(message);
                    let _ = self.queue.plan(message, self.clock.wall(due));
                }
                Some(Step::Finish(message)) => self.finish(message),
                None => return !self.exiting && !self.unloaded.is_empty(),
            }
        }
        true
    }

    fn is_over(&self) -> bool {
        self.exiting && self.deliveries.is_empty() && self.partings.running() == 0
    }

    fn wait(&mut self, busy: bool) -> Result<(), Stop> {
        let limit = if busy { Duration::ZERO } else { self.patience() };
        let news = if self.exiting { Interest::Nothing } else { Interest::Read };
        let mut fds = vec![(self.signals.as_fd(), Interest::Read), (self.trigger.as_fd(), news)];
        fds.extend(self.lookup.fd().map(|fd| (fd, Interest::Read)));
        for carrier in &self.carriers {
            let interest = if carrier.wants_to_send() { Interest::Both } else { Interest::Read };
            fds.extend(carrier.fd().map(|fd| (fd, interest)));
        }
        sys::logging::flush();
        self.at_hand.clear();
        let ready = poll(&fds, Some(limit)).map_err(Stop::temporary)?;
        let mut heard = ready[2..].iter().map(|ready| ready.read);
        let mut heard = |is_there: bool| is_there && heard.next().unwrap_or(false);
        let verdicts = heard(self.lookup.fd().is_some());
        let reports = [0, 1].map(|index| heard(self.carriers[index].fd().is_some()));
        if ready[1].read {
            let news = self.trigger.take();
            news.ids.into_iter().for_each(|id| self.load(id));
            if news.wishes {
                self.take_wishes();
            }
        }
        if ready[0].read {
            self.take_signals();
        }
        self.take_verdicts(verdicts);
        self.take_reports(reports);
        self.look_around();
        self.start_partings();
        Ok(())
    }

    /// How long nothing has to be done unless something comes.
    fn patience(&mut self) -> Duration {
        let now = sys::monotonic();
        let clock = self.clock;
        // What is due already waits for something else.
        let due = self.schedule.wakeup().filter(|due| *due > clock.now() && !self.exiting);
        let times = [Some(self.look), self.lookup.wakeup(), self.partings.wakeup()];
        let times = times.into_iter().chain(self.carriers.iter().map(Carrier::wakeup)).flatten();
        let patience =
            times.map(|time| time.saturating_sub(now)).chain(due.map(|due| clock.until(due))).min();
        patience.unwrap_or(LOOK).min(LOOK)
    }

    fn take_signals(&mut self) {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::SIGHUP => self.reread(),
                Signal::SIGALRM => {
                    self.carriers.iter_mut().for_each(Carrier::hurry);
                    self.look = Duration::ZERO;
                    self.schedule.all_due(self.clock.now());
                }
                Signal::SIGCHLD => {
                    while let Some((pid, exit)) = process::reap() {
                        self.parted(pid, exit);
                    }
                }
                _ if !self.exiting => {
                    self.exiting = true;
                    self.schedule.stop();
                    self.log_status();
                }
                _ => {}
            }
        }
    }

    /// Reads the control files again. A broken one leaves the old state in force.
    fn reread(&mut self) {
        match Settings::read(&self.control) {
            Ok(settings) => {
                self.settings = settings;
                self.schedule.set_lifetime(self.settings.lifetime, self.settings.bounce_lifetime);
                self.lookup.forget();
                self.set_limits();
                self.reroute();
                self.log_status();
            }
            Err(broken) => sys::log!("alert: unable to reread controls: {broken}"),
        }
    }

    /// Whoever has not been started is routed anew.
    pub(crate) fn reroute(&mut self) {
        self.schedule.reroute(self.clock.now());
        // What waits for a verdict may need none now.
        for (cursor, _) in std::mem::take(&mut self.suspended).into_values().flatten() {
            self.schedule.close(cursor, self.clock.now());
        }
    }

    fn take_verdicts(&mut self, have_come: bool) {
        let (told, now) = (self.lookup.take(sys::monotonic(), have_come), sys::monotonic());
        // Whoever edits tables may forget to tell us; what was accepted by the new ones goes by them.
        if self.lookup.listed(&told) && now >= self.reread_again {
            self.reread_again = now + LOOK;
            self.reread();
        }
        for domain in told {
            for (cursor, since) in self.suspended.remove(&domain).unwrap_or_default() {
                self.read(cursor, since);
            }
        }
    }

    fn take_reports(&mut self, have_come: [bool; 2]) {
        for channel in Channel::ALL {
            let said = self.carriers[channel.index()].take(sys::monotonic(), have_come[channel.index()]);
            for said in said {
                match said {
                    Said::Report(fields) => self.report(&fields),
                    Said::Ready(_) => self.set_limits(),
                    Said::Gone => {
                        self.set_limits();
                        self.lost(channel);
                    }
                }
            }
        }
        let missing = self.carriers[Channel::Remote.index()].is_missing(sys::monotonic());
        if std::mem::replace(&mut self.no_remote, missing) != missing {
            self.set_limits();
        }
    }

    /// What has to be done now and then.
    fn look_around(&mut self) {
        let now = sys::monotonic();
        if now < self.look || self.exiting {
            return;
        }
        self.look = now + LOOK;
        self.set_limits();
        self.take_wishes();
        let renewed = self.trigger.renew().unwrap_or_else(|error| {
            sys::log!("alert: can't open lock/trigger: {error}; new mail waits for a scan");
            false
        });
        if self.queue.take_rescan() || renewed || now >= self.scan {
            self.scan = now + SCAN;
            self.beat();
            self.scan_all();
        }
    }

    /// Remembers that the time of day was right so far.
    fn beat(&self) {
        if let Err(error) = self.queue.remember("clock", &format!("{}\n", sys::unix_seconds())) {
            sys::log!("warning: can't write lock/clock: {error}");
        }
    }

    fn scan_all(&mut self) {
        let (mut ids, mut strangers) = (Vec::new(), Vec::new());
        let scanned = self.queue.scan(|found| match found {
            Found::Message(id) => ids.push(id),
            Found::Stranger(number, name) => strangers.push((number, name)),
        });
        if let Err(error) = scanned {
            sys::log!("alert: can't look through mess: {error}; will try again");
            self.scan = self.look;
        }
        ids.retain(|id| !self.schedule.knows(*id) && !self.partings.knows(*id));
        ids.sort_unstable();
        self.unloaded = ids.into();
        for (number, name) in strangers {
            let shown = sys::logging::escape_bytes(&name);
            match self.queue.set_aside(number, &name) {
                Ok(new) => sys::log!("warning: mess/{number}/{shown} is no message; moved to bad/{new}"),
                Err(error) => {
                    sys::log!("alert: mess/{number}/{shown} is no message; can't move it: {error}");
                }
            }
        }
    }

    /// Removes notes whose message is gone: a crash came between the two.
    fn remove_orphans(&self) {
        let (mut noted, mut answered) = (Vec::new(), Vec::new());
        let _ = self.queue.each_noted(|id| noted.push(id));
        let _ = self.queue.each_answered(|id| answered.push(id));
        let is_orphan = |id: &u64| matches!(self.queue.stored(*id), Err(Trouble::Gone));
        for id in noted.into_iter().filter(is_orphan) {
            if self.queue.remove_notes(id).is_ok() {
                sys::log!("warning: removed bounce/{id}, whose message is gone");
            }
        }
        answered.into_iter().filter(is_orphan).for_each(|id| self.queue.forget_answers(id));
    }
}
