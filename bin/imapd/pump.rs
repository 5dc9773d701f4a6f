//! The loop that joins a session to its client, to news of the open mailbox, and to the clock.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use imap::{Flow, Session};
use mailbox::Account;
use sys::wait::{self, Interest};

use crate::conn::{Conn, PIECE};

/// A client that says nothing for so long is logged out. RFC 9051 §5.4: at least thirty minutes.
pub(crate) const SILENCE: Duration = Duration::from_secs(30 * 60);
/// Between words to a client that waits in IDLE: a dead connection is noticed, routers on the way do not forget it.
const STILL_HERE: Duration = if cfg!(test) { Duration::from_millis(200) } else { Duration::from_secs(120) };
/// Between looks at a mailbox that can't be watched.
const LOOK: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(10) };
/// Whoever says nothing for so long will not say anything for some time.
const AWAY: Duration = Duration::from_secs(2);
const STILL: &[u8] = b"* OK Still here\r\n";

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It said so.
    Closed,
    /// The client hung up.
    PeerGone,
    /// The client said nothing for too long.
    TimedOut,
}

/// Runs `session`, whose greeting is told `tag`, until one of the two ends.
pub(crate) fn serve(conn: &mut Conn, session: &mut Session<Account>, tag: Option<&[u8]>) -> io::Result<End> {
    let served = greet(conn, session, tag).and_then(|()| run(conn, session));
    match served {
        Ok(end) => Ok(end),
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            let _ = session.timed_out(&mut Outbox::new(conn));
            Ok(End::TimedOut)
        }
        Err(error) if is_gone(error.kind()) => Ok(End::PeerGone),
        Err(error) => Err(error),
    }
}

fn greet(conn: &mut Conn, session: &mut Session<Account>, tag: Option<&[u8]>) -> io::Result<()> {
    let mut out = Outbox::new(conn);
    session.greet(tag, &mut out)?;
    out.flush()
}

fn run(conn: &mut Conn, session: &mut Session<Account>) -> io::Result<End> {
    let mut input = vec![0; PIECE];
    loop {
        let flow = match session.listening() && !conn.has_more() {
            true => match wait_for(conn, session)? {
                Some(flow) => Some(flow),
                None => hear(conn, session, &mut input)?,
            },
            false => hear(conn, session, &mut input)?,
        };
        match flow {
            None => return Ok(End::PeerGone),
            Some(Flow::Close) => return Ok(End::Closed),
            Some(Flow::More | Flow::Compress(_)) => {}
        }
    }
}

/// What the client says next, answered; `None`: he has hung up.
fn hear(conn: &mut Conn, session: &mut Session<Account>, input: &mut [u8]) -> io::Result<Option<Flow>> {
    if !conn.has_more() && !wait::poll(&[(conn.input(), Interest::Read)], Some(AWAY))?[0].read {
        session.rest();
    }
    let count = match conn.read(input) {
        Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Some(Flow::More)),
        other => other?,
    };
    if count == 0 {
        return Ok(None);
    }
    let mut out = Outbox::new(conn);
    let flow = session.feed(&input[..count], &mut out)?;
    out.flush()?;
    if let Flow::Compress(left) = flow {
        conn.compress(&input[count - left..count]);
    }
    Ok(Some(flow))
}

/// Waits in IDLE or NOTIFY; `None`: the client has something to say. Otherwise he has been told what is new.
fn wait_for(conn: &mut Conn, session: &mut Session<Account>) -> io::Result<Option<Flow>> {
    session.rest();
    let watched = session.folder().and_then(|open| open.mailbox().watch());
    // What happens in mailboxes that are not open nobody tells: they are looked at.
    let looks = watched.is_none() || session.watches_others();
    let limit = if looks { LOOK } else { STILL_HERE.saturating_sub(conn.silence()) };
    let mut fds = vec![(conn.input(), Interest::Read)];
    fds.extend(watched.map(|fd| (fd, Interest::Read)));
    let ready = wait::poll(&fds, Some(limit))?;
    if ready.first().is_some_and(|client| client.read) {
        return Ok(None);
    }
    // However often he is looked after: what stirs need not be news to him.
    let quiet = conn.silence() >= STILL_HERE;
    let mut out = Outbox::new(conn);
    // Also when nothing has stirred: that the mailbox itself is gone, nobody tells.
    let flow = session.news(&mut out)?;
    if quiet && flow == Flow::More && out.replies.is_empty() {
        out.write_all(STILL)?;
    }
    out.flush()?;
    Ok(Some(flow))
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

/// Gathers replies; a long one goes through to the connection, so memory stays flat.
struct Outbox<'a> {
    conn: &'a mut Conn,
    replies: Vec<u8>,
}

impl Outbox<'_> {
    fn new(conn: &mut Conn) -> Outbox<'_> {
        Outbox { conn, replies: Vec::new() }
    }

    fn send(&mut self) -> io::Result<()> {
        self.conn.write_all(&self.replies)?;
        self.replies.clear();
        Ok(())
    }
}

impl Write for Outbox<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.replies.len() + bytes.len() > 4 * PIECE {
            self.send()?;
        }
        match bytes.len() > 4 * PIECE {
            true => self.conn.write_all(bytes)?,
            false => self.replies.extend_from_slice(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        self.send()?;
        self.conn.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use imap::Options;
    use mailbox::Settings;
    use sys::Timed;

    use super::*;

    #[test]
    fn who_waits_for_what_can_not_be_watched_is_told_that_the_server_is_there() {
        let home = tempfile::tempdir().unwrap();
        let (mut client, server) = UnixStream::pair().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let account = Account::open(&home.path().join("m"), Settings::default()).unwrap();
                let client = Timed::new(server.try_clone().unwrap().into(), server.into(), SILENCE);
                let mut conn = Conn::new(Vec::new(), client);
                serve(&mut conn, &mut Session::new(account, Options::default()), None).unwrap();
            });
            let mut said = Vec::new();
            let mut until = |word: &[u8], client: &mut UnixStream| {
                while !said.windows(word.len()).any(|some| some == word) {
                    let mut piece = [0; 1024];
                    let count = client.read(&mut piece).unwrap();
                    assert!(count > 0);
                    said.extend_from_slice(&piece[..count]);
                }
            };
            // Mailboxes that are not open are looked at from time to time.
            client.write_all(b"a NOTIFY SET (personal (MessageNew MessageExpunge))\r\nb IDLE\r\n").unwrap();
            until(b"+ ", &mut client);
            until(STILL, &mut client);
            client.write_all(b"DONE\r\nc LOGOUT\r\n").unwrap();
            until(b"c OK", &mut client);
        });
    }
}
