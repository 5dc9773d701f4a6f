//! Waiting for descriptors with a time limit.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll as kernel_poll};

/// What a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, a connection to accept, or the end.
    Read,
    /// Room to write.
    Write,
    /// Either.
    Both,
    /// Only errors and hang-up.
    Nothing,
}

impl Interest {
    fn flags(self) -> PollFlags {
        match self {
            Interest::Read => PollFlags::POLLIN,
            Interest::Write => PollFlags::POLLOUT,
            Interest::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
            Interest::Nothing => PollFlags::empty(),
        }
    }
}

/// What a descriptor is ready for. A peer that hung up counts as readable and writable:
/// the next call tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// A read gives octets, the end or an error.
    pub read: bool,
    /// A write takes octets or gives an error.
    pub write: bool,
}

/// Waits until one of `fds` is ready or `limit` (`None`: for ever) is over; one answer per descriptor,
/// in order. A signal ends the wait with nothing ready.
pub fn poll(fds: &[(BorrowedFd<'_>, Interest)], limit: Option<Duration>) -> io::Result<Vec<Ready>> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|(fd, interest)| PollFd::new(*fd, interest.flags())).collect();
    match kernel_poll(&mut polled, timeout(limit)) {
        Ok(_) => Ok(polled.iter().map(ready).collect()),
        Err(Errno::EINTR) => Ok(vec![Ready::default(); fds.len()]),
        Err(error) => Err(error.into()),
    }
}

/// Waits for one descriptor; false when `limit` is over first. Signals don't end this wait.
pub fn until(fd: BorrowedFd<'_>, interest: Interest, limit: Option<Duration>) -> io::Result<bool> {
    let start = crate::monotonic();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(crate::monotonic().saturating_sub(start)));
        let mut polled = [PollFd::new(fd, interest.flags())];
        match kernel_poll(&mut polled, timeout(left)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Rounds up, so that a wait is never shorter than asked and never a busy loop.
fn timeout(limit: Option<Duration>) -> PollTimeout {
    let Some(limit) = limit else { return PollTimeout::NONE };
    let millis = limit.as_micros().div_ceil(1000).min(i32::MAX as u128);
    PollTimeout::try_from(millis as i32).unwrap_or(PollTimeout::MAX)
}

fn ready(fd: &PollFd<'_>) -> Ready {
    let Some(seen) = fd.revents() else { return Ready::default() };
    let over = seen.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
    Ready { read: over || seen.contains(PollFlags::POLLIN), write: over || seen.contains(PollFlags::POLLOUT) }
}
