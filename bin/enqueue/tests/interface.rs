//! The real program between a caller and a fake `queued`.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use sys::{Listener, Packets};

/// Runs `enqueue` and gives its exit code and what `queued` got: text, envelope.
fn enqueue(text: &[u8], envelope: &[u8], answer: &'static str) -> (i32, Vec<u8>, Vec<u8>) {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("run")).unwrap();
    let listener = Listener::bind(&home.path().join("run/queue"), 0o600).unwrap();
    let queued = thread::spawn(move || serve(&listener.accept().unwrap(), answer));
    let code = run(home.path(), text, envelope);
    let (text, envelope) = queued.join().unwrap();
    (code, text, envelope)
}

fn serve(connection: &Packets, answer: &str) -> (Vec<u8>, Vec<u8>) {
    let (mut text, mut envelope) = (Vec::new(), Vec::new());
    while let Some(packet) = connection.recv().unwrap() {
        match packet.bytes[0] {
            b'M' => text.extend_from_slice(&packet.bytes[1..]),
            b'E' => envelope.extend_from_slice(&packet.bytes[1..]),
            b'.' => connection.send(answer.as_bytes(), &[]).unwrap(),
            _ => {}
        }
    }
    (text, envelope)
}

fn run(home: &std::path::Path, text: &[u8], envelope: &[u8]) -> i32 {
    // Descriptor 1 is read from, so the envelope comes as a file that stands for the caller's pipe.
    let path = home.join("envelope");
    std::fs::write(&path, envelope).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_enqueue"))
        .env("FULMAR_HOME", home)
        // What queue programs end in never starts one: that would be an endless loop.
        .env("QMAILQUEUE", "/bin/false")
        .stdin(Stdio::piped())
        .stdout(std::fs::File::open(path).unwrap())
        .spawn()
        .unwrap();
    // A program that has given up closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(text);
    child.wait().unwrap().code().unwrap()
}

#[test]
fn message_and_envelope_arrive_as_they_are() {
    let text: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let (code, came, envelope) = enqueue(&text, b"Fa@b\0Tc@d\0Te@f\0\0", "K17");
    assert_eq!((code, came == text, &envelope[..]), (0, true, &b"Fa@b\0Tc@d\0Te@f\0"[..]));
}

#[test]
fn the_exit_code_says_if_trying_again_is_any_use() {
    assert_eq!(enqueue(b"x", b"Fa@b\0Tc@d\0\0", "Z4.3.1 Disk full").0, 71);
    assert_eq!(enqueue(b"x", b"Fa@b\0Tc@d\0\0", "D5.7.1 Go away").0, 31);
    assert_eq!(enqueue(b"x", b"Fa@b\0Tc@d\0\0", "nonsense").0, 71);
}

#[test]
fn half_an_envelope_is_never_committed() {
    for (envelope, code) in
        [(&b"Fa@b\0Tc@d\0"[..], 91), (b"", 91), (b"Tc@d\0\0", 91), (&[&b"F"[..], &[b'x'; 1100]].concat(), 11)]
    {
        assert_eq!(enqueue(b"x", envelope, "K17").0, code);
    }
}

#[test]
fn without_queued_the_caller_is_told_to_try_again() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(run(home.path(), b"x", b"Fa@b\0Tc@d\0\0"), 73);
}
