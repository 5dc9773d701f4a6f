//! Time limits of a connection: on each read and write, and on the time in which nothing gets on.
//!
//! Who sends an octet now and then, or NOOP for ever, never meets the first limit; the second ends
//! him. It begins anew with every recipient accepted, message ended, quarter of a megabyte received.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;
use std::time::Duration;

use sys::Timed;
use wire::Flow;

/// Time that a client who is hung up on gets to fall silent.
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// A connection that ends when its session has stood still for too long.
pub(crate) struct Conn {
    client: Timed,
    limit: Duration,
    /// When the session got on last, by the monotonic clock.
    moved: Rc<Cell<Duration>>,
}

impl Conn {
    /// `limit`: of one read or write, and of standing still.
    pub(crate) fn new(mut client: Timed, limit: Duration) -> Conn {
        client.set_idle(limit);
        client.sleep_in_reads();
        Conn { client, limit, moved: Rc::new(Cell::new(sys::monotonic())) }
    }

    /// The session, watched for getting on.
    pub(crate) fn watch<H: smtp::House>(&self, session: smtp::Session<H>) -> Watched<H> {
        let seen = session.progress();
        Watched { session, seen, moved: self.moved.clone() }
    }

    /// Is there input that nobody has read?
    pub(crate) fn has_unread(&self) -> bool {
        self.client.has_unread()
    }

    /// Closes the connection so that what was said last arrives.
    pub(crate) fn hang_up(self) {
        self.client.hang_up(LINGER);
    }

    /// The connection itself.
    pub(crate) fn into_client(self) -> Timed {
        self.client
    }

    fn set_deadline(&mut self) {
        let stood = sys::monotonic().saturating_sub(self.moved.get());
        self.client.set_deadline(Some(self.limit.saturating_sub(stood)));
    }
}

impl Read for Conn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.set_deadline();
        self.client.read(buffer)
    }
}

impl Write for Conn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.set_deadline();
        self.client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.client.flush()
    }
}

/// A session whose progress is noted.
pub(crate) struct Watched<H: smtp::House> {
    session: smtp::Session<H>,
    seen: u64,
    moved: Rc<Cell<Duration>>,
}

impl<H: smtp::House> Watched<H> {
    /// The session itself.
    pub(crate) fn into_session(self) -> smtp::Session<H> {
        self.session
    }
}

impl<H: smtp::House> wire::Session for Watched<H> {
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
        self.session.greet(out)
    }

    fn feed(&mut self, input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
        let flow = self.session.feed(input, out);
        let progress = self.session.progress();
        if progress != self.seen {
            self.seen = progress;
            self.moved.set(sys::monotonic());
        }
        flow
    }

    fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.session.timed_out(out)
    }

    fn expects_much(&self) -> bool {
        self.session.expects_much()
    }
}
