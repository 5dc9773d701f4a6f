//! Relays that the admin has named: their logins, our addresses and names.

use std::os::unix::fs::PermissionsExt;

use crate::servers::{House, serve};

const MESSAGE: &[u8] = b"Subject: x\n\nx\n";
const MAIL: &str = "C: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT";

/// A house whose mail goes to a server that plays `script`, with `words` behind the route, and more files.
fn report(script: String, words: &str, files: &[(&str, &str)], mode: u32) -> (String, String) {
    let (address, server) = serve(Box::leak(script.into_boxed_str()));
    let route = format!(":[127.0.0.1]:{} {words}\n", address.port());
    let mut all = vec![("smtproutes", route.as_str()), ("timeoutremote", "2\n")];
    all.extend(files);
    let house = House::new(&all, String::new());
    let logins = house.path().join("control/smtplogins");
    if logins.exists() {
        std::fs::set_permissions(logins, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let report = house.remote("y.test", "bob@x.test", &["a@y.test"], MESSAGE);
    // One that was never called is called now, and hangs up.
    let _ = std::net::TcpStream::connect(address);
    (report, server.join().unwrap_or_default())
}

#[test]
fn we_log_in_at_a_relay_with_the_login_that_its_route_names() {
    let logins = ("smtplogins", "other:x:y\nmine:bob:pass:word\n");
    let script = format!(
        "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250 AUTH PLAIN\nC: AUTH PLAIN AGJvYgBwYXNzOndvcmQ=\nS: 235 yes\n{MAIL}"
    );
    let (said, _) = report(script, "notls login=mine", &[logins], 0o600);
    assert!(said.starts_with("r127.0.0.1 accepted"), "{said}");
    let refused =
        "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250 AUTH PLAIN\nC: AUTH PLAIN\nS: 535 5.7.8 no\nC: QUIT";
    let (said, _) = report(refused.into(), "notls login=mine", &[logins], 0o600);
    assert!(said.starts_with("s4.") && said.contains("control/smtplogins"), "{said}");
}

#[test]
fn a_login_that_is_missing_or_told_to_everybody_keeps_the_mail_here() {
    let logins = ("smtplogins", "mine:bob:password\nempty:bob:\n");
    for (words, mode, says) in [
        ("notls login=mine", 0o644, "everybody on this host can read it"),
        ("notls login=gone", 0o600, "there is no login gone"),
        ("notls login=empty", 0o600, "there is no login empty"),
    ] {
        let (said, seen) = report("S: 220 x".into(), words, &[logins], mode);
        assert!(said.starts_with("s4.3.5") && seen.is_empty(), "{words}: {said} {seen} ({says})");
    }
}

#[test]
fn a_password_never_leaves_where_tls_is_not_to_be_had() {
    let logins = ("smtplogins", "mine:bob:password\n");
    let script = "S: 220 x\nC: EHLO us.test\nS: 250-y\nS: 250 AUTH PLAIN\nC: QUIT";
    for words in ["login=mine", "starttls login=mine", "starttls"] {
        let (said, seen) = report(script.into(), words, &[logins], 0o600);
        assert!(said.starts_with("s4.7.5") && said.contains("does not begin TLS"), "{words}: {said}");
        assert!(!seen.contains("AUTH") && !seen.contains("MAIL"), "{seen}");
    }
}

#[test]
fn a_route_that_says_starttls_goes_not_plain_for_a_policy_of_none() {
    let script = "S: 220 x\nC: EHLO us.test\nS: 250 y\nC: QUIT";
    for policy in [":none\n", "[127.0.0.1]:none\n", "y.test:none\n"] {
        let (said, seen) = report(script.into(), "starttls", &[("tlspolicy", policy)], 0o600);
        assert!(said.starts_with("s4.7.5") && !seen.contains("MAIL"), "{policy}: {said} {seen}");
    }
}

#[test]
fn mail_goes_out_from_the_address_that_is_named_and_by_its_name() {
    let script = format!("S: 220 x\nC: EHLO ours.test\nS: 250 y\n{MAIL}");
    let names = ("helohostbyip", "127.0.0.9:ours.test\n127.0.0.1:other.test\n");
    for files in [
        [("bindroutes", "127.:127.0.0.9\n"), ("domainbindings", ":127.0.0.1\n")],
        [("domainbindings", "x.test:::1 127.0.0.9\n"), ("outgoingip", "127.0.0.1\n")],
        [("domainbindings", "bob@x.test:127.0.0.9\nx.test:127.0.0.1\n"), ("outgoingip", "127.0.0.1\n")],
        [("outgoingip", "::1\n127.0.0.9\n"), ("domainbindings", "z.test:127.0.0.1\n")],
    ] {
        let (said, _) = report(script.clone(), "", &[names, files[0], files[1]], 0);
        assert!(said.starts_with("r127.0.0.1 accepted"), "{files:?}: {said}");
    }
    let (said, _) = report("S: 220 x".into(), "", &[("bindroutes", "127.:here\n")], 0);
    assert!(said.starts_with("s4.3.5"), "{said}");
    let (said, _) = report("S: 220 x".into(), "", &[("bindroutes", "127.:192.0.2.1\n")], 0);
    assert!(said.starts_with("s4.4.1"), "{said}");
}

#[test]
fn a_senders_own_route_is_taken_where_the_domain_has_none() {
    let (address, server) = serve(Box::leak(format!("S: 220 x\nC: EHLO\nS: 250 y\n{MAIL}").into_boxed_str()));
    let route = format!("@x.test:127.0.0.1:{}\n", address.port());
    let house = House::new(&[("senderroutes", &route), ("smtproutes", ":127.0.0.1:1\n")], String::new());
    let said = house.remote("y.test", "bob@x.test", &["a@y.test"], MESSAGE);
    assert!(said.starts_with("r127.0.0.1 accepted"), "{said}");
    server.join().unwrap();
    assert!(house.remote("y.test", "bob@z.test", &["a@y.test"], MESSAGE).starts_with("s4.4.1"));
}
