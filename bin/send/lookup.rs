//! Asking `lookup` if a domain is ours, without ever waiting for it.
//!
//! Questions of a short outage are kept and asked again; in a longer one the answer is "later" at
//! once. "Later" is never taken for "not ours".

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use sys::Packets;
use wire::Fate;

/// How long an answer is good: an edit is seen soon.
const FRESH: Duration = Duration::from_secs(5);
/// How long a question may wait, and how long an outage is short.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// So many questions may wait before nobody asks ahead any more: whoever comes next has to wait for all of them.
const AHEAD: usize = 200;
/// Most answers that are kept.
const KEPT: usize = 10_000;

/// What is known of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ours,
    NotOurs,
    /// control/locals or control/virtualdomains name it: whoever has to ask has read older ones.
    Listed,
    /// Nobody can tell now.
    Later,
}

/// The connection to `run/lookup`, with what has been asked and answered.
#[derive(Debug)]
pub(crate) struct Lookup {
    path: PathBuf,
    connection: Option<Packets>,
    /// In the order in which the answers will come; with the time by which they are given up.
    asked: VecDeque<(Vec<u8>, Duration)>,
    /// The same domains.
    waiting: HashSet<Vec<u8>>,
    /// How many of them have been sent on this connection.
    sent: usize,
    known: HashMap<Vec<u8>, (Verdict, Duration)>,
    retry: Duration,
    /// Since when there is no connection.
    outage: Option<Duration>,
}

impl Lookup {
    pub(crate) fn at(path: PathBuf) -> Lookup {
        Lookup {
            path,
            connection: None,
            asked: VecDeque::new(),
            waiting: HashSet::new(),
            sent: 0,
            known: HashMap::new(),
            retry: Duration::ZERO,
            outage: None,
        }
    }

    /// The verdict on `domain` (lower case) that was good at the time `since`.
    pub(crate) fn known(&self, domain: &[u8], since: Duration) -> Option<Verdict> {
        self.known.get(domain).filter(|(_, until)| *until > since).map(|(verdict, _)| *verdict)
    }

    /// The verdict on `domain` (lower case). `None`: it has been asked, [`Lookup::take`] will tell.
    pub(crate) fn verdict(&mut self, domain: &[u8], now: Duration) -> Option<Verdict> {
        if let Some(verdict) = self.known(domain, now) {
            return Some(verdict);
        }
        if self.outage.is_some_and(|since| now.saturating_sub(since) > PATIENCE) {
            self.connect(now);
            if self.connection.is_none() {
                return Some(Verdict::Later);
            }
        }
        if self.waiting.insert(domain.to_vec()) {
            self.asked.push_back((domain.to_vec(), now + PATIENCE));
            self.connect(now);
            self.push(now);
        }
        None
    }

    /// May verdicts be asked for that will be wanted soon?
    pub(crate) fn has_time(&self) -> bool {
        self.asked.len() < AHEAD
    }

    /// Takes what has come, if something `has_come`, and gives up what has waited too long: domains whose verdict is
    /// known now.
    pub(crate) fn take(&mut self, now: Duration, mut has_come: bool) -> Vec<Vec<u8>> {
        let mut told = Vec::new();
        self.connect(now);
        self.push(now);
        while has_come && let Some(connection) = &self.connection {
            match connection.recv() {
                Ok(Some(packet)) if self.sent > 0 => {
                    let Some((domain, _)) = self.asked.pop_front() else { break };
                    self.sent -= 1;
                    told.push(self.learn(domain, verdict(&packet.bytes), now));
                    self.push(now);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                _ => self.broken(now),
            }
            has_come = self.sent > 0;
        }
        if self.asked.front().is_some_and(|(_, until)| *until <= now) {
            // Answers come in order: behind a question that is given up none can be matched.
            self.broken(now);
            while let Some((domain, _)) = self.asked.pop_front_if(|(_, until)| *until <= now) {
                told.push(self.learn(domain, Verdict::Later, now));
            }
        }
        told
    }

    /// Forgets all answers: files have changed.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    /// Has one of these domains been listed since the files were read?
    pub(crate) fn listed(&self, told: &[Vec<u8>]) -> bool {
        told.iter().any(|domain| matches!(self.known.get(domain), Some((Verdict::Listed, _))))
    }

    /// To wait for while something has been asked.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.connection.as_ref().map(Packets::as_fd)
    }

    /// When [`Lookup::take`] has something to do though nothing comes.
    pub(crate) fn wakeup(&self) -> Option<Duration> {
        let (_, until) = self.asked.front()?;
        Some(if self.connection.is_none() { self.retry.min(*until) } else { *until })
    }

    /// Connects if need be, and asks again what has been asked.
    fn connect(&mut self, now: Duration) {
        if self.connection.is_some() || self.asked.is_empty() && self.outage.is_none() || now < self.retry {
            return;
        }
        self.retry = now + PAUSE;
        let connected = Packets::connect(&self.path).and_then(|connection| {
            connection.set_nonblocking()?;
            Ok(connection)
        });
        match connected {
            Ok(connection) => (self.connection, self.outage, self.sent) = (Some(connection), None, 0),
            Err(error) => self.out(now, &error.to_string()),
        }
    }

    /// Sends what has not been sent, as far as it fits: the answers to the first make room for more.
    fn push(&mut self, now: Duration) {
        while let (Some(connection), Some((domain, _))) = (&self.connection, self.asked.get(self.sent)) {
            match connection.send(&question(domain), &[]) {
                Ok(()) => self.sent += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.broken(now),
            }
        }
    }

    fn broken(&mut self, now: Duration) {
        (self.connection, self.sent, self.retry) = (None, 0, now + PAUSE);
        if !self.asked.is_empty() {
            self.out(now, "the connection broke");
        }
    }

    fn out(&mut self, now: Duration, cause: &str) {
        if self.outage.is_none() {
            sys::log!(
                "warning: {} does not answer, mail for unlisted domains waits: {cause}",
                self.path.display()
            );
            self.outage = Some(now);
        }
    }

    fn learn(&mut self, domain: Vec<u8>, verdict: Verdict, now: Duration) -> Vec<u8> {
        self.waiting.remove(&domain);
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(domain.clone(), (verdict, now + FRESH));
        domain
    }
}

fn question(domain: &[u8]) -> Vec<u8> {
    wire::packet(&[b"domain", domain])
}

fn verdict(answer: &[u8]) -> Verdict {
    let first = answer.split(|b| *b == 0).next().unwrap_or_default();
    match Fate::parse(first) {
        Some(Fate::Done(_)) if answer.split(|b| *b == 0).any(|field| field == b"listed=yes") => {
            Verdict::Listed
        }
        Some(Fate::Done(_)) => Verdict::Ours,
        Some(Fate::Never(_)) => Verdict::NotOurs,
        _ => Verdict::Later,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sys::Listener;

    const SECOND: Duration = Duration::from_secs(1);

    fn take(lookup: &mut Lookup, now: Duration) -> Vec<Vec<u8>> {
        let fd = lookup.fd().unwrap();
        sys::wait::until(fd, sys::wait::Interest::Read, Some(30 * SECOND)).unwrap();
        lookup.take(now, true)
    }

    #[test]
    fn a_question_is_asked_once_and_its_answer_is_known_for_a_while() {
        let home = tempfile::tempdir().unwrap();
        let listener = Listener::bind(&home.path().join("lookup"), 0o600).unwrap();
        let mut lookup = Lookup::at(home.path().join("lookup"));
        for domain in [b"a", b"b", b"a"] {
            assert_eq!(lookup.verdict(domain, SECOND), None);
        }
        let server = listener.accept().unwrap();
        for answer in [&b"K name=a"[..], b"D5.1.2 no"] {
            let question = server.recv().unwrap().unwrap().bytes;
            assert!(question.starts_with(b"domain\0"));
            server.send(answer, &[]).unwrap();
        }
        assert_eq!(take(&mut lookup, SECOND), [b"a", b"b"]);
        assert_eq!(lookup.verdict(b"a", 2 * SECOND), Some(Verdict::Ours));
        assert_eq!(lookup.verdict(b"b", 2 * SECOND), Some(Verdict::NotOurs));
        assert_eq!(lookup.known(b"b", 2 * SECOND), Some(Verdict::NotOurs), "for who has waited since then");
        assert_eq!(lookup.verdict(b"b", 10 * SECOND), None, "not for ever");
        assert_eq!(lookup.verdict(b"b", 10 * SECOND), None);
        assert_eq!(lookup.asked.len(), 1);
    }

    #[test]
    fn a_lookup_that_is_down_or_silent_or_mad_is_a_later_and_never_a_no() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lookup");
        let mut lookup = Lookup::at(path.clone());
        assert_eq!(lookup.verdict(b"a", SECOND), None);
        assert!(lookup.take(2 * SECOND, true).is_empty(), "a short outage is waited out");
        assert_eq!(lookup.take(32 * SECOND, true), [b"a"]);
        assert_eq!(lookup.verdict(b"a", 32 * SECOND), Some(Verdict::Later));
        assert_eq!(lookup.verdict(b"b", 33 * SECOND), Some(Verdict::Later), "at once in a long one");
        let listener = Listener::bind(&path, 0o600).unwrap();
        assert_eq!(lookup.verdict(b"c", 34 * SECOND), None, "back again");
        let server = listener.accept().unwrap();
        server.send(b"\xff what?", &[]).unwrap();
        assert_eq!(take(&mut lookup, 34 * SECOND), [b"c"]);
        assert_eq!(lookup.verdict(b"c", 34 * SECOND), Some(Verdict::Later));
        assert_eq!(lookup.verdict(b"d", 35 * SECOND), None);
        assert_eq!(lookup.take(70 * SECOND, true), [b"d"], "silent");
        assert_eq!(lookup.verdict(b"d", 70 * SECOND), Some(Verdict::Later));
    }

    #[test]
    fn a_restart_of_lookup_loses_no_question() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lookup");
        let listener = Listener::bind(&path, 0o600).unwrap();
        let mut lookup = Lookup::at(path.clone());
        assert_eq!(lookup.verdict(b"a", SECOND), None);
        drop(listener.accept().unwrap());
        drop(listener);
        assert!(take(&mut lookup, 2 * SECOND).is_empty());
        let listener = Listener::bind(&path, 0o600).unwrap();
        assert!(lookup.take(4 * SECOND, true).is_empty());
        listener.accept().unwrap(); // the bind that looked if someone lives there may come first
        let mut lookup_again = || lookup.take(5 * SECOND, true);
        lookup_again();
    }
}
