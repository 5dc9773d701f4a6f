//! An intruder in a running process: has it make system calls of his choice, as somebody would who had taken the
//! program over, and hears what the kernel says. x86_64 only.
//!
//! So what is shown of a program is what is true of the real one, in the house, at work.

use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::libc::{self, c_long, user_regs_struct};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How far below the top of its stack the process writes nothing that we would spoil (the ABI's red zone is 128).
const BELOW: u64 = 1024;

/// Leaves when dropped; the process goes on as if nothing had been.
pub struct Intruder {
    pid: Pid,
    before: user_regs_struct,
}

impl Intruder {
    /// Stops the process, which has to wait in a system call.
    pub fn enter(pid: i32) -> Intruder {
        let pid = Pid::from_raw(pid);
        loop {
            ptrace::attach(pid).unwrap();
            stopped(pid);
            let before = ptrace::getregs(pid).unwrap();
            let intruder = Intruder { pid, before };
            let mut last = [0; 2];
            let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
            memory.read_exact_at(&mut last, before.rip - 2).unwrap();
            if last == *b"\x0f\x05" {
                return intruder;
            }
        }
    }

    /// Has it make one call; gives the result, or the error as a negative number.
    pub fn call(&self, number: c_long, arguments: &[u64]) -> i64 {
        let argument = |place: usize| arguments.get(place).copied().unwrap_or(0);
        let mut registers = self.before;
        // The instruction `syscall` once more. No call that was interrupted is to be taken up again.
        registers.rip -= 2;
        registers.orig_rax = u64::MAX;
        registers.rax = number as u64;
        (registers.rdi, registers.rsi, registers.rdx) = (argument(0), argument(1), argument(2));
        (registers.r10, registers.r8, registers.r9) = (argument(3), argument(4), argument(5));
        ptrace::setregs(self.pid, registers).unwrap();
        ptrace::step(self.pid, None).unwrap();
        stopped(self.pid);
        ptrace::getregs(self.pid).unwrap().rax as i64
    }

    /// Puts octets into its memory; gives the address.
    pub fn put(&self, octets: &[u8]) -> u64 {
        let at = (self.before.rsp - BELOW) & !15;
        let memory = File::options().write(true).open(format!("/proc/{}/mem", self.pid)).unwrap();
        memory.write_all_at(octets, at).unwrap();
        at
    }

    /// Opens a file; gives what `open` says. The descriptor is closed again.
    pub fn open(&self, path: &str, flags: i32) -> i64 {
        let at = self.put(&[path.as_bytes(), b"\0"].concat());
        let fd = self.call(libc::SYS_openat, &[libc::AT_FDCWD as u64, at, flags as u64, 0o600]);
        self.close(fd)
    }

    /// Makes a socket, and closes it again.
    pub fn socket(&self, family: i32, kind: i32) -> i64 {
        let fd = self.call(libc::SYS_socket, &[family as u64, kind as u64, 0]);
        self.close(fd)
    }

    fn close(&self, fd: i64) -> i64 {
        if fd >= 0 {
            self.call(libc::SYS_close, &[fd as u64]);
        }
        fd
    }
}

impl Drop for Intruder {
    fn drop(&mut self) {
        let _ = ptrace::setregs(self.pid, self.before);
        let _ = ptrace::detach(self.pid, None::<Signal>);
    }
}

fn stopped(pid: Pid) {
    let status = waitpid(pid, Some(WaitPidFlag::__WALL)).unwrap();
    assert!(matches!(status, WaitStatus::Stopped(..)), "{status:?}");
}
