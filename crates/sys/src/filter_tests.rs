use super::*;

/// What the kernel would say to `call` with these arguments: the few instructions of a filter, carried out.
fn verdict(program: &Program, machine: u32, call: u32, arguments: [u32; 3]) -> u32 {
    let (mut at, mut loaded) = (0, 0);
    loop {
        let op = &program.0[at];
        at += 1;
        let jump = |yes: bool| usize::from(if yes { op.jt } else { op.jf });
        match u32::from(op.code) {
            LOAD => {
                loaded = match op.k {
                    NUMBER => call,
                    MACHINE => machine,
                    place => arguments[(place as usize - 16) / 8],
                }
            }
            EQUAL => at += jump(loaded == op.k),
            AT_LEAST => at += jump(loaded >= op.k),
            ANY_BIT => at += jump(loaded & op.k != 0),
            _ => return op.k,
        }
    }
}

const ALL: [Sockets; 3] = [Sockets::None, Sockets::Local, Sockets::Internet];

fn says(no_exec: bool, sockets: Sockets, call: libc::c_long, arguments: [u32; 3]) -> u32 {
    verdict(&Program::new(no_exec, sockets, false), ARCH, call as u32, arguments)
}

#[test]
fn what_nobody_needs_is_denied_to_everybody() {
    for (sockets, call) in ALL.into_iter().flat_map(|sockets| NEVER.iter().map(move |call| (sockets, *call)))
    {
        assert_eq!(says(false, sockets, call, [0; 3]), answer(libc::EPERM), "{call}");
    }
}

#[test]
fn nothing_else_is_denied() {
    let special =
        [libc::SYS_clone3, libc::SYS_socket, libc::SYS_socketpair, libc::SYS_clone, libc::SYS_ioctl];
    for call in (0..1000).filter(|call| !special.contains(call)) {
        let denied = [NEVER, EXEC, CONNECT, BY_NAME].iter().any(|calls| calls.contains(&call));
        let said = says(true, Sockets::None, call, [0; 3]);
        assert_eq!(said, if denied { answer(libc::EPERM) } else { ALLOW }, "{call}");
    }
}

/// As Linux numbers them; quotactl_fd and later, none of which a C library needs.
#[test]
fn calls_that_are_newer_than_the_c_library_are_denied_by_their_numbers() {
    for call in [443, 448, 457, 458, 460, 467, 470] {
        assert_eq!(says(false, Sockets::Internet, call, [0; 3]), answer(libc::EPERM), "{call}");
    }
    for call in [452, 463, 466, 469] {
        assert_eq!(says(true, Sockets::None, call, [0; 3]), answer(libc::EPERM), "{call}");
        assert_eq!(says(true, Sockets::Local, call, [0; 3]), ALLOW, "{call}");
    }
}

#[test]
fn what_a_program_does_all_day_is_allowed() {
    let calls = [libc::SYS_read, libc::SYS_write, libc::SYS_openat, libc::SYS_futex, libc::SYS_mmap];
    let more = [libc::SYS_recvmsg, libc::SYS_sendmsg, libc::SYS_clone, libc::SYS_ioctl, libc::SYS_exit_group];
    for (sockets, call) in
        ALL.into_iter().flat_map(|sockets| calls.iter().chain(&more).map(move |call| (sockets, *call)))
    {
        assert_eq!(says(true, sockets, call, [0; 3]), ALLOW, "{call}");
    }
}

#[test]
fn only_who_executes_programs_may() {
    assert_eq!(says(true, Sockets::Local, libc::SYS_execve, [0; 3]), answer(libc::EPERM));
    assert_eq!(says(true, Sockets::Local, libc::SYS_execveat, [0; 3]), answer(libc::EPERM));
    assert_eq!(says(false, Sockets::Local, libc::SYS_execve, [0; 3]), ALLOW);
}

#[test]
fn sockets_are_of_the_families_that_were_kept() {
    let families =
        [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK, libc::AF_PACKET, libc::AF_VSOCK];
    let made = |sockets| {
        let says = |family: &i32| says(true, sockets, libc::SYS_socket, [*family as u32, 0, 0]) == ALLOW;
        families.iter().map(says).collect::<Vec<_>>()
    };
    assert_eq!(made(Sockets::None), [false; 6]);
    assert_eq!(made(Sockets::Local), [true, false, false, false, false, false]);
    assert_eq!(made(Sockets::Internet), [true, true, true, true, false, false]);
    let pair = |sockets, family| says(true, sockets, libc::SYS_socketpair, [family as u32, 0, 0]) == ALLOW;
    for sockets in ALL {
        let paired: Vec<_> = families.iter().filter(|family| pair(sockets, **family)).collect();
        assert_eq!(paired, [&libc::AF_UNIX], "{sockets:?}");
        assert!(!pair(sockets, libc::AF_TIPC));
    }
    let netfilter = [libc::AF_NETLINK as u32, 0, libc::NETLINK_NETFILTER as u32];
    assert_eq!(says(true, Sockets::Internet, libc::SYS_socket, netfilter), answer(libc::EPERM));
}

#[test]
fn threads_may_be_made_but_no_namespace() {
    let (thread, user) = ((libc::CLONE_VM | libc::CLONE_THREAD) as u32, libc::CLONE_NEWUSER as u32);
    assert_eq!(says(true, Sockets::None, libc::SYS_clone, [thread, 0, 0]), ALLOW);
    assert_eq!(says(true, Sockets::None, libc::SYS_clone, [user, 0, 0]), answer(libc::EPERM));
    assert_eq!(says(true, Sockets::None, libc::SYS_clone3, [0; 3]), answer(libc::ENOSYS));
}

#[test]
fn only_a_stem_makes_children_for_its_parent() {
    let sibling = [(libc::CLONE_PARENT | libc::SIGCHLD) as u32, 0, 0];
    for (stem, due) in [(true, ALLOW), (false, answer(libc::EPERM))] {
        let program = Program::new(true, Sockets::Local, stem);
        assert_eq!(verdict(&program, ARCH, libc::SYS_clone as u32, sibling), due);
    }
}

#[test]
fn nobody_types_into_the_admins_terminal() {
    assert_eq!(says(true, Sockets::None, libc::SYS_ioctl, [0, 0x5412, 0]), answer(libc::EPERM));
}

#[test]
fn the_numbers_of_another_machine_are_no_way_around() {
    let program = Program::new(true, Sockets::Local, false);
    assert_eq!(verdict(&program, 0x4000_0003, libc::SYS_read as u32, [0; 3]), answer(libc::EPERM));
    assert_eq!(verdict(&program, ARCH, X32 + libc::SYS_read as u32, [0; 3]), answer(libc::EPERM));
}
