//! The real program between a caller and fake QMQP servers.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

const ENVELOPE: &[u8] = b"Fa@b\0Tc@d\0Te@f\0\0";
const PACKET: &[u8] = b"24:3:hi\n,3:a@b,3:c@d,3:e@f,,";

/// A server that answers one client; gives its address, and what it was sent.
fn server(answer: &'static [u8]) -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut packet = vec![0; PACKET.len()];
        client.read_exact(&mut packet).unwrap();
        client.write_all(answer).unwrap();
        packet
    });
    (address, thread)
}

fn qmqpc(servers: &str, envelope: &[u8]) -> i32 {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("control")).unwrap();
    std::fs::write(home.path().join("control/qmqpservers"), servers).unwrap();
    run(home.path(), envelope)
}

fn run(home: &Path, envelope: &[u8]) -> i32 {
    // Descriptor 1 is read from, so the envelope comes as a file that stands for the caller's pipe.
    std::fs::write(home.join("envelope"), envelope).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_qmqpc"))
        .env("FULMAR_HOME", home)
        .stdin(Stdio::piped())
        .stdout(std::fs::File::open(home.join("envelope")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(b"hi\n");
    child.wait().unwrap().code().unwrap()
}

/// An address at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn the_first_server_that_takes_the_message_ends_the_search() {
    let (busy, first) = server(b"5:Zbusy,");
    let (good, second) = server(b"4:Kyes,");
    let servers = format!("# three\n{}\n{busy}\n{good}\n{}\n", nobody(), nobody());
    assert_eq!(qmqpc(&servers, ENVELOPE), 0);
    assert_eq!(first.join().unwrap(), PACKET);
    assert_eq!(second.join().unwrap(), PACKET);
}

#[test]
fn the_exit_code_says_if_trying_again_is_any_use() {
    for (answer, code) in [(&b"3:Dno,"[..], 31), (b"3:Zno,", 71), (b"", 74), (b"3:Xno,", 74), (b"9:K", 74)] {
        let (address, thread) = server(answer);
        assert_eq!(qmqpc(&address, ENVELOPE), code, "{}", answer.escape_ascii());
        thread.join().unwrap();
    }
    assert_eq!(qmqpc(&nobody(), ENVELOPE), 73);
    assert_eq!(qmqpc("mail.example.test", ENVELOPE), 73, "no names are looked up");
    assert_eq!(qmqpc("", ENVELOPE), 55);
    assert_eq!(qmqpc("192.0.2.1", b"Fa@b\0Tc@d\0"), 91);
}

#[test]
fn a_refusal_for_good_is_not_carried_to_the_next_server() {
    let (refusing, thread) = server(b"5:Dnono,");
    assert_eq!(qmqpc(&format!("{refusing}\n{}\n", nobody()), ENVELOPE), 31);
    thread.join().unwrap();
}
