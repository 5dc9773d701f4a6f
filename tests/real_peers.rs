//! Mail to the servers of others: Debian's Postfix, Exim and OpenSMTPD take it, octet by octet.
//!
//! `scripts/test` unpacks those that can't be installed side by side below `target/peers`. Each runs
//! in namespaces of its own, so that killing one process ends all of it; that needs root.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tests::world::World;
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
    start_with(name, house, next, "")
}

/// The same; `certificate` is the path of a certificate and key without their endings, for TLS.
fn start_with(name: &str, house: &House, next: SocketAddr, certificate: &str) -> Option<Peer> {
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
    command.args([port.to_string(), next.port().to_string(), certificate.to_owned()]);
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

/// Debian's OpenSMTPD 6.8 with OpenSSL 3 does not everywhere.
fn speaks_tls(address: SocketAddr) -> bool {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-starttls", "smtp", "-connect", &address.to_string()]);
    command.stdin(Stdio::null()).output().unwrap().status.success()
}

/// DANE and MTA-STS with servers of others: delivered where the certificate is right, and not where it is wrong.
fn trusted(name: &str) {
    if name != "exim" && !is_unpacked(name) || name == "exim" && tool("exim4").is_none() {
        return;
    }
    let (mut house, far) = (House::start(), House::start());
    for domain in ["peer.test", "sts.test"] {
        far.well(&["domain", "add", domain]);
        far.well(&["user", "add", &format!("dora@{domain}"), "--password", "x"]);
    }
    let Some(mut world) = World::around(&house) else { return };
    let key = world.certificate("mx", &["mx.sts.test"]);
    let path = world.path("mx");
    std::fs::set_permissions(path.parent().unwrap(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let Some(peer) = start_with(name, &far, far.smtp(), path.to_str().unwrap()) else { return };
    if !speaks_tls(peer.address) {
        eprintln!("SKIPPED: {name} offers TLS here and fails at it with OpenSSL's own client too");
        return;
    }
    world.at(7, peer.address);
    let (ip, web, mut records) = (world.ip(7), world.ip(9), String::new());
    for (domain, tlsa) in [("peer", key.as_str()), ("wrong", &"00".repeat(32)), ("sts", ""), ("badsts", "")] {
        records += &format!("{domain} MX 10 mx.{domain}\nmx.{domain} A {ip}\n");
        records += &match tlsa {
            "" => format!("_mta-sts.{domain} TXT \"v=STSv1; id=1;\"\nmta-sts.{domain} A {web}\n"),
            print => format!("_25._tcp.mx.{domain} TLSA 3 1 1 {print}\n"),
        };
    }
    world.names(&records, &[]);
    let policy = |mx: &str| format!("version: STSv1\nmode: enforce\nmx: {mx}\nmax_age: 86400\n");
    world.policies(9, &[("sts.test", &policy("mx.sts.test")), ("badsts.test", &policy("mx.badsts.test"))]);
    world.let_in(&mut house);
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    house.well(&["cdb"]);
    for (domain, says) in [
        ("peer", " K recipient=dora@peer.test"),
        ("sts", " K recipient=dora@sts.test"),
        ("wrong", "(DANE): its certificate is none of those"),
        ("badsts", "(MTA-STS): its certificate is for another host"),
    ] {
        let to = format!("dora@{domain}.test");
        let reply =
            tests::Smtp::connect(house.smtp()).send("bob@example.test", &[&to], message("x").as_bytes());
        assert!(reply.starts_with("250 "), "{reply}");
        house.until(&format!("{name}: {says}"), || house.log().contains(says).then_some(()));
    }
    assert_eq!(house.queued(), 2);
}

#[test]
fn postfix_is_trusted_by_dane_and_mta_sts() {
    trusted("postfix");
}

#[test]
fn exim_is_trusted_by_dane_and_mta_sts() {
    trusted("exim");
}

#[test]
fn opensmtpd_is_trusted_by_dane_and_mta_sts() {
    trusted("opensmtpd");
}
