//! The `login` process: made before there is a client, given one, listened to once.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use sys::process::{self, Start};
use sys::stem::{Copy, Stem};
use sys::wait::{self, Interest};
use sys::worker::Job;
use sys::{Env, Identity};

/// `login` ends by itself long before this.
const PATIENCE: Duration = Duration::from_secs(300);
/// What `login` says when the client has left, or could not prove anything.
const NOBODY: &[u8] = b"E";

/// Has `login` made and hands it the client.
#[derive(Debug)]
pub(crate) struct Porter {
    program: OsString,
    service: Vec<OsString>,
    identity: Option<Identity>,
    stem: Option<Stem>,
    warm: Option<Login>,
    /// Had the stem that others have, too, ended?
    renewed: bool,
}

/// A running `login`.
#[derive(Debug)]
pub(crate) struct Login(Copy);

/// Someone whom `lookup` has given a ticket.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) login: Login,
    pub(crate) ticket: Vec<u8>,
    /// `tag NUL unread`, for the server program; not looked into here.
    pub(crate) handed: Vec<u8>,
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
}

impl Porter {
    /// `identity`: what `login` runs as; `None`: as this process.
    pub(crate) fn new(program: OsString, service: Vec<OsString>, identity: Option<Identity>) -> Porter {
        Porter { program, service, identity, stem: None, warm: None, renewed: false }
    }

    /// Starts the stem, of which all that are copied from this process have their `login`.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        self.stem = Some(self.start()?);
        Ok(())
    }

    /// Does the stem stand that all have that are copied from this process?
    pub(crate) fn is_sound(&self) -> bool {
        !self.renewed && self.stem.as_ref().is_none_or(Stem::stands)
    }

    /// Keeps a `login` ready for the next client.
    pub(crate) fn warm_up(&mut self) -> io::Result<()> {
        if self.warm.is_none() {
            self.warm = Some(self.login()?);
        }
        Ok(())
    }

    /// Gives the client to `login`; `None`: he left, or could not prove anything.
    pub(crate) fn admit(&mut self, job: Job) -> io::Result<Option<Admitted>> {
        let packet = job.env.to_packet();
        let mut login = self.warm.take().map_or_else(|| self.login(), Ok)?;
        let fds = [job.input.as_fd(), job.output.as_fd()];
        if login.0.packets.send(&packet, &fds).is_err() {
            // It died while it was waiting; the client is not to suffer for it.
            login = self.login()?;
            login.0.packets.send(&packet, &fds)?;
        }
        login.0.packets.set_timeout(PATIENCE)?;
        // `login` is to be the only holder of the client: when it ends, so does the connection.
        drop(job);
        login.listen()
    }

    /// Gives up its stem, which others go on with; what `login` runs as.
    pub(crate) fn leave(self) -> Option<Identity> {
        self.identity
    }

    /// A copy of the stem; of a new one, should the old have died.
    fn login(&mut self) -> io::Result<Login> {
        match self.stem.as_ref().map(Stem::copy) {
            Some(Ok(copy)) => return Ok(Login(copy)),
            Some(Err(error)) => {
                sys::log!(
                    "gate: {} warning: login makes no copy, it is started anew: {error}",
                    std::process::id()
                );
                self.renewed = true;
            }
            None => {}
        }
        let stem = self.start()?;
        self.stem.insert(stem).copy().map(Login)
    }

    fn start(&self) -> io::Result<Stem> {
        // Nobody waits for the stem, nor for its copies.
        process::heed_children(false)?;
        let null = OpenOptions::new().write(true).open("/dev/null")?;
        let mut start = Start::new(&self.program)
            .args(&self.service)
            .env_only(&environment())
            .chdir("/".as_ref())
            .fd(0, File::open("/dev/null")?)
            .fd(1, null);
        if let Some(identity) = &self.identity {
            start = start.identity(identity);
        }
        Ok(Stem::start(start, 1)?.1)
    }
}

impl Login {
    fn listen(self) -> io::Result<Option<Admitted>> {
        let packet = match self.0.packets.recv() {
            // It ends by itself; but what says so may be in an intruder's hands.
            Ok(Some(packet)) if packet.bytes == NOBODY => return self.end().map(|()| None),
            Ok(Some(packet)) => packet,
            Ok(None) => {
                self.end()?;
                return Err(io::Error::other("ended in the midst of its work"));
            }
            Err(error) => {
                self.end()?;
                return Err(error);
            }
        };
        let mut fields = packet.bytes.splitn(2, |b| *b == 0);
        let (ticket, handed) = (fields.next(), fields.next());
        let mut fds = packet.fds.into_iter();
        match (ticket, handed, fds.next(), fds.next()) {
            (Some(ticket), Some(handed), Some(input), Some(output)) => {
                let (ticket, handed) = (ticket.to_vec(), handed.to_vec());
                Ok(Some(Admitted { login: self, ticket, handed, input, output }))
            }
            _ => {
                self.end()?;
                Err(ErrorKind::InvalidData.into())
            }
        }
    }

    /// The mailbox can't be opened: `login` tells the client.
    pub(crate) fn refuse(self) {
        let _ = self.0.packets.send(b"Z", &[]);
        let _ = wait::until(self.0.packets.as_fd(), Interest::Read, Some(PATIENCE));
        if let Err(error) = self.end() {
            sys::log!("gate: {} warning: {error}", std::process::id());
        }
    }

    /// Afterwards no `login` holds the client any more, not even one that an intruder has taken over. An error: one may,
    /// and nobody is to be let in.
    pub(crate) fn end(self) -> io::Result<()> {
        let pid = self.0.process.pid;
        self.0.process.kill().map_err(|error| io::Error::other(format!("can't end login {pid}: {error}")))
    }
}

/// `login` needs to know where the house is and nothing else.
pub(crate) fn environment() -> Env {
    let mut env = Env::new();
    if let Some(home) = Env::here().get("FULMAR_HOME") {
        env.set("FULMAR_HOME", home);
    }
    env
}
