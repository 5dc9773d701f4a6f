//! The end of a process that can't go on: without room for what it needs, or in a panic within a panic.
//!
//! musl's abort() signals the thread whose number the library has noted when the process began. A copy of a stem is made
//! without the library's knowledge (its fork() has no CLONE_PARENT), so that number is the stem's: the copy would end the
//! stem, and with it the service. Ours asks the kernel who it is, as glibc's does.

#[cfg(target_env = "musl")]
mod ours {
    use nix::libc;

    /// Takes the place of the library's: the first definition that the linker finds counts.
    // SAFETY: no other function of our programs has this name, and it does what the standard says of it.
    #[unsafe(no_mangle)]
    extern "C" fn abort() -> ! {
        // SAFETY: numbers only; no handler is installed, and nothing of the process is used afterwards.
        unsafe {
            libc::signal(libc::SIGABRT, libc::SIG_DFL);
            libc::kill(libc::getpid(), libc::SIGABRT);
            // Blocked, or the first process of a namespace.
            libc::_exit(134)
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::libc;
    use nix::sys::signal::Signal;
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork};

    /// As a stem makes its copies.
    fn copy() -> libc::c_long {
        // SAFETY: the child has memory and stack of its own and is alone there.
        unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }
    }

    #[test]
    fn a_copy_that_can_not_go_on_ends_itself_and_not_its_stem() {
        // SAFETY: the child does what follows and leaves by _exit.
        let stem = match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let pid = copy();
                if pid == 0 {
                    std::process::abort();
                }
                let pid = Pid::from_raw(pid as libc::pid_t);
                let ended = waitpid(pid, None) == Ok(WaitStatus::Signaled(pid, Signal::SIGABRT, false));
                // SAFETY: ends the process without what the test's process has registered.
                unsafe { libc::_exit(i32::from(!ended)) }
            }
        };
        assert_eq!(waitpid(stem, None), Ok(WaitStatus::Exited(stem, 0)));
    }
}
