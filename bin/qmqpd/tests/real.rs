//! The real program between a client and a fake of `queued`.
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

/// A home with control files and a fake `queued`, and the messages that came: text, envelope.
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_qmqpd"));
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
    for part in [text, sender].iter().chain(recipients) {
        netstring::write(&mut inside, part.as_bytes()).unwrap();
    }
    netstring::write(&mut packet, &inside).unwrap();
    packet
}

const TRUSTED: &[(&str, &str)] = &[("RELAYCLIENT", "")];

#[test]
fn a_trusted_client_sends_to_everybody_and_gets_one_answer() {
    let world = world(&[]);
    let to = ["alice@example.test", "x@elsewhere.test"];
    let (answer, code, log) = world.talk(TRUSTED, &message("Subject: a\n\nhi\n", "c@d.test", &to));
    assert!(answer.contains(":Kok ") && answer.ends_with(" qp 17,"), "{answer}");
    assert_eq!((code, answer.matches(',').count()), (Some(0), 1), "{log}");
    let came = world.came.lock().unwrap();
    let text = String::from_utf8_lossy(&came[0].0);
    assert!(text.contains("  by mail.example.test with QMQP id ") && text.ends_with("Subject: a\n\nhi\n"));
    assert_eq!(came[0].1, b"Fc@d.test\0Talice@example.test\0Tx@elsewhere.test\0");
}

#[test]
fn without_a_rule_nobody_is_let_in() {
    let world = world(&[]);
    let mail = message("hi\n", "c@d.test", &["x@elsewhere.test"]);
    for variables in [&[][..], &[("RELAYCLIENT", ""), ("TCPREMOTEIP", "paranoid")]] {
        let (answer, code, log) = world.talk(variables, &mail);
        assert!(answer.contains(":ZSorry, this server does not know you (#4.7.1),"), "{answer}");
        assert_eq!(code, Some(0));
        assert!(log.contains("qmqpd: deny ip=") && log.contains("RELAYCLIENT"), "{log}");
    }
    assert!(world.came.lock().unwrap().is_empty());
}

#[test]
fn a_queue_that_is_out_of_reach_puts_mail_off() {
    let world = world(&[]);
    std::fs::remove_file(world.path("run/queue")).unwrap();
    let (answer, _, _) = world.talk(TRUSTED, &message("hi\n", "", &["x@elsewhere.test"]));
    assert!(answer.contains(":ZThe queue is out of reach"), "{answer}");
}

#[test]
fn a_databytes_that_is_no_number_is_never_no_limit() {
    // S57
    let world = world(&[]);
    let variables = [("RELAYCLIENT", ""), ("DATABYTES", "-1")];
    let (answer, code, _) = world.talk(&variables, &message("hi\n", "", &["x@elsewhere.test"]));
    assert_eq!((&answer[..], code), ("", Some(111)));
}
