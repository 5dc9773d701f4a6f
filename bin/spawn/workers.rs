//! `local-deliver` workers: kept per owner and home, few, ended when idle. Those of one uid are copies of one stem.
//!
//! A worker that dies or answers nonsense takes only its own delivery with it. No program is executed for a delivery
//! while its owner's stem stands. Owners have power over what runs as them: nothing here waits for it while others do.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use control::Home;
use sys::process::{self, Child, Exit, sibling};
use sys::stem::{Copy, Process, Stem};
use sys::{Env, Identity};
use wire::Fate;

use crate::as_owner;

/// Deliveries that a worker does before it is replaced.
const JOBS: u32 = 10_000;
/// How long an idle worker is kept.
const IDLE: Duration = Duration::from_secs(30);
/// How long a stem is kept: whoever gets mail all the time has a new one now and then, the others none.
const STEM: Duration = Duration::from_secs(300);
/// How often idle workers are looked through.
const EVERY: Duration = Duration::from_secs(1);
/// Stems kept at one time.
const STEMS: usize = 64;
/// How often the dead are looked through for those whom nobody knows: an owner may have made them. Everybody else's are
/// buried long before they are seen twice.
const GRAVES: Duration = Duration::from_secs(60);
/// A worker's answer to an order that only `dot-qmail` can carry out.
const NEEDS_PROGRAMS: &[u8] = b"P";
/// Idle workers kept beyond one for each delivery at a time.
const MORE: usize = 32;

/// Whose worker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// What it runs as.
    pub identity: Identity,
    /// The one folder it sees.
    pub home: PathBuf,
}

#[derive(Debug)]
struct Worker {
    copy: Copy,
    since: Duration,
    /// Deliveries it may still do; it ends by itself after the last.
    left: u32,
}

/// Of whom the workers of one owner are copies.
struct Kin {
    stem: Stem,
    /// When it was started.
    since: Duration,
}

#[derive(Default)]
struct Kept {
    idle: HashMap<Key, Vec<Worker>>,
    /// With when they were hung up on.
    ended: Vec<(Process, Duration)>,
    stems: HashMap<Identity, Arc<Kin>>,
    /// All stems that have not been seen to end; with since when nobody has asked them any more.
    started: Vec<(Child, Option<Duration>)>,
    looked_through: Duration,
    /// Children that were dead when all were looked through last.
    dead: HashSet<u32>,
    counted: Duration,
}

/// All workers that no delivery is using.
pub(crate) struct Workers {
    program: OsString,
    env: Env,
    patience: Duration,
    most_idle: usize,
    kept: Mutex<Kept>,
}

impl Workers {
    pub(crate) fn new(house: &Home, patience: Duration, most: usize) -> Workers {
        let ours = house.program("local-deliver");
        let program = if ours.exists() { ours.into_os_string() } else { sibling("local-deliver") };
        let mut env = Env::new();
        env.set("FULMAR_HOME", house.path().as_os_str().as_encoded_bytes());
        env.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        Workers { program, env, patience, most_idle: most + MORE, kept: Mutex::default() }
    }

    /// Has a worker of `key` deliver `message` by the order in `packet`. `None`: it has done nothing, since
    /// the instructions are for `dot-qmail`.
    pub(crate) fn deliver(&self, key: &Key, packet: &[u8], message: &OwnedFd) -> Option<Fate> {
        // A worker that ended while it was idle takes no packet: the next one gets it.
        while let Some(worker) = self.take(key) {
            if worker.copy.packets.send(packet, &[message.as_fd()]).is_ok() {
                return self.await_answer(key, worker);
            }
            self.end(worker);
        }
        let worker = match self.start(&key.identity) {
            Ok(worker) => worker,
            Err(error) => {
                sys::log!("spawn: warning: can't start local-deliver uid={}: {error}", key.identity.uid);
                return Some(Fate::later(3, 0, "unable to start local-deliver"));
            }
        };
        match worker.copy.packets.send(packet, &[message.as_fd()]) {
            Ok(()) => self.await_answer(key, worker),
            Err(error) => {
                self.kill(worker, &format!("takes no orders: {error}"));
                Some(Fate::later(3, 0, "local-deliver takes no orders"))
            }
        }
    }

    fn await_answer(&self, key: &Key, worker: Worker) -> Option<Fate> {
        let answer = match worker.copy.packets.recv() {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                self.kill(worker, "died");
                return Some(Fate::later(3, 0, "local-deliver died"));
            }
            Err(error) => {
                self.kill(worker, &format!("gives no answer: {error}"));
                return Some(Fate::later(3, 0, "local-deliver took too long"));
            }
        };
        if answer.bytes == NEEDS_PROGRAMS {
            self.keep(key, worker);
            return None;
        }
        let Some(fate) = Fate::parse(&answer.bytes) else {
            self.kill(worker, "answers nonsense");
            return Some(Fate::later(3, 0, "report mangled"));
        };
        match fate {
            // Its confinement may be to a folder that has been replaced.
            Fate::Later(_) => self.end(worker),
            _ => self.keep(key, worker),
        }
        Some(fate)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn take(&self, key: &Key) -> Option<Worker> {
        self.lock().idle.get_mut(key).and_then(Vec::pop)
    }

    fn keep(&self, key: &Key, mut worker: Worker) {
        worker.since = sys::monotonic();
        worker.left -= 1;
        if worker.left == 0 {
            return self.end(worker);
        }
        let mut kept = self.lock();
        kept.idle.entry(key.clone()).or_default().push(worker);
        if kept.idle.values().map(Vec::len).sum::<usize>() > self.most_idle {
            kept.end_oldest();
        }
    }

    /// Its end of the packets is closed, so it ends by itself.
    fn end(&self, worker: Worker) {
        self.lock().ended.push((worker.copy.process, sys::monotonic()));
    }

    fn kill(&self, worker: Worker, what: &str) {
        let exit = worker.copy.process.try_wait().ok().flatten();
        let how = match exit {
            Some(Exit::Code(code)) => format!(" exit={code}"),
            Some(Exit::Signal(signal)) => format!(" signal={signal}"),
            None => String::new(),
        };
        sys::log!("spawn: warning: local-deliver {} {what}{how}", worker.copy.process.pid);
        let _ = worker.copy.process.kill();
        self.end(worker);
    }

    fn start(&self, identity: &Identity) -> std::io::Result<Worker> {
        let copy = self.copy(identity)?;
        copy.packets.set_timeout(self.patience)?;
        Ok(Worker { copy, since: sys::monotonic(), left: JOBS })
    }

    /// Of the stem of this owner; of a new one, if there is none or the old one makes none any more. An owner may
    /// stop his stem: nobody else waits for that.
    fn copy(&self, identity: &Identity) -> std::io::Result<Copy> {
        let known = self.lock().stems.get(identity).cloned();
        if let Some(Ok(copy)) = known.map(|kin| kin.stem.copy()) {
            return Ok(copy);
        }
        let start = as_owner::start(&self.program, identity).env_only(&self.env).chdir(Path::new("/"));
        let (child, stem) = Stem::start(start, JOBS)?;
        let kin = Arc::new(Kin { stem, since: sys::monotonic() });
        let mut kept = self.lock();
        kept.started.push((child, None));
        kept.stems.insert(identity.clone(), kin.clone());
        if kept.stems.len() > STEMS {
            kept.end_oldest_stem();
        }
        drop(kept);
        kin.stem.copy()
    }

    /// Ends workers that have been idle for long, and reaps those that have ended.
    pub(crate) fn tick(&self) {
        let (mut kept, now) = (self.lock(), sys::monotonic());
        if now.saturating_sub(kept.looked_through) < EVERY {
            return;
        }
        kept.looked_through = now;
        kept.end_idle(now.saturating_sub(IDLE));
        kept.stems.retain(|_, kin| now.saturating_sub(kin.since) < STEM);
        kept.bury(now);
        if now.saturating_sub(kept.counted) >= GRAVES {
            kept.counted = now;
            kept.bury_strangers();
        }
    }
}

impl Kept {
    fn end_idle(&mut self, before: Duration) {
        let Kept { idle, ended, .. } = self;
        for workers in idle.values_mut() {
            let over = workers.extract_if(.., |worker| worker.since < before);
            ended.extend(over.map(|worker| (worker.copy.process, sys::monotonic())));
        }
        idle.retain(|_, workers| !workers.is_empty());
    }

    /// Waits for those that have ended, and ends those that should have long ago: their owner may have stopped them.
    fn bury(&mut self, now: Duration) {
        let late = |since: Duration| now.saturating_sub(since) > GRAVES;
        self.ended.retain(|(process, since)| {
            if late(*since) {
                let _ = process.kill();
            }
            matches!(process.try_wait(), Ok(None))
        });
        let stems = &self.stems;
        self.started.retain_mut(|(child, since)| {
            let asked = stems.values().any(|kin| kin.stem.pid() == child.pid());
            if !asked && late(*since.get_or_insert(now)) {
                let _ = child.kill();
            }
            matches!(child.try_wait(), Ok(None))
        });
    }

    /// Whom nobody has waited for all the time.
    fn bury_strangers(&mut self) {
        let dead: HashSet<u32> = process::unburied().into_iter().collect();
        self.dead.intersection(&dead).for_each(|pid| process::bury(*pid));
        self.dead = dead;
    }

    fn end_oldest_stem(&mut self) {
        let oldest = self.stems.iter().min_by_key(|(_, kin)| kin.since).map(|(identity, _)| identity.clone());
        if let Some(identity) = oldest {
            self.stems.remove(&identity);
        }
    }

    fn end_oldest(&mut self) {
        let oldest = self.idle.iter().filter_map(|(key, workers)| Some((workers.first()?.since, key)));
        let Some(key) = oldest.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone()) else { return };
        let Some(workers) = self.idle.get_mut(&key) else { return };
        let worker = workers.remove(0);
        if workers.is_empty() {
            self.idle.remove(&key);
        }
        self.ended.push((worker.copy.process, sys::monotonic()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::process::Start;

    #[test]
    fn the_dead_are_buried_when_nobody_has_waited_for_them_all_the_time() {
        let mut kept = Kept::default();
        let mut known = Start::new("/bin/true").spawn().unwrap();
        let stranger = Start::new("/bin/true").spawn().unwrap().pid();
        while process::unburied().len() < 2 {
            std::thread::yield_now();
        }
        kept.bury_strangers();
        assert_eq!(known.try_wait().unwrap(), Some(Exit::Code(0)), "seen once, nobody is buried");
        assert_eq!(process::unburied(), [stranger]);
        kept.bury_strangers();
        assert!(process::unburied().is_empty());
    }
}
