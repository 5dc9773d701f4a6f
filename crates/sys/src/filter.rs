//! The filter of system calls (seccomp) of a program that has started: what nobody in the house needs, or
//! not this program, is answered with EPERM.
//!
//! A list of what is denied, not of what is allowed: it cuts off the kernel's rarely used corners, privileges,
//! programs and networks, and a new C library that makes other calls for the same work still runs. EPERM, not
//! the end of the process: no client loses a message to a call that a library merely tries.

use std::io;

use nix::libc;

/// Which sockets may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sockets {
    /// None; nor is one connected or listened at. Who needs none serves one mailbox, and changes no mode or owner of a
    /// file by its name.
    None,
    /// Those of this machine, of the family AF_UNIX.
    Local,
    /// Also those of the Internet, and the question which addresses are our own.
    Internet,
}

/// Calls that no program of the suite needs once it has started.
const NEVER: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    PROCESS_MRELEASE,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Another identity, which has been dropped for good.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    LSM_SET_SELF_ATTR,
    libc::SYS_personality,
    // Another view of the files.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
    OPEN_TREE_ATTR,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    QUOTACTL_FD,
    // What is mounted and which namespaces there are, without a file of /proc that Landlock keeps shut.
    STATMOUNT,
    LISTMOUNT,
    LISTNS,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    libc::SYS_acct,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    // Corners of the kernel in which most holes were found.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];
const EXEC: &[libc::c_long] = &[libc::SYS_execve, libc::SYS_execveat];
const CONNECT: &[libc::c_long] =
    &[libc::SYS_socket, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen, libc::SYS_accept4];

/// Changes of files by their names, which Landlock has no word for: who has all his files open changes them by their
/// descriptors.
const BY_NAME: &[libc::c_long] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
];

// The same numbers everywhere; not all C libraries name them. What else is new up to 470 gives nobody anything that he has
// not got already: memfd_secret, mseal, futexes, cachestat, questions about one's own attributes.
const QUOTACTL_FD: libc::c_long = 443;
const PROCESS_MRELEASE: libc::c_long = 448;
const FCHMODAT2: libc::c_long = 452;
const STATMOUNT: libc::c_long = 457;
const LISTMOUNT: libc::c_long = 458;
const LSM_SET_SELF_ATTR: libc::c_long = 460;
const SETXATTRAT: libc::c_long = 463;
const REMOVEXATTRAT: libc::c_long = 466;
const OPEN_TREE_ATTR: libc::c_long = 467;
const FILE_SETATTR: libc::c_long = 469;
const LISTNS: libc::c_long = 470;

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;
#[cfg(target_arch = "riscv64")]
const ARCH: u32 = 0xc000_00f3;
/// Numbers of x86_64's second table of calls start here.
const X32: u32 = 0x4000_0000;
/// All that clone(2) may make anew instead of sharing it: namespaces, of users first of all.
const NAMESPACES: u32 = 0x7e02_0000;
/// ioctl(2): types into the terminal.
const TYPE_INTO_TERMINAL: &[u32] = &[0x5412, 0x541c];

/// Where `seccomp_data` has what (little-endian; of 64 bits of an argument the lower half).
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const fn argument(place: u32) -> u32 {
    16 + 8 * place
}

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

const fn answer(error: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | error as u32
}

/// Installs the filter for this thread and all that it will start. `children`: they may be made for its parent.
pub(crate) fn install(no_exec: bool, sockets: Sockets, children: bool) -> io::Result<()> {
    // SAFETY: numbers only. W+X memory is given up where the kernel knows how to (6.3); elsewhere nothing happens.
    unsafe { libc::prctl(libc::PR_SET_MDWE, libc::PR_MDWE_REFUSE_EXEC_GAIN as libc::c_ulong, 0, 0, 0) };
    let Program(program) = Program::new(no_exec, sockets, children);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` points to `len` instructions that live until the call returns; the kernel copies them.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Instructions one after the other.
#[derive(Default)]
struct Program(Vec<libc::sock_filter>);

/// A call's number, and what is done about it.
type Case = (u32, Program);

impl Program {
    fn new(no_exec: bool, sockets: Sockets, children: bool) -> Program {
        let mut cases: Vec<Case> = Vec::with_capacity(128);
        deny(&mut cases, NEVER);
        if no_exec {
            deny(&mut cases, EXEC);
        }
        match sockets {
            Sockets::None => {
                deny(&mut cases, CONNECT);
                deny(&mut cases, BY_NAME);
            }
            Sockets::Local => cases.push((libc::SYS_socket as u32, families(false))),
            Sockets::Internet => cases.push((libc::SYS_socket as u32, families(true))),
        }
        // Two ends that know each other, of AF_UNIX: other families (TIPC's) let a socket that nobody may make in by this door.
        cases.push((libc::SYS_socketpair as u32, families(false)));
        let refused = if children { NAMESPACES } else { NAMESPACES | libc::CLONE_PARENT as u32 };
        cases.push((libc::SYS_clone as u32, no_clone_with(refused)));
        // Its flags are behind a pointer, where no filter sees them: the C library falls back to clone.
        cases.push((libc::SYS_clone3 as u32, Program::default().step(RETURN, answer(libc::ENOSYS))));
        cases.push((libc::SYS_ioctl as u32, no_typing()));
        cases.sort_by_key(|(call, _)| *call);
        let head = Program::default().step(LOAD, MACHINE).when(EQUAL, ARCH, 1, 0);
        let head = head.step(RETURN, answer(libc::EPERM)).step(LOAD, NUMBER);
        head.answer_if(AT_LEAST, X32, answer(libc::EPERM)).then(choice(cases))
    }

    fn step(self, code: u32, k: u32) -> Program {
        self.when(code, k, 0, 0)
    }

    /// `jt` and `jf`: how many instructions are passed over when the test says yes, and no.
    fn when(mut self, code: u32, k: u32, jt: u8, jf: u8) -> Program {
        self.0.push(libc::sock_filter { code: code as u16, jt, jf, k });
        self
    }

    fn answer_if(self, test: u32, k: u32, answer: u32) -> Program {
        self.when(test, k, 0, 1).step(RETURN, answer)
    }

    fn then(mut self, mut more: Program) -> Program {
        self.0.append(&mut more.0);
        self
    }

    fn length(&self) -> u8 {
        self.0.len() as u8
    }
}

fn deny(cases: &mut Vec<Case>, calls: &[libc::c_long]) {
    cases.extend(
        calls.iter().map(|call| (*call as u32, Program::default().step(RETURN, answer(libc::EPERM)))),
    );
}

/// The case of the number that is loaded, or nothing to be said against it. Halving, since the kernel
/// runs through a filter for each call that there is when it is installed.
fn choice(mut cases: Vec<Case>) -> Program {
    if cases.len() > 3 {
        let upper = cases.split_off(cases.len() / 2);
        let (from, lower) = (upper[0].0, choice(cases));
        return Program::default().when(AT_LEAST, from, lower.length(), 0).then(lower).then(choice(upper));
    }
    let one = |before: Program, (call, case): Case| before.when(EQUAL, call, 0, case.length()).then(case);
    cases.into_iter().fold(Program::default(), one).step(RETURN, ALLOW)
}

fn no_clone_with(refused: u32) -> Program {
    let flags = Program::default().step(LOAD, argument(0));
    flags.answer_if(ANY_BIT, refused, answer(libc::EPERM)).step(RETURN, ALLOW)
}

fn no_typing() -> Program {
    let request = Program::default().step(LOAD, argument(1));
    let typing = |asked: Program, ioctl: &u32| asked.answer_if(EQUAL, *ioctl, answer(libc::EPERM));
    TYPE_INTO_TERMINAL.iter().fold(request, typing).step(RETURN, ALLOW)
}

/// Sockets are made of these families alone. Of netlink only the routing part answers who asks for our addresses.
fn families(internet: bool) -> Program {
    let mut family = Program::default().step(LOAD, argument(0)).answer_if(EQUAL, libc::AF_UNIX as u32, ALLOW);
    if internet {
        family = family.answer_if(EQUAL, libc::AF_INET as u32, ALLOW);
        family = family.answer_if(EQUAL, libc::AF_INET6 as u32, ALLOW);
        family = family.when(EQUAL, libc::AF_NETLINK as u32, 0, 3).step(LOAD, argument(2));
        family = family.answer_if(EQUAL, libc::NETLINK_ROUTE as u32, ALLOW);
    }
    family.step(RETURN, answer(libc::EPERM))
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
