//! Other doors than that of SMTP: QMTP, QMQP and LMTP with real clients, and what stands before a server.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use tests::{House, PASSWORD, Pop3, Smtp, message, tool};

/// Killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Our tcpserver on the spare port, with `rest` behind it; its log is in the file `log/door`.
fn door(house: &House, options: &[&str], rest: &[&str]) -> (Server, SocketAddr) {
    let address: SocketAddr = (std::net::Ipv4Addr::LOCALHOST, house.spare_port()).into();
    let home = house.path("");
    let log = fs::File::options().create(true).append(true).open(house.path("door.log")).unwrap();
    let mut command = Command::new(house.path("bin/tcpserver"));
    command.args(["-HR", "-l", "mail.example.test", "-x", "etc/tcp.smtp.cdb"]).args(options);
    if nix::unistd::geteuid().is_root() && !rest.contains(&"gate") {
        command.args(["-u", "64001", "-g", "64001"]);
    }
    command.args(["127.0.0.1", &address.port().to_string()]).args(rest);
    command.env("FULMAR_HOME", home.to_str().unwrap().trim_end_matches('/')).env("PATH", path(house));
    command.current_dir(&home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let server = Server(command.spawn().unwrap());
    house.until("the door", || TcpStream::connect(address).ok());
    (server, address)
}

fn path(house: &House) -> String {
    format!("{}:/usr/bin:/bin", house.path("bin").display())
}

fn door_log(house: &House) -> String {
    fs::read_to_string(house.path("door.log")).unwrap()
}

fn well(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// A client that is none of ours: netstrings as the protocol's description has them.
const PYTHON: &str = r#"
import socket, sys
def ns(b): return str(len(b)).encode() + b":" + b + b","
def read(f):
    n = b""
    while (c := f.read(1)) != b":": n += c
    s = f.read(int(n)); assert f.read(1) == b","; return s
kind, port = sys.argv[1], int(sys.argv[2])
text, sender, to = b"Subject: by python\n\nhi\n", b"carol@example.org", [a.encode() for a in sys.argv[3:]]
s = socket.create_connection(("127.0.0.1", port), 30); f = s.makefile("rb")
if kind == "qmqp":
    s.sendall(ns(ns(text) + ns(sender) + b"".join(map(ns, to)))); print(read(f).decode())
else:
    crlf = b"\r" + text.replace(b"\n", b"\r\n")
    for encoded in (b"\n" + text, crlf):
        s.sendall(ns(encoded) + ns(sender) + ns(b"".join(map(ns, to))))
    for _ in to * 2: print(read(f).decode())
"#;

fn python(kind: &str, address: SocketAddr, to: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new(tool("python3")?);
    command.args(["-c", PYTHON, kind, &address.port().to_string()]).args(to);
    let output = command.output().unwrap();
    well(&output);
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[test]
fn a_foreign_qmtp_client_sends_two_messages_over_one_connection() {
    let house = House::start();
    let (_server, address) = door(&house, &["-w", "2"], &["qmtpd"]);
    let Some(said) = python("qmtp", address, &["alice@example.test", "nobody@example.test"]) else { return };
    assert!(said[0].starts_with("Kok ") && said[2].starts_with("Kok "), "{said:?}");
    assert!(said[1].starts_with('D') && said[3].starts_with('D'), "{said:?}");
    for mail in house.await_mail("alice", 2) {
        let text = String::from_utf8(mail).unwrap();
        assert!(text.contains("with QMTP id ") && text.ends_with("\nSubject: by python\n\nhi\n"), "{text}");
    }
}

#[test]
fn a_host_without_a_queue_hands_its_mail_over_by_qmqp() {
    let house = House::start();
    let (_server, address) = door(&house, &["-w", "2"], &["qmqpd"]);
    house.write("control/qmqpservers", &format!("127.0.0.1:1\n{address}\n"));
    let mut child = Command::new(house.path("bin/qmqpc"));
    let envelope = house.path("envelope");
    fs::write(&envelope, b"Fcarol@example.org\0Talice@example.test\0\0").unwrap();
    child.env("FULMAR_HOME", house.path("")).stdin(Stdio::piped()).stdout(fs::File::open(envelope).unwrap());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(message("by qmqpc").as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8(house.await_mail("alice", 1).remove(0)).unwrap();
    assert!(text.contains("with QMQP id ") && text.contains("Subject: by qmqpc"), "{text}");
    if let Some(said) = python("qmqp", address, &["alice@example.test", "bob@example.test"]) {
        assert!(said[0].starts_with("Kok "), "{said:?}");
        house.await_mail("bob", 1);
    }
}

#[test]
fn swaks_and_curl_speak_lmtp_to_smtpd() {
    let house = House::start();
    let (_server, address) = door(&house, &["-w", "2"], &["smtpd", "lmtp"]);
    if let Some(swaks) = tool("swaks") {
        let mut command = Command::new(swaks);
        command.args(["--protocol", "LMTP", "--server", &address.to_string(), "--from", "carol@example.org"]);
        command.args(["--to", "alice@example.test,bob@example.test", "--header", "Subject: by swaks"]);
        well(&command.output().unwrap());
        let text = String::from_utf8(house.await_mail("alice", 1).remove(0)).unwrap();
        assert!(text.contains("with LMTP id ") && text.contains("Subject: by swaks"), "{text}");
        house.await_mail("bob", 1);
    }
    let refused = Smtp::connect(address).command("EHLO client.example.org");
    assert!(refused.starts_with("500 "), "{refused}");
}

#[test]
fn recordio_and_rblsmtpd_stand_before_smtpd() {
    let house = House::start();
    let chain = ["recordio", "rblsmtpd", "-b", "smtpd"];
    let (server, address) = door(&house, &["-v"], &chain);
    let reply =
        Smtp::connect(address).send("bob@example.test", &["alice@example.test"], message("x").as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    house.await_mail("alice", 1);
    // The record's lines bear the process id that tcpserver has logged.
    let log = door_log(&house);
    let line = log.lines().find(|line| line.contains(" < RCPT TO:<alice@example.test>? ")).unwrap();
    let pid = line.split(' ').next().unwrap();
    assert!(log.contains(&format!("tcpserver: pid {pid} from 127.0.0.1")), "{log}");
    drop(server);
    house.write("etc/tcp.smtp", ":allow,RBLSMTPD=\"-Go away\"\n");
    house.well(&["cdb"]);
    let (_server, address) = door(&house, &[], &chain);
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nQUIT\r\n").unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).unwrap();
    assert!(heard.contains("\n553 5.7.1 Go away\r\n"), "{heard}");
    assert_eq!(house.mail("alice").len(), 1);
}

#[test]
fn recordio_stands_before_every_kind_of_server() {
    let house = House::start();
    house.send("bob@example.test", "alice@example.test", &message("to be fetched"));
    house.await_mail("alice", 1);
    {
        let (_server, address) = door(&house, &[], &["recordio", "gate", "pop3d", "login", "pop3"]);
        let mut client = Pop3::login(address, "alice@example.test", PASSWORD);
        client.good("STAT");
        client.good("QUIT");
        let log = door_log(&house);
        assert!(log.contains(" < STAT? ") && log.contains(" > +OK"), "{log}");
    }
    let (_server, address) = door(&house, &[], &["recordio", "qmtpd"]);
    if let Some(said) = python("qmtp", address, &["alice@example.test"]) {
        assert!(said.iter().all(|answer| answer.starts_with("Kok ")), "{said:?}");
    }
}
