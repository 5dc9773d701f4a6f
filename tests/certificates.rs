//! Certificates from an authority by ACME: Pebble, the test server of Let's Encrypt, looks and signs.

use std::process::{Child, Command, Output, Stdio};

use tests::world::World;
use tests::{House, program, tool};

/// Ended when dropped.
struct Pebble(Child);

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it with its directory at `port`; it looks at `looks` (HTTP and TLS) of the hosts that it is told.
fn pebble(world: &World, port: u16, looks: [u16; 2]) -> Option<Pebble> {
    let program = tool("pebble")?;
    world.certificate("pebble", &["localhost"]);
    let manage = port + 1;
    let conf = format!(
        "{{\"pebble\":{{\"listenAddress\":\"127.0.0.1:{port}\",\"managementListenAddress\":\"127.0.0.1:{manage}\",\
         \"certificate\":\"pebble.crt\",\"privateKey\":\"pebble.key\",\"httpPort\":{},\"tlsPort\":{},\
         \"ocspResponderURL\":\"\",\"externalAccountBindingRequired\":false}}}}",
        looks[0], looks[1]
    );
    std::fs::write(world.path("pebble.json"), conf).unwrap();
    let mut command = Command::new(program);
    command.args(["-config", "pebble.json", "-dnsserver", &world.name_server()]);
    command.current_dir(world.path("")).env("PEBBLE_VA_NOSLEEP", "1");
    Some(Pebble(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn acme(house: &House, words: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(program("acme"));
    let output = command.args(words).env("FULMAR_HOME", house.path("")).output().unwrap();
    (output.status.code(), said(&output))
}

/// Who has signed the certificate that is shown for `name`.
fn issuer(house: &House, name: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &house.submissions().to_string(), "-servername", name]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = said(&output);
    let line = said.lines().find(|line| line.starts_with("issuer="));
    format!(
        "{} {}",
        line.unwrap_or_default(),
        said.lines().find(|line| line.contains("Serial")).unwrap_or_default()
    )
}

#[test]
fn certificates_come_from_an_authority_that_has_looked_by_http_or_by_tls_and_keys_never_leave_tlsd() {
    let mut house = House::start();
    let Some(mut world) = World::around(&house) else { return };
    let (ip, port) = (world.ip(5), house.spare_port());
    let Some(_pebble) = pebble(&world, port + 600, [port + 610, port + 611]) else { return };
    world.names(&format!("mail.x A {ip}\nimap.x A {ip}\nother.x A {}\n", world.ip(6)), &[]);
    world.let_in(&mut house);
    house.write("control/acmeserver", &format!("https://localhost:{}/dir\n", port + 600));
    assert_eq!(acme(&house, &[]), (Some(0), String::new()), "nothing is wanted");
    house.write("control/acme", "mail.x.test imap.x.test\n");
    house.until("tlsd's request", || house.path("acme/requests/mail.x.test.csr").exists().then_some(()));
    house.until("Pebble", || std::net::TcpStream::connect(("127.0.0.1", port + 600)).ok());
    let http = format!("{ip}:{}", port + 610);
    let (code, text) = acme(&house, &["--listen", &http]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("got a certificate for mail.x.test imap.x.test"), "{text}");
    for name in ["mail.x.test", "imap.x.test"] {
        house.until("the new certificate", || issuer(&house, name).contains("Pebble").then_some(()));
    }
    assert!(!issuer(&house, "else.test").contains("Pebble"));
    assert_eq!(acme(&house, &["--listen", &http]), (Some(0), String::new()), "it is good for long");
    let first = std::fs::read(house.path("acme/certificates/mail.x.test.crt")).unwrap();
    // By TLS, and once more.
    house.write("control/acmechallenge", "tls-alpn-01\n");
    let (code, text) = acme(&house, &["--force", "--listen", &format!("{ip}:{}", port + 611)]);
    assert_eq!(code, Some(0), "{text}");
    assert_ne!(std::fs::read(house.path("acme/certificates/mail.x.test.crt")).unwrap(), first);
    // A name that is not ours gets none, and hinders no other.
    house.write("control/acmechallenge", "http-01\n");
    house.write("control/acme", "other.x.test\nmail.x.test imap.x.test\n");
    house.until("tlsd's request", || house.path("acme/requests/other.x.test.csr").exists().then_some(()));
    let (code, text) = acme(&house, &["--force", "--listen", &http]);
    assert_eq!(code, Some(111), "{text}");
    assert!(
        text.contains("no certificate for other.x.test") && text.contains("got a certificate for mail"),
        "{text}"
    );
    assert!(issuer(&house, "mail.x.test").contains("Pebble"));
    keys_stay(&house);
}

/// Nobody but tlsd reads the key; acme's own folder has none of a service.
fn keys_stay(house: &House) {
    use std::os::unix::fs::MetadataExt;
    let key = std::fs::metadata(house.path("control/tls/mail.x.test.key")).unwrap();
    assert_eq!(key.mode() & 0o077, 0);
    let output = Command::new("grep").args(["-rl", "PRIVATE KEY"]).arg(house.path("acme")).output().unwrap();
    assert_eq!(said(&output), "");
}
