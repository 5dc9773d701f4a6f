//! Handing messages to `queued`: `L` token, perhaps `R` (TLS required), `M` text, `E` envelope, perhaps `H` hold, `.`, over one
//! kept connection;
//! or to the program that QMAILQUEUE names, by qmail-queue's interface.
//!
//! The client's side of `run/queue`. What `queued` has not said `K` to is not accepted; a message
//! given up half-way is given up by hanging up, and `queued` forgets it. Knows nothing of what is
//! in a message, nor of how the queue keeps it.

mod codes;
mod envelope;
mod program;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sys::packet::MAX;
use sys::{Env, Packets};
use wire::Fate;

use crate::program::Program;

pub use envelope::{Cut, Envelope};

/// The variable that names a program to be run instead of asking `queued`.
pub const VARIABLE: &str = "QMAILQUEUE";

/// The variable that says that what is handed in may leave by TLS only (RFC 8689).
pub const REQUIRETLS: &str = "REQUIRETLS";

/// How long `queued` may take for one step; a sync of a busy disk can take long.
const PATIENCE: Duration = Duration::from_secs(300);

/// A connection to `run/queue` that carries one message after the other, or a program for each message.
#[derive(Debug)]
pub struct Submission {
    path: PathBuf,
    connection: Option<Packets>,
    /// The packet being filled, its letter first.
    packet: Vec<u8>,
    /// A message is open.
    open: bool,
    /// All messages may leave by TLS only.
    secret: bool,
    /// A packet of this message could not be sent; the others need not be tried.
    broken: bool,
    /// Where QMAILQUEUE is set: the environment of the program that it names.
    instead: Option<Env>,
    /// The program that takes the open message.
    program: Option<Program>,
}

impl Submission {
    /// To the socket at `path`; nothing is connected yet. QMAILQUEUE is not looked at: for those whom
    /// such programs end in.
    pub fn at(path: PathBuf) -> Submission {
        Submission {
            path,
            connection: None,
            packet: Vec::new(),
            open: false,
            secret: false,
            broken: false,
            instead: None,
            program: None,
        }
    }

    /// To the socket at `path`, or to the program that QMAILQUEUE in our own environment names: how
    /// everybody who may execute programs submits mail. REQUIRETLS there means all of it.
    pub fn usual(path: PathBuf) -> Submission {
        let mut submission = Submission::at(path);
        let env = Env::here();
        submission.secret = env.get(REQUIRETLS).is_some();
        submission.serve(&env);
        submission
    }

    /// From now on QMAILQUEUE of `env`, if it is there and not empty, names a program that takes the
    /// messages in place of `queued`.
    pub fn serve(&mut self, env: &Env) {
        let named = env.get(VARIABLE).is_some_and(|path| !path.is_empty());
        self.instead = named.then(|| env.clone());
    }

    /// Do messages go to a program? Then this process must stay able to execute one.
    pub fn is_to_program(&self) -> bool {
        self.instead.is_some()
    }

    /// Begins a message; `token` marks it in the log of `queued`. On a new connection if the kept
    /// one has died.
    pub fn open(&mut self, token: &str) -> io::Result<()> {
        self.abort_program();
        if let Some(env) = &self.instead {
            self.program = Some(Program::start(&self.path, env)?);
            return Ok(());
        }
        let hello = [b"L", token.as_bytes()].concat();
        if self.connection.as_ref().is_none_or(|kept| kept.send(&hello, &[]).is_err()) {
            let fresh = self.connect()?;
            fresh.send(&hello, &[])?;
            self.connection = Some(fresh);
        }
        self.packet.clear();
        (self.open, self.broken) = (true, false);
        if self.secret {
            self.requiretls();
        }
        Ok(())
    }

    /// The message that has just been begun may leave by TLS only. A program is told by its environment.
    pub fn requiretls(&mut self) {
        self.flush();
        self.packet.push(b'R');
        self.flush();
    }

    /// The next piece of the text. Trouble shows at the commit.
    pub fn write(&mut self, text: &[u8]) {
        self.part(b'M', text);
    }

    /// Begins the envelope, after all of the text.
    pub fn sender(&mut self, sender: &[u8]) {
        self.record(b"F", sender);
    }

    /// The next recipient.
    pub fn recipient(&mut self, recipient: &[u8]) {
        self.record(b"T", recipient);
    }

    /// A piece of an envelope that is in the queue's form already: `F` sender NUL, `T` recipient NUL...
    pub fn envelope(&mut self, piece: &[u8]) {
        self.part(b'E', piece);
    }

    fn record(&mut self, letter: &[u8], address: &[u8]) {
        for part in [letter, address, b"\0"] {
            self.part(b'E', part);
        }
    }

    /// The message shall be accepted and then held, until an admin releases it. A program can't be told that.
    pub fn hold(&mut self) {
        self.flush();
        self.packet.push(b'H');
        self.flush();
    }

    /// Ends the envelope and waits for the verdict; `K`'s text is the message's id.
    pub fn commit(&mut self) -> Fate {
        if let Some(program) = self.program.take() {
            return program.commit();
        }
        self.flush();
        self.packet.push(b'.');
        self.flush();
        self.open = false;
        self.verdict()
    }

    /// Gives up the message, if one is open.
    pub fn abort(&mut self) {
        self.abort_program();
        if std::mem::take(&mut self.open) {
            self.connection = None;
        }
    }

    fn abort_program(&mut self) {
        if let Some(program) = self.program.take() {
            program.abort();
        }
    }

    /// Puts `bytes` into packets of `letter`.
    fn part(&mut self, letter: u8, mut bytes: &[u8]) {
        if let Some(program) = &mut self.program {
            return if letter == b'M' { program.message(bytes) } else { program.envelope(bytes) };
        }
        while !bytes.is_empty() {
            if self.packet.first() != Some(&letter) || self.packet.len() == MAX {
                self.flush();
                self.packet.push(letter);
            }
            let (piece, rest) = bytes.split_at(bytes.len().min(MAX - self.packet.len()));
            self.packet.extend_from_slice(piece);
            bytes = rest;
        }
    }

    fn flush(&mut self) {
        if let Some(connection) = &self.connection
            && !self.broken
            && !self.packet.is_empty()
            && connection.send(&self.packet, &[]).is_err()
        {
            self.broken = true;
            // Else `queued` would wait for the rest, and we for it.
            let _ = connection.no_more();
        }
        self.packet.clear();
    }

    fn verdict(&mut self) -> Fate {
        match self.answer() {
            Ok(fate @ Fate::Done(_)) => fate,
            Ok(fate) => {
                self.connection = None;
                fate
            }
            Err(cause) => {
                self.connection = None;
                sys::log!("{}: warning: {}: {cause}", sys::logging::name(), self.path.display());
                Fate::later(3, 0, "The queue is out of reach, try again later")
            }
        }
    }

    /// Listens also when sending failed: `queued` may have said why before it hung up.
    fn answer(&self) -> Result<Fate, String> {
        let connection = self.connection.as_ref().ok_or("not connected")?;
        let packet = connection.recv().map_err(|error| error.to_string())?.ok_or("queued hung up")?;
        let first = wire::fields(&packet.bytes).first().copied().unwrap_or_default();
        match Fate::parse(first) {
            Some(Fate::Done(_)) if self.broken => Err("queued took half a message".to_owned()),
            fate => fate.ok_or_else(|| "queued answered nonsense".to_owned()),
        }
    }

    fn connect(&self) -> io::Result<Packets> {
        let connection = Packets::connect(&self.path)?;
        connection.set_timeout(PATIENCE)?;
        Ok(connection)
    }
}

/// A program must never take half a message for a whole one.
impl Drop for Submission {
    fn drop(&mut self) {
        self.abort_program();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{self, JoinHandle};

    /// What a fake `queued` saw in one message; it answers with `answer` unless that is empty.
    type Seen = (String, Vec<u8>, Vec<u8>);

    fn take_one(connection: &Packets, answer: &str) -> Option<Seen> {
        let (mut token, mut text, mut envelope) = (String::new(), Vec::new(), Vec::new());
        while let Some(packet) = connection.recv().unwrap() {
            let rest = &packet.bytes[1..];
            match packet.bytes[0] {
                b'L' => token = String::from_utf8(rest.to_vec()).unwrap(),
                b'M' => text.extend_from_slice(rest),
                b'E' => envelope.extend_from_slice(rest),
                b'.' if answer.is_empty() => return None,
                b'.' => {
                    connection.send(answer.as_bytes(), &[]).unwrap();
                    return Some((token, text, envelope));
                }
                other => panic!("{other}"),
            }
        }
        None
    }

    fn queued(
        answers: Vec<Vec<&'static str>>,
    ) -> (tempfile::TempDir, Submission, JoinHandle<Vec<Option<Seen>>>) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("queue");
        let listener = sys::Listener::bind(&path, 0o600).unwrap();
        let thread = thread::spawn(move || {
            let mut seen = Vec::new();
            for list in answers {
                let connection = listener.accept().unwrap();
                seen.extend(list.into_iter().map(|answer| take_one(&connection, answer)));
            }
            seen
        });
        (home, Submission::at(path), thread)
    }

    fn commit(submission: &mut Submission, recipients: usize) -> Fate {
        submission.sender(b"carol@example.org");
        for n in 0..recipients {
            submission.recipient(format!("user{n}@example.test").as_bytes());
        }
        submission.commit()
    }

    #[test]
    fn a_message_of_any_size_and_ten_thousand_recipients_arrives_as_it_is() {
        let (_home, mut queue, thread) = queued(vec![vec!["K17 ", "K18 "]]);
        let text: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        queue.open("1.2").unwrap();
        text.chunks(777).for_each(|piece| queue.write(piece));
        assert_eq!(commit(&mut queue, 10_000), Fate::done("17 "));
        queue.open("1.3").unwrap();
        assert_eq!(commit(&mut queue, 1), Fate::done("18 "));
        let seen = thread.join().unwrap();
        let (token, came, wrote) = seen[0].as_ref().unwrap();
        assert_eq!((&token[..], came), ("1.2", &text));
        assert!(wrote.starts_with(b"Fcarol@example.org\0Tuser0@example.test\0T"));
        assert_eq!(wrote.iter().filter(|b| **b == 0).count(), 10_001);
        let one = b"Fcarol@example.org\0Tuser0@example.test\0".to_vec();
        assert_eq!(seen[1], Some(("1.3".into(), vec![], one)));
    }

    #[test]
    fn a_queued_that_dies_is_never_taken_for_a_yes() {
        // S58
        let (_home, mut queue, thread) = queued(vec![vec![""], vec!["K18 "]]);
        queue.open("1").unwrap();
        queue.write(b"text");
        assert_eq!(commit(&mut queue, 1).letter(), b'Z');
        queue.open("2").unwrap();
        assert!(commit(&mut queue, 1).is_done(), "and the next message finds its successor");
        thread.join().unwrap();
        assert!(Submission::at("/nonexistent/queue".into()).open("3").is_err());
    }

    #[test]
    fn a_message_given_up_leaves_nothing_to_the_next() {
        // S48
        let (_home, mut queue, thread) = queued(vec![vec!["K1 "], vec!["K2 "]]);
        queue.open("1").unwrap();
        queue.write(&[b'x'; 100_000]);
        queue.abort();
        queue.open("2").unwrap();
        queue.write(b"second");
        assert!(commit(&mut queue, 1).is_done());
        let seen = thread.join().unwrap();
        assert_eq!(seen[0], None);
        assert_eq!(seen[1].as_ref().unwrap().1, b"second");
    }

    #[test]
    fn the_program_that_qmailqueue_names_gets_the_message_in_place_of_queued() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("wrapper");
        std::fs::write(&path, "#!/bin/sh\ncat >\"$0.m\"; cat <&1 >\"$0.e\"\n").unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let mut env = Env::here();
        env.set("QMAILQUEUE", path.to_str().unwrap());
        let mut queue = Submission::at("/nonexistent".into());
        queue.serve(&env);
        for _ in 0..2 {
            queue.open("1").unwrap();
            queue.write(b"te");
            queue.write(b"xt");
            assert!(commit(&mut queue, 1).is_done());
            assert_eq!(std::fs::read(home.path().join("wrapper.m")).unwrap(), b"text");
            let envelope = std::fs::read(home.path().join("wrapper.e")).unwrap();
            assert_eq!(envelope, b"Fcarol@example.org\0Tuser0@example.test\0\0");
        }
        queue.open("2").unwrap();
        queue.abort();
        env.set("QMAILQUEUE", "/nonexistent/program");
        queue.serve(&env);
        assert!(queue.open("3").unwrap_err().to_string().contains("QMAILQUEUE is /nonexistent/program"));
    }

    #[test]
    fn a_refusal_of_queued_is_passed_on() {
        let (_home, mut queue, thread) = queued(vec![vec!["D5.3.4 Too big"]]);
        queue.open("1").unwrap();
        assert_eq!(commit(&mut queue, 1), Fate::never(3, 4, "Too big"));
        thread.join().unwrap();
    }
}
