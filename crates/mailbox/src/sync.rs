//! Keeping up with others: their records in the index, their files in the Maildir.
//!
//! Every program of this house records what it does in the index, under the lock. What other programs do is found out
//! by whoever looks first: it takes the lock, reads the index to its end, and records what that does not know yet.
//! When to look: when the watch says so; without one, when the folders' times of change are others than those of the last
//! look. Such a time counts only if it was old enough, when the look began, that no later change can have it
//! too ([`Stamp::is_certain`](crate::record::Stamp::is_certain)); such mtimes are recorded, so that
//! the next session need not look through the names of an unchanged folder. A session without a watch takes the
//! mtimes that its own changes leave for those of its last look, and looks again some seconds later, in case another
//! program has changed something at the same moment.

use std::time::Duration;

use imap::{Trouble, Uid};

use crate::cache::Cache;
use crate::index::{self, Caught, Head, Index};
use crate::listing::Listing;
use crate::mailbox::Mailbox;
use crate::place::{Held, boot, unavailable};
use crate::record::{Octets, Record, Stamp};
use crate::state::State;
use crate::uids;

/// A session without a watch looks again so long after its own changes.
const AFTER_OWN: Duration = Duration::from_secs(5);

/// So many dates and places of kept records are recorded even when there is nothing else to record.
const MANY: usize = 1000;

impl Mailbox {
    /// Learns what others have done; true: something is different now.
    pub(crate) fn synchronize(&mut self) -> Result<bool, Trouble> {
        let before = self.look_of_it();
        self.folders.stamps()?;
        self.rest();
        if self.asleep && !self.stirs()? {
            return Ok(false);
        }
        self.wake_up()?;
        self.drain();
        self.catch_up(None)?;
        self.forget_known()?;
        if self.must_look()? {
            let looked = self.look_under_lock();
            self.put_off(looked)?;
        }
        let recorded = self.record_what_is_due(MANY);
        self.put_off(recorded)?;
        self.show_own_seen()?;
        self.state.tidy();
        Ok(self.look_of_it() != before)
    }

    /// What can't be found out or recorded now, such as on a full disk, will be the next time. Until then the mailbox
    /// is as it was known: mail can be read, and removed to make room.
    fn put_off(&mut self, done: Result<(), Trouble>) -> Result<(), Trouble> {
        match done {
            Err(Trouble::Unavailable(_)) if self.index.is_some() => {
                (self.looked, self.looked_at) = (false, None);
                Ok(())
            }
            other => other,
        }
    }

    fn look_of_it(&self) -> (u64, usize, Uid, usize, u64) {
        let (facts, state) = (&self.state.facts, &self.state);
        let seen = self.seen.as_ref().map_or(0, |seen| seen.version());
        (facts.modseq, state.messages.len(), facts.next, state.keywords.len(), seen)
    }

    fn look_under_lock(&mut self) -> Result<(), Trouble> {
        if !self.writable {
            return self.look_only();
        }
        let held = self.lock()?;
        self.catch_up(Some(&held))?;
        self.forget_known()?;
        if self.must_look()? { self.look(&held) } else { Ok(()) }
    }

    /// An index that was damaged and read again may say of flags what has not been true for long.
    pub(crate) fn look_if_lost(&mut self, held: &Held) -> Result<(), Trouble> {
        let lost = !self.looked && self.looked_at.is_none() && !self.options.only_to_add;
        let looked = if lost && self.writable { self.look(held) } else { Ok(()) };
        self.put_off(looked)
    }

    pub(crate) fn lock(&self) -> Result<Held, Trouble> {
        self.folders.lock(&self.place)
    }

    pub(crate) fn drain(&mut self) {
        if let Some(watch) = &self.watch {
            watch.drain(&mut self.happened, |_| false);
        }
    }

    /// Reads what others have recorded.
    pub(crate) fn catch_up(&mut self, held: Option<&Held>) -> Result<(), Trouble> {
        let Some(index) = &mut self.index else { return Ok(()) };
        let caught = index.catch_up(&self.folders.index, &mut self.state);
        match caught.map_err(|error| self.cant("read", &error))? {
            Caught::Nothing | Caught::Up => {}
            Caught::Unfinished => match held {
                Some(held) => self.renew(held)?,
                None => return Ok(()),
            },
            Caught::Lost => return self.load(held),
        }
        if self.cache.number != self.state.facts.cache {
            self.state.forget_kept();
            self.open_cache();
        }
        Ok(())
    }

    /// Reads the index whole, or makes it anew where there is none that can be read.
    pub(crate) fn load(&mut self, held: Option<&Held>) -> Result<(), Trouble> {
        let opened = Index::open(&self.folders.index, self.writable);
        match (opened, held) {
            (Ok((index, state, caught)), held) if self.is_of_this_boot(&state) => {
                // One that is valid but ends before what has been read of it already has lost its end.
                let lost = self.index.is_some() && state.facts.modseq < self.state.facts.modseq;
                self.adopt(index, state)?;
                match held {
                    Some(held) if lost || caught == Caught::Unfinished => self.renew(held),
                    None if lost && self.writable => {
                        let held = self.lock()?;
                        self.catch_up(Some(&held))?;
                        self.renew(&held)
                    }
                    _ => Ok(()),
                }
            }
            (opened, Some(held)) => self.rebuild(held, opened.err()),
            (_, None) if self.writable => {
                let held = self.lock()?;
                self.load(Some(&held))
            }
            // What was known of it is still the best that is known.
            _ if self.index.is_some() => Ok(()),
            _ => self.load_foreign(),
        }
    }

    /// The next UID of an index that another boot wrote, or that is a copy, is not to be trusted, but the list of UIDs has one that is.
    fn is_of_this_boot(&self, state: &State) -> bool {
        state.facts.boot == boot() && boot() != 0 || uids::ceiling(&self.folders.index).is_some()
    }

    fn adopt(&mut self, index: Index, mut state: State) -> Result<(), Trouble> {
        let gone = self.index.is_some() && self.uid_validity != index.head.uid_validity;
        if gone {
            return Err(Trouble::MailboxGone);
        }
        if state.facts.boot != boot() || boot() == 0 {
            let ceiling = uids::ceiling(&self.folders.index).unwrap_or_default();
            state.facts.next = state.facts.next.max(ceiling).max(state.facts.ceiling);
            state.facts.boot = boot();
            self.new_boot = boot() != 0;
            self.doubt(&index, &mut state);
        }
        if self.index.is_some() {
            // A file that has lost its end does not know what this session has seen there.
            let known = &self.state.facts;
            state.facts.next = state.facts.next.max(known.next);
            state.facts.modseq = state.facts.modseq.max(known.modseq);
        }
        (self.uid_validity, self.id) = (index.head.uid_validity, index.head.id);
        (self.index, self.state) = (Some(index), state);
        (self.looked, self.looked_at) = (false, None);
        self.open_cache();
        Ok(())
    }

    /// Of an index that another boot wrote the end may be lost, and a copy is of long ago: clients may have been told of
    /// messages that nobody here knows of. So nobody knows what has vanished since then, nor, of a copy, what flags have.
    fn doubt(&self, index: &Index, state: &mut State) {
        let now = self.later_than_all(sys::unix_micros());
        let modseq = now.max(state.facts.modseq.saturating_add(1));
        (state.facts.modseq, state.facts.floor) = (modseq, modseq);
        if index.is_copy() {
            state.messages.iter_mut().for_each(|message| message.modseq = modseq);
        }
    }

    pub(crate) fn open_cache(&mut self) {
        self.cache = Cache::open(&self.folders.index, self.state.facts.cache, self.writable);
    }

    /// The end of the index is not to be read: a writer was killed, or the file is damaged. What is known up to
    /// there is written anew; the rest is found out by a look at all names. If the list of UIDs is damaged too, nobody
    /// knows which UIDs were given.
    fn renew(&mut self, held: &Held) -> Result<(), Trouble> {
        let Some(ceiling) = uids::ceiling(&self.folders.index) else {
            return self.rebuild(held, Some(std::io::ErrorKind::InvalidData.into()));
        };
        sys::log!(
            "{}: warning: {}: the index ends in an unfinished record, written anew",
            sys::logging::name(),
            self.place.index.display()
        );
        self.state.gone.clear();
        let names = self.own_keywords()?;
        if names.len() > self.state.keywords.len() {
            self.state.set_keywords(names);
        }
        let modseq = self.next_modseq();
        // What is lost may have been told to clients; now each message is as new as can be.
        self.state.messages.iter_mut().for_each(|message| message.modseq = modseq);
        let facts = &mut self.state.facts;
        // What is lost may have given UIDs.
        facts.next = facts.next.max(facts.ceiling).max(ceiling);
        (facts.modseq, facts.floor) = (modseq, modseq);
        (facts.cur, facts.new) = (Stamp::default(), Stamp::default());
        (self.looked, self.looked_at) = (false, None);
        self.write_index(held, sys::unix_micros())
    }

    /// Replaces the index file by one with everything that is known now.
    pub(crate) fn write_index(&mut self, _held: &Held, generation: u64) -> Result<(), Trouble> {
        self.state.count();
        let head = Head { uid_validity: self.uid_validity, generation, id: self.id, ..Head::default() };
        let index = Index::replace(&self.folders.index, &head, &self.state);
        self.index = Some(index.map_err(|error| self.cant("write", &error))?);
        Ok(())
    }

    pub(crate) fn cant(&self, what: &str, error: &std::io::Error) -> Trouble {
        unavailable(&self.place.index, &format!("can't {what} the index"), error)
    }

    /// Greater than all before, even if those are forgotten.
    pub(crate) fn next_modseq(&self) -> u64 {
        self.state.facts.modseq.saturating_add(1).max(sys::unix_micros())
    }

    /// Does what `records` say and writes them into the index. `modseq`: that of these changes, if a client sees any.
    pub(crate) fn commit(&mut self, held: &Held, records: &[u8], modseq: Option<u64>) -> Result<(), Trouble> {
        let modseq = modseq.unwrap_or(self.state.facts.modseq);
        if self.state.apply_all(Octets(records), modseq).is_err() {
            return self.load(Some(held));
        }
        self.state.facts.modseq = modseq;
        self.state.count();
        let Some(index) = &mut self.index else { return Ok(()) };
        if index.is_long_with(records) {
            // They would be folded at once: all others have to read them as a snapshot.
            let written = self.write_index(held, sys::unix_micros());
            return written.or_else(|trouble| self.forget_change(held, trouble));
        }
        if let Err(error) = index.append(&self.state.facts, records) {
            let trouble = self.cant("write", &error);
            return self.forget_change(held, trouble);
        }
        if index.is_long() {
            self.fold(held);
        }
        Ok(())
    }

    /// What is in memory but not in the file is forgotten again, and found out when there is room.
    fn forget_change(&mut self, held: &Held, trouble: Trouble) -> Result<(), Trouble> {
        (self.looked, self.looked_at) = (false, None);
        self.load(Some(held))?;
        Err(trouble)
    }

    /// Folds the changes into a new snapshot. Should that fail, the file goes on growing.
    fn fold(&mut self, held: &Held) {
        let Some(generation) = self.index.as_ref().map(|index| index.head.generation) else { return };
        let _ = index::sweep(&self.folders.index);
        self.write_kept();
        let state = &self.state;
        let live = |uid, place| state.position(uid).is_some_and(|at| state.extra(at).kept == place);
        let shortened = self.cache.shorten(&self.folders.index, live);
        let generation = match shortened {
            Ok(Some((number, places))) => {
                self.state.forget_kept();
                for (uid, place) in places {
                    if let Some(at) = self.state.position(uid) {
                        self.state.set_kept(at, place);
                    }
                }
                self.state.facts.cache = number;
                self.open_cache();
                // All have to learn the new places.
                sys::unix_micros()
            }
            _ => generation + 1,
        };
        let _ = self.write_index(held, generation);
    }

    /// Of what has happened, takes out what the state knows already: above all this house's own doing.
    pub(crate) fn forget_known(&mut self) -> Result<(), Trouble> {
        let state = &mut self.state;
        self.happened.touched.retain(|base, touch| {
            let Some(at) = state.find(base) else { return touch.came.is_some() };
            touch.came.as_ref().is_none_or(|came| !state.has_name(at, came))
        });
        if self.happened.new {
            self.happened.new = Listing::read(&self.folders.new)?.len() > 0;
        }
        Ok(())
    }

    /// Can anything have happened in the Maildir that the state does not know?
    pub(crate) fn must_look(&mut self) -> Result<bool, Trouble> {
        let stamps = self.folders.stamps()?;
        let recorded = (self.state.facts.cur, self.state.facts.new) == stamps;
        if self.watch.is_none() {
            if recorded {
                (self.looked_at, self.unsure) = (Some(stamps), None);
            }
            let due = self.unsure.is_some_and(|since| sys::monotonic().saturating_sub(since) > AFTER_OWN);
            return Ok(self.looked_at != Some(stamps) || due);
        }
        if !self.looked && self.state.facts.cur == stamps.0 && stamps.0 != Stamp::default() {
            // All names in `cur` are known: there is only `new` to be looked at, if it is another one.
            self.looked = true;
            self.happened.new |= !recorded;
        }
        Ok(!self.looked || !self.happened.is_nothing())
    }

    /// This session is about to change files itself.
    pub(crate) fn before_change(&mut self) -> Result<(), Trouble> {
        self.was_sure = self.watch.is_none() && self.looked_at == Some(self.folders.stamps()?);
        Ok(())
    }

    /// It has changed them.
    pub(crate) fn after_change(&mut self) -> Result<(), Trouble> {
        if self.was_sure && self.looked_at.is_some() {
            self.looked_at = Some(self.folders.stamps()?);
            self.unsure = self.unsure.or(Some(sys::monotonic()));
        }
        Ok(())
    }

    /// The stamps that may be recorded: of folders in which nothing can have happened that is not known.
    fn sure_stamps(&mut self) -> Result<Option<(Stamp, Stamp)>, Trouble> {
        let (now, stamps) = (sys::unix_micros(), self.folders.stamps()?);
        if stamps == (self.state.facts.cur, self.state.facts.new)
            || !stamps.0.is_certain(now)
            || !stamps.1.is_certain(now)
        {
            return Ok(None);
        }
        if self.watch.is_none() {
            let sure = self.looked_at == Some(stamps) && self.unsure.is_none();
            return Ok(Some(stamps).filter(|_| sure));
        }
        self.drain();
        self.forget_known()?;
        Ok(Some(stamps).filter(|_| self.looked && self.happened.is_nothing()))
    }

    /// Records what is not urgent: that new messages have been recent to somebody, mtimes of folders, dates, places
    /// of kept records if there are `many`.
    fn record_what_is_due(&mut self, many: usize) -> Result<(), Trouble> {
        if !self.writable || self.index.is_none() {
            return Ok(());
        }
        let notices = !self.options.read_only && !self.options.only_to_add;
        let claims = notices && self.state.facts.seen < self.state.facts.next;
        let stamps = self.sure_stamps()?;
        let notes = self.dates.len() + self.cache.placed.len() >= many;
        let new_cache = !self.cache.is_there();
        if !claims && stamps.is_none() && !notes && !new_cache && !self.new_boot {
            return Ok(());
        }
        let held = self.lock()?;
        self.catch_up(Some(&held))?;
        self.look_if_lost(&held)?;
        // Unless that has shown the index to be damaged.
        if let Some((cur, new)) = stamps.filter(|stamps| self.looked || self.looked_at == Some(*stamps)) {
            (self.state.facts.cur, self.state.facts.new) = (cur, new);
        }
        if claims {
            self.state.facts.seen = self.state.facts.next;
        }
        if !self.cache.is_there() {
            self.new_cache();
        }
        let notes = self.notes();
        self.new_boot = false;
        self.commit(&held, &notes, None)?;
        if self.index.as_ref().is_some_and(Index::is_copy) {
            // What fails here is done by the next session.
            let _ = self.write_index(&held, sys::unix_micros());
        }
        Ok(())
    }

    /// Where it can't be made, nothing is kept.
    fn new_cache(&mut self) {
        if let Ok(cache) = Cache::create(&self.folders.index) {
            self.state.forget_kept();
            self.state.facts.cache = cache.number;
            self.cache = cache;
        }
    }

    /// Dates and places of kept records, as records.
    pub(crate) fn notes(&mut self) -> Vec<u8> {
        self.write_kept();
        let mut records = Vec::new();
        for (uid, date) in self.dates.drain(..) {
            Record::Date { uid, date }.put(&mut records);
        }
        for (uid, at) in self.cache.placed.drain(..) {
            Record::Kept { uid, at }.put(&mut records);
        }
        records
    }

    /// The mailbox is closed.
    pub(crate) fn leave(&mut self) -> Result<(), Trouble> {
        if self.asleep {
            return Ok(());
        }
        self.folders.stamps()?;
        self.drain();
        self.catch_up(None)?;
        self.forget_known()?;
        self.write_kept();
        self.record_what_is_due(1)
    }
}
