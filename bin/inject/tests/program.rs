//! The real program between a caller and a fake `queued`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use sys::{Listener, Packets};

const PROGRAM: &str = env!("CARGO_BIN_EXE_inject");

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for folder in ["run", "control"] {
        fs::create_dir(home.path().join(folder)).unwrap();
    }
    fs::write(home.path().join("control/me"), "host.test\n").unwrap();
    home
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.env_clear().env("FULMAR_HOME", home).env("USER", "bob");
    command
}

fn run(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that takes no message closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Runs `command` beside a `queued` that gives `answer`: exit code, text, envelope.
fn submit(home: &Path, command: Command, input: &[u8], answer: &'static str) -> (i32, String, String) {
    let listener = Listener::bind(&home.join("run/queue"), 0o600).unwrap();
    let queued = thread::spawn(move || serve(&listener.accept().unwrap(), answer));
    let output = run(command, input);
    let (text, envelope) = queued.join().unwrap();
    (output.status.code().unwrap(), text, envelope)
}

fn serve(connection: &Packets, answer: &str) -> (String, String) {
    let (mut text, mut envelope) = (Vec::new(), Vec::new());
    while let Some(packet) = connection.recv().unwrap() {
        match packet.bytes[0] {
            b'M' => text.extend_from_slice(&packet.bytes[1..]),
            b'E' => envelope.extend_from_slice(&packet.bytes[1..]),
            b'.' => connection.send(answer.as_bytes(), &[]).unwrap(),
            _ => {}
        }
    }
    (String::from_utf8(text).unwrap(), String::from_utf8(envelope).unwrap())
}

#[test]
fn a_message_with_bcc_goes_to_all_and_shows_none_of_them() {
    let home = home();
    let body = "x".repeat(300_000) + "\n.\n..\nlast line without end";
    let input = format!("To: a\r\nBcc: c@d.e\r\nSubject: J\u{f6}rg\r\n\r\n{body}");
    let (code, text, envelope) = submit(home.path(), command(home.path()), input.as_bytes(), "K17");
    assert_eq!((code, &envelope[..]), (0, "Fbob@host.test\0Ta@host.test\0Tc@d.e\0"));
    let (header, rest) = text.split_once("\n\n").unwrap();
    assert!(rest == body, "the body is not touched");
    assert!(header.ends_with("From: bob@host.test\nTo: a@host.test\nSubject: J\u{f6}rg"), "{header}");
    assert!(!text.contains('\r') && header.starts_with("Date: "));
}

#[test]
fn sendmail_takes_sendmails_arguments() {
    let home = home();
    let sendmail = home.path().join("sendmail");
    symlink(PROGRAM, &sendmail).unwrap();
    let mut call = Command::new(&sendmail);
    call.env_clear().env("FULMAR_HOME", home.path()).env("USER", "root");
    call.args(["-oi", "-FCron Daemon", "-fbounce", "alice@x.y"]);
    let (code, text, envelope) = submit(home.path(), call, b"just a body\n", "K17");
    assert_eq!((code, &envelope[..]), (0, "Fbounce@host.test\0Talice@x.y\0"));
    assert!(text.contains("\nFrom: Cron Daemon <root@host.test>\n"), "{text}");
    assert!(text.ends_with("\n\njust a body\n"), "{text}");
}

#[test]
fn the_exit_code_says_if_trying_again_is_any_use() {
    for (answer, code) in [("K17", 0), ("Z4.3.1 Disk full", 111), ("D5.3.4 Too big", 100), ("", 111)] {
        let home = home();
        assert_eq!(submit(home.path(), command(home.path()), b"To: a\n\n", answer).0, code, "{answer}");
    }
    let home = home();
    assert_eq!(run(command(home.path()), b"To: a\n\n").status.code(), Some(111), "queued does not run");
}

#[test]
fn nothing_is_sent_when_an_address_cannot_be_read() {
    // A queued that would be asked is not there: 111. What is refused is refused before.
    let home = home();
    let large = [&b"To: a@b, \"c\n\n"[..], &[b'x'; 1 << 20]].concat();
    for input in [&large[..], b"To: a@b>\n\n", b"Subject: x\n\nnobody\n"] {
        let output = run(command(home.path()), input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(100), "{said}");
        assert!(said.starts_with("inject: fatal: "), "{said}");
    }
}

#[test]
fn with_n_the_message_is_printed_and_no_queue_is_asked() {
    let home = home();
    let mut call = command(home.path());
    call.arg("-n").env("QMAILINJECT", "c").env("NAME", "Bob");
    let output = run(call, b"Date: now\nMessage-ID: <1@x>\nTo: al\n\ntext\n");
    let expect = "From: bob@host.test (Bob)\nDate: now\nMessage-ID: <1@x>\nTo: al@host.test\n\ntext\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expect);
}

#[test]
fn a_program_named_by_qmailqueue_gets_the_message() {
    let home = home();
    let script = home.path().join("wrapper");
    fs::write(
        &script,
        "#!/bin/sh\nexec 3<&1\ncat >$FULMAR_HOME/text; cat <&3 | tr '\\0' '|' >$FULMAR_HOME/envelope\n",
    )
    .unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut call = command(home.path());
    call.env("QMAILQUEUE", &script).env("PATH", "/bin:/usr/bin").arg("a@b.c");
    assert_eq!(run(call, b"hello\n").status.code(), Some(0));
    assert_eq!(fs::read_to_string(home.path().join("envelope")).unwrap(), "Fbob@host.test|Ta@b.c||");
    assert!(fs::read_to_string(home.path().join("text")).unwrap().ends_with("\n\nhello\n"));
}

#[test]
fn closed_descriptors_and_an_odd_start_send_nothing() {
    // X04
    let home = home();
    let shell = |line: &str| {
        let mut call = Command::new("/bin/sh");
        call.env_clear().env("FULMAR_HOME", home.path()).args(["-c", line, PROGRAM]);
        run(call, b"").status.code()
    };
    assert_eq!(shell("exec \"$0\" a@b.c <&-"), Some(111), "no message is no empty message");
    assert_eq!(shell("exec \"$0\" a@b.c <&- >&- 2>&-"), Some(111));
    assert_eq!(shell("exec \"$0\" -n a@b.c <&- >&- 2>&-"), Some(111));
    assert_eq!(shell("echo x | \"$0\" -n a@b.c >/dev/full"), Some(111));
    let mut call = command(home.path());
    call.arg0("").arg("-n");
    assert_eq!(run(call, b"x\n").status.code(), Some(0));
}

#[test]
fn without_control_me_it_says_what_to_do() {
    let home = home();
    fs::remove_file(home.path().join("control/me")).unwrap();
    let output = run(command(home.path()), b"To: a\n\n");
    assert_eq!(output.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&output.stderr).contains("control/me"));
}
