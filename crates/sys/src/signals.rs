//! Signals as something to poll for, so that an event loop has one place to wait.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

pub use nix::sys::signal::Signal;

/// Signals that have been taken away from their default action.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Takes over `signals`. Call before the first thread starts, so that no thread lets one through.
    /// Children started by [`crate::process`] get an empty mask.
    pub fn new(signals: &[Signal]) -> io::Result<Signals> {
        let set: SigSet = signals.iter().copied().collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        Ok(Signals(SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// The next signal that has arrived, if any. Does not wait.
    pub fn take(&mut self) -> Option<Signal> {
        let seen = self.0.read_signal().ok()??;
        Signal::try_from(seen.ssi_signo as i32).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends `signal` to process `pid`; a process that is gone is not an error.
pub fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let Ok(pid) = i32::try_from(pid) else { return Err(io::ErrorKind::InvalidInput.into()) };
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal) {
        Err(nix::errno::Errno::ESRCH) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends this process with SIGALRM after `seconds` (0: never), whatever it hangs in.
pub fn alarm(seconds: u32) {
    match seconds {
        0 => nix::unistd::alarm::cancel(),
        _ => nix::unistd::alarm::set(seconds),
    };
}
