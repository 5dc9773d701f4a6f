//! Every system call of a delivery fails or is its last: strace injects.

use std::io::Write;
use std::os::fd::AsFd;
use std::process::Command;

use crate::house::{self, House};

const MESSAGE: &[u8] = b"Subject: hello\n\nHello.\n";

fn strace_works() -> bool {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success());
    if !works {
        eprintln!("SKIPPED: needs strace and the right to use it");
    }
    works
}

fn run(house: &House, inject: &str) -> house::Result {
    let inject = format!("inject={inject}");
    house.call().under(&["strace", "-f", "-o", "/dev/null", "-e", &inject]).run(MESSAGE)
}

#[test]
fn the_first_error_of_a_delivery_is_final_and_leaves_nothing() {
    // L04, L05, L11
    if !strace_works() {
        return;
    }
    for (call, error, when) in [
        ("write", "ENOSPC", 1),
        ("write", "EDQUOT", 1),
        ("write", "EIO", 1),
        ("fsync", "EIO", 1),
        ("fsync", "ENOSPC", 1),
        ("fsync", "EIO", 2),
        ("renameat2", "ENOSPC", 1),
        ("renameat2", "ESTALE", 1),
        ("renameat2", "EXDEV", 1),
    ] {
        let house = House::new();
        // The second call and those after it succeed: asking again would look good.
        let result = run(&house, &format!("{call}:error={error}:when={when}"));
        assert_eq!(result.code, Some(111), "{call} {error}: {result:?}");
        assert!(result.err.starts_with("4."), "{call} {error}: {}", result.err);
        assert_eq!((house.mail().len(), house.left_in_tmp()), (0, 0), "{call} {error}");
    }
}

#[test]
fn a_worker_that_cannot_be_confined_delivers_nothing() {
    if !strace_works() {
        return;
    }
    for inject in ["landlock_restrict_self:error=EPERM", "prctl:error=EINVAL:when=1"] {
        let house = House::new();
        let mut message = tempfile::tempfile().unwrap();
        message.write_all(MESSAGE).unwrap();
        let inject = format!("inject={inject}");
        let strace = sys::process::Start::new("strace").args(["-D", "-f", "-o", "/dev/null", "-e", &inject]);
        let strace = strace.arg(env!("CARGO_BIN_EXE_local-deliver")).env("FULMAR_HOME", house.path(""));
        let (mut child, stem) = sys::stem::Stem::start(strace, 5).unwrap();
        let Ok(sys::stem::Copy { packets, .. }) = stem.copy() else {
            // It has nothing to confine a copy with.
            assert!(inject.contains("prctl") && !child.wait().unwrap().is_success());
            continue;
        };
        assert!(inject.contains("landlock"));
        let home = house.home("").into_os_string().into_string().unwrap();
        let order =
            wire::packet(&[b"alice", home.as_bytes(), b"alice", b"", b"", b"x", b"", b"do=./Maildir/"]);
        packets.send(&order, &[message.as_fd()]).unwrap();
        assert!(packets.recv().unwrap().unwrap().bytes.starts_with(b"Z"), "{inject}");
        assert!(house.mail().is_empty(), "{inject}");
        drop((packets, stem));
        assert!(child.wait().unwrap().is_success());
    }
}

#[test]
fn a_stale_handle_anywhere_defers() {
    // L11
    if !strace_works() {
        return;
    }
    let mut deferred = 0;
    for when in 1..60 {
        let house = House::new();
        let result = run(&house, &format!("openat:error=ESTALE:when={when}"));
        match result.code {
            Some(0) => assert_eq!(house.mail().len(), 1),
            _ => {
                deferred += 1;
                assert!(house.mail().is_empty() && house.left_in_tmp() == 0, "{when}: {result:?}");
            }
        }
    }
    assert!(deferred > 3, "{deferred}");
}

#[test]
fn a_message_that_cannot_be_read_is_not_delivered() {
    // L05. The first reads are the loader's, which ends the program with 127.
    if !strace_works() {
        return;
    }
    let mut deferred = 0;
    for when in 1..10 {
        let house = House::new();
        let result = run(&house, &format!("pread64:error=EIO:when={when}"));
        match result.code {
            Some(0) => assert_eq!(house.mail().len(), 1),
            Some(111 | 127) => {
                deferred += usize::from(result.code == Some(111));
                assert!(house.mail().is_empty() && house.left_in_tmp() == 0, "{when}: {result:?}");
            }
            _ => panic!("{when}: {result:?}"),
        }
    }
    // A small message is read once, for its header and for the copy.
    assert_eq!(deferred, 1);
}

#[test]
fn an_interrupted_call_is_no_error() {
    // L11
    if !strace_works() {
        return;
    }
    for (call, when) in [("write", 1), ("pread64", 1), ("pread64", 2), ("pread64", 3), ("pread64", 4)] {
        let house = House::new();
        let result = run(&house, &format!("{call}:error=EINTR:when={when}"));
        let loader = result.code == Some(127);
        assert!(loader || (result.code, house.mail().len()) == (Some(0), 1), "{call} {when}: {result:?}");
    }
}

#[test]
fn a_delivery_killed_at_any_system_call_leaves_no_part_of_a_message() {
    // L08
    if !strace_works() {
        return;
    }
    let whole = [b"Return-Path: <bob@x.test>\nDelivered-To: alice@example.test\n", MESSAGE].concat();
    let (mut before, mut after) = (0, 0);
    let calls =
        ["openat", "fstat", "statx", "chdir", "pread64", "write", "fsync", "renameat2", "close", "unlinkat"];
    for call in calls.into_iter().chain(["exit_group"]) {
        for when in 1..100 {
            let house = House::new();
            let result = run(&house, &format!("{call}:signal=KILL:when={when}"));
            if result.code == Some(0) {
                break;
            }
            match &house.mail()[..] {
                [] => before += 1,
                [mail] => {
                    assert_eq!(mail, &whole, "killed at {call} {when}");
                    after += 1;
                }
                more => panic!("{} messages, killed at {call} {when}", more.len()),
            }
        }
    }
    // It has been killed on both sides of the rename.
    assert!(before > 20 && after > 3, "{before} {after}");
}

#[test]
fn nothing_is_delivered_before_file_and_name_are_synced() {
    // Q02: `send` may unlink the message as soon as it has the answer, here the exit.
    if !strace_works() {
        return;
    }
    let house = House::new();
    let trace = house.path("trace");
    let (out, calls) = (trace.display().to_string(), "trace=write,fsync,renameat2,exit_group");
    let strace = ["strace", "-f", "-qq", "-y", "-o", &out, "-e", calls];
    assert_eq!(house.call().under(&strace).run(MESSAGE).code, Some(0));
    let trace = std::fs::read_to_string(trace).unwrap();
    let mut lines = trace.lines();
    for (call, what) in [
        ("write(", "/Maildir/tmp/"),
        ("fsync(", "/Maildir/tmp/"),
        ("renameat2(", "/Maildir/new"),
        ("fsync(", "/Maildir/new>"),
        ("exit_group(", "0"),
    ] {
        // Each one after the one before.
        assert!(lines.any(|line| line.contains(call) && line.contains(what)), "{call}{what}: {trace}");
    }
}
