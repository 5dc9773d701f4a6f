//! Mail to the servers of others: Debian's Postfix, Exim and OpenSMTPD take it, octet by octet.
//!
//! `scripts/test` unpacks those that can't be installed side by side below `target/peers`. Each runs
//! in namespaces of its own, so that killing one process ends all of it; that needs root.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tests::{House, message, tool};

/// Ended with all its processes when dropped.
struct Peer {
    unshare: Child,
    folder: tempfile::TempDir,
    address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

fn unpacked(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers").join(name)
}

/// Starts `name` as the server of peer.test; what it delivers goes to `next` if it is no deliverer.
fn start(name: &str, house: &House, next: SocketAddr) -> Option<Peer> {
    let unshare = tool("unshare")?;
    let allowed = Command::new(&unshare).args(["-mpf", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("SKIPPED: mail to {name} needs root and namespaces");
        return None;
    }
    let folder = tempfile::Builder::new().prefix("fulmar-peer-").tempdir().unwrap();
    let port = house.spare_port();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name);
    let mut command = Command::new(unshare);
    command.args(["-mpf", "--kill-child=KILL"]).arg(script).arg(unpacked(name)).arg(folder.path());
    command.args([port.to_string(), next.port().to_string()]);
    let log = std::fs::File::create(folder.path().join("output")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
    let peer = Peer { unshare: command.spawn().unwrap(), folder, address };
    house.until(name, || TcpStream::connect(address).ok());
    Some(peer)
}

/// Lines that begin with dots, 8-bit letters, a line of nearly 998 octets, and an end without newline.
fn awkward() -> String {
    let long = "x".repeat(990);
    message(&format!(
        "awkward\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n.\n..\n.text\nüber\n{long}\n\n.\nend"
    ))
}

/// Sends from bob to a known and an unknown user; the one's mail is what `arrived` finds, the other's bounces.
fn exchange(house: &House, peer: &Peer, arrived: impl Fn() -> Vec<PathBuf>) {
    house.write("control/smtproutes", &format!("peer.test:127.0.0.1:{}\n", peer.address.port()));
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    house.well(&["cdb"]);
    let text = awkward();
    let mut smtp = tests::Smtp::connect(house.smtp());
    let reply = smtp.send("bob@example.test", &["dora@peer.test", "nobody@peer.test"], text.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
    let mail = house.until("mail at the peer", || Some(arrived()).filter(|mail| !mail.is_empty()));
    let mail = std::fs::read_to_string(&mail[0]).unwrap().replace("\r\n", "\n");
    let body = text.split_once("\n\n").unwrap().1.replace("\r\n", "\n");
    assert!(mail.ends_with(&format!("\n\n{}\n", body.trim_end_matches('\n'))), "{mail}");
    let bounce = &house.await_mail("bob", 1)[0];
    let bounce = String::from_utf8_lossy(bounce);
    assert!(bounce.contains("nobody@peer.test") && bounce.contains(" 550 "), "{bounce}");
    house.await_empty_queue();
    assert_eq!(arrived().len(), 1);
}

fn is_unpacked(name: &str) -> bool {
    let there = unpacked(name).is_dir();
    if !there {
        eprintln!("SKIPPED: {name} is not unpacked in target/peers; scripts/test does it when run as root");
    }
    there
}

#[test]
fn postfix_takes_our_mail() {
    let house = House::start();
    if !is_unpacked("postfix") {
        return;
    }
    let Some(peer) = start("postfix", &house, house.smtp()) else { return };
    let new = peer.folder.path().join("mail/dora/new");
    exchange(&house, &peer, || tests::files(&new));
}

#[test]
fn exim_takes_our_mail() {
    if tool("exim4").is_none() {
        return;
    }
    let house = House::start();
    let Some(peer) = start("exim", &house, house.smtp()) else { return };
    let new = peer.folder.path().join("mail/dora/new");
    exchange(&house, &peer, || tests::files(&new));
}

#[test]
fn opensmtpd_takes_our_mail_and_hands_it_on_to_us() {
    if !is_unpacked("opensmtpd") {
        return;
    }
    let (house, far) = (House::start(), House::start());
    far.well(&["domain", "add", "peer.test"]);
    far.well(&["user", "add", "dora@peer.test", "--password", "x"]);
    let Some(peer) = start("opensmtpd", &house, far.smtp()) else { return };
    let new = far.path("mail/peer.test/dora/Maildir/new");
    exchange(&house, &peer, || tests::files(&new));
}
