//! The way to who delivers: `spawn` for local mail, `remote` for the rest. Orders out, reports in.
//!
//! Never waits. A carrier that goes away is called again after a pause that grows; what it had been
//! given is told to the caller as lost, to be tried again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use sys::Packets;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How long a program may take to come up before it counts as not there at all.
const GRACE: Duration = Duration::from_secs(5);

/// What a carrier says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is there, and takes so many orders at once.
    Ready(u32),
    /// A report: the order's name, then an answer for each recipient.
    Report(Vec<Vec<u8>>),
    /// It has gone, with all its orders.
    Gone,
}

#[derive(Debug)]
enum State {
    /// Not there; to be called again at this time, after this pause.
    Away(Duration, Duration),
    /// Connected, has not said its number yet.
    Silent(Packets),
    Ready(Packets, u32),
}

/// One carrier.
#[derive(Debug)]
pub(crate) struct Carrier {
    /// Its first word, and the name of its socket.
    name: &'static str,
    path: PathBuf,
    state: State,
    /// Orders that did not fit into the socket.
    orders: VecDeque<(Vec<u8>, File)>,
    /// How many reports are still to come.
    awaited: usize,
    /// The outage has been logged.
    mourned: bool,
    /// When this began to look for it; `None` once it has been there.
    unseen_since: Option<Duration>,
}

impl Carrier {
    pub(crate) fn new(name: &'static str, path: PathBuf) -> Carrier {
        let state = State::Away(Duration::ZERO, FIRST_PAUSE);
        let unseen_since = Some(sys::monotonic());
        Carrier { name, path, state, orders: VecDeque::new(), awaited: 0, mourned: false, unseen_since }
    }

    /// There is no such program: it has not been there since the start, nor is its socket.
    pub(crate) fn is_missing(&self, now: Duration) -> bool {
        let long = self.unseen_since.is_some_and(|since| now.saturating_sub(since) >= GRACE);
        long && matches!(self.state, State::Away(..)) && !self.path.exists()
    }

    /// Orders it takes at once; 0: none now.
    pub(crate) fn capacity(&self) -> u32 {
        if let State::Ready(_, most) = &self.state { *most } else { 0 }
    }

    /// Gives an order. Should the carrier be gone, [`Carrier::take`] will say so.
    pub(crate) fn order(&mut self, packet: Vec<u8>, file: File) {
        self.orders.push_back((packet, file));
        self.push();
    }

    /// Does what can be done now: call, send, and receive if something `has_come`. It is not asked for more than
    /// it owes: what else it may say is heard after the next wait.
    pub(crate) fn take(&mut self, now: Duration, mut has_come: bool) -> Vec<Said> {
        let mut said = Vec::new();
        self.call(now);
        self.push();
        while has_come && let Some(connection) = self.connection() {
            match connection.recv() {
                Ok(Some(packet)) => said.extend(self.hear(&packet.bytes, now)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                other => {
                    let cause = other.err().map_or("it hung up".to_owned(), |error| error.to_string());
                    self.lose(now, &cause);
                    said.push(Said::Gone);
                }
            }
            has_come = self.awaited > 0;
        }
        said
    }

    /// Calls it at once, whatever the pause.
    pub(crate) fn hurry(&mut self) {
        if let State::Away(when, _) = &mut self.state {
            *when = Duration::ZERO;
        }
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.connection().map(AsFd::as_fd)
    }

    /// Is there something to send?
    pub(crate) fn wants_to_send(&self) -> bool {
        !self.orders.is_empty() && self.connection().is_some()
    }

    /// When it is to be called again.
    pub(crate) fn wakeup(&self) -> Option<Duration> {
        if let State::Away(when, _) = self.state { Some(when) } else { None }
    }

    fn connection(&self) -> Option<&Packets> {
        match &self.state {
            State::Silent(connection) | State::Ready(connection, _) => Some(connection),
            State::Away(..) => None,
        }
    }

    fn call(&mut self, now: Duration) {
        let State::Away(when, pause) = self.state else { return };
        if when > now {
            return;
        }
        match self.connect() {
            Ok(connection) => self.state = State::Silent(connection),
            Err(error) => {
                self.state = State::Away(now + pause, (pause * 2).min(LONGEST_PAUSE));
                let expected = self.name == "remote" && error.kind() == ErrorKind::NotFound;
                if !expected && !std::mem::replace(&mut self.mourned, true) {
                    sys::log!(
                        "warning: {}: {error}; mail waits until {} runs",
                        self.path.display(),
                        self.name
                    );
                }
            }
        }
    }

    fn connect(&self) -> io::Result<Packets> {
        let connection = Packets::connect(&self.path)?;
        connection.set_nonblocking()?;
        Ok(connection)
    }

    fn push(&mut self) {
        while let (State::Ready(connection, _), Some((packet, file))) = (&self.state, self.orders.front()) {
            match connection.send(packet, &[file.as_fd()]) {
                Ok(()) => {
                    self.orders.pop_front();
                    self.awaited += 1;
                }
                // The end shows when it is read.
                Err(_) => return,
            }
        }
    }

    fn hear(&mut self, packet: &[u8], now: Duration) -> Option<Said> {
        let fields = wire::fields(packet);
        if let State::Ready(..) = self.state {
            self.awaited = self.awaited.saturating_sub(1);
            return Some(Said::Report(fields.into_iter().map(<[u8]>::to_vec).collect()));
        }
        let most = match fields[..] {
            [name, most, ..] if name == self.name.as_bytes() => number(most),
            _ => None,
        };
        let old = std::mem::replace(&mut self.state, State::Away(now, FIRST_PAUSE));
        match (old, most) {
            (State::Silent(connection), Some(most)) => {
                self.state = State::Ready(connection, most);
                (self.mourned, self.unseen_since) = (false, None);
                Some(Said::Ready(most))
            }
            _ => {
                self.lose(now, "its first word was nonsense");
                Some(Said::Gone)
            }
        }
    }

    fn lose(&mut self, now: Duration, cause: &str) {
        sys::log!("warning: {} is gone ({cause}); its deliveries will be tried again", self.name);
        // One that hangs up at once each time must not keep us busy.
        self.state = State::Away(now + FIRST_PAUSE, FIRST_PAUSE);
        self.orders.clear();
        self.awaited = 0;
    }
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
