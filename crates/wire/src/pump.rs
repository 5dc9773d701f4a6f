//! The loop that joins a session to a connection.
//!
//! Replies gather in a buffer that is written before each read that may block: that is all
//! there is to PIPELINING (RFC 2920 §3.2), and one small packet per group of replies.

use std::io::{self, BufWriter, ErrorKind, Read, Write};

/// What a session wants of its shell once all input has been eaten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Read on.
    More,
    /// Hang up after the replies have been written.
    Close,
    /// Change to TLS.
    Secure,
    /// Hand the connection to another program.
    Handover,
}

/// A protocol session: bytes in, bytes out.
pub trait Session {
    /// Writes the greeting.
    fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow>;
    /// Eats `input`. On return every complete command in it has been answered into `out`,
    /// unless the answer is not [`Flow::More`]: then the session keeps what it has not used.
    fn feed(&mut self, input: &[u8], out: &mut dyn Write) -> io::Result<Flow>;
    /// The client has been silent for too long; says so before the shell hangs up.
    fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()>;
    /// Is what comes next likely to be large? Only for how much is read at one time.
    fn expects_much(&self) -> bool {
        false
    }
}

/// How a pump came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The session said so.
    Closed,
    /// The peer closed or broke the connection.
    PeerGone,
    /// The peer was silent for too long.
    TimedOut,
    /// The session wants TLS now.
    Secure,
    /// The session wants the connection handed over.
    Handover,
}

/// Octets that are read at one time from whoever sends a lot, and from whoever has not yet: most who wait have been
/// heard with few.
const PIECE: usize = 16 * 1024;
const FEW: usize = 1024;

/// Runs `session` over `conn` until one of them ends. `conn` reports a peer that is silent
/// for too long as [`ErrorKind::TimedOut`].
pub fn pump<C: Read + Write>(conn: &mut C, session: &mut impl Session) -> io::Result<End> {
    let mut replies = Vec::with_capacity(512);
    let flow = session.greet(&mut Through { conn, replies: &mut replies })?;
    run(conn, session, replies, ending(flow))
}

/// Goes on with a session that has greeted its client already, on another connection to it: after TLS has begun.
pub fn resume<C: Read + Write>(conn: &mut C, session: &mut impl Session) -> io::Result<End> {
    run(conn, session, Vec::with_capacity(512), None)
}

fn run<C: Read + Write>(
    conn: &mut C,
    session: &mut impl Session,
    mut replies: Vec<u8>,
    mut end: Option<End>,
) -> io::Result<End> {
    let mut input = vec![0; FEW];
    while end.is_none() {
        end = match step(conn, session, &mut replies, &mut input) {
            Ok(end) => end,
            Err(error) => Some(broken(conn, session, &mut replies, error)?),
        };
    }
    match flush(conn, &mut replies) {
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(End::TimedOut),
        Err(error) if !is_gone(error.kind()) => Err(error),
        _ => Ok(end.unwrap_or(End::Closed)),
    }
}

fn step<C: Read + Write>(
    conn: &mut C,
    session: &mut impl Session,
    replies: &mut Vec<u8>,
    input: &mut Vec<u8>,
) -> io::Result<Option<End>> {
    flush(conn, replies)?;
    let count = match conn.read(input) {
        Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(None),
        other => other?,
    };
    if count == 0 {
        return Ok(Some(End::PeerGone));
    }
    let flow = session.feed(&input[..count], &mut Through { conn, replies });
    if input.len() == FEW && (count == FEW || session.expects_much()) {
        *input = vec![0; PIECE];
    }
    flow.map(ending)
}

fn broken<C: Write>(
    conn: &mut C,
    session: &mut impl Session,
    replies: &mut Vec<u8>,
    error: io::Error,
) -> io::Result<End> {
    // Replies that are still there could not be written, or not all of them: nothing may follow.
    let stuck = !replies.is_empty();
    replies.clear();
    match error.kind() {
        ErrorKind::TimedOut => {
            // The peer may not be reading either: what can't be written now is not owed.
            let _ = match stuck {
                true => session.timed_out(&mut io::sink()),
                false => session.timed_out(&mut BufWriter::new(conn)),
            };
            Ok(End::TimedOut)
        }
        kind if is_gone(kind) => Ok(End::PeerGone),
        _ => Err(error),
    }
}

fn is_gone(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted)
}

fn ending(flow: Flow) -> Option<End> {
    match flow {
        Flow::More => None,
        Flow::Close => Some(End::Closed),
        Flow::Secure => Some(End::Secure),
        Flow::Handover => Some(End::Handover),
    }
}

fn flush<C: Write>(conn: &mut C, replies: &mut Vec<u8>) -> io::Result<()> {
    if !replies.is_empty() {
        conn.write_all(replies)?;
        replies.clear();
    }
    conn.flush()
}

/// Gathers replies; a long one goes through to the connection, so memory stays flat.
struct Through<'a, C> {
    conn: &'a mut C,
    replies: &'a mut Vec<u8>,
}

impl<C: Write> Write for Through<'_, C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend_from_slice(bytes);
        if self.replies.len() >= PIECE {
            flush(self.conn, self.replies)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        flush(self.conn, self.replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each octet: `q` closes, `t` makes the connection time out, others are doubled.
    struct Echo;

    impl Session for Echo {
        fn greet(&mut self, out: &mut dyn Write) -> io::Result<Flow> {
            out.write_all(b"hi ").map(|()| Flow::More)
        }
        fn feed(&mut self, input: &[u8], out: &mut dyn Write) -> io::Result<Flow> {
            for byte in input {
                out.write_all(&[*byte, *byte])?;
                if *byte == b'q' {
                    return Ok(Flow::Close);
                }
            }
            Ok(Flow::More)
        }
        fn timed_out(&mut self, out: &mut dyn Write) -> io::Result<()> {
            out.write_all(b" bye")
        }
    }

    /// Plays its pieces, then fails as told or ends.
    #[derive(Default)]
    struct Script {
        pieces: Vec<Vec<u8>>,
        then: Option<ErrorKind>,
        written: Vec<u8>,
        writes: usize,
        /// Octets that the peer takes; what comes after them is not taken in time.
        takes: Option<usize>,
    }

    impl Read for Script {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.pieces.is_empty() {
                return self.then.map_or(Ok(0), |kind| Err(kind.into()));
            }
            let mut piece = self.pieces.remove(0);
            let count = piece.len().min(buf.len());
            buf[..count].copy_from_slice(&piece[..count]);
            if count < piece.len() {
                self.pieces.insert(0, piece.split_off(count));
            }
            Ok(count)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            let room = self.takes.map_or(bytes.len(), |takes| takes.saturating_sub(self.written.len()));
            if room == 0 {
                self.takes = None; // it wakes up too late
                return Err(ErrorKind::TimedOut.into());
            }
            let count = room.min(bytes.len());
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(pieces: &[&str], then: Option<ErrorKind>) -> (End, String, usize) {
        let pieces = pieces.iter().map(|p| p.as_bytes().to_vec()).collect();
        let mut conn = Script { pieces, then, ..Script::default() };
        let end = pump(&mut conn, &mut Echo).unwrap();
        (end, String::from_utf8(conn.written).unwrap(), conn.writes)
    }

    /// Notes how much came at one time; expects much after the octet `d`.
    #[derive(Default)]
    struct Eater(Vec<usize>, bool);

    impl Session for Eater {
        fn greet(&mut self, _: &mut dyn Write) -> io::Result<Flow> {
            Ok(Flow::More)
        }
        fn feed(&mut self, input: &[u8], _: &mut dyn Write) -> io::Result<Flow> {
            self.0.push(input.len());
            self.1 = input.ends_with(b"d");
            Ok(Flow::More)
        }
        fn timed_out(&mut self, _: &mut dyn Write) -> io::Result<()> {
            Ok(())
        }
        fn expects_much(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn much_is_read_at_once_from_who_has_sent_much_or_is_expected_to() {
        let read = |pieces: &[&str]| {
            let pieces = pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect();
            let mut eater = Eater::default();
            pump(&mut Script { pieces, ..Script::default() }, &mut eater).unwrap();
            eater.0
        };
        let much = "x".repeat(3000);
        assert_eq!(read(&["x", &much]), [1, FEW, 3000 - FEW]);
        assert_eq!(read(&["xd", &much]), [2, 3000]);
    }

    #[test]
    fn replies_of_one_packet_leave_in_one_write() {
        assert_eq!(run(&["abc"], None), (End::PeerGone, "hi aabbcc".into(), 2));
    }

    #[test]
    fn the_last_reply_is_written_before_hanging_up() {
        assert_eq!(run(&["aq"], None), (End::Closed, "hi aaqq".into(), 2));
    }

    #[test]
    fn a_peer_that_did_not_read_in_time_never_gets_a_reply_twice() {
        for piece in ["abc".to_owned(), "aq".to_owned(), "a".repeat(PIECE)] {
            let takes = Some("hi a".len());
            let mut conn = Script { pieces: vec![piece.into_bytes()], takes, ..Script::default() };
            assert_eq!(pump(&mut conn, &mut Echo).unwrap(), End::TimedOut);
            assert_eq!(String::from_utf8(conn.written).unwrap(), "hi a");
        }
    }

    #[test]
    fn a_silent_peer_is_told_and_a_broken_one_is_not_an_error() {
        assert_eq!(run(&[], Some(ErrorKind::TimedOut)).0, End::TimedOut);
        assert_eq!(run(&[], Some(ErrorKind::TimedOut)).1, "hi  bye");
        assert_eq!(run(&["a"], Some(ErrorKind::ConnectionReset)).0, End::PeerGone);
    }
}
