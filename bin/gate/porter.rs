//! The `login` process: started before there is a client, given one, listened to once.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use sys::process::{Child, Exit, Start};
use sys::wait::{self, Interest};
use sys::worker::{self, Job};
use sys::{Env, Identity, Packets};

/// `login` ends by itself long before this.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a `login` that is no longer needed may take to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Starts `login` and hands it the client.
#[derive(Debug)]
pub(crate) struct Porter {
    program: OsString,
    service: Vec<OsString>,
    identity: Option<Identity>,
    warm: Option<Login>,
}

/// A running `login`.
#[derive(Debug)]
pub(crate) struct Login {
    child: Child,
    packets: Packets,
}

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
        Porter { program, service, identity, warm: None }
    }

    /// The service's name.
    pub(crate) fn service(&self) -> &OsString {
        &self.service[0]
    }

    /// What `login` runs as.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Keeps a `login` ready for the next client.
    pub(crate) fn warm_up(&mut self) -> io::Result<()> {
        if self.warm.is_none() {
            self.warm = Some(self.start()?);
        }
        Ok(())
    }

    /// Gives the client to `login`; `None`: he left, or could not prove anything.
    pub(crate) fn admit(&mut self, job: Job) -> io::Result<Option<Admitted>> {
        let packet = job.env.to_packet();
        let mut login = self.warm.take().map_or_else(|| self.start(), Ok)?;
        let fds = [job.input.as_fd(), job.output.as_fd()];
        if login.packets.send(&packet, &fds).is_err() {
            // It died while it was waiting; the client is not to suffer for it.
            login.end();
            login = self.start()?;
            login.packets.send(&packet, &fds)?;
        }
        // `login` is to be the only holder of the client: when it ends, so does the connection.
        drop(job);
        login.listen()
    }

    fn start(&self) -> io::Result<Login> {
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
        let (child, packets) = worker::start(start, 1)?;
        packets.set_timeout(PATIENCE)?;
        Ok(Login { child, packets })
    }
}

impl Login {
    fn listen(self) -> io::Result<Option<Admitted>> {
        let packet = match self.packets.recv() {
            Ok(Some(packet)) => packet,
            Ok(None) => return self.left().map(|()| None),
            Err(error) => {
                self.end();
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
                self.end();
                Err(ErrorKind::InvalidData.into())
            }
        }
    }

    /// It hung up without a ticket. Whether it was well is the log's concern, not the client's.
    fn left(mut self) -> io::Result<()> {
        match self.child.wait()? {
            Exit::Code(_) => Ok(()),
            Exit::Signal(signal) => Err(io::Error::other(format!("ended by signal {signal}"))),
        }
    }

    /// The mailbox can't be opened: `login` tells the client.
    pub(crate) fn refuse(mut self) {
        let _ = self.packets.send(b"Z", &[]);
        let _ = wait::until(self.packets.as_fd(), Interest::Read, Some(PATIENCE));
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The mailbox is being opened. Afterwards no `login` holds the client any more, not even one that
    /// an intruder has taken over.
    pub(crate) fn dismiss(self) {
        let _ = self.packets.send(b"K", &[]);
        let _ = wait::until(self.packets.as_fd(), Interest::Read, Some(FAREWELL));
        self.end();
    }

    fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
