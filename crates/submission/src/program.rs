//! QMAILQUEUE: another program takes the message, by qmail-queue's interface.
//!
//! The message on descriptor 0, the envelope on 1; the exit code says what became of it, and with
//! code 82 descriptor 6 says it in words. Whatever such a program does or leaves undone, nobody
//! waits for it for ever, and only 0 after all was read and written counts as a yes.

use std::ffi::OsStr;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use sys::process::{Child, Exit, Start};
use sys::wait::{self, Interest};
use sys::{Env, Timed, worker};
use wire::Fate;

use crate::{VARIABLE, codes};

/// How long the program may keep us waiting before it reads on.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long it may take to end once it has everything; scanners can be slow.
const LAST_PATIENCE: Duration = Duration::from_secs(3600);
/// Octets of the program's own words that are looked at; what comes after is read and forgotten.
const WORDS: usize = 1000;
/// Octets of the envelope written at a time.
const PIECE: usize = 4096;

/// A program that is being given a message.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// Until the envelope begins.
    message: Option<Timed>,
    envelope: Timed,
    waiting: Vec<u8>,
    words: PipeReader,
    broken: bool,
}

impl Program {
    /// Starts the program that `env` names, with that environment, in the home whose `run/queue`
    /// is at `socket` (where qmail-queue is started, too) if there is one.
    pub(crate) fn start(socket: &Path, env: &Env) -> io::Result<Program> {
        let path = env.get(VARIABLE).unwrap_or_default();
        let named = |what: &str| format!("{VARIABLE} is {}: {what}", path.escape_ascii());
        if worker::is_worker() {
            return Err(io::Error::other(named("a worker can't execute; start it without -w")));
        }
        let (message_out, message) = io::pipe()?;
        let (envelope_out, envelope) = io::pipe()?;
        let (words, words_in) = io::pipe()?;
        let mut start = Start::new(OsStr::from_bytes(path)).env_only(env);
        start = start.fd(0, message_out).fd(1, envelope_out).fd(6, words_in);
        if let Some(home) =
            socket.parent().and_then(Path::parent).filter(|home| home.is_absolute() && home.is_dir())
        {
            start = start.chdir(home);
        }
        let child = start.spawn().map_err(|error| io::Error::new(error.kind(), named(&error.to_string())))?;
        Ok(Program {
            child,
            message: Some(timed(message)?),
            envelope: timed(envelope)?,
            waiting: Vec::new(),
            words,
            broken: false,
        })
    }

    /// The next piece of the message. A program that reads no further has its reasons: its exit
    /// code tells.
    pub(crate) fn message(&mut self, piece: &[u8]) {
        let Some(message) = self.message.as_mut().filter(|_| !self.broken) else { return };
        if let Err(error) = message.write_all(piece) {
            self.give_up(&error);
        }
    }

    /// The next piece of the envelope; with the first one the message is at its end.
    pub(crate) fn envelope(&mut self, piece: &[u8]) {
        self.message = None;
        self.waiting.extend_from_slice(piece);
        if self.waiting.len() >= PIECE {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if !self.broken
            && let Err(error) = self.envelope.write_all(&waiting)
        {
            self.give_up(&error);
        }
    }

    /// A program that hung up tells why by its end; one that only sleeps is ended.
    fn give_up(&mut self, error: &io::Error) {
        self.broken = true;
        if error.kind() == ErrorKind::TimedOut {
            let _ = self.child.kill();
        }
    }

    /// Ends the envelope and waits for the program's end; the text of the yes is its process id.
    pub(crate) fn commit(mut self) -> Fate {
        self.envelope(b"\0");
        self.flush();
        let Program { mut child, envelope, words, broken, .. } = self;
        drop(envelope);
        let pid = child.pid();
        match end(&mut child, &words) {
            (Ok(Exit::Code(0)), _) if broken => codes::fate(codes::UNWRITTEN),
            (Ok(Exit::Code(0)), _) => Fate::done(pid.to_string()),
            (Ok(Exit::Code(codes::WORDS)), text) => codes::said(&text),
            (Ok(Exit::Code(number)), _) => codes::fate(number),
            (Ok(Exit::Signal(_)), _) => codes::fate(codes::CRASH),
            (Err(_), _) => codes::fate(codes::TOO_SLOW),
        }
    }

    /// The message is not wanted: the program is ended before it can have an envelope.
    pub(crate) fn abort(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn timed(end: io::PipeWriter) -> io::Result<Timed> {
    let end = OwnedFd::from(end);
    Ok(Timed::new(end.try_clone()?, end, PATIENCE))
}

/// How it ended, and what it said. It is ended when its time is over.
fn end(child: &mut Child, words: &PipeReader) -> (io::Result<Exit>, Vec<u8>) {
    let mut text = Vec::new();
    let watched = watch(child, words, &mut text);
    if watched.is_err() {
        let _ = child.kill();
    }
    let exit = child.wait();
    (watched.and(exit), text)
}

/// Waits for the end while reading what is said: a program that says much must not wait for us.
fn watch(child: &Child, words: &PipeReader, text: &mut Vec<u8>) -> io::Result<()> {
    let (ended, limit) = (child.watch()?, sys::monotonic() + LAST_PATIENCE);
    let mut watched = vec![(ended.as_fd(), Interest::Read), (words.as_fd(), Interest::Read)];
    loop {
        let left = limit.checked_sub(sys::monotonic()).ok_or(ErrorKind::TimedOut)?;
        let ready = wait::poll(&watched, Some(left))?;
        // Its silence (it closed 6, or left it to a child of its own that lives on) is not its end.
        if ready.get(1).is_some_and(|words| words.read) && !hear(words, text)? {
            watched.truncate(1);
        }
        if ready[0].read {
            return Ok(());
        }
    }
}

/// Reads once; false at the end.
fn hear(mut words: &PipeReader, text: &mut Vec<u8>) -> io::Result<bool> {
    let mut piece = [0; WORDS];
    let count = words.read(&mut piece)?;
    text.extend_from_slice(&piece[..count.min(WORDS.saturating_sub(text.len()))]);
    Ok(count > 0)
}

#[cfg(test)]
mod tests;
