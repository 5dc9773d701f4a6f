//! The real program between a client and fakes of `lookup` and `queued`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use sys::{Listener, Packets};
use wire::netstring;

/// A message as the fake `queued` got it: text, envelope.
type Message = (Vec<u8>, Vec<u8>);

/// A home with control files and two fake services, and the messages that came: text, envelope.
struct World {
    home: tempfile::TempDir,
    came: Arc<Mutex<Vec<Message>>>,
}

fn world(control: &[(&str, &str)]) -> World {
    let world = World { home: tempfile::tempdir().unwrap(), came: Arc::default() };
    std::fs::set_permissions(world.home.path(), Permissions::from_mode(0o777)).unwrap();
    for folder in ["control", "run"] {
        std::fs::create_dir(world.path(folder)).unwrap();
    }
    let own = [("me", "mail.example.test"), ("uids", "fulmar-net:64001:64001")];
    for (name, text) in own.iter().chain(control) {
        std::fs::write(world.path("control").join(name), format!("{text}\n")).unwrap();
    }
    let came = world.came.clone();
    serve(world.path("run/lookup"), |connection| while answer(connection) {});
    serve(world.path("run/queue"), move |connection| while take(connection, &came) {});
    world
}

fn serve(path: PathBuf, each: impl Fn(&Packets) + Send + Sync + 'static) {
    let (listener, each) = (Listener::bind(&path, 0o666).unwrap(), Arc::new(each));
    thread::spawn(move || {
        while let Ok(connection) = listener.accept() {
            let each = each.clone();
            thread::spawn(move || each(&connection));
        }
    });
}

/// alice is at example.test, which is ours.
fn answer(connection: &Packets) -> bool {
    let Ok(Some(packet)) = connection.recv() else { return false };
    let answer = match &packet.bytes[..] {
        b"domain\0example.test" | b"recipient\0alice@example.test" => "K",
        _ => "D5.1.1 No such user",
    };
    connection.send(answer.as_bytes(), &[]).is_ok()
}

fn take(connection: &Packets, came: &Mutex<Vec<Message>>) -> bool {
    let (mut text, mut envelope) = (Vec::new(), Vec::new());
    while let Ok(Some(packet)) = connection.recv() {
        match packet.bytes[0] {
            b'M' => text.extend_from_slice(&packet.bytes[1..]),
            b'E' => envelope.extend_from_slice(&packet.bytes[1..]),
            b'.' => {
                came.lock().unwrap().push((text, envelope));
                return connection.send(b"K17 ", &[]).is_ok();
            }
            _ => {}
        }
    }
    false
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Says `input`, then nothing more; gives the answers, the exit code and the log.
    fn talk(&self, variables: &[(&str, &str)], input: &[u8]) -> (String, Option<i32>, String) {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_qmtpd"));
        command.env_clear().env("FULMAR_HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.env("TCPREMOTEIP", "192.0.2.7").envs(variables.iter().copied());
        command.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs));
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        // One that turns us away does not read.
        let _ = ours.write_all(input);
        let _ = ours.shutdown(Shutdown::Write);
        let mut answers = String::new();
        let _ = ours.read_to_string(&mut answers); // reset where something was left unread
        let output = child.wait_with_output().unwrap();
        (answers, output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

fn message(text: &str, sender: &str, recipients: &[&str]) -> Vec<u8> {
    let (mut packet, mut inside) = (Vec::new(), Vec::new());
    recipients.iter().for_each(|to| netstring::write(&mut inside, to.as_bytes()).unwrap());
    for part in [text.as_bytes(), sender.as_bytes(), &inside] {
        netstring::write(&mut packet, part).unwrap();
    }
    packet
}

#[test]
fn each_recipient_is_judged_as_by_smtpd_and_gets_its_own_answer() {
    let world = world(&[]);
    let to = ["alice@example.test", "nobody@example.test", "x@elsewhere.test"];
    let (answers, code, log) = world.talk(&[], &message("\rSubject: a\r\n\r\nhi\r\n", "carol@d.test", &to));
    assert!(answers.contains(":Kok ") && answers.contains(" qp 17,"), "{answers}");
    assert!(answers.contains("DNo such user (#5.1.1),"), "{answers}");
    assert!(
        answers.contains("DSorry, that domain isn't in my list of allowed rcpthosts (#5.7.1),"),
        "{answers}"
    );
    assert_eq!(code, Some(0));
    assert!(log.contains("to=<x@elsewhere.test> by=no table") && log.contains(": accept msg=17 "), "{log}");
    let came = world.came.lock().unwrap();
    let text = String::from_utf8_lossy(&came[0].0);
    assert!(
        text.starts_with(
            "Received: from unknown (unknown [192.0.2.7])\n  by mail.example.test with QMTP id "
        )
    );
    assert!(text.ends_with("-0000\nSubject: a\n\nhi\n"), "{text}");
    assert_eq!(came[0].1, b"Fcarol@d.test\0Talice@example.test\0");
}

#[test]
fn relayclient_and_databytes_of_the_rule_count() {
    let world = world(&[("databytes", "10")]);
    let mail = message("\nSubject: longer than that\n", "c@d.test", &["x@elsewhere.test"]);
    let (answers, _, _) = world.talk(&[("RELAYCLIENT", "")], &mail);
    assert!(answers.contains("(#5.3.4)"), "{answers}");
    let (answers, _, _) = world.talk(&[("RELAYCLIENT", "@hub"), ("DATABYTES", "0")], &mail);
    assert!(answers.contains(":Kok "), "{answers}");
    assert_eq!(world.came.lock().unwrap()[0].1, b"Fc@d.test\0Tx@elsewhere.test@hub\0");
}

#[test]
fn what_is_broken_hangs_up_and_is_told_the_admin() {
    // S57
    let world = world(&[]);
    let mail = message("\nhi\n", "c@d.test", &["alice@example.test"]);
    let (answers, code, log) = world.talk(&[("DATABYTES", "abc")], &mail);
    assert_eq!((&answers[..], code), ("", Some(111)), "{log}");
    assert!(log.contains("DATABYTES is `abc`"), "{log}");
}

#[test]
fn a_service_that_is_down_puts_mail_off() {
    let world = world(&[]);
    let mail = message("\nhi\n", "c@d.test", &["alice@example.test"]);
    std::fs::remove_file(world.path("run/queue")).unwrap();
    assert!(world.talk(&[], &mail).0.contains(":ZThe queue is out of reach"));
    std::fs::remove_file(world.path("run/lookup")).unwrap();
    let (answers, _, log) = world.talk(&[], &mail);
    assert!(answers.contains(":Z") && log.contains("later "), "{answers} {log}");
}

#[test]
fn garbage_is_hung_up_on_without_a_word() {
    let world = world(&[]);
    assert_eq!(world.talk(&[], b"EHLO x\r\n").0, "");
    assert!(world.came.lock().unwrap().is_empty());
}
