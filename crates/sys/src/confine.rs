//! Giving up what a program will not need: paths (Landlock), system calls (seccomp), memory (rlimits).
//!
//! Best effort by design: an old kernel enforces less, and the program runs on; uids and permission bits are the first
//! wall, this is the second. That Landlock or seccomp is missing is logged, that a part of Landlock is, is not.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, PathFdError,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};

use crate::filter::{self, Sockets};
use crate::stem;

/// What a program keeps. Everything else is gone for good, for its children too. So are signals to processes
/// that are not under the same confinement, and abstract unix sockets of such.
#[derive(Clone, Debug, Default)]
pub struct Confine {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    execute: Vec<PathBuf>,
    sockets: bool,
    internet: bool,
    /// The walls that are built now: paths, calls.
    paths_only: bool,
    calls_only: bool,
}

impl Confine {
    /// Keeps nothing: no path, no new socket, no exec.
    pub fn new() -> Confine {
        Confine::default()
    }

    /// Keeps reading below `path`. A path that does not exist is skipped.
    pub fn read(mut self, path: impl AsRef<Path>) -> Confine {
        self.read.push(path.as_ref().to_owned());
        self
    }

    /// Keeps reading, making, changing and removing files below `path`.
    pub fn write(mut self, path: impl AsRef<Path>) -> Confine {
        self.write.push(path.as_ref().to_owned());
        self
    }

    /// Keeps executing `path` or what is below it.
    pub fn execute(mut self, path: impl AsRef<Path>) -> Confine {
        self.execute.push(path.as_ref().to_owned());
        self
    }

    /// Keeps making and connecting unix sockets. No network is in reach.
    pub fn sockets(mut self) -> Confine {
        self.sockets = true;
        self
    }

    /// Keeps making sockets and connecting, by TCP too; listening on a TCP port is given up.
    pub fn internet(mut self) -> Confine {
        self.internet = true;
        self.sockets()
    }

    /// Only Landlock, no system call filter: the program executed next confines itself further, or the stem has a filter.
    pub fn paths_only(mut self) -> Confine {
        self.paths_only = true;
        self
    }

    /// Only the system call filter: for a stem, whose copies have it from the start and give up paths.
    pub fn calls_only(mut self) -> Confine {
        self.calls_only = true;
        self
    }

    /// Gives up the rest. Call with one thread running.
    pub fn apply(self) -> io::Result<()> {
        nix::sys::prctl::set_no_new_privs()?;
        if !self.calls_only {
            self.give_up_paths()?;
        }
        if self.paths_only { Ok(()) } else { self.give_up_calls() }
    }

    fn give_up_paths(&self) -> io::Result<()> {
        if self.restrict_paths()? == RulesetStatus::NotEnforced {
            warn(
                "Landlock as of Linux 5.19: only uid and permission bits keep this process from files of others",
            );
        }
        CONFINED.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn give_up_calls(&self) -> io::Result<()> {
        let sockets = match (self.internet, self.sockets) {
            (true, _) => Sockets::Internet,
            (false, true) => Sockets::Local,
            (false, false) => Sockets::None,
        };
        match filter::install(self.execute.is_empty(), sockets, stem::may_sprout()) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
                warn("seccomp: this process gives up no system call");
                Ok(())
            }
            other => other,
        }
    }

    fn restrict_paths(&self) -> io::Result<RulesetStatus> {
        let read = AccessFs::from_read(VERSION) & !AccessFs::Execute;
        let write = AccessFs::from_all(VERSION) & !AccessFs::Execute;
        let execute = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
        let mut rules = open(&self.read, read)?;
        rules.extend(open(&self.write, write)?);
        rules.extend(open(&self.execute, execute)?);
        self.restrict_to(rules).map_err(io::Error::other)
    }

    fn restrict_to(&self, rules: Vec<PathBeneath<PathFd>>) -> Result<RulesetStatus, RulesetError> {
        let all = AccessNet::from_all(VERSION);
        let network = if self.internet { AccessNet::BindTcp.into() } else { all };
        // The first Landlock (Linux 5.13 to 5.18) lets nobody move a file to another folder: whoever delivers mail has to do
        // without it there.
        let moves =
            if self.write.is_empty() { CompatLevel::BestEffort } else { CompatLevel::SoftRequirement };
        let status = Ruleset::default()
            .set_compatibility(moves)
            .handle_access(AccessFs::Refer)?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(VERSION))?
            .handle_access(network)?
            .scope(Scope::from_all(VERSION))?
            .create()?
            .add_rules(rules.into_iter().map(Ok::<_, RulesetError>))?
            // That has been done, and an error was heeded.
            .no_new_privs(false)
            .restrict_self()?;
        Ok(status.ruleset)
    }
}

/// Has this process, or that which it is a copy of, given up paths? "No new privileges" does not tell:
/// whoever has started us may have set that.
static CONFINED: AtomicBool = AtomicBool::new(false);

/// What of Landlock is asked for.
const VERSION: ABI = ABI::V6;

/// Opens paths. One that is not there, or not for this uid, is skipped. Any other trouble is over at the next start: a
/// process that went on without the path would lack it for as long as it lives.
fn open(paths: &[PathBuf], access: BitFlags<AccessFs>) -> io::Result<Vec<PathBeneath<PathFd>>> {
    let mut rules = Vec::with_capacity(paths.len());
    for path in paths {
        let fd = match PathFd::new(path) {
            Ok(fd) => fd,
            Err(PathFdError::OpenCall { source, .. }) if is_out_of_reach(&source) => continue,
            Err(error) => return Err(io::Error::other(error)),
        };
        let kind = nix::sys::stat::fstat(fd.as_fd())?.st_mode & libc::S_IFMT;
        let access = if kind == libc::S_IFDIR { access } else { access & AccessFs::from_file(VERSION) };
        rules.push(PathBeneath::new(fd, access));
    }
    Ok(rules)
}

fn is_out_of_reach(error: &io::Error) -> bool {
    let loops = error.raw_os_error() == Some(libc::ELOOP);
    loops
        || matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory
        )
}

/// In a copy of a confined process: keeps signals from all who are not its own children, so from the other copies, which
/// are under the same confinement, and their stem; not abstract sockets. Nothing changes in a process that is not
/// confined, nor on a kernel that knows no scopes (before Linux 6.12).
pub(crate) fn set_apart() -> io::Result<()> {
    if !CONFINED.load(Ordering::Relaxed) {
        return Ok(());
    }
    let scope =
        |ruleset: Ruleset| ruleset.scope(Scope::Signal)?.create()?.no_new_privs(false).restrict_self();
    scope(Ruleset::default().set_compatibility(CompatLevel::BestEffort)).map(drop).map_err(io::Error::other)
}

fn warn(missing: &str) {
    crate::log!("{}: warning: this kernel has no {missing}", crate::logging::name());
}

/// Limits of address space, open descriptors and the size of a file that is written; no core dumps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Octets of address space.
    pub memory: Option<u64>,
    /// Open descriptors.
    pub files: Option<u64>,
    /// Octets of one file.
    pub file_size: Option<u64>,
}

impl Limits {
    /// Sets them for this process and its children. A hard limit that is lower already stays.
    pub fn apply(self) -> io::Result<()> {
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        limit(Resource::RLIMIT_AS, self.memory)?;
        limit(Resource::RLIMIT_NOFILE, self.files)?;
        limit(Resource::RLIMIT_FSIZE, self.file_size)
    }
}

fn limit(resource: Resource, value: Option<u64>) -> io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    let value = value.min(hard);
    Ok(setrlimit(resource, value, value)?)
}

/// As many open files as the hard limit allows: for daemons with many clients.
pub fn raise_file_limit() -> io::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, fork};

    /// Runs `check` in a child, since there is no way back from a confinement.
    fn in_a_child(check: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child calls only what the test needs and leaves by _exit.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_or(false);
                // SAFETY: leaves without running the parent's exit handlers a second time.
                unsafe { libc::_exit(i32::from(!fine)) }
            }
            ForkResult::Parent { child } => waitpid(child, None) == Ok(WaitStatus::Exited(child, 0)),
        }
    }

    #[test]
    fn who_cannot_open_what_he_keeps_does_not_go_on_without_it() {
        let home = tempfile::tempdir().unwrap();
        let missing = home.path().join("missing");
        assert!(in_a_child(|| {
            // No descriptor is left: opening fails, but not because nothing is there.
            setrlimit(Resource::RLIMIT_NOFILE, 0, 0).unwrap();
            Confine::new().read(home.path()).apply().is_err()
        }));
        assert!(in_a_child(|| Confine::new()
            .read(&missing)
            .read("/etc/hosts/x")
            .read("/etc/hosts")
            .apply()
            .is_ok()));
    }

    #[test]
    fn what_was_kept_works_and_the_rest_does_not() {
        let home = tempfile::tempdir().unwrap();
        let (mine, other) = (home.path().join("mine"), home.path().join("other"));
        std::fs::create_dir(&mine).unwrap();
        std::fs::write(&other, "secret").unwrap();
        assert!(in_a_child(|| {
            Confine::new().write(&mine).apply().unwrap();
            std::fs::write(mine.join("a"), "x").is_ok()
                && std::fs::remove_file(mine.join("a")).is_ok()
                && std::fs::read(&other).is_err()
                && std::process::Command::new("/bin/true").status().is_err()
                && std::os::unix::net::UnixStream::connect("/nowhere").unwrap_err().raw_os_error()
                    == Some(libc::EPERM)
        }));
    }

    /// With a kernel that says its Landlock is the first one, too: `strace -e inject=landlock_create_ruleset:retval=1:when=1`.
    #[test]
    fn a_file_goes_from_one_folder_to_another_of_those_that_were_kept() {
        let home = tempfile::tempdir().unwrap();
        let (tmp, new) = (home.path().join("tmp"), home.path().join("new"));
        std::fs::create_dir(&tmp).and_then(|()| std::fs::create_dir(&new)).unwrap();
        assert!(in_a_child(|| {
            Confine::new().write(home.path()).apply().unwrap();
            std::fs::write(tmp.join("a"), "x").unwrap();
            std::fs::hard_link(tmp.join("a"), new.join("a")).is_ok()
                && std::fs::rename(tmp.join("a"), new.join("b")).is_ok()
        }));
    }

    #[test]
    fn a_program_that_keeps_sockets_reaches_unix_sockets_but_not_tcp() {
        let home = tempfile::tempdir().unwrap();
        let listener = crate::Listener::bind(&home.path().join("s"), 0o600).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap();
        assert!(in_a_child(|| {
            Confine::new().sockets().apply().unwrap();
            crate::Packets::connect(&home.path().join("s")).is_ok()
                && std::net::TcpStream::connect(port).is_err()
        }));
        drop(listener);
    }

    #[test]
    fn a_program_that_keeps_the_internet_connects_by_tcp() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap();
        assert!(in_a_child(|| {
            Confine::new().internet().apply().unwrap();
            std::net::TcpStream::connect(port).is_ok()
        }));
    }

    #[test]
    fn nobody_takes_a_descriptor_out_of_another_process() {
        assert!(in_a_child(|| {
            Confine::new().apply().unwrap();
            // SAFETY: numbers only; -1 is no process, and without the filter that is what it would say.
            let taken = unsafe { libc::syscall(libc::SYS_pidfd_getfd, -1, 0, 0) };
            taken == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
        }));
    }

    #[test]
    fn only_whoever_is_inside_gets_a_signal() {
        let outside = std::process::id() as libc::pid_t;
        assert!(in_a_child(|| {
            Confine::new().apply().unwrap();
            let told = |pid| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
            told(std::process::id() as libc::pid_t).is_ok() && (told(outside).is_err() || !scopes_are_known())
        }));
    }

    #[test]
    fn a_copy_set_apart_sends_no_signal_to_the_others() {
        assert!(in_a_child(|| {
            set_apart().unwrap();
            Confine::new().apply().unwrap();
            let stem = std::process::id() as libc::pid_t;
            let told = move || nix::sys::signal::kill(nix::unistd::Pid::from_raw(stem), None);
            let before = in_a_child(move || told().is_ok());
            before && in_a_child(move || set_apart().is_ok() && (told().is_err() || !scopes_are_known()))
        }));
    }

    /// Linux 6.12 and later.
    fn scopes_are_known() -> bool {
        let version = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
        let version = version.unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (parts.next(), parts.next()) >= (Some(6), Some(12))
    }
}
