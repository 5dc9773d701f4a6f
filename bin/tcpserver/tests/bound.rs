//! Where a server listens: IPv6, both families, unix sockets, names.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::server::{Client, OURS, Server, greeter, until};

fn has_ipv6() -> bool {
    let there = TcpListener::bind("[::1]:0").is_ok();
    if !there {
        eprintln!("SKIPPED: no IPv6 here");
    }
    there
}

fn env(server: &Server, ip: &str) -> Vec<String> {
    let address: SocketAddr = format!("{ip}:{}", server.port).parse().unwrap();
    Client::new(TcpStream::connect(address).unwrap()).env()
}

#[test]
fn host_0_is_every_address_of_both_families() {
    let mut server = Server::ours(&["-vRHl0", "0", "0", &greeter()]);
    let v4 = env(&server, "127.0.0.1");
    assert!(v4.contains(&"TCPREMOTEIP=127.0.0.1".into()) && v4.contains(&"PROTO=TCP".into()), "{v4:?}");
    server.log(":127.0.0.1:");
    if has_ipv6() {
        let v6 = env(&server, "[::1]");
        assert!(v6.contains(&"TCPREMOTEIP=::1".into()) && v6.contains(&"PROTO=TCP6".into()), "{v6:?}");
        assert!(v6.contains(&"TCPLOCALIP=::1".into()));
        server.log("pid");
        let line = server.log(" ok ");
        assert!(line.contains(" 0:::1:") && line.contains(" :::1::"), "{line}");
    }
}

#[test]
fn one_family_may_be_left_out() {
    let v4 = Server::ours(&["-4RHl0", "0", "0", &greeter()]);
    env(&v4, "127.0.0.1");
    if !has_ipv6() {
        return;
    }
    assert!(TcpStream::connect(format!("[::1]:{}", v4.port)).is_err());
    for args in [["-6RHl0", "0"], ["-RHl0", "::"], ["-RHl0", "::1"]] {
        let v6 = Server::ours(&[&args[..], &["0", &greeter()]].concat());
        env(&v6, "[::1]");
        assert!(TcpStream::connect(format!("127.0.0.1:{}", v6.port)).is_err(), "{args:?}");
    }
}

#[test]
fn a_host_may_have_a_name() {
    let server = Server::ours(&["-RHl0", "localhost", "0", &greeter()]);
    let found =
        ["127.0.0.1", "[::1]"].iter().any(|ip| TcpStream::connect(format!("{ip}:{}", server.port)).is_ok());
    assert!(found);
}

#[test]
fn a_unix_socket_tells_who_connects() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("lmtp");
    for (host, workers) in [(format!("unix:{}", path.display()), "-w1"), (path.display().to_string(), "-D")] {
        let mut server = Server::ours(&["-vRH", workers, "-M660", &host, &greeter()]);
        assert_eq!(server.port, path.display().to_string());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        let mut stream = UnixStream::connect(&path).unwrap();
        std::io::Write::write_all(&mut stream, b"env\n").unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        let uid = nix::unistd::Uid::effective();
        let pid = std::process::id();
        for line in [
            "PROTO=UNIX".to_owned(),
            format!("UNIXREMOTEEUID={uid}"),
            format!("UNIXREMOTEPID={pid}"),
            format!("UNIXLOCALPATH={}", path.display()),
        ] {
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        assert!(!text.contains("TCP"));
        assert!(server.log(" ok ").contains(&format!(":unix:{uid}:{pid}")));
        server.signal(Signal::SIGTERM);
        until("the socket is removed", || !path.exists());
    }
}

#[test]
fn a_left_over_socket_is_replaced_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("x".repeat(120));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("socket");
    let text = path.display().to_string();
    drop(Server::ours(&["-RH", &text, &greeter()])); // killed: leaves its socket
    assert!(std::fs::metadata(&path).unwrap().file_type().is_socket());
    let _server = Server::ours(&["-RH", &text, &greeter()]);
    let second = Command::new(OURS).args(["-RH", &text, "true"]).output().unwrap();
    assert_eq!(second.status.code(), Some(111));
    let file = folder.join("file");
    std::fs::write(&file, "mail").unwrap();
    let third = Command::new(OURS).args(["-RH", &file.display().to_string(), "true"]).output().unwrap();
    assert_eq!(third.status.code(), Some(111));
    assert_eq!(std::fs::read(&file).unwrap(), b"mail");
}
