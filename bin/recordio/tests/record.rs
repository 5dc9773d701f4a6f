//! The real program around shell scripts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

/// Runs `script` between the client that says `input` and its record: process id, what the client
/// heard, the record, the exit code.
fn recordio(script: &str, input: &[u8]) -> (u32, Vec<u8>, String, Option<i32>) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_recordio"));
    command.args(["sh", "-c", script]).env_remove("FULMAR_WORKER");
    command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs));
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let pid = child.id();
    let mut writer = ours.try_clone().unwrap();
    let input = input.to_vec();
    let sender = std::thread::spawn(move || {
        let _ = writer.write_all(&input);
        let _ = writer.shutdown(Shutdown::Write);
    });
    let mut heard = Vec::new();
    ours.read_to_end(&mut heard).unwrap();
    sender.join().unwrap();
    let output = child.wait_with_output().unwrap();
    (pid, heard, String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
fn the_record_shows_both_sides_under_the_programs_own_pid() {
    let (pid, heard, record, code) = recordio("echo hello; read x; echo \"you said $x\"; exit 7", b"ho\n");
    assert_eq!((String::from_utf8(heard).unwrap().as_str(), code), ("hello\nyou said ho\n", Some(7)));
    for line in [" > hello \n", " < ho \n", " > you said ho \n", " > [EOF]\n"] {
        assert!(record.contains(&format!("{pid}{line}")), "{record}");
    }
}

#[test]
fn the_program_is_the_process_that_was_started() {
    let (pid, heard, _, _) = recordio("echo $$", b"");
    assert_eq!(String::from_utf8(heard).unwrap(), format!("{pid}\n"));
}

#[test]
fn megabytes_go_both_ways_at_once_unchanged() {
    let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    let (_, heard, _, code) = recordio("cat", &sent);
    assert_eq!((heard == sent, code), (true, Some(0)));
}

#[test]
fn a_record_that_nobody_reads_or_that_has_no_room_holds_nobody_up() {
    // X05
    let (_never_read, mut full) = std::io::pipe().unwrap();
    full.write_all(&[b'x'; 65_536]).unwrap(); // all that a pipe holds
    let nowhere = std::fs::File::options().write(true).open("/dev/full").unwrap();
    for log in [OwnedFd::from(full), OwnedFd::from(nowhere)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recordio"));
        command.args(["seq", "5000"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert!(output.stdout.ends_with(b"\n5000\n") && output.status.success());
    }
}

#[test]
fn a_program_that_is_missing_is_told_and_tried_again() {
    let output = Command::new(env!("CARGO_BIN_EXE_recordio")).arg("/no/such/program").output().unwrap();
    assert_eq!(output.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/program"));
    let output = Command::new(env!("CARGO_BIN_EXE_recordio")).output().unwrap();
    assert_eq!(output.status.code(), Some(100));
}
