//! Each system call failing once, and the order of syncs; with strace doing the harm.

use std::fs;
use std::process::{Command, Stdio};

use crate::house::{House, id, send};

fn strace() -> bool {
    let there = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    let may = there && (sys::is_root() || matches!(scope.trim(), "" | "0"));
    if !may {
        eprintln!("SKIPPED: strace is not installed or may not attach to a process");
    }
    may
}

#[test]
fn a_call_that_fails_is_a_later_and_leaves_neither_half_a_message_nor_one_that_was_not_accepted() {
    // Q03, Q04, L05
    if !strace() {
        return;
    }
    for (call, error) in [("openat", "EMFILE"), ("write", "ENOSPC"), ("fsync", "EIO"), ("renameat2", "EIO")] {
        let mut refused = 0;
        for when in 1..=5 {
            let harm = format!("-e trace={call} -e inject={call}:error={error}:when={when}");
            let script = harmed(&harm);
            let house = House::in_folder(tempfile::tempdir().unwrap(), &script);
            refused += survive(&house, &format!("{call} {error} {when}"));
        }
        assert!(refused > 0, "{call}: no harm was done");
    }
}

/// Starts the program, then the harm: its start is not what is tested. strace counts by thread, and each
/// connection has its own.
fn harmed(harm: &str) -> String {
    format!("\"$0\" & pid=$!; sleep 0.2; exec strace -f -qq -o /dev/null {harm} -p $pid")
}

/// Sends messages while one call fails; how many were not taken.
fn survive(house: &House, fault: &str) -> usize {
    let (mut accepted, mut refused) = (Vec::new(), 0);
    std::thread::sleep(std::time::Duration::from_millis(500));
    for _ in 0..2 {
        let mut last = String::new();
        for _ in 0..6 {
            let Some(packets) = house.try_connect() else { continue };
            for _ in 0..6 {
                last = send(&packets, &[b"Mtext", b"EFs@x\0Ta@b\0"]);
                match last.strip_prefix('K') {
                    Some(_) => accepted.push(id(&last)),
                    None => {
                        assert!(last.starts_with("Z4.3."), "{fault}: {last}");
                        refused += 1;
                    }
                }
            }
        }
        assert!(last.starts_with('K'), "{fault}: does not recover: {last}");
    }
    accepted.sort_unstable();
    assert_eq!(house.queue().ids().unwrap(), accepted, "{fault}");
    for id in &accepted {
        assert!(house.text(*id).ends_with(b"text"), "{fault}");
    }
    assert_eq!(house.unfinished(), 0, "{fault}");
    refused
}

#[test]
fn one_endless_message_does_not_take_the_room_that_the_disk_keeps() {
    // Q03
    let mounts = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success());
    if !sys::is_root() || !mounts {
        eprintln!("SKIPPED: needs root, and the right to mount");
        return;
    }
    let script = "cd \"$FULMAR_HOME\" && mkdir queue && exec unshare -m /bin/sh -c \
        'mount -t tmpfs -o size=40m,mode=700,uid=65111,gid=65111 tmpfs queue && exec \"$0\"' \"$0\"";
    let house = House::in_folder(tempfile::tempdir().unwrap(), script);
    let packets = house.connect();
    let piece = [&b"M"[..], &[b'x'; 60_000]].concat();
    // 30 of 40 MB: there would be space.
    let parts = [vec![&piece[..]; 500], vec![b"EFs@x\0Ta@b\0"]].concat();
    assert!(send(&packets, &parts).starts_with("Z4.3.1"));
    assert!(send(&packets, &[b"Mtext", b"EFs@x\0Ta@b\0"]).starts_with('K'));
    let recipient = [&b"ET"[..], &[b'a'; 900], b"@b\0"].concat();
    let parts = [vec![&b"EFs@x\0"[..]], vec![&recipient[..]; 33_000]].concat();
    assert!(send(&packets, &parts).starts_with("Z4.3.1"));
}

#[test]
fn nothing_is_accepted_before_file_and_name_are_synced() {
    // Q02
    if !strace() {
        return;
    }
    let script = "exec strace -f -qq -y -o trace -e trace=openat,fsync,renameat2,sendmsg \"$0\"";
    let home = tempfile::tempdir().unwrap();
    let trace = home.path().join("trace");
    let script = script.replace("-o trace", &format!("-o {}", trace.display()));
    let house = House::in_folder(home, &script);
    let packets = house.connect();
    send(&packets, &[b"Mfirst", b"EF\0Ta@b\0"]);
    let id = id(&send(&packets, &[b"Msecond", b"EF\0Ta@b\0"]));
    drop(packets);
    let trace = fs::read_to_string(trace).unwrap();
    let (tmp, folder) = (format!("/queue/tmp/{id}>"), format!("/queue/mess/{}>", id % queue::SPLIT));
    let place = |from: usize, what: &dyn Fn(&str) -> bool| {
        let lines = trace.lines().enumerate().skip(from);
        lines.filter(|(_, line)| what(line)).map(|(at, _)| at).next().unwrap_or_else(|| panic!("{trace}"))
    };
    let written = place(0, &|line| line.contains("fsync(") && line.contains(&tmp));
    let named = place(written, &|line| line.contains("renameat2(") && line.contains(&id.to_string()));
    let synced = place(named, &|line| line.contains("fsync(") && line.contains(&folder));
    place(synced, &|line| line.contains("sendmsg(") && line.contains(&format!("K{id}")));
    let early = trace.lines().take(synced).any(|line| line.contains(&format!("K{id}")));
    assert!(!early, "{trace}");
}
