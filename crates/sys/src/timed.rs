//! A connection whose reads and writes have an end.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags, SockType, sockopt};
use nix::sys::time::TimeVal;

use crate::wait::{self, Interest};

/// Most octets in one write to something that is no socket: a pipe found writable takes a page.
const PAGE: usize = 4096;
/// What is left of a wait is not halved any more from here on.
const SHORT: Duration = Duration::from_millis(100);

/// Input and output (one socket, or two pipes under recordio) with time limits:
/// [`ErrorKind::TimedOut`] when a call waits for longer than the idle limit or past the deadline.
#[derive(Debug)]
pub struct Timed {
    input: OwnedFd,
    output: OwnedFd,
    socket: bool,
    idle: Duration,
    deadline: Option<Duration>,
    asleep: Asleep,
}

/// Who ends a read that waits for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asleep {
    /// The input is asked for something to read before each read.
    Never,
    /// The read itself, which the kernel ends after this (zero: it has not been told yet).
    For(Duration),
}

impl Timed {
    /// `idle`: longest wait of one read or write.
    pub fn new(input: OwnedFd, output: OwnedFd, idle: Duration) -> Timed {
        let socket = is_socket(input.as_fd()) && is_socket(output.as_fd());
        Timed { input, output, socket, idle, deadline: None, asleep: Asleep::Never }
    }

    /// Reads wait in the kernel, one call each, if the input is a socket. For who has it to himself: a time limit is set
    /// on it, which holds for all who read there, until [`Timed::into_parts`].
    pub fn sleep_in_reads(&mut self) {
        if self.socket {
            self.asleep = Asleep::For(Duration::ZERO);
        }
    }

    /// Is there something to read? The end does not count.
    pub fn has_unread(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match self.socket {
            true => socket::recv(self.input.as_raw_fd(), &mut [0], flags).is_ok_and(|count| count > 0),
            false => wait::until(self.input.as_fd(), Interest::Read, Some(Duration::ZERO)).unwrap_or(false),
        }
    }

    /// Sets the longest wait of one read or write.
    pub fn set_idle(&mut self, idle: Duration) {
        self.idle = idle;
    }

    /// All has to be over in `total` from now; `None`: no such limit.
    pub fn set_deadline(&mut self, total: Option<Duration>) {
        self.deadline = total.map(|total| crate::monotonic() + total);
    }

    /// The input's descriptor.
    pub fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// The output's descriptor.
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Hangs up so that the last words arrive: says that no more will come, then reads and forgets
    /// what the peer still sends, for at most `total` and a megabyte. Closing with input unread would
    /// make the kernel reset the connection and throw away what has not been delivered yet.
    pub fn hang_up(mut self, total: Duration) {
        if socket::shutdown(self.output.as_raw_fd(), socket::Shutdown::Write).is_err() {
            return;
        }
        self.set_deadline(Some(total));
        let mut forgotten = [0; PAGE];
        for _ in 0..256 {
            match self.read(&mut forgotten) {
                Ok(count) if count > 0 => {}
                _ => return,
            }
        }
    }

    /// Is it a socket, both ways? Not so under recordio.
    pub fn is_socket(&self) -> bool {
        self.socket
    }

    /// Gives the descriptors back.
    pub fn into_parts(self) -> (OwnedFd, OwnedFd) {
        if matches!(self.asleep, Asleep::For(limit) if !limit.is_zero()) {
            let _ = self.wake_after(Duration::ZERO);
        }
        (self.input, self.output)
    }

    /// How long a call that begins now may wait.
    fn limit(&self) -> Duration {
        let left = self.deadline.map(|end| end.saturating_sub(crate::monotonic()));
        left.map_or(self.idle, |left| left.min(self.idle))
    }

    /// Has the kernel end reads that wait for longer; zero: never.
    fn wake_after(&self, limit: Duration) -> io::Result<()> {
        let limit = TimeVal::new(limit.as_secs() as i64, i64::from(limit.subsec_micros()));
        Ok(socket::setsockopt(&self.input, sockopt::ReceiveTimeout, &limit)?)
    }

    /// A read that waits in the kernel. The limit that is set there is at most what is left, and most often the half
    /// of it, so that the next reads, which may have a little less left, need not set it anew. One that is far too short,
    /// from the end of an earlier wait, would have us awake all the time.
    fn read_asleep(&mut self, buffer: &mut [u8], mut told: Duration) -> io::Result<usize> {
        let end = crate::monotonic() + self.limit();
        loop {
            let now = crate::monotonic();
            let left = end.saturating_sub(now);
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            if told.is_zero() || told > left || told < left / 8 {
                told = if left > SHORT { left / 2 } else { left.max(Duration::from_micros(1)) };
                self.wake_after(told)?;
                self.asleep = Asleep::For(told);
            }
            match nix::unistd::read(&self.input, buffer) {
                // It has not slept: somebody has made the socket one that never waits.
                Err(Errno::EAGAIN) if crate::monotonic().saturating_sub(now) < told / 2 => {
                    self.asleep = Asleep::Never;
                    return self.read(buffer);
                }
                Err(Errno::EAGAIN) => {}
                other => return Ok(other?),
            }
        }
    }

    fn wait(&self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        match wait::until(fd, interest, Some(self.limit()))? {
            true => Ok(()),
            false => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Read for Timed {
    /// Nothing is read after the deadline, not even what is there already: else it would never end who
    /// never makes a pause.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.deadline.is_some_and(|end| end <= crate::monotonic()) {
            return Err(ErrorKind::TimedOut.into());
        }
        if let Asleep::For(told) = self.asleep {
            return self.read_asleep(buffer, told);
        }
        self.wait(self.input.as_fd(), Interest::Read)?;
        Ok(nix::unistd::read(&self.input, buffer)?)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.socket {
            self.wait(self.output.as_fd(), Interest::Write)?;
            return Ok(nix::unistd::write(&self.output, &bytes[..bytes.len().min(PAGE)])?);
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            match socket::send(self.output.as_raw_fd(), bytes, flags) {
                Ok(sent) => return Ok(sent),
                Err(Errno::EAGAIN) => self.wait(self.output.as_fd(), Interest::Write)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_socket(fd: BorrowedFd<'_>) -> bool {
    matches!(socket::getsockopt(&fd, sockopt::SockType), Ok(SockType::Stream))
}

/// Small replies leave at once (Nagle's algorithm against delayed acknowledgements costs 44 ms each).
/// Not a TCP socket: nothing happens.
pub fn no_delay(fd: BorrowedFd<'_>) {
    let _ = socket::setsockopt(&fd, sockopt::TcpNoDelay, &true);
}

/// A dead peer is noticed some day even by a program that waits without a time limit.
/// Not a socket: nothing happens.
pub fn keep_alive(fd: BorrowedFd<'_>) {
    let _ = socket::setsockopt(&fd, sockopt::KeepAlive, &true);
}

/// Forgets the IP options (such as a source route) that a TCP connection came with. Where there are
/// none to forget, nothing happens.
pub fn forget_ip_options(fd: BorrowedFd<'_>) {
    use nix::libc;
    // SAFETY: a null value of length 0 is how the options are removed; nothing is read through it.
    unsafe { libc::setsockopt(fd.as_raw_fd(), libc::IPPROTO_IP, libc::IP_OPTIONS, std::ptr::null(), 0) };
}

/// A copy (closed on exec) of descriptor `number` that this process was started with, such as 0, 1 or 3.
/// From number 3 on, the original is closed, so that it goes no further.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    use nix::fcntl::{FcntlArg, fcntl};
    // SAFETY: borrowed for this call only; a number that is not open gives EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    if number > 2 {
        // SAFETY: the number was handed to us by our parent and nothing else in here owns it.
        drop(unsafe { OwnedFd::from_raw_fd(number) });
    }
    // SAFETY: F_DUPFD_CLOEXEC has just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Descriptors 0 and 1 lead nowhere from now on; for who holds copies, and wants their other ends to see
/// when those are closed.
pub fn leave_standard() -> io::Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    Ok(nix::unistd::dup2_stdout(&null)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    fn timed(stream: UnixStream) -> Timed {
        Timed::new(stream.try_clone().unwrap().into(), stream.into(), Duration::from_millis(10))
    }

    #[test]
    fn a_silent_peer_is_timed_out_on_reading() {
        let (one, _two) = UnixStream::pair().unwrap();
        assert_eq!(timed(one).read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_peer_that_does_not_read_is_timed_out_on_writing() {
        let (one, _two) = UnixStream::pair().unwrap();
        let error = timed(one).write_all(&vec![b'x'; 10_000_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn the_last_words_arrive_although_the_peer_is_still_talking() {
        let (one, mut two) = UnixStream::pair().unwrap();
        two.write_all(&[b'x'; 10_000]).unwrap();
        let mut conn = timed(one);
        conn.write_all(b"bye").unwrap();
        conn.hang_up(Duration::from_millis(10));
        let mut heard = String::new();
        two.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "bye");
    }

    fn asleep(stream: UnixStream, idle: Duration) -> Timed {
        let mut timed = timed(stream);
        timed.set_idle(idle);
        timed.sleep_in_reads();
        timed
    }

    #[test]
    fn a_read_that_waits_in_the_kernel_ends_in_time_too() {
        for limit in [Duration::from_millis(10), Duration::from_millis(250)] {
            let (one, mut two) = UnixStream::pair().unwrap();
            let mut conn = asleep(one, limit);
            two.write_all(b"xy").unwrap();
            assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
            assert!(conn.has_unread());
            assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
            assert!(!conn.has_unread());
            let start = crate::monotonic();
            assert_eq!(conn.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
            assert!(crate::monotonic() - start >= limit);
            conn.set_idle(Duration::from_secs(60));
            conn.set_deadline(Some(limit));
            assert_eq!(conn.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
            conn.set_deadline(None);
            drop(two);
            assert!(!conn.has_unread(), "the end is nothing to read");
            assert_eq!(conn.read(&mut [0; 1]).unwrap(), 0);
        }
    }

    #[test]
    fn a_socket_that_never_waits_is_waited_for_and_one_given_back_has_no_limit() {
        let (one, mut two) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        let mut conn = asleep(one, Duration::from_millis(20));
        assert_eq!(conn.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        two.write_all(b"x").unwrap();
        assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
        let (one, mut two) = UnixStream::pair().unwrap();
        let mut conn = asleep(one, Duration::from_secs(10));
        two.write_all(b"x").unwrap();
        assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
        let (input, _output) = conn.into_parts();
        assert_eq!(UnixStream::from(input).read_timeout().unwrap(), None);
    }

    #[test]
    fn a_limit_from_the_end_of_an_earlier_wait_keeps_nobody_awake() {
        let (one, mut two) = UnixStream::pair().unwrap();
        let mut conn = asleep(one, Duration::from_secs(10));
        conn.asleep = Asleep::For(Duration::from_micros(1));
        two.write_all(b"x").unwrap();
        assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
        assert!(matches!(conn.asleep, Asleep::For(limit) if limit > Duration::from_secs(1)));
    }

    #[test]
    fn the_deadline_ends_what_drips() {
        let (one, mut two) = UnixStream::pair().unwrap();
        let mut conn = timed(one);
        conn.set_idle(Duration::from_secs(60));
        conn.set_deadline(Some(Duration::ZERO));
        assert_eq!(conn.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        two.write_all(b"x").unwrap();
        // Who never makes a pause is to be ended, too. A last word is allowed.
        assert_eq!(conn.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(conn.write(b"bye").unwrap(), 3);
        conn.set_deadline(None);
        assert_eq!(conn.read(&mut [0; 1]).unwrap(), 1);
    }
}
