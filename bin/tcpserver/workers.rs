//! The workers: some kept ready, one connection at a time each, replaced when they end. Each is a copy of one stem.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use sys::process::{Exit, Start};
use sys::stem::{Copy, Stem};
use sys::wait::Watch;
use sys::{Packets, worker};

use crate::tally::Place;

/// How long an idle worker beyond those kept ready may stay.
const LINGER: Duration = Duration::from_secs(5);
/// How long no worker is started ahead after one that ended before its first connection.
const PAUSE: Duration = Duration::from_secs(1);
/// So many copies are made of a stem. What they have in common, such as the places of their memory, an attacker shall
/// not have for ever to find out.
const COPIES: u32 = 1000;

/// What a worker is doing.
enum State {
    Idle { since: Duration },
    Busy(Place),
}

struct Worker {
    /// Not any more when it has closed its end.
    packets: Option<Packets>,
    state: State,
    /// Has been given a connection.
    used: bool,
    /// To be replaced once it is idle.
    stale: bool,
}

/// Something that happened to a worker.
pub(crate) enum Event {
    /// Its connection is over, with this wait status.
    Ended(Place, i32),
    /// It ended before it had a connection.
    Useless(Exit),
    /// Nothing that concerns anyone else.
    Nothing,
}

/// All workers of one program, by process id.
pub(crate) struct Workers {
    /// So many idle ones are kept ready.
    wanted: usize,
    jobs: u32,
    program: Box<dyn Fn() -> Start>,
    stem: Option<Stem>,
    /// How many copies it has made.
    copies: u32,
    workers: HashMap<u32, Worker>,
    /// The one used last is used next: its memory is warm, and the surplus grows old.
    idle: Vec<u32>,
    pause: Duration,
}

impl Workers {
    pub(crate) fn new(wanted: u32, jobs: u32, program: Box<dyn Fn() -> Start>) -> Workers {
        let (workers, idle) = (HashMap::new(), Vec::new());
        let wanted = wanted as usize;
        Workers { wanted, jobs, program, stem: None, copies: 0, workers, idle, pause: Duration::ZERO }
    }

    /// An idle worker, started if there is none. It stays idle until [`Workers::give`].
    pub(crate) fn ready(&mut self, watch: &Watch) -> io::Result<u32> {
        match self.idle.last() {
            Some(pid) => Ok(*pid),
            None => self.start(watch),
        }
    }

    /// Gives a job to the idle worker `pid`; an error, and the place back, if it takes none: then it is
    /// let go.
    pub(crate) fn give(
        &mut self,
        pid: u32,
        job: &[u8],
        connection: impl AsFd,
        place: Place,
        watch: &Watch,
    ) -> Result<(), Place> {
        self.idle.retain(|idle| *idle != pid);
        let Some(worker) = self.workers.get_mut(&pid) else { return Err(place) };
        let Some(packets) = &worker.packets else { return Err(place) };
        if packets.send(job, &[connection.as_fd()]).is_err() {
            self.hang_up(pid, watch);
            return Err(place);
        }
        worker.used = true;
        worker.state = State::Busy(place);
        Ok(())
    }

    /// Reads the answer of worker `pid`.
    pub(crate) fn answer(&mut self, pid: u32, watch: &Watch) -> Event {
        let Some(packets) = self.workers.get(&pid).and_then(|worker| worker.packets.as_ref()) else {
            return Event::Nothing;
        };
        let mut answer = [0; 16];
        match packets.recv_into(&mut answer) {
            Ok((length, _)) if &answer[..length] == worker::READY => self.is_ready(pid, watch),
            Ok((length, _)) if &answer[..length] == worker::REPLACE => self.leaves(pid, watch),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Event::Nothing,
            _ => {
                self.hang_up(pid, watch); // what it still does, it does to its end
                Event::Nothing
            }
        }
    }

    fn is_ready(&mut self, pid: u32, watch: &Watch) -> Event {
        let Some(worker) = self.workers.get_mut(&pid) else { return Event::Nothing };
        let idle = State::Idle { since: sys::monotonic() };
        let State::Busy(place) = std::mem::replace(&mut worker.state, idle) else { return Event::Nothing };
        if worker.stale {
            self.hang_up(pid, watch);
        } else {
            self.idle.push(pid);
        }
        Event::Ended(place, 0)
    }

    fn leaves(&mut self, pid: u32, watch: &Watch) -> Event {
        self.hang_up(pid, watch);
        match self.workers.remove(&pid) {
            Some(Worker { state: State::Busy(place), .. }) => Event::Ended(place, 0),
            _ => Event::Nothing,
        }
    }

    /// Closes our end: an idle worker ends, a busy one after its job.
    fn hang_up(&mut self, pid: u32, watch: &Watch) {
        self.idle.retain(|idle| *idle != pid);
        if let Some(packets) = self.workers.get_mut(&pid).and_then(|worker| worker.packets.take()) {
            let _ = watch.remove(&packets);
        }
    }

    /// The process `pid` has ended; `None` if it was no worker with anything left to tell.
    pub(crate) fn ended(&mut self, pid: u32, exit: Exit, watch: &Watch) -> Option<Event> {
        if self.stem.as_ref().is_some_and(|stem| stem.pid() == pid) {
            self.stem = None;
            return Some(if self.copies > 0 { Event::Nothing } else { self.useless(exit) });
        }
        self.hang_up(pid, watch);
        let worker = self.workers.remove(&pid)?;
        Some(match worker.state {
            State::Busy(place) => Event::Ended(place, exit.status()),
            State::Idle { .. } if worker.used || worker.stale => Event::Nothing,
            State::Idle { .. } => self.useless(exit),
        })
    }

    fn useless(&mut self, exit: Exit) -> Event {
        self.rest();
        Event::Useless(exit)
    }

    /// All workers are replaced, busy ones after their job.
    pub(crate) fn reload(&mut self, watch: &Watch) {
        self.stem = None;
        for worker in self.workers.values_mut() {
            worker.stale = true;
        }
        for pid in self.idle.clone() {
            self.hang_up(pid, watch);
        }
    }

    /// Starts one more if too few are idle, unless there are `most` already.
    pub(crate) fn replenish(&mut self, most: u32, watch: &Watch) -> io::Result<()> {
        let room = self.idle.len() < self.wanted && self.workers.len() < most as usize;
        if room && self.pause <= sys::monotonic() {
            self.start(watch)?;
        }
        Ok(())
    }

    /// Starts none ahead for a while.
    pub(crate) fn rest(&mut self) {
        self.pause = sys::monotonic() + PAUSE;
    }

    /// Lets the surplus go that has been idle for long.
    pub(crate) fn dismiss(&mut self, watch: &Watch) {
        while let Some(pid) = self.surplus().filter(|pid| self.linger(*pid).is_zero()) {
            if let Some(worker) = self.workers.get_mut(&pid) {
                worker.stale = true;
            }
            self.hang_up(pid, watch);
        }
    }

    /// How long until [`Workers::replenish`] or [`Workers::dismiss`] has something to do.
    pub(crate) fn next(&self, most: u32) -> Option<Duration> {
        if self.idle.len() < self.wanted && self.workers.len() < most as usize {
            return Some(self.pause.saturating_sub(sys::monotonic()));
        }
        self.surplus().map(|pid| self.linger(pid))
    }

    fn surplus(&self) -> Option<u32> {
        (self.idle.len() > self.wanted).then(|| self.idle.first().copied())?
    }

    fn linger(&self, pid: u32) -> Duration {
        match self.workers.get(&pid).map(|worker| &worker.state) {
            Some(State::Idle { since }) => (*since + LINGER).saturating_sub(sys::monotonic()),
            _ => Duration::ZERO,
        }
    }

    fn start(&mut self, watch: &Watch) -> io::Result<u32> {
        let Copy { packets, process } = self.copy()?;
        let pid = process.pid;
        packets.set_nonblocking()?;
        watch.add(&packets, pid.into())?;
        let state = State::Idle { since: sys::monotonic() };
        self.workers.insert(pid, Worker { packets: Some(packets), state, used: false, stale: false });
        self.idle.push(pid);
        Ok(pid)
    }

    /// Of the stem that is there, or of a new one if that has died or has made its share.
    fn copy(&mut self) -> io::Result<Copy> {
        let of_old = self.stem.as_ref().filter(|_| self.copies < COPIES).map(Stem::copy);
        let copy = match of_old {
            Some(Ok(copy)) => copy,
            _ => {
                self.copies = 0;
                self.stem.insert(Stem::start((self.program)(), self.jobs)?.1).copy()?
            }
        };
        self.copies += 1;
        Ok(copy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::Pid;

    #[test]
    fn a_worker_that_could_not_be_given_its_job_is_not_kept_for_ever() {
        let watch = Watch::new().unwrap();
        // A stem whose one copy is itself.
        let script = "import socket, array
s = socket.socket(fileno=3)
request = s.recvmsg(1, socket.CMSG_SPACE(4))
way = socket.socket(fileno=array.array('i', request[1][0][2])[0])
way.send(b'I')
while way.recv(65536): pass";
        let program = move || Start::new("python3").args(["-c", script]);
        let mut workers = Workers::new(1, 1, Box::new(program));
        let pid = workers.ready(&watch).unwrap();
        let (connection, _) = io::pipe().unwrap();
        let too_long = vec![b'x'; sys::packet::MAX + 1];
        assert!(workers.give(pid, &too_long, connection, Place::NONE, &watch).is_err());
        // It ends since we have hung up.
        let pid = Pid::from_raw(pid as i32);
        assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 0)));
    }
}
