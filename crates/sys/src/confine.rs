//! Giving up what a program will not need: paths (Landlock), system calls (seccomp), memory (rlimits).
//!
//! Best effort by design: an old kernel enforces less and the program runs on; uids and permission
//! bits are the first wall, this is the second.

use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    path_beneath_rules,
};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};

/// What a program keeps. Everything else is gone for good, for its children too.
#[derive(Clone, Debug, Default)]
pub struct Confine {
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    execute: Vec<PathBuf>,
    sockets: bool,
    internet: bool,
    inherit: bool,
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

    /// Keeps making sockets and connecting to unix sockets. TCP stays out of reach.
    pub fn sockets(mut self) -> Confine {
        self.sockets = true;
        self
    }

    /// Keeps making sockets and connecting, by TCP too; listening on a TCP port is given up.
    pub fn internet(mut self) -> Confine {
        self.internet = true;
        self.sockets()
    }

    /// Only Landlock, no system call filter: the program executed next confines itself further.
    pub fn paths_only(mut self) -> Confine {
        self.inherit = true;
        self
    }

    /// Gives up the rest. Call with one thread running.
    pub fn apply(self) -> io::Result<()> {
        nix::sys::prctl::set_no_new_privs()?;
        self.restrict_paths().map_err(io::Error::other)?;
        if self.inherit {
            return Ok(());
        }
        filter(self.execute.is_empty(), !self.sockets)
    }

    fn restrict_paths(&self) -> Result<(), landlock::RulesetError> {
        let abi = ABI::V5;
        let read = AccessFs::from_read(abi) & !AccessFs::Execute;
        let execute = AccessFs::Execute | AccessFs::ReadFile | AccessFs::ReadDir;
        let network = if self.internet { AccessNet::BindTcp.into() } else { AccessNet::from_all(abi) };
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(network)?
            .create()?
            .add_rules(path_beneath_rules(existing(&self.read), read))?
            .add_rules(path_beneath_rules(
                existing(&self.write),
                AccessFs::from_all(abi) & !AccessFs::Execute,
            ))?
            .add_rules(path_beneath_rules(existing(&self.execute), execute))?
            .restrict_self()?;
        Ok(())
    }
}

fn existing(paths: &[PathBuf]) -> impl Iterator<Item = &PathBuf> {
    paths.iter().filter(|path| path.exists())
}

/// Limits of memory (octets of address space), open files, processes of the uid; no core dumps.
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

/// System calls that no program of the suite needs once it has started.
const NEVER: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
];
const EXEC: &[libc::c_long] = &[libc::SYS_execve, libc::SYS_execveat];
const SOCKETS: &[libc::c_long] =
    &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept4];

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;

/// Installs a filter that answers EPERM to what is not kept.
fn filter(no_exec: bool, no_sockets: bool) -> io::Result<()> {
    let mut denied = NEVER.to_vec();
    denied.extend(if no_exec { EXEC } else { &[] });
    denied.extend(if no_sockets { SOCKETS } else { &[] });
    let program = program(&denied);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` points to `len` instructions that live until the call returns; the kernel copies them.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// `seccomp_data`: the call's number at 0, the architecture at 4.
fn program(denied: &[libc::c_long]) -> Vec<libc::sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    /// Numbers of x86_64's second table of calls start here.
    const X32: u32 = 0x4000_0000;
    let op = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let count = denied.len() as u8;
    let mut program = vec![op(LOAD, 0, 0, 4), op(EQUAL, 0, count + 3, ARCH), op(LOAD, 0, 0, 0)];
    program.push(op(AT_LEAST, count + 1, 0, X32));
    for (place, call) in denied.iter().enumerate() {
        program.push(op(EQUAL, count - place as u8, 0, *call as u32));
    }
    program.push(op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program.push(op(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32));
    program
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
    fn every_jump_of_the_filter_lands_on_its_end() {
        let program = program(NEVER);
        let deny = program.len() - 1;
        for (place, op) in program.iter().enumerate().skip(4).take(NEVER.len()) {
            assert_eq!(place + 1 + usize::from(op.jt), deny);
        }
        assert_eq!(2 + usize::from(program[1].jf), deny);
        assert_eq!(4 + usize::from(program[3].jt), deny);
    }
}
