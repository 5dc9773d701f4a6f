//! What is spoken of TLS, on every port, found out with OpenSSL and real mail programs: the table of docs/certificates.md.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use tests::{House, PASSWORD, message, tool};

/// Seconds for one session; a client that waits for what does not come is ended.
const LIMIT: &str = "5";

/// Each port, and how OpenSSL begins TLS there.
fn ports(house: &House) -> [(&'static str, SocketAddr, &'static [&'static str]); 5] {
    [
        ("25 STARTTLS", house.smtp(), &["-starttls", "smtp"]),
        ("587 STARTTLS", house.submission(), &["-starttls", "smtp"]),
        ("465", house.submissions(), &[]),
        ("110 STLS", house.pop3(), &["-starttls", "pop3"]),
        ("995", house.pop3s(), &[]),
    ]
}

/// What OpenSSL's client tells of a session with these options, which says `input`.
fn session(address: SocketAddr, how: &[&str], options: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new("timeout");
    command.args([LIMIT, "openssl", "s_client", "-connect", &address.to_string()]).args(how).args(options);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    (output.status.success() && text.contains("Cipher is ") && !text.contains("Cipher is (NONE)"), text)
}

#[test]
fn new_versions_and_good_ciphers_are_spoken_on_every_port_and_nothing_else() {
    if tool("openssl").is_none() {
        return;
    }
    let house = House::start();
    for (port, address, how) in ports(&house) {
        for (version, expect) in [("-tls1", false), ("-tls1_1", false), ("-tls1_2", true), ("-tls1_3", true)]
        {
            let (works, text) = session(address, how, &[version, "-cipher", "ALL:@SECLEVEL=0"], "");
            assert_eq!(works, expect, "{port} {version}: {text}");
        }
        // Forward secrecy and authenticated ciphers, or none.
        for cipher in ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA", "eNULL", "aNULL", "PSK"] {
            let options = ["-tls1_2", "-cipher", &format!("{cipher}:@SECLEVEL=0")];
            assert!(!session(address, how, &options, "").0, "{port} {cipher}");
        }
        let (_, text) = session(address, how, &["-tls1_2"], "");
        assert!(
            text.contains("Compression: NONE") && text.contains("Secure Renegotiation IS supported"),
            "{text}"
        );
    }
}

/// The ciphers that are taken with TLS 1.2 and 1.3, as the page has them.
#[test]
fn the_table_of_the_page_is_true() {
    if tool("openssl").is_none() {
        return;
    }
    let house = House::start();
    let page = include_str!("../docs/certificates.md");
    let all = Command::new("openssl").args(["ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]).output().unwrap();
    let all = String::from_utf8(all.stdout).unwrap();
    let taken: Vec<&str> = all
        .trim()
        .split(':')
        .filter(|cipher| !cipher.starts_with("TLS_"))
        .filter(|cipher| {
            let options = ["-tls1_2", "-cipher", &format!("{cipher}:@SECLEVEL=0")];
            session(house.submissions(), &[], &options, "").0
        })
        .collect();
    println!("TLS 1.2: {taken:?}");
    let third: Vec<&str> = [
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ]
    .into_iter()
    .filter(|cipher| session(house.submissions(), &[], &["-tls1_3", "-ciphersuites", cipher], "").0)
    .collect();
    println!("TLS 1.3: {third:?}");
    let row = |version: &str| page.lines().find(|line| line.starts_with(&format!("| {version} |"))).unwrap();
    for (version, taken) in [("TLS 1.2", taken), ("TLS 1.3", third)] {
        let said: Vec<&str> = row(version).split('`').skip(1).step_by(2).collect();
        // The certificate here is an ECDSA one.
        let said: Vec<&str> = said.into_iter().filter(|name| !name.contains("-RSA-")).collect();
        let (mut said, mut taken) = (said, taken);
        said.sort_unstable();
        taken.sort_unstable();
        assert_eq!(said, taken, "{version}");
    }
}

// S36
#[test]
fn nobody_renegotiates_and_sessions_are_resumed() {
    if tool("openssl").is_none() {
        return;
    }
    let house = House::start();
    for (port, address, _) in ports(&house).into_iter().filter(|(_, _, how)| how.is_empty()) {
        // `R` at the start of a line has OpenSSL ask for it.
        let (_, text) = session(address, &[], &["-tls1_2"], "R\n");
        // The one certificate is looked at once, at two depths of error.
        let handshakes = text.matches("verify return:1").count();
        assert!(text.contains("RENEGOTIATING") && handshakes <= 2, "{port}: {text}");
        let (_, text) = session(address, &[], &["-tls1_2", "-reconnect"], "");
        assert_eq!(text.matches("Reused, TLSv1.2").count(), 5, "{port}: {text}");
    }
    assert!(house.log().matches("panicked").count() == 0);
}

#[test]
fn fetchmail_and_curl_fetch_by_each_way_of_tls_and_trust_no_other_certificate() {
    let (Some(fetchmail), Some(curl)) = (tool("fetchmail"), tool("curl")) else { return };
    let house = House::start();
    let certificate = house.path("control/tls/default.crt");
    let certificate = certificate.to_str().unwrap();
    for (n, (port, how)) in [
        (house.pop3(), format!("sslproto tls1.2+ sslcertfile \"{certificate}\" sslcertck")),
        (house.pop3s(), format!("ssl sslproto tls1.3+ sslcertfile \"{certificate}\" sslcertck")),
    ]
    .into_iter()
    .enumerate()
    {
        house.send("bob@example.test", "alice@example.test", &message(&format!("secret {n}")));
        house.await_mail("alice", 1);
        let fetched = house.path(&format!("fetched{n}"));
        let rc = format!(
            "poll localhost port {} protocol pop3 user \"alice@example.test\" password \"{PASSWORD}\" {how} \
             mda \"/bin/cat >> {}\"\n",
            port.port(),
            fetched.display()
        );
        let path = house.path("fetchmailrc");
        std::fs::write(&path, rc).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut command = Command::new(&fetchmail);
        // Of root's there is else one at a time on a machine.
        command.arg("--pidfile").arg(house.path("fetchmail.pid"));
        command.env("FETCHMAILHOME", house.path("")).args(["-f", path.to_str().unwrap(), "--nosyslog", "-v"]);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        let mail = std::fs::read_to_string(&fetched).unwrap_or_default();
        assert!(mail.contains(&format!("Subject: secret {n}")), "{text}");
        assert!(text.contains("SSL/TLS") && text.contains("TLSv1."), "{text}");
    }
    // One that nobody vouches for.
    let output = Command::new(curl)
        .args(["-sS", "--ssl-reqd", "--user", &format!("alice@example.test:{PASSWORD}")])
        .arg(format!("pop3s://localhost:{}/", house.pop3s().port()))
        .output()
        .unwrap();
    assert!(!output.status.success());
}
