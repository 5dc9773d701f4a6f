//! The loop: one place to wait for clients, workers, look-ups and signals.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use rules::Verdict;
use sys::process::{self, Start};
use sys::signals::{Signal, Signals};
use sys::wait::{Interest, Watch};
use sys::{Env, Stop};

use crate::access::{self, Access};
use crate::connection::{Connection, without_connection};
use crate::inquiry::{Findings, Inquiries};
use crate::listen::Listener;
use crate::options::{Options, Verbosity};
use crate::tally::{Place, Tally};
use crate::workers::{Event, Workers};

/// Names of descriptors in the watch; workers are called by their process id, which is never so large.
const LISTENER: u64 = u64::MAX;
const SIGNALS: u64 = u64::MAX - 1;
const INQUIRIES: u64 = u64::MAX - 2;
/// How long nothing is accepted or started when the system has run out of something.
const PAUSE: Duration = Duration::from_millis(500);
/// The wait status of a connection that was refused, and of one that was dropped for now.
const REFUSED: i32 = 100 << 8;
const DROPPED: i32 = 111 << 8;

/// A connection that has passed all checks.
struct Guest {
    connection: Connection,
    env: Env,
    place: Place,
}

/// All state of a running tcpserver.
pub(crate) struct Server {
    options: Arc<Options>,
    listener: Listener,
    watch: Watch,
    signals: Signals,
    inquiries: Inquiries,
    tally: Tally,
    access: Access,
    workers: Option<Workers>,
    /// Connections with a process of their own.
    processes: HashMap<u32, Place>,
    /// Connections for which no process could be started yet.
    waiting: VecDeque<Guest>,
    /// All connections, those being looked into included.
    connections: u32,
    base: Env,
    listening: bool,
    pause: Option<Duration>,
}

impl Server {
    pub(crate) fn new(options: Arc<Options>, listener: Listener) -> Result<Server, Stop> {
        let fatal = |error: io::Error| options.fatal(format_args!("unable to watch descriptors: {error}"));
        let signals = Signals::new(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGHUP]).map_err(fatal)?;
        let watch = Watch::new().map_err(fatal)?;
        let inquiries = Inquiries::new(options.clone()).map_err(fatal)?;
        watch.add(&signals, SIGNALS).map_err(fatal)?;
        watch.add(&inquiries, INQUIRIES).map_err(fatal)?;
        let base = without_connection(Env::here());
        let workers = options.workers.map(|wanted| {
            let (own, base) = (options.clone(), base.clone());
            Workers::new(wanted, options.jobs, Box::new(move || program(&own, &base)))
        });
        Ok(Server {
            tally: Tally::new(options.limit_per_address),
            access: Access::default(),
            options,
            listener,
            watch,
            signals,
            inquiries,
            workers,
            processes: HashMap::new(),
            waiting: VecDeque::new(),
            connections: 0,
            base,
            listening: false,
            pause: None,
        })
    }

    /// Serves until SIGTERM.
    pub(crate) fn run(mut self) -> Result<(), Stop> {
        sys::logging::gather();
        self.status();
        loop {
            self.keep_workers();
            self.listen_or_not();
            sys::logging::flush();
            let ready = match self.watch.wait(self.next()) {
                Ok(ready) => ready,
                Err(error) => return Err(self.options.fatal(format_args!("unable to wait: {error}"))),
            };
            for token in ready {
                match token {
                    LISTENER => self.accept(),
                    INQUIRIES => self.hear(),
                    SIGNALS if self.obey() => {
                        self.listener.remove();
                        return Ok(());
                    }
                    SIGNALS => {}
                    pid => self.answer(pid as u32),
                }
            }
            self.try_again();
        }
    }

    /// New connections are waited for only while there is room for them.
    fn listen_or_not(&mut self) {
        let wanted = self.connections < self.options.limit && self.pause.is_none();
        if wanted == self.listening {
            return;
        }
        let done =
            if wanted { self.watch.add(&self.listener, LISTENER) } else { self.watch.remove(&self.listener) };
        if done.is_ok() {
            self.listening = wanted;
        }
    }

    /// How long to wait at most.
    fn next(&self) -> Option<Duration> {
        let pause = self.pause.map(|until| until.saturating_sub(sys::monotonic()));
        let workers = self.workers.as_ref().and_then(|workers| workers.next(self.options.limit));
        pause.into_iter().chain(workers).min()
    }

    /// Takes all signals; whether the end has come.
    fn obey(&mut self) -> bool {
        while let Some(signal) = self.signals.take() {
            match signal {
                Signal::SIGTERM => return true,
                Signal::SIGHUP => {
                    if let Some(workers) = &mut self.workers {
                        workers.reload(&self.watch);
                    }
                }
                _ => self.reap(),
            }
        }
        false
    }

    fn reap(&mut self) {
        while let Some((pid, exit)) = process::reap() {
            let event = self.workers.as_mut().and_then(|workers| workers.ended(pid, exit, &self.watch));
            match event {
                Some(event) => self.happened(pid, event),
                None => {
                    if let Some(place) = self.processes.remove(&pid) {
                        self.end(pid, place, exit.status());
                    }
                }
            }
        }
    }

    fn answer(&mut self, pid: u32) {
        if let Some(workers) = &mut self.workers {
            let event = workers.answer(pid, &self.watch);
            self.happened(pid, event);
        }
    }

    fn happened(&mut self, pid: u32, event: Event) {
        match event {
            Event::Ended(place, status) => self.end(pid, place, status),
            Event::Useless(exit) => {
                self.options.warn(format_args!("worker {pid} ended before its first connection: {exit:?}"));
            }
            Event::Nothing => {}
        }
    }

    fn keep_workers(&mut self) {
        let Some(workers) = &mut self.workers else { return };
        if let Err(error) = workers.replenish(self.options.limit, &self.watch) {
            workers.rest();
            self.options.warn(format_args!("unable to start a worker: {error}"));
        }
        workers.dismiss(&self.watch);
    }

    /// The next client. If there are more, the wait will tell at once: to ask here would cost each who comes alone a call.
    fn accept(&mut self) {
        if self.connections >= self.options.limit || self.pause.is_some() {
            return;
        }
        match self.listener.accept() {
            Ok(connection) => self.begin(connection),
            Err(error) if is_shortage(&error) => self.rest("accept", &error),
            Err(_) => {} // a client that is gone already
        }
    }

    /// Something has run out: wait for better times, without turning in circles.
    fn rest(&mut self, what: &str, error: &io::Error) {
        self.options.warn(format_args!("unable to {what}: {error}; waiting"));
        self.pause = Some(sys::monotonic() + PAUSE);
    }

    fn begin(&mut self, mut connection: Connection) {
        self.connections += 1;
        self.status();
        if !self.options.keep_ip_options {
            sys::forget_ip_options(connection.fd.as_fd());
        }
        if !self.greet(&connection) {
            return self.turn_away(&connection, Place::NONE, "unable to print banner");
        }
        let more = self.inquiries.needed(&mut connection);
        let verdict = match self.access.verdict(&self.options, &connection) {
            Ok(verdict) => verdict,
            Err(cause) => return self.turn_away(&connection, Place::NONE, &cause),
        };
        let proxied = access::is_proxy(&verdict);
        let place = if proxied { Some(Place::NONE) } else { self.enter(&connection) };
        let Some(place) = place else { return self.too_many(&connection) };
        if !more && !proxied {
            return self.judge(connection, place, &verdict);
        }
        if let Err((place, error)) = self.inquiries.start(connection, place, proxied) {
            // The connection went down with the thread that was not to be.
            self.options.warn_dropping(format_args!("unable to start a thread: {error}"));
            self.leave(place);
        }
    }

    /// A place for a connection of this address. Before there is none, those are counted out that
    /// have ended but not been heard of yet.
    fn enter(&mut self, connection: &Connection) -> Option<Place> {
        let neighbourhood = connection.ends.neighbourhood();
        self.tally.enter(neighbourhood).or_else(|| {
            self.reap();
            for token in self.watch.wait(Some(Duration::ZERO)).unwrap_or_default() {
                if !matches!(token, LISTENER | INQUIRIES | SIGNALS) {
                    self.answer(token as u32);
                }
            }
            self.tally.enter(neighbourhood)
        })
    }

    /// Prints the banner, which has to fit into the buffer of a new connection.
    fn greet(&self, connection: &Connection) -> bool {
        let banner = &self.options.banner;
        let fd = connection.fd.as_fd();
        banner.is_empty()
            || sys::wait::until(fd, Interest::Write, Some(Duration::ZERO)).unwrap_or(false)
                && nix::unistd::write(fd, banner) == Ok(banner.len())
    }

    /// Takes in what the inquiries have found out.
    fn hear(&mut self) {
        for findings in self.inquiries.finished() {
            match findings {
                Findings::Bad(connection, place, cause) => self.turn_away(&connection, place, cause),
                Findings::Known(connection, place) => self.know(connection, place),
            }
        }
    }

    /// All is known of a connection that there is to know: ask the rules again.
    fn know(&mut self, connection: Connection, place: Place) {
        let Some(place) = self.tally.settle(place, connection.ends.neighbourhood()) else {
            return self.too_many(&connection);
        };
        match self.access.verdict(&self.options, &connection) {
            Ok(verdict) => self.judge(connection, place, &verdict),
            Err(cause) => self.turn_away(&connection, place, &cause),
        }
    }

    fn judge(&mut self, connection: Connection, place: Place, verdict: &Verdict) {
        if verdict.deny {
            return self.refuse(&connection, place);
        }
        let mut env = connection.env(&self.base);
        access::change(&mut env, verdict);
        let guest = Guest { connection, env, place };
        if self.waiting.is_empty() {
            self.serve(guest);
        } else {
            self.waiting.push_back(guest);
        }
    }

    /// Those that nothing could be started for, once the pause is over.
    fn try_again(&mut self) {
        match self.pause {
            Some(until) if until > sys::monotonic() => return,
            _ => self.pause = None,
        }
        while self.pause.is_none() {
            let Some(guest) = self.waiting.pop_front() else { return };
            self.serve(guest);
        }
    }

    fn serve(&mut self, guest: Guest) {
        let job = guest.env.to_packet();
        // Only a process of its own may run a QMAILQUEUE program; nor does any environment fit a packet.
        let alone = guest.env.get("QMAILQUEUE").is_some() || job.len() > sys::packet::MAX;
        if self.workers.is_some() && !alone { self.hand_over(guest, &job) } else { self.start(guest) }
    }

    fn hand_over(&mut self, mut guest: Guest, job: &[u8]) {
        while let Some(workers) = &mut self.workers {
            let pid = match workers.ready(&self.watch) {
                Ok(pid) => pid,
                Err(error) => return self.not_started(guest, &error),
            };
            self.welcome(&guest.connection, pid);
            // What the worker says of this connection comes after it.
            sys::logging::flush();
            let Some(workers) = &mut self.workers else { return };
            match workers.give(pid, job, &guest.connection.fd, guest.place, &self.watch) {
                Ok(()) => return,
                // It has just died. The log has its beginning, so it gets an end; then the next one.
                Err(place) => guest.place = place,
            }
            if self.options.verbosity == Verbosity::All {
                sys::log!("tcpserver: end {pid} status {DROPPED}");
            }
        }
    }

    fn start(&mut self, guest: Guest) {
        let copies =
            guest.connection.fd.try_clone().and_then(|one| Ok((one, guest.connection.fd.try_clone()?)));
        let started = copies.and_then(|(input, output): (OwnedFd, OwnedFd)| {
            program(&self.options, &guest.env).fd(0, input).fd(1, output).spawn()
        });
        match started {
            Ok(child) => {
                self.welcome(&guest.connection, child.pid());
                sys::logging::flush();
                self.processes.insert(child.pid(), guest.place);
            }
            Err(error) => self.not_started(guest, &error),
        }
    }

    fn not_started(&mut self, guest: Guest, error: &io::Error) {
        if is_shortage(error) {
            self.rest("fork", error);
            return self.waiting.push_front(guest);
        }
        let program = self.options.program[0].display();
        let cause = format!("unable to run {program}: {error}");
        self.turn_away(&guest.connection, guest.place, &cause);
    }

    fn welcome(&self, connection: &Connection, pid: u32) {
        if self.options.verbosity == Verbosity::All {
            sys::log!("tcpserver: pid {pid} from {}", connection.ends.remote());
            sys::log!("{}", connection.line("ok", pid));
        }
    }

    fn too_many(&mut self, connection: &Connection) {
        let remote = connection.ends.remote();
        self.options.warn_dropping(format_args!("too many connections from {remote}"));
        self.refuse(connection, Place::NONE);
    }

    /// The rules refuse this one. No process was started for it: ours stands in the log.
    fn refuse(&mut self, connection: &Connection, place: Place) {
        let pid = std::process::id();
        if self.options.verbosity == Verbosity::All {
            sys::log!("tcpserver: pid {pid} from {}", connection.ends.remote());
            sys::log!("{}", connection.line("deny", pid));
        }
        self.end(pid, place, REFUSED);
    }

    /// Something is wrong, so this one is dropped.
    fn turn_away(&mut self, connection: &Connection, place: Place, cause: &str) {
        let pid = std::process::id();
        if self.options.verbosity == Verbosity::All {
            sys::log!("tcpserver: pid {pid} from {}", connection.ends.remote());
        }
        self.options.warn_dropping(cause);
        self.end(pid, place, DROPPED);
    }

    fn end(&mut self, pid: u32, place: Place, status: i32) {
        if self.options.verbosity == Verbosity::All {
            sys::log!("tcpserver: end {pid} status {status}");
        }
        self.leave(place);
    }

    fn leave(&mut self, place: Place) {
        self.tally.leave(place);
        self.connections = self.connections.saturating_sub(1);
        self.status();
    }

    fn status(&self) {
        if self.options.verbosity == Verbosity::All {
            sys::log!("tcpserver: status: {}/{}", self.connections, self.options.limit);
        }
    }
}

fn program(options: &Options, env: &Env) -> Start {
    let (program, args) = options.program.split_first().map_or((None, &[][..]), |(p, args)| (Some(p), args));
    Start::new(program.map_or_else(Default::default, |p| p.as_os_str())).args(args).env_only(env)
}

/// The system has run out of something that others will give back.
fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::EMFILE, Errno::ENFILE, Errno::ENOBUFS, Errno::ENOMEM, Errno::EAGAIN];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| *shortage as i32 == code))
}
