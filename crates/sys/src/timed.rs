//! A connection whose reads and writes have an end.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{self, MsgFlags, SockType, sockopt};

use crate::wait::{self, Interest};

/// Most octets in one write to something that is no socket: a pipe found writable takes a page.
const PAGE: usize = 4096;

/// Input and output (one socket, or two pipes under recordio) with time limits:
/// [`ErrorKind::TimedOut`] when a call waits for longer than the idle limit or past the deadline.
#[derive(Debug)]
pub struct Timed {
    input: OwnedFd,
    output: OwnedFd,
    socket: bool,
    idle: Duration,
    deadline: Option<Duration>,
}

impl Timed {
    /// `idle`: longest wait of one read or write.
    pub fn new(input: OwnedFd, output: OwnedFd, idle: Duration) -> Timed {
        let socket = is_socket(input.as_fd()) && is_socket(output.as_fd());
        Timed { input, output, socket, idle, deadline: None }
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
        (self.input, self.output)
    }

    fn wait(&self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        let left = self.deadline.map(|end| end.saturating_sub(crate::monotonic()));
        let limit = left.map_or(self.idle, |left| left.min(self.idle));
        match wait::until(fd, interest, Some(limit))? {
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
