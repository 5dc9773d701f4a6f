//! Starting other programs with exactly the descriptors, environment and uid they are meant to have.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Once;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{Gid, Pid, Uid};

use crate::{Env, Identity};

/// Descriptors for a child are numbered below this.
const LOW: RawFd = 10;
/// Where descriptors wait, out of the way of the numbers they will get.
const HIGH: RawFd = 64;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// It exited with 0.
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }

    /// The wait status as tcpserver logs it: code × 256, or the signal's number.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code << 8,
            Exit::Signal(signal) => signal,
        }
    }

    fn of(status: ExitStatus) -> Exit {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or(0)),
        }
    }
}

/// A program about to be started. It inherits descriptors 0 to 2 (unless given others), the
/// environment and the working folder; every other descriptor is closed; no signal is blocked, and the ends of its own
/// children are told it.
#[derive(Debug)]
pub struct Start {
    command: Command,
    fds: Vec<(RawFd, OwnedFd)>,
    identity: Option<Identity>,
}

impl Start {
    /// `program`: a path, or a name to be looked up in PATH.
    pub fn new(program: impl AsRef<OsStr>) -> Start {
        Start { command: Command::new(program), fds: Vec::new(), identity: None }
    }

    /// The child sees this as its own name (argument 0).
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Start {
        self.command.arg0(name);
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Start {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Start {
        self.command.args(args);
        self
    }

    /// Sets one variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Start {
        self.command.env(name, value);
        self
    }

    /// Removes one variable.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Start {
        self.command.env_remove(name);
        self
    }

    /// The child sees these variables and no others.
    pub fn env_only(mut self, env: &Env) -> Start {
        self.command.env_clear();
        self.command
            .envs(env.iter().map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
        self
    }

    /// The child finds `fd` as `number` (0 to 9).
    pub fn fd(mut self, number: RawFd, fd: impl Into<OwnedFd>) -> Start {
        self.fds.push((number, fd.into()));
        self
    }

    /// The child starts in folder `path` (as seen with the parent's rights).
    pub fn chdir(mut self, path: &Path) -> Start {
        self.command.current_dir(path);
        self
    }

    /// The child leads a process group of its own, which [`Child::kill_group`] ends as a whole.
    pub fn group(mut self) -> Start {
        self.command.process_group(0);
        self
    }

    /// The child runs as `identity` (needs root). uid 0 is refused when it comes to starting.
    pub fn identity(mut self, identity: &Identity) -> Start {
        self.identity = Some(identity.clone());
        self
    }

    /// Starts it. An error also when the program can't be executed.
    pub fn spawn(mut self) -> io::Result<Child> {
        self.prepare()?;
        Ok(Child(self.command.spawn()?))
    }

    /// Becomes the program; returns only on an error. The process must end then: its
    /// descriptors may have been changed.
    pub fn exec(mut self) -> io::Error {
        match self.prepare() {
            Ok(()) => self.command.exec(),
            Err(error) => error,
        }
    }

    fn prepare(&mut self) -> io::Result<()> {
        keep_low_numbers_taken();
        if let Some(identity) = &self.identity {
            identity.refuse_root()?;
        }
        let mut placed = Vec::with_capacity(self.fds.len());
        for (number, fd) in self.fds.drain(..) {
            match number {
                0 => drop(self.command.stdin(Stdio::from(fd))),
                1 => drop(self.command.stdout(Stdio::from(fd))),
                2 => drop(self.command.stderr(Stdio::from(fd))),
                _ => placed.push((number, out_of_the_way(fd)?)),
            }
        }
        let identity = self.identity.take();
        // SAFETY: between fork and exec this only makes system calls; it allocates nothing and takes no lock.
        unsafe {
            self.command.pre_exec(move || {
                sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
                heed_children(true)?;
                close_the_rest_on_exec();
                place(&placed)?;
                identity.as_ref().map_or(Ok(()), take_identity)
            })
        };
        Ok(())
    }
}

fn out_of_the_way(fd: OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let copy = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(HIGH))?;
    // SAFETY: F_DUPFD_CLOEXEC has just made this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Also what this process itself was started with by a parent that did not care.
fn close_the_rest_on_exec() {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // By its number: not every C library has a name for it.
    // SAFETY: only sets a flag. A kernel without this call (before 5.11) leaves such descriptors open.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, CLOSE_RANGE_CLOEXEC) };
}

fn place(fds: &[(RawFd, OwnedFd)]) -> io::Result<()> {
    for (number, fd) in fds {
        // SAFETY: dup2 onto a number below LOW, which nothing but a placeholder holds; not closed on exec.
        if unsafe { libc::dup2(fd.as_raw_fd(), *number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn take_identity(identity: &Identity) -> io::Result<()> {
    // SAFETY: setgroups reads `len` gids from a slice of that length (gid_t is u32 on Linux).
    let groups = unsafe { libc::setgroups(identity.groups.len(), identity.groups.as_ptr()) };
    if groups != 0 {
        return Err(io::Error::last_os_error());
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    nix::unistd::setresgid(gid, gid, gid)?;
    nix::unistd::setresuid(uid, uid, uid)?;
    Ok(())
}

/// Holds the numbers 3 to 9, so that no descriptor of ours (that on which a failed exec is reported
/// to the parent among them) sits on a number that a child's descriptor will be put on.
fn keep_low_numbers_taken() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Ok(null) = File::open("/dev/null") else { return };
        loop {
            let Ok(number) = fcntl(null.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(3)) else { return };
            if number >= LOW {
                // SAFETY: just made by F_DUPFD_CLOEXEC and known to nobody else.
                drop(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(number) });
                break;
            }
        }
        if null.as_raw_fd() < LOW {
            let _ = null.into_raw_fd();
        }
    });
}

/// A process that was started. Dropping it neither ends nor reaps it: see [`reap`].
#[derive(Debug)]
pub struct Child(std::process::Child);

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> io::Result<Exit> {
        Ok(Exit::of(self.0.wait()?))
    }

    /// Its end, if that has come.
    pub fn try_wait(&mut self) -> io::Result<Option<Exit>> {
        Ok(self.0.try_wait()?.map(Exit::of))
    }

    /// A descriptor that is ready to be read once it has ended, for those who wait for more than that.
    pub fn watch(&self) -> io::Result<OwnedFd> {
        // The child is ours and not reaped, so the pid is still its own.
        descriptor(self.pid())
    }

    /// Ends it at once. Still has to be waited for.
    pub fn kill(&mut self) -> io::Result<()> {
        self.0.kill()
    }
}

impl Child {
    /// Ends all of the process group that it leads: see [`Start::group`]. To be called before it is waited
    /// for: after that its number may be another's.
    pub fn kill_group(&mut self) -> io::Result<()> {
        let leader = Pid::from_raw(i32::try_from(self.0.id()).map_err(io::Error::other)?);
        match nix::sys::signal::killpg(leader, nix::sys::signal::Signal::SIGKILL) {
            Err(nix::errno::Errno::ESRCH) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A descriptor that stands for the process `pid`: readable once that has ended.
pub(crate) fn descriptor(pid: u32) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: takes two numbers and gives a descriptor.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
    match RawFd::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor; it is closed on exec.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The end of the child that `process` stands for, however it became our child; `None`: it has not come yet, and `wait`
/// is false. An error: it is no child of ours, or has been waited for.
pub(crate) fn wait_for(process: &OwnedFd, wait: bool) -> io::Result<Option<Exit>> {
    wait_by(libc::P_PIDFD, process.as_raw_fd() as u32, if wait { 0 } else { libc::WNOHANG })
}

/// Is the process that `process` stands for a child of this one, and not yet waited for?
pub(crate) fn is_child(process: &OwnedFd) -> bool {
    wait_by(libc::P_PIDFD, process.as_raw_fd() as u32, libc::WNOHANG | libc::WNOWAIT).is_ok()
}

/// By the kernel's own words: a library that knows no real-time signals would lose the ends that they make.
fn wait_by(kind: libc::idtype_t, id: u32, flags: libc::c_int) -> io::Result<Option<Exit>> {
    loop {
        // SAFETY: all octets zero is a valid siginfo_t, and means that nothing has been told.
        let mut told: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `told` lives until the call returns; the rest are numbers.
        if unsafe { libc::waitid(kind, id, &raw mut told, flags | libc::WEXITED) } < 0 {
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => return Err(error),
            }
        }
        // SAFETY: waitid fills in both, or leaves zeros.
        let (pid, status) = unsafe { (told.si_pid(), told.si_status()) };
        return Ok(match (pid, told.si_code) {
            (0, _) => None,
            (_, libc::CLD_EXITED) => Some(Exit::Code(status)),
            _ => Some(Exit::Signal(status)),
        });
    }
}

/// Whether the ends of this process's children are kept until they are waited for, as they are from the start, or
/// nobody will.
pub fn heed_children(heed: bool) -> io::Result<()> {
    let handler = if heed { SigHandler::SigDfl } else { SigHandler::SigIgn };
    // SAFETY: no handler function is installed.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, handler) }?;
    Ok(())
}

/// The children of all threads of this process that have ended and have not been waited for. Empty on a kernel that
/// keeps no list of children.
pub fn unburied() -> Vec<u32> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let children: Vec<u32> = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    let ended = |pid: &u32| matches!(wait_by(libc::P_PID, *pid, libc::WNOHANG | libc::WNOWAIT), Ok(Some(_)));
    children.into_iter().filter(ended).collect()
}

/// Waits for the child `pid`, which has ended, and whose end means nothing to anybody.
pub fn bury(pid: u32) {
    let _ = wait_by(libc::P_PID, pid, libc::WNOHANG);
}

/// Any child that has ended; `None` when there is none (more). For event loops, on SIGCHLD.
pub fn reap() -> Option<(u32, Exit)> {
    loop {
        let mut status = 0;
        // SAFETY: `status` lives until the call returns.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        match pid {
            0 => return None,
            ..0 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            ..0 => return None,
            _ if libc::WIFEXITED(status) => return Some((pid as u32, Exit::Code(libc::WEXITSTATUS(status)))),
            _ if libc::WIFSIGNALED(status) => {
                return Some((pid as u32, Exit::Signal(libc::WTERMSIG(status))));
            }
            _ => {}
        }
    }
}

/// The program `name` of the suite: beside the running program's own file.
pub fn sibling(name: &str) -> OsString {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().map_or_else(|| name.into(), |folder| folder.join(name).into_os_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_child_finds_its_descriptors_where_they_were_promised_and_no_others() {
        let (mut read, write) = io::pipe().unwrap();
        let (three, mut send) = io::pipe().unwrap();
        io::Write::write_all(&mut send, b"three").unwrap();
        drop(send);
        let script = "cat <&3; ls /proc/self/fd | wc -l";
        let start = Start::new("/bin/sh").args(["-c", script]).fd(1, write).fd(3, three);
        assert!(start.spawn().unwrap().wait().unwrap().is_success());
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        // 0 to 3 and the folder that ls reads.
        assert_eq!(text, "three5\n");
    }

    #[test]
    fn the_environment_is_the_given_one_only() {
        let (mut read, write) = io::pipe().unwrap();
        let mut env = Env::new();
        env.set("SENDER", "a b");
        let start = Start::new("/usr/bin/env").env_only(&env).fd(1, write);
        start.spawn().unwrap().wait().unwrap();
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "SENDER=a b\n");
    }

    #[test]
    fn signals_that_the_parent_takes_from_a_descriptor_reach_a_child() {
        use crate::signals::{Signal, Signals};
        let _held = Signals::new(&[Signal::SIGTERM, Signal::SIGCHLD]).unwrap();
        let mut child = Start::new("/bin/sh").args(["-c", "kill -TERM $$"]).spawn().unwrap();
        assert_eq!(child.wait().unwrap(), Exit::Signal(15));
    }

    #[test]
    fn no_end_is_lost_whatever_signal_makes_it() {
        let dead = || Start::new("/bin/sh").args(["-c", "kill -36 $$"]).spawn().unwrap();
        assert_eq!(dead().wait().unwrap(), Exit::Signal(36));
        let watched = dead().watch().unwrap();
        assert_eq!(wait_for(&watched, true).unwrap(), Some(Exit::Signal(36)));
        let pid = dead().pid();
        while unburied() != [pid] {
            std::thread::yield_now();
        }
        assert_eq!(reap(), Some((pid, Exit::Signal(36))));
        assert_eq!(reap(), None);
    }

    #[test]
    fn a_program_that_is_missing_is_an_error_and_uid_0_is_refused() {
        let (_read, three) = io::pipe().unwrap();
        assert!(Start::new("/no/such/program").fd(3, three).spawn().is_err());
        let root = Identity { uid: 0, gid: 0, groups: vec![] };
        assert!(Start::new("/bin/true").identity(&root).spawn().is_err());
    }

    #[test]
    fn the_end_of_a_child_can_be_polled_for() {
        use crate::wait::{self, Interest};
        let mut child = Start::new("/bin/cat").fd(0, io::pipe().unwrap().0).spawn().unwrap();
        let end = child.watch().unwrap();
        assert!(wait::until(end.as_fd(), Interest::Read, None).unwrap());
        assert_eq!(child.try_wait().unwrap(), Some(Exit::Code(0)));
    }

    #[test]
    fn root_starts_a_child_as_someone_else() {
        if !crate::is_root() {
            eprintln!("SKIPPED: needs root");
            return;
        }
        let someone = Identity { uid: 64123, gid: 64124, groups: vec![64125] };
        let script = "test \"$(id -u).$(id -g).$(id -G)\" = '64123.64124.64124 64125'";
        let mut child = Start::new("/bin/sh").args(["-c", script]).identity(&someone).spawn().unwrap();
        assert_eq!(child.wait().unwrap(), Exit::Code(0));
    }
}
