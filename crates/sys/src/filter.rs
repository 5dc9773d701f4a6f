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
    /// None; nor is one connected or listened at.
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
    libc::SYS_personality,
    // Another view of the files.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_open_tree,
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
    #[cfg(not(target_arch = "riscv64"))]
    libc::SYS_quotactl_fd,
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

/// Installs the filter for this thread and all that it will start.
pub(crate) fn install(no_exec: bool, sockets: Sockets) -> io::Result<()> {
    // SAFETY: numbers only. W+X memory is given up where the kernel knows how to (6.3); elsewhere nothing happens.
    unsafe { libc::prctl(libc::PR_SET_MDWE, libc::PR_MDWE_REFUSE_EXEC_GAIN as libc::c_ulong, 0, 0, 0) };
    let Program(program) = Program::new(no_exec, sockets);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` points to `len` instructions that live until the call returns; the kernel copies them.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

struct Program(Vec<libc::sock_filter>);

impl Program {
    fn new(no_exec: bool, sockets: Sockets) -> Program {
        let mut program = Program(Vec::with_capacity(256));
        program.step(LOAD, MACHINE);
        program.when(EQUAL, ARCH, 1, 0).step(RETURN, answer(libc::EPERM));
        program.step(LOAD, NUMBER);
        program.answer_if(AT_LEAST, X32, answer(libc::EPERM));
        program.deny(NEVER);
        // Its flags are behind a pointer, where no filter sees them: the C library falls back to clone.
        program.answer_if(EQUAL, libc::SYS_clone3 as u32, answer(libc::ENOSYS));
        if no_exec {
            program.deny(EXEC);
        }
        if sockets == Sockets::None {
            program.deny(CONNECT);
        } else {
            program.families(sockets);
        }
        program.inside(libc::SYS_clone, |inside| {
            inside.step(LOAD, argument(0)).answer_if(ANY_BIT, NAMESPACES, answer(libc::EPERM));
        });
        program.inside(libc::SYS_ioctl, |inside| {
            inside.step(LOAD, argument(1));
            TYPE_INTO_TERMINAL.iter().for_each(|ioctl| {
                inside.answer_if(EQUAL, *ioctl, answer(libc::EPERM));
            });
        });
        program.step(RETURN, ALLOW);
        program
    }

    fn step(&mut self, code: u32, k: u32) -> &mut Program {
        self.when(code, k, 0, 0)
    }

    /// `jt` and `jf`: how many instructions are passed over when the test says yes, and no.
    fn when(&mut self, code: u32, k: u32, jt: u8, jf: u8) -> &mut Program {
        self.0.push(libc::sock_filter { code: code as u16, jt, jf, k });
        self
    }

    fn answer_if(&mut self, test: u32, k: u32, answer: u32) -> &mut Program {
        self.when(test, k, 0, 1).step(RETURN, answer)
    }

    fn deny(&mut self, calls: &[libc::c_long]) {
        for call in calls {
            self.answer_if(EQUAL, *call as u32, answer(libc::EPERM));
        }
    }

    /// What `more` adds is for `call` alone, which is allowed when none of it answers.
    fn inside(&mut self, call: libc::c_long, more: impl FnOnce(&mut Program)) {
        let mut inside = Program(Vec::new());
        more(&mut inside);
        inside.step(RETURN, ALLOW);
        self.when(EQUAL, call as u32, 0, inside.0.len() as u8);
        self.0.append(&mut inside.0);
    }

    /// Sockets are made of these families alone. Of netlink only the routing part answers who asks for our addresses.
    fn families(&mut self, sockets: Sockets) {
        self.inside(libc::SYS_socket, |inside| {
            inside.step(LOAD, argument(0)).answer_if(EQUAL, libc::AF_UNIX as u32, ALLOW);
            if sockets == Sockets::Internet {
                inside.answer_if(EQUAL, libc::AF_INET as u32, ALLOW);
                inside.answer_if(EQUAL, libc::AF_INET6 as u32, ALLOW);
                inside.when(EQUAL, libc::AF_NETLINK as u32, 0, 3).step(LOAD, argument(2));
                inside.answer_if(EQUAL, libc::NETLINK_ROUTE as u32, ALLOW);
            }
            inside.step(RETURN, answer(libc::EPERM));
        });
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
