//! Our programs under other people's servers, other people's programs under ours.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use tests::{House, PASSWORD, PATIENCE, Pop3, Smtp, message, program, tool};

/// Killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server and waits until it listens at `address`.
fn serve(command: &mut Command, house: &House, address: SocketAddr) -> Server {
    let home = house.path("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    command.env("FULMAR_HOME", home).current_dir(home).stdin(Stdio::null()).stdout(Stdio::null());
    let server = Server(command.spawn().unwrap());
    house.until("the server", || TcpStream::connect(address).ok());
    server
}

fn spare(house: &House) -> SocketAddr {
    (std::net::Ipv4Addr::LOCALHOST, house.spare_port()).into()
}

/// What makes Debian's tcpserver run a program as fulmar-net, if root runs it.
fn as_net() -> &'static [&'static str] {
    if nix::unistd::geteuid().is_root() { &["-u", "64001", "-g", "64001"] } else { &[] }
}

#[test]
fn tcpserver_of_ucspi_tcp_runs_smtpd() {
    let Some(tcpserver) = debian("tcpserver") else { return };
    let house = House::start();
    let address = spare(&house);
    let port = address.port().to_string();
    let mut command = Command::new(tcpserver);
    command.args(["-HR", "-l", "mail.example.test", "-x", "etc/tcp.smtp.cdb"]).args(as_net());
    let _server = serve(command.args(["127.0.0.1", &port]).arg(house.path("bin/smtpd")), &house, address);
    let reply =
        Smtp::connect(address).send("bob@example.test", &["alice@example.test"], message("x").as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    house.await_mail("alice", 1);
}

#[test]
fn tcpserver_of_ucspi_tcp_runs_gate() {
    let Some(tcpserver) = debian("tcpserver") else { return };
    let house = House::start();
    let address = spare(&house);
    let port = address.port().to_string();
    let mut command = Command::new(tcpserver);
    command.args(["-HR", "-l", "mail.example.test", "127.0.0.1", &port]).arg(house.path("bin/gate"));
    let _server = serve(command.args(["pop3d", "login", "pop3"]), &house, address);
    Pop3::login(address, "alice@example.test", PASSWORD).good("QUIT");
}

#[test]
fn inetd_runs_smtpd_and_gate() {
    let Some(inetd) = tool("inetd") else { return };
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: inetd wants root");
        return;
    }
    let house = House::start();
    let address = spare(&house);
    let home = house.path("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    for (number, line) in ["smtpd smtpd", "gate gate pop3d login pop3"].iter().enumerate() {
        // inetd names users, not numbers; root's smtpd finds its own uid in control/uids.
        let config = format!("127.0.0.1:{} stream tcp nowait root {home}/bin/{line}\n", address.port());
        let path = house.path(&format!("etc/inetd.{number}"));
        fs::write(&path, config).unwrap();
        let _server =
            serve(Command::new(&inetd).args(["-d", "-i"]).arg(&path).stderr(Stdio::null()), &house, address);
        if number == 0 {
            let mut smtp = Smtp::connect(address);
            let reply = smtp.send("bob@example.test", &["alice@example.test"], message("x").as_bytes());
            assert!(reply.starts_with("250 "), "{reply}");
            // inetd sets no RELAYCLIENT, so nobody relays.
            smtp.command("MAIL FROM:<bob@example.test>");
            let reply = smtp.command("RCPT TO:<u@example.org>");
            assert!(reply.starts_with("55"), "{reply}");
            house.await_mail("alice", 1);
        } else {
            Pop3::login(address, "alice@example.test", PASSWORD).good("QUIT");
        }
    }
}

#[test]
fn our_tcpserver_runs_any_program() {
    let house = House::empty();
    let address = spare(&house);
    let mut command = Command::new(program("tcpserver"));
    command.args(["-HR", "-l", "mail.example.test", "127.0.0.1", &address.port().to_string()]);
    command.args(["sh", "-c", "read word; echo \"$PROTO $TCPREMOTEIP $TCPLOCALHOST $word\""]);
    let _server = serve(&mut command, &house, address);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"hello\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "TCP 127.0.0.1 mail.example.test hello\n");
}

/// The program of that name that is not ours.
fn debian(name: &str) -> Option<std::path::PathBuf> {
    tool(name).filter(|path| !path.starts_with(program("fulmar").parent().unwrap()))
}

#[test]
fn recordio_shows_a_session_under_tcpserver_of_ucspi_tcp_and_under_inetd() {
    let (Some(tcpserver), Some(inetd)) = (debian("tcpserver"), tool("inetd")) else { return };
    let house = House::start();
    let address = spare(&house);
    let port = address.port().to_string();
    let log = house.path("recorded");
    let (recordio, smtpd) = (program("recordio"), program("smtpd"));
    {
        let mut command = Command::new(tcpserver);
        command.args(["-HR", "-l", "mail.example.test"]).args(as_net()).args(["127.0.0.1", &port]);
        command.arg(&recordio).arg(&smtpd).stderr(fs::File::create(&log).unwrap());
        let _server = serve(&mut command, &house, address);
        assert!(Smtp::connect(address).command("NOOP").starts_with("250"));
        house.until("the record", || fs::read_to_string(&log).ok().filter(|text| text.contains("< NOOP")));
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: inetd wants root");
        return;
    }
    let script = house.path("recorded.sh");
    fs::write(
        &script,
        format!("#!/bin/sh\nexec {} {} 2>>{}\n", recordio.display(), smtpd.display(), log.display()),
    )
    .unwrap();
    let config = format!("127.0.0.1:{port} stream tcp nowait root /bin/sh sh {}\n", script.display());
    let path = house.path("etc/inetd.recordio");
    fs::write(&path, config).unwrap();
    fs::write(&log, "").unwrap();
    let _server =
        serve(Command::new(&inetd).args(["-d", "-i"]).arg(&path).stderr(Stdio::null()), &house, address);
    assert!(Smtp::connect(address).command("NOOP").starts_with("250"));
    house.until("the record", || fs::read_to_string(&log).ok().filter(|text| text.contains("< NOOP")));
}

#[test]
fn lmtp_on_a_unix_socket_takes_mail_and_answers_for_each_recipient() {
    let Some(python) = tool("python3") else { return };
    let house = House::start();
    let socket = house.path("lmtp");
    let mut command = Command::new(program("tcpserver"));
    command.arg(format!("unix:{}", socket.display())).arg(program("smtpd")).arg("lmtp");
    let home = house.path("");
    command.env("FULMAR_HOME", home.to_str().unwrap().trim_end_matches('/')).stdin(Stdio::null());
    let _server = Server(command.spawn().unwrap());
    house.until("the socket", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let script = "import smtplib,sys\nl=smtplib.LMTP(sys.argv[1])\n\
        r=l.sendmail('a@b.example',['alice@example.test','bob@example.test','nobody@example.test'],'Subject: by LMTP\\r\\n\\r\\nx\\r\\n')\n\
        print(sorted(r))";
    let output = Command::new(python).arg("-c").arg(script).arg(&socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), "['nobody@example.test']", "{output:?}");
    house.await_mail("alice", 1);
    house.await_mail("bob", 1);
}
