//! The real program before a script that stands for a server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use std::io::Write;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::thread;

/// What the client hears, the log and the exit code.
fn run(args: &[&str], variables: &[(&str, &str)], input: &str) -> (String, String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rblsmtpd"));
    command.args(args).args(["echo", "served"]).env_clear().env("PATH", "/usr/bin:/bin");
    command.envs(variables.iter().copied()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

const TALK: &str = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nQUIT\r\n";
const SERVED: &str = "served\n";

#[test]
fn the_variable_lets_in_or_blocks() {
    assert_eq!(run(&[], &[("RBLSMTPD", "")], TALK).0, SERVED);
    let (heard, log, code) = run(&[], &[("RBLSMTPD", "Go away"), ("TCPREMOTEIP", "192.0.2.7")], TALK);
    assert_eq!(
        heard,
        "220 rblsmtpd.local\r\n250 rblsmtpd.local\r\n250 rblsmtpd.local\r\n\
         451 4.7.1 Go away\r\n221 rblsmtpd.local\r\n"
    );
    assert!(log.contains("rblsmtpd: 192.0.2.7 pid ") && log.contains(": 451 4.7.1 Go away"), "{log}");
    assert_eq!(code, Some(0));
    assert!(run(&[], &[("RBLSMTPD", "-Go away")], TALK).0.contains("553 5.7.1 Go away\r\n"));
}

#[test]
fn who_can_not_be_asked_about_is_let_in() {
    // S56
    for ip in [&[][..], &[("TCPREMOTEIP", "paranoid")], &[("TCPREMOTEIP", "1.2.3.4\r\n")]] {
        assert_eq!(run(&["-r", "list.example"], ip, TALK).0, SERVED);
    }
}

/// A name server on loopback: 192.0.2.7 is in list.example, with a text.
fn server() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let _ = socket.send_to(&answer(&packet[..length]), from);
        }
    });
    address
}

/// The question again, and if it is the known one, a TXT record to it.
fn answer(question: &[u8]) -> Vec<u8> {
    let end = 12 + question[12..].iter().position(|b| *b == 0).unwrap() + 5;
    let known = b"\x017\x012\x010\x03192\x04list\x07example\0\0\x10";
    let found = question[12..].starts_with(known);
    let mut packet = question[..end].to_vec();
    packet[2] = 0x81;
    packet[3] = if found { 0x80 } else { 0x83 };
    packet[6..12].copy_from_slice(&[0, u8::from(found), 0, 0, 0, 0]);
    if found {
        packet.extend_from_slice(b"\xc0\x0c\0\x10\0\x01\0\0\0\0\0\x0b\x06Listed\x03 ok");
    }
    packet
}

#[test]
fn who_is_listed_hears_the_lists_own_words() {
    let server = server();
    let from = |ip| [("TCPREMOTEIP", ip), ("DNSCACHEIP", &server[..])];
    let (heard, _, _) = run(&["-b", "-r", "list.example"], &from("192.0.2.7"), TALK);
    assert!(heard.contains("553 5.7.1 Listed ok\r\n"), "{heard}");
    assert_eq!(run(&["-b", "-r", "list.example"], &from("192.0.2.8"), TALK).0, SERVED);
    assert_eq!(run(&["-a", "other.example"], &from("192.0.2.7"), TALK).0, SERVED);
}

#[test]
fn a_list_that_does_not_answer_lets_in_and_with_c_puts_off() {
    // Nobody listens there: an error at once.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let variables = [("TCPREMOTEIP", "192.0.2.7"), ("DNSCACHEIP", &nobody[..])];
    let (heard, log, _) = run(&["-r", "list.example"], &variables, TALK);
    assert_eq!(heard, SERVED);
    assert!(log.contains("rblsmtpd: warning: list.example: "), "{log}");
    assert!(
        run(&["-c", "-r", "list.example"], &variables, TALK).0.contains("451 4.7.1 Can't ask list.example")
    );
}

#[test]
fn a_wrong_command_line_is_told() {
    let (_, log, code) = run(&["-z"], &[], "");
    assert_eq!(code, Some(100));
    assert!(log.contains("usage: rblsmtpd"), "{log}");
}
