//! What every program does first and last: sane descriptors and signals, an exit code.

use std::fmt;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::process::ExitCode;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal};

/// A program's end: what went wrong has been logged already; holds the exit code.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Stop(pub i32);

impl Stop {
    /// Logs `fatal:` and stops with 111: try again.
    pub fn temporary(cause: impl fmt::Display) -> Stop {
        Stop::logged(111, cause)
    }

    /// Logs `fatal:` and stops with 100: trying again is no use.
    pub fn permanent(cause: impl fmt::Display) -> Stop {
        Stop::logged(100, cause)
    }

    /// Logs how the program is to be called and stops with 100.
    pub fn usage(usage: impl fmt::Display) -> Stop {
        crate::log!("{}: usage: {usage}", crate::logging::name());
        Stop(100)
    }

    fn logged(code: i32, cause: impl fmt::Display) -> Stop {
        crate::log!("{}: fatal: {cause}", crate::logging::name());
        Stop(code)
    }
}

/// Runs a program: descriptors 0 to 2 are open, no signal is blocked or left ignored by a careless
/// parent (SIGPIPE alone is ignored), the umask is 077, a panic ends with 111.
pub fn main(name: &'static str, run: fn() -> Result<(), Stop>) -> ExitCode {
    crate::logging::set_name(name);
    if open_standard_descriptors().is_err() {
        return ExitCode::from(111);
    }
    keep_log_from_client();
    reset_signals();
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    std::panic::set_hook(Box::new(|panic| {
        crate::log!("{}: bug: {panic}", crate::logging::name());
        crate::logging::flush();
    }));
    let code = match std::panic::catch_unwind(run) {
        Ok(Ok(())) => 0,
        Ok(Err(Stop(code))) => code,
        Err(_) => 111,
    };
    crate::logging::flush();
    ExitCode::from(u8::try_from(code).unwrap_or(111))
}

/// Was the standard descriptor `number` closed when this program began? It is `/dev/null` for reading
/// and writing then, which nobody opens to read from: a message must not be taken from there.
pub fn was_closed(number: i32) -> bool {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::sys::stat::{fstat, stat};
    use std::os::fd::BorrowedFd;
    // SAFETY: only asked what it is; a number that is not open gives EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let (Ok(seen), Ok(null)) = (fstat(fd), stat("/dev/null")) else { return true };
    let mode = fcntl(fd, FcntlArg::F_GETFL).map(OFlag::from_bits_retain);
    seen.st_rdev == null.st_rdev && mode.is_ok_and(|mode| mode & OFlag::O_ACCMODE == OFlag::O_RDWR)
}

/// A program started with a standard descriptor closed must not open a mailbox in its place.
fn open_standard_descriptors() -> nix::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
    use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd};
    for number in 0..=2 {
        // SAFETY: only asked whether it is open; F_GETFD on a closed number gives EBADF.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl(fd, FcntlArg::F_GETFD).is_ok() {
            continue;
        }
        let null = open("/dev/null", OFlag::O_RDWR, nix::sys::stat::Mode::empty())?;
        if null.as_raw_fd() != number {
            return Err(nix::Error::EBADF);
        }
        let _ = null.into_raw_fd();
    }
    Ok(())
}

/// inetd puts the client on descriptor 2, too. What is logged must not get there: it goes to the
/// system's log, a datagram a line, or nowhere.
fn keep_log_from_client() {
    use nix::sys::stat::{SFlag, fstat};
    use std::os::fd::{AsFd, OwnedFd};
    let seen = |fd: std::os::fd::BorrowedFd<'_>| fstat(fd).ok().map(|s| (s.st_dev, s.st_ino, s.st_mode));
    let (input, log) = (seen(io::stdin().as_fd()), seen(io::stderr().as_fd()));
    let socket = |(_, _, mode)| SFlag::from_bits_truncate(mode).contains(SFlag::S_IFSOCK);
    if input != log || !log.is_some_and(socket) {
        return;
    }
    let system = UnixDatagram::unbound().and_then(|log| log.connect("/dev/log").map(|()| OwnedFd::from(log)));
    let null = || std::fs::File::options().write(true).open("/dev/null").map(OwnedFd::from);
    if let Ok(log) = system.or_else(|_| null()) {
        let _ = nix::unistd::dup2_stderr(log);
    }
}

fn reset_signals() {
    let _ = nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    for signal in Signal::iterator() {
        let handler = if signal == Signal::SIGPIPE { SigHandler::SigIgn } else { SigHandler::SigDfl };
        // SAFETY: no handler function is installed, only the default or "ignore"; no thread runs yet.
        // Signals that cannot be changed (KILL, STOP) report an error that does not matter.
        let _ = unsafe { nix::sys::signal::signal(signal, handler) };
    }
}
