//! Waiting for descriptors with a time limit.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll as kernel_poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

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

/// Descriptors that are waited for again and again, for loops that have many of them: what one wait
/// costs does not grow with their number.
#[derive(Debug)]
pub struct Watch(Epoll);

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Watch> {
        Ok(Watch(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Watches `fd`, which is called `token`, until it has something to read or its end has come.
    pub fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        Ok(self.0.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))?)
    }

    /// Watches `fd` no longer. To be called before it is closed: a child may hold a copy.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        Ok(self.0.delete(fd)?)
    }

    /// Waits until something is ready or `limit` (`None`: for ever) is over; gives the tokens of what is
    /// ready, at most 64 at a time. A signal ends the wait with nothing ready.
    pub fn wait(&self, limit: Option<Duration>) -> io::Result<Vec<u64>> {
        let mut events = [EpollEvent::empty(); 64];
        let limit = limit.map_or(-1, millis);
        match self.0.wait(&mut events, EpollTimeout::try_from(limit).unwrap_or(EpollTimeout::NONE)) {
            Ok(count) => Ok(events[..count].iter().map(EpollEvent::data).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Rounds up, so that a wait is never shorter than asked and never a busy loop.
fn timeout(limit: Option<Duration>) -> PollTimeout {
    let Some(limit) = limit else { return PollTimeout::NONE };
    PollTimeout::try_from(millis(limit)).unwrap_or(PollTimeout::MAX)
}

fn millis(limit: Duration) -> i32 {
    limit.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32
}

fn ready(fd: &PollFd<'_>) -> Ready {
    let Some(seen) = fd.revents() else { return Ready::default() };
    let over = seen.intersects(PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL);
    Ready { read: over || seen.contains(PollFlags::POLLIN), write: over || seen.contains(PollFlags::POLLOUT) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_watch_tells_which_of_its_descriptors_is_ready() {
        let watch = Watch::new().unwrap();
        let (quiet, _open) = io::pipe().unwrap();
        let (read, mut write) = io::pipe().unwrap();
        watch.add(&quiet, 1).unwrap();
        watch.add(&read, 2).unwrap();
        assert!(watch.wait(Some(Duration::ZERO)).unwrap().is_empty());
        write.write_all(b"x").unwrap();
        assert_eq!(watch.wait(None).unwrap(), [2]);
        watch.remove(&read).unwrap();
        assert!(watch.wait(Some(Duration::from_micros(1))).unwrap().is_empty());
    }
}
