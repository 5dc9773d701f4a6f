//! The real program between a real queue and a fake `queued`.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use queue::{Draft, Failure, Head, Queue};
use sys::{Listener, Packets};
use wire::Fate;

const ID: u64 = 1_795_247_000_000_001;

/// A home whose queue holds one message from `sender` with one failure.
fn home(sender: impl AsRef<[u8]>, text: &[u8]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for folder in ["run", "control"] {
        std::fs::create_dir(home.path().join(folder)).unwrap();
    }
    std::fs::write(home.path().join("control/me"), "mx.example.test\n").unwrap();
    if sys::is_root() {
        std::fs::write(home.path().join("control/uids"), "fulmar-queue:64012:64012\n").unwrap();
    }
    let queue = Queue::make(&home.path().join("queue")).unwrap();
    let mut draft = Draft::new(&queue, ID, Vec::new());
    draft.message(text).unwrap();
    draft.envelope(&Head { arrival: ID, sender: sender.as_ref().to_vec(), ..Head::default() }).unwrap();
    draft.recipient(b"nobody@example.test").unwrap();
    draft.save().unwrap();
    let failure =
        Failure { address: b"nobody@example.test".to_vec(), fate: Fate::never(1, 1, "No such user") };
    // Noted twice, as a crash between note and mark may cause.
    queue.note(ID, std::slice::from_ref(&failure)).unwrap();
    queue.note(ID, &[failure]).unwrap();
    if sys::is_root() {
        give(home.path());
    }
    home
}

fn give(home: &Path) {
    let all = [home.to_str().unwrap()];
    assert!(Command::new("chown").args(["-R", "64012:64012"]).args(all).status().unwrap().success());
}

/// Runs `bounce`: exit code, envelope and text that `queued` got.
fn bounce(home: &Path, answer: &'static str) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let listener = Listener::bind(&home.join("run/queue"), 0o666).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bounce"))
        .arg(ID.to_string())
        .env("FULMAR_HOME", home)
        .spawn()
        .unwrap();
    let queued = thread::spawn(move || serve(&listener.accept().unwrap(), answer));
    let code = child.wait().unwrap().code();
    let (envelope, text) = queued.join().unwrap();
    (code, envelope, text)
}

fn serve(connection: &Packets, answer: &str) -> (Vec<u8>, Vec<u8>) {
    let (mut envelope, mut text) = (Vec::new(), Vec::new());
    while let Some(packet) = connection.recv().unwrap() {
        match packet.bytes[0] {
            b'M' => text.extend_from_slice(&packet.bytes[1..]),
            b'E' => envelope.extend_from_slice(&packet.bytes[1..]),
            b'.' => connection.send(answer.as_bytes(), &[]).unwrap(),
            _ => {}
        }
    }
    (envelope, text)
}

/// What Python's mail parser finds.
fn python(text: &[u8], script: &str) -> Option<String> {
    let mut child = Command::new("python3")
        .args([
            "-c",
            &format!("import email,sys\nm=email.message_from_bytes(sys.stdin.buffer.read())\n{script}"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| eprintln!("SKIPPED: no python3: {error}"))
        .ok()?;
    child.stdin.take().unwrap().write_all(text).unwrap();
    Some(String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
}

#[test]
fn the_sender_gets_one_report_that_a_strange_parser_understands() {
    let home = home("alice@example.org", b"Subject: hi\n\nbody\n");
    let (code, envelope, text) = bounce(home.path(), "K17");
    assert_eq!((code, &envelope[..]), (Some(0), &b"F\0Talice@example.org\0"[..]));
    let script = "print(m.get_content_type(), m['To'], m.defects)\n\
                  for p in m.get_payload(): print(p.get_content_type())\n\
                  for p in m.get_payload()[1].get_payload(): print(p.items())\n\
                  print(m.get_payload()[2].get_payload()[0].get_payload())";
    let Some(seen) = python(&text, script) else { return };
    assert!(seen.starts_with(
        "multipart/report alice@example.org []\ntext/plain\nmessage/delivery-status\nmessage/rfc822\n"
    ));
    assert_eq!(seen.matches("('Final-Recipient', 'rfc822; nobody@example.test')").count(), 1);
    assert!(seen.contains("('Action', 'failed'), ('Status', '5.1.1')"));
    assert!(seen.trim_end().ends_with("body"), "{seen}");
}

#[test]
fn a_queue_program_gets_the_report_and_its_exit_code_decides() {
    use std::os::unix::fs::PermissionsExt;
    let home = home("alice@example.org", b"Subject: hi\n\nbody\n");
    let script = home.path().join("program");
    for (end, code) in [(0, 0), (53, 111), (31, 111)] {
        let text = format!("#!/bin/sh\ncat >text || exit 54\ncat <&1 >envelope || exit 54\nexit {end}\n");
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bounce"));
        command.arg(ID.to_string()).env("FULMAR_HOME", home.path()).env("QMAILQUEUE", &script);
        assert_eq!(command.status().unwrap().code(), Some(code));
        let read = |name| std::fs::read(home.path().join(name)).unwrap();
        assert_eq!(read("envelope"), b"F\0Talice@example.org\0\0");
        assert!(String::from_utf8_lossy(&read("text")).contains("nobody@example.test"));
    }
}

#[test]
fn a_sender_in_strange_letters_is_told_and_not_somebody_else() {
    let sender = [&[0xff; 995][..], b"@x.test"].concat();
    let home = home(&sender, b"Subject: hi\n\nbody\n");
    let (code, envelope, _) = bounce(home.path(), "K17");
    assert_eq!((code, envelope), (Some(0), [b"F\0T", &sender[..], b"\0"].concat()));
}

#[test]
fn a_large_message_goes_back_as_its_header() {
    let text = [&b"Subject: large\nX-Last: 1\n\n"[..], &b"x\n".repeat(100_000)].concat();
    let home = home("alice@example.org", &text);
    let (code, _, text) = bounce(home.path(), "K17");
    assert_eq!(code, Some(0));
    let Some(seen) =
        python(&text, "p=m.get_payload()[2]; print(p.get_content_type(), repr(p.get_payload()))")
    else {
        return;
    };
    assert_eq!(seen, "text/rfc822-headers 'Subject: large\\nX-Last: 1\\n'\n");
}

#[test]
fn a_bounce_that_fails_goes_to_the_postmaster_and_that_one_to_nobody() {
    // Q11
    let double = home("", b"Subject: failure notice\n\n");
    let (code, envelope, _) = bounce(double.path(), "K17");
    assert_eq!((code, &envelope[..]), (Some(0), &b"F#@[]\0Tpostmaster@mx.example.test\0"[..]));
    let triple = home("#@[]", b"Subject: failure notice\n\n");
    let run = Command::new(env!("CARGO_BIN_EXE_bounce"))
        .arg(ID.to_string())
        .env("FULMAR_HOME", triple.path())
        .output()
        .unwrap();
    assert!(run.status.success());
    assert_eq!(String::from_utf8_lossy(&run.stderr), format!("triple bounce: discarding bounce/{ID}\n"));
}

#[test]
fn the_admin_s_words_stand_before_the_recipients() {
    let home = home("alice@example.org", b"Subject: hello\n\n");
    std::fs::write(home.path().join("control/bouncemessage"), "Leider nein.\n# a comment\n--x\nSorry.\n")
        .unwrap();
    let (_, _, text) = bounce(home.path(), "K17");
    let text = String::from_utf8(text).unwrap();
    let words = "\nHi. This is the Fulmar mail server at mx.example.test.\nLeider nein.\n--x\nSorry.\n\n<nobody@example.test>:\n";
    assert!(text.contains(words), "{text}");
}

#[test]
fn a_letter_about_very_many_failures_has_an_end() {
    // Q12
    let home = home("alice@example.org", b"Subject: hello\n\n");
    let queue = Queue::open(&home.path().join("queue")).unwrap();
    let failures: Vec<Failure> = (0..25_000)
        .map(|number| Failure {
            address: format!("user{number}@example.test").into_bytes(),
            fate: Fate::never(1, 1, "x".repeat(400)),
        })
        .collect();
    queue.note(ID, &failures).unwrap();
    let (code, _, text) = bounce(home.path(), "K17");
    let text = String::from_utf8(text).unwrap();
    assert!(code == Some(0) && text.len() < 20_000_000, "{}", text.len());
    assert!(text.contains("\nThere are 15001 more recipients that failed; they are not listed.\n"));
    assert_eq!(text.matches("\nFinal-Recipient: ").count(), 10_000);
}

#[test]
fn a_queue_that_does_not_take_it_is_a_reason_to_try_again() {
    let home = home("alice@example.org", b"\n");
    assert_eq!(bounce(home.path(), "Z4.3.1 Disk full").0, Some(111));
    std::fs::remove_file(home.path().join("run/queue")).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_bounce"))
        .arg(ID.to_string())
        .env("FULMAR_HOME", home.path())
        .status();
    assert_eq!(run.unwrap().code(), Some(111));
}
