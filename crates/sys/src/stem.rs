//! A stem: a program that was started once and stands ready for its job; for each job a copy of it is made.
//!
//! A copy costs a fraction of an execution: it is loaded, linked and confined already, and shares the memory of its
//! stem as long as neither writes there. The copy is a child of whoever had the stem started, not of the stem, so
//! its parent sees it end as if it had started it itself, and may lose the stem without losing the copies.
//!
//! What a stem must not have is connections: two copies would read each other's answers. Nor may it have threads.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::{self, SigHandler, Signal};

use crate::Packets;
use crate::confine;
use crate::process::{self, Child, Exit, Start};
use crate::wait::{self, Interest};
use crate::worker::VARIABLE;

/// How long a stem may take to make a copy. Whoever asks waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stem, as its parent has it. Dropping it ends the stem, and no copy.
#[derive(Debug)]
pub struct Stem {
    pid: u32,
    requests: Packets,
}

/// A copy, as it was made for its parent. Dropping it neither ends nor reaps it.
#[derive(Debug)]
pub struct Copy {
    /// Its process id.
    pub pid: u32,
    /// Leads to it.
    pub packets: Packets,
    process: OwnedFd,
}

impl Stem {
    /// Starts `program` as a stem, of whose copies each does `jobs` jobs.
    pub fn start(program: Start, jobs: u32) -> io::Result<(Child, Stem)> {
        let (requests, theirs) = Packets::pair()?;
        requests.set_timeout(PATIENCE)?;
        let child = program.env(VARIABLE, jobs.to_string()).fd(3, OwnedFd::from(theirs)).spawn()?;
        let pid = child.pid();
        Ok((child, Stem { pid, requests }))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Has a copy made. An error: the stem is gone, or its program does not know what is asked of it.
    pub fn copy(&self) -> io::Result<Copy> {
        let (packets, theirs) = Packets::pair()?;
        self.requests.send(b"C", &[theirs.as_fd()])?;
        drop(theirs);
        packets.set_timeout(PATIENCE)?;
        let introduction = packets.recv()?.ok_or(ErrorKind::UnexpectedEof)?;
        packets.set_timeout(Duration::ZERO)?;
        let pid = introduction.bytes.first_chunk().map(|pid| u32::from_ne_bytes(*pid));
        match (pid, introduction.fds.into_iter().next()) {
            (Some(pid), Some(process)) => Ok(Copy { pid, packets, process }),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }
}

impl Copy {
    /// Ends it at once; one that has ended already is no error.
    pub fn kill(&self) -> io::Result<()> {
        send_signal(&self.process, Signal::SIGKILL)
    }

    /// Waits at most for `limit` until it has ended.
    pub fn ended(&self, limit: Duration) -> io::Result<bool> {
        wait::until(self.process.as_fd(), Interest::Read, Some(limit))
    }

    /// Its end, if that has come; told once, and only to its parent, that of the stem.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        match self.ended(Duration::ZERO)? {
            true => self.wait().map(Some),
            false => Ok(None),
        }
    }

    /// Waits for its end, which only its parent, that of the stem, can.
    pub fn wait(&self) -> io::Result<Exit> {
        process::wait(self.pid)
    }
}

/// Stands as a stem, to be called with one thread running. Returns in each copy, with its way to the parent; and in
/// the stem, with `None`, when nobody can ask any more.
pub(crate) fn stand(requests: Packets) -> io::Result<Option<Packets>> {
    heed_children(false)?;
    while let Some(request) = requests.recv()? {
        let Some(way) = request.fds.into_iter().next() else { continue };
        let way = Packets::adopt(way)?;
        // A system without room for one more process: who has asked sees his way end.
        if let Ok(true) = sprout() {
            drop(requests);
            heed_children(true)?;
            confine::set_apart()?;
            introduce(&way)?;
            return Ok(Some(way));
        }
    }
    Ok(None)
}

/// A stem may have had another started (`gate` that of `login`), whose copies are its children then, and which nobody
/// waits for. Copies are to find things as they are used to.
fn heed_children(heed: bool) -> io::Result<()> {
    let handler = if heed { SigHandler::SigDfl } else { SigHandler::SigIgn };
    // SAFETY: no handler function is installed.
    unsafe { signal::signal(Signal::SIGCHLD, handler) }?;
    Ok(())
}

/// Says who we are, before anybody else has had a word with us.
fn introduce(way: &Packets) -> io::Result<()> {
    let own = std::process::id();
    let process = process::descriptor(own)?;
    way.send_parts(&[IoSlice::new(&own.to_ne_bytes())], &[process.as_fd()])
}

/// Makes a copy of this process that is our parent's child; true in the copy.
fn sprout() -> io::Result<bool> {
    // By its number: fork() of a C library knows no CLONE_PARENT. What the library would put right in the child, locks
    // that other threads hold, is nothing where there is one thread.
    // SAFETY: without CLONE_VM the child has memory and stack of its own, and the caller promises that no other thread is there.
    match unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_PARENT | libc::SIGCHLD, 0, 0, 0, 0) } {
        ..0 => Err(io::Error::last_os_error()),
        0 => Ok(true),
        _ => Ok(false),
    }
}

fn send_signal(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let null = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a descriptor that is open, two numbers, and a null pointer, which stands for the usual facts.
    match unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal as libc::c_int, null, 0)
    } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    /// A copy of this test's process, whose own copies are this process's children: each writes what it is given and
    /// a number of its own.
    fn stem() -> Stem {
        let (requests, theirs) = Packets::pair().unwrap();
        // SAFETY: the child goes on alone with what it owns, and never returns into the test.
        let pid = match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Parent { child } => child.as_raw() as u32,
            nix::unistd::ForkResult::Child => {
                drop(requests);
                let mut made = 0;
                let code = stand(theirs).ok().flatten().map_or(0, |way| serve(&way, &mut made));
                // SAFETY: ends the process without what the test's process has registered.
                unsafe { libc::_exit(code) }
            }
        };
        Stem { pid, requests }
    }

    fn serve(way: &Packets, made: &mut u32) -> i32 {
        while let Ok(Some(packet)) = way.recv() {
            *made += 1;
            for fd in packet.fds {
                let _ = write!(UnixStream::from(fd), "{} {made}", std::process::id());
            }
        }
        7
    }

    fn ask(copy: &Copy) -> String {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        copy.packets.send(b"x", &[theirs.as_fd()]).unwrap();
        drop(theirs);
        let mut said = String::new();
        ours.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn each_copy_goes_its_own_way_and_its_end_is_told_to_who_asked_for_it() {
        let stem = stem();
        let (one, two) = (stem.copy().unwrap(), stem.copy().unwrap());
        assert_ne!(one.pid, two.pid);
        assert_eq!(
            [ask(&one), ask(&one), ask(&two)],
            [format!("{} 1", one.pid), format!("{} 2", one.pid), format!("{} 1", two.pid)]
        );
        assert!(!one.ended(Duration::ZERO).unwrap());
        two.kill().unwrap();
        assert_eq!(two.wait().unwrap(), Exit::Signal(9));
        two.kill().unwrap();
        let Copy { pid, packets, .. } = one;
        drop(packets);
        assert_eq!(process::wait(pid).unwrap(), Exit::Code(7));
    }

    #[test]
    fn copies_outlive_their_stem() {
        let stem = stem();
        let copy = stem.copy().unwrap();
        crate::signals::send(stem.pid(), Signal::SIGKILL).unwrap();
        assert_eq!(process::wait(stem.pid()).unwrap(), Exit::Signal(9));
        assert_eq!(ask(&copy), format!("{} 1", copy.pid));
        assert!(stem.copy().is_err());
    }

    #[test]
    fn a_stem_that_nobody_can_ask_any_more_ends() {
        let stem = stem();
        let pid = stem.pid();
        drop(stem);
        assert_eq!(process::wait(pid).unwrap(), Exit::Code(0));
    }
}
