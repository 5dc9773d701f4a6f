//! A server that follows a script, a name server that knows a table, the program's home.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

/// Plays the server's part of `script` for one client: `S:` lines are sent, at a `C:` line a line is read
/// that must begin so, at `D:` the message is read. Gives all that the client sent.
pub(crate) fn serve(script: &'static str) -> (SocketAddr, JoinHandle<String>) {
    serve_at("127.0.0.1:0".parse().unwrap(), script)
}

/// The same at `address`.
pub(crate) fn serve_at(address: SocketAddr, script: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || play(&listener, script)))
}

/// The same for one client after the other, each with a script of its own.
pub(crate) fn serve_each(scripts: &'static [&'static str]) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || scripts.iter().map(|script| play(&listener, script)).collect()))
}

fn play(listener: &TcpListener, script: &str) -> String {
    let (mut client, _) = listener.accept().unwrap();
    let mut seen = String::new();
    for line in script.lines().map(str::trim) {
        match line.split_at_checked(2) {
            Some(("S:", text)) => {
                let _ = client.write_all(format!("{}\r\n", text.trim_start()).as_bytes());
            }
            Some(("C:", text)) => {
                let line = until(&mut client, "\r\n");
                assert!(line.starts_with(text.trim_start()), "{line:?}, not {text:?}");
                seen += &line;
            }
            Some(("D:", _)) => seen += &until(&mut client, "\r\n.\r\n"),
            _ => {}
        }
    }
    seen
}

fn until(client: &mut impl Read, end: &str) -> String {
    let (mut text, mut octet) = (Vec::new(), [0]);
    while !text.ends_with(end.as_bytes()) && client.read(&mut octet).unwrap_or(0) > 0 {
        text.push(octet[0]);
    }
    String::from_utf8(text).unwrap()
}

/// What a name server says of a name: addresses, exchangers, nothing, or that it is out of order.
#[derive(Clone, Copy)]
pub(crate) enum Zone {
    A(&'static str, [u8; 4]),
    Mx(&'static str, u16, &'static str),
    /// It exists, without records.
    Nothing(&'static str),
    Broken(&'static str),
}

/// A name server; every other name does not exist.
pub(crate) fn name_server(zones: &'static [Zone]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut packet = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            let _ = socket.send_to(&answer(&packet[..length], zones), from);
        }
    });
    address
}

fn answer(question: &[u8], zones: &[Zone]) -> Vec<u8> {
    let (mut at, mut labels) = (12, Vec::new());
    while question[at] > 0 {
        let length = question[at] as usize;
        labels.push(String::from_utf8(question[at + 1..=at + length].to_vec()).unwrap().to_lowercase());
        at += length + 1;
    }
    let (name, kind, end) = (labels.join("."), question[at + 2], at + 5);
    let (mut records, mut count, mut code) = (Vec::new(), 0, 3);
    for zone in zones {
        let (owner, rdata) = match zone {
            Zone::A(owner, ip) => (owner, (kind == 1).then(|| ip.to_vec())),
            Zone::Mx(owner, preference, host) => (owner, (kind == 15).then(|| mx(*preference, host))),
            Zone::Nothing(owner) => (owner, None),
            Zone::Broken(owner) if *owner == name => {
                code = 2;
                continue;
            }
            Zone::Broken(_) => continue,
        };
        if *owner == name {
            code = 0;
            if let Some(rdata) = rdata {
                records.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, rdata.len() as u8]);
                records.extend_from_slice(&rdata);
                count += 1;
            }
        }
    }
    let mut packet = question[..end].to_vec();
    (packet[2], packet[3]) = (0x81, 0x80 | code);
    packet[6..12].copy_from_slice(&[0, count, 0, 0, 0, 0]);
    packet.extend_from_slice(&records);
    packet
}

fn mx(preference: u16, host: &str) -> Vec<u8> {
    let mut rdata = preference.to_be_bytes().to_vec();
    for label in host.split('.').filter(|label| !label.is_empty()) {
        rdata.push(label.len() as u8);
        rdata.extend_from_slice(label.as_bytes());
    }
    rdata.push(0);
    rdata
}

/// A home with control files.
pub(crate) struct House {
    folder: tempfile::TempDir,
    dns: String,
}

impl House {
    pub(crate) fn new(files: &[(&str, &str)], dns: String) -> House {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("control")).unwrap();
        let house = House { folder, dns };
        house.write("me", "us.test\n");
        files.iter().for_each(|(name, text)| house.write(name, text));
        house
    }

    /// One whose mail for everybody goes to `relay`.
    pub(crate) fn by(relay: SocketAddr) -> House {
        let routes = format!(":[{}]:{}\n", relay.ip(), relay.port());
        House::new(&[("smtproutes", &routes), ("timeoutremote", "2\n")], String::new())
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join("control").join(name), text).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Sends `message` as qmail-remote does; gives the report with `|` for NUL.
    pub(crate) fn remote(&self, host: &str, sender: &str, recipients: &[&str], message: &[u8]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_remote"));
        command.args([host, sender]).args(recipients).env_clear();
        command.env("FULMAR_HOME", self.path()).env("DNSCACHEIP", &self.dns);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(message);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap().replace("\n\0", "|")
    }
}

/// Can this test listen at port 25 of this loopback address? Root can.
pub(crate) fn port_25(ip: &str) -> Option<SocketAddr> {
    let address = SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 25);
    let free = TcpListener::bind(address).is_ok();
    if !free {
        eprintln!("SKIPPED: listening at {address} needs root");
    }
    free.then_some(address)
}
