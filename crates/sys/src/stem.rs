//! A stem: a program that was started once and stands ready for its job; for each job a copy of it is made.
//!
//! A copy costs a fraction of an execution: it is loaded, linked and confined already, and shares the memory of its
//! stem as long as neither writes there. The copy is a child of whoever had the stem started, not of the stem, so
//! its parent sees it end as if it had started it itself, and may lose the stem without losing the copies.
//!
//! What a stem must not have is connections: two copies would read each other's answers. Nor may it have threads.
//!
//! A parent may be root and its stem run as somebody who has power over it. So nothing that stems and copies say is
//! believed: who a copy is the kernel tells, and nobody waits for one without a limit.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::signal::Signal;

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
    /// Who started it, and is the parent of its copies.
    parent: u32,
}

/// A copy, as it was made for its parent. Dropping it neither ends nor reaps it.
#[derive(Debug)]
pub struct Copy {
    /// Leads to it. When this is dropped it ends, once it has done what it is at.
    pub packets: Packets,
    /// To end it, and to see it end.
    pub process: Process,
}

/// A copy without the way to it.
#[derive(Debug)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    descriptor: OwnedFd,
}

impl Stem {
    /// Starts `program` as a stem, of whose copies each does `jobs` jobs.
    pub fn start(program: Start, jobs: u32) -> io::Result<(Child, Stem)> {
        let (requests, theirs) = Packets::pair()?;
        requests.set_timeout(PATIENCE)?;
        let child = program.env(VARIABLE, jobs.to_string()).fd(3, OwnedFd::from(theirs)).spawn()?;
        let pid = child.pid();
        Ok((child, Stem { pid, requests, parent: std::process::id() }))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Does it stand ready still?
    pub fn stands(&self) -> bool {
        matches!(wait::until(self.requests.as_fd(), Interest::Read, Some(Duration::ZERO)), Ok(false))
    }

    /// Has a copy made. An error: the stem is gone, or its program does not know what is asked of it.
    pub fn copy(&self) -> io::Result<Copy> {
        let (packets, theirs) = Packets::pair()?;
        packets.ask_who_sends(true)?;
        self.requests.send(b"C", &[theirs.as_fd()])?;
        drop(theirs);
        packets.set_timeout(PATIENCE)?;
        let pid = packets.who_sends()?.ok_or(ErrorKind::UnexpectedEof)?;
        packets.set_timeout(Duration::ZERO)?;
        packets.ask_who_sends(false)?;
        let descriptor = process::descriptor(pid)?;
        // By now the number may be another's: not as long as whoever sent it is there, which a child that has not been
        // waited for is. The parent's own copies have to hold their way, which nobody else does.
        let is_there = match self.parent == std::process::id() {
            true => process::is_child(&descriptor),
            false => !wait::until(packets.as_fd(), Interest::Read, Some(Duration::ZERO))?,
        };
        match is_there {
            true => Ok(Copy { packets, process: Process { pid, descriptor } }),
            false => Err(ErrorKind::InvalidData.into()),
        }
    }
}

impl Process {
    /// Ends it at once; one that has ended already is no error.
    pub fn kill(&self) -> io::Result<()> {
        send_signal(&self.descriptor, Signal::SIGKILL)
    }

    /// Waits at most for `limit` until it has ended.
    pub fn ended(&self, limit: Duration) -> io::Result<bool> {
        wait::until(self.descriptor.as_fd(), Interest::Read, Some(limit))
    }

    /// Its end, if that has come; told once, and only to its parent, that of the stem. An error: it has been told.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        process::wait_for(&self.descriptor, false)
    }

    /// Waits for its end, which only its parent, that of the stem, can.
    pub fn wait(&self) -> io::Result<Exit> {
        process::wait_for(&self.descriptor, true)?.ok_or_else(|| ErrorKind::Interrupted.into())
    }
}

/// Set in a copy.
static COPIED: AtomicBool = AtomicBool::new(false);

/// May this process have to make copies of itself? A copy never has to.
pub(crate) fn may_sprout() -> bool {
    std::env::var_os(VARIABLE).is_some() && !COPIED.load(Ordering::Relaxed)
}

/// Stands as a stem, to be called with one thread running. Returns in each copy, with its way to the parent; and in
/// the stem, with `None`, when nobody can ask any more, or somebody asks and it is not `sound` any more.
pub(crate) fn stand(requests: Packets, sound: impl Fn() -> bool) -> io::Result<Option<Packets>> {
    // It may have had another started (`gate` that of `login`), whose copies are its children then, and which nobody
    // waits for. Copies are to find things as they are used to.
    process::heed_children(false)?;
    while let Some(request) = requests.recv()? {
        if !sound() {
            break;
        }
        let Some(way) = request.fds.into_iter().next() else { continue };
        let way = Packets::adopt(way)?;
        // A system without room for one more process: who has asked sees his way end.
        if let Ok(true) = sprout() {
            COPIED.store(true, Ordering::Relaxed);
            drop(requests);
            process::heed_children(true)?;
            confine::set_apart()?;
            // Before anybody else has had a word with us. Who we are the kernel adds.
            way.send(b"I", &[])?;
            return Ok(Some(way));
        }
    }
    Ok(None)
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
                let code = stand(theirs, || true).ok().flatten().map_or(0, |way| serve(&way, &mut made));
                // SAFETY: ends the process without what the test's process has registered.
                unsafe { libc::_exit(code) }
            }
        };
        Stem { pid, requests, parent: std::process::id() }
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
        assert_ne!(one.process.pid, two.process.pid);
        assert_eq!(
            [ask(&one), ask(&one), ask(&two)],
            [
                format!("{} 1", one.process.pid),
                format!("{} 2", one.process.pid),
                format!("{} 1", two.process.pid)
            ]
        );
        assert!(!one.process.ended(Duration::ZERO).unwrap());
        two.process.kill().unwrap();
        assert_eq!(two.process.wait().unwrap(), Exit::Signal(9));
        two.process.kill().unwrap();
        let Copy { packets, process } = one;
        assert_eq!(process.try_wait().unwrap(), None);
        drop(packets);
        assert_eq!(process.wait().unwrap(), Exit::Code(7));
    }

    #[test]
    fn copies_outlive_their_stem() {
        let stem = stem();
        let copy = stem.copy().unwrap();
        assert!(stem.stands());
        crate::signals::send(stem.pid(), Signal::SIGKILL).unwrap();
        assert_eq!(end_of(stem.pid()), Exit::Signal(9));
        assert!(!stem.stands());
        assert_eq!(ask(&copy), format!("{} 1", copy.process.pid));
        assert!(stem.copy().is_err());
    }

    #[test]
    fn a_stem_that_nobody_can_ask_any_more_ends() {
        let stem = stem();
        let pid = stem.pid();
        drop(stem);
        assert_eq!(end_of(pid), Exit::Code(0));
    }

    fn end_of(pid: u32) -> Exit {
        process::wait_for(&process::descriptor(pid).unwrap(), true).unwrap().unwrap()
    }

    /// A stem that answers a request by what `sent` is given: the way, to be introduced on.
    fn liar(lie: impl FnOnce(Packets)) -> Stem {
        let (requests, theirs) = Packets::pair().unwrap();
        // SAFETY: the child goes on alone with what it owns, and never returns into the test.
        let pid = match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Parent { child } => child.as_raw() as u32,
            nix::unistd::ForkResult::Child => {
                drop(requests);
                let way = theirs.recv().unwrap().unwrap().fds.remove(0);
                lie(Packets::adopt(way).unwrap());
                let _ = theirs.recv();
                // SAFETY: as above.
                unsafe { libc::_exit(0) }
            }
        };
        Stem { pid, requests, parent: std::process::id() }
    }

    #[test]
    fn nobody_passes_another_process_off_as_the_copy() {
        let init = process::descriptor(1).unwrap();
        // What used to be believed: a number and a descriptor. The kernel's word is that the stem said so.
        let stem = liar(|way| way.send(&1u32.to_ne_bytes(), &[init.as_fd()]).unwrap_or_default());
        assert!(stem.copy().map_or(true, |copy| copy.process.pid == stem.pid()));
        // A grandchild speaks for itself: it is no child of the parent.
        let stem = liar(|way| {
            // SAFETY: the child only sends and ends.
            if let nix::unistd::ForkResult::Child = unsafe { nix::unistd::fork() }.unwrap() {
                let _ = way.send(b"I", &[]);
                let _ = way.recv();
                // SAFETY: as above.
                unsafe { libc::_exit(0) }
            }
        });
        assert_eq!(stem.copy().unwrap_err().kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn a_stem_that_is_not_sound_any_more_makes_no_copy_and_ends() {
        let (requests, theirs) = Packets::pair().unwrap();
        // SAFETY: the child goes on alone with what it owns, and never returns into the test.
        let pid = match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Parent { child } => child.as_raw() as u32,
            nix::unistd::ForkResult::Child => {
                drop(requests);
                let stood = stand(theirs, || false);
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(!matches!(stood, Ok(None)))) }
            }
        };
        let stem = Stem { pid, requests, parent: std::process::id() };
        assert!(stem.copy().is_err());
        assert_eq!(end_of(pid), Exit::Code(0));
    }

    #[test]
    fn a_copy_that_somebody_else_has_waited_for_keeps_nobody() {
        let stem = stem();
        let copy = stem.copy().unwrap();
        copy.process.kill().unwrap();
        while process::unburied().is_empty() {
            std::thread::yield_now();
        }
        process::bury(copy.process.pid);
        assert!(copy.process.try_wait().is_err() && copy.process.wait().is_err());
        copy.process.kill().unwrap();
    }
}
