//! Mail leaves: to another house of ours by smtproutes, and what it refuses comes back.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use tests::{House, message};

/// Routes `domain` to `address`.
fn route(house: &House, routes: &[(&str, SocketAddr)]) {
    let line =
        |(domain, address): &(&str, SocketAddr)| format!("{domain}:[{}]:{}\n", address.ip(), address.port());
    house.write("control/smtproutes", &routes.iter().map(line).collect::<String>());
}

/// A house for the domain far.test, with a user dora.
fn far() -> House {
    let far = House::start();
    far.well(&["domain", "add", "far.test"]);
    far.well(&["user", "add", "dora@far.test", "--password", "x"]);
    far
}

fn mail_of_dora(far: &House) -> Vec<Vec<u8>> {
    let new = far.path("mail/far.test/dora/Maildir/new");
    tests::files(&new).iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// From bob, by the relay that submission gives to this host.
fn submit(house: &House, to: &[&str], text: &str) {
    house.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    house.well(&["cdb"]);
    let reply = tests::Smtp::connect(house.smtp()).send("bob@example.test", to, text.as_bytes());
    assert!(reply.starts_with("250 "), "{reply}");
}

#[test]
fn mail_goes_to_another_host_and_a_refusal_comes_back_as_a_bounce() {
    let (far, house) = (far(), House::start());
    route(&house, &[("far.test", far.smtp())]);
    submit(&house, &["dora@far.test", "nobody@far.test"], &message("out .\n.dot"));
    let mail = far.until("mail for dora", || Some(mail_of_dora(&far)).filter(|mail| !mail.is_empty()));
    let text = String::from_utf8_lossy(&mail[0]);
    assert!(text.contains("Subject: out .\n") && text.contains("Return-Path: <bob@example.test>"), "{text}");
    let bounce = house.await_mail("bob", 1);
    let text = String::from_utf8_lossy(&bounce[0]);
    assert!(text.contains("nobody@far.test") && text.contains("5.1.1"), "{text}");
    house.await_empty_queue();
    assert_eq!(mail_of_dora(&far).len(), 1);
}

#[test]
fn a_dead_and_a_slow_host_delay_nobody_else() {
    let (far, house) = (far(), House::start());
    // One takes connections and drips, the other refuses them.
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow_address = slow.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut client, _)) = slow.accept() {
            let _ = client.write_all(b"220-");
            kept.push(client);
        }
    });
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    route(&house, &[("far.test", far.smtp()), ("slow.test", slow_address), ("dead.test", dead)]);
    for n in 0..30 {
        submit(&house, &["a@slow.test", "b@dead.test"], &message(&format!("waits {n}")));
    }
    let start = Instant::now();
    submit(&house, &["dora@far.test"], &message("at once"));
    far.until("mail for dora", || Some(()).filter(|()| !mail_of_dora(&far).is_empty()));
    println!("beside thirty messages to a dead and a slow host: {:?}", start.elapsed());
    assert_eq!(house.queued(), 30);
}

#[test]
fn messages_to_one_host_share_connections_and_recipients_beyond_its_limit_are_not_lost() {
    let (far, house) = (far(), House::start());
    far.write("control/maxrecipients", "10\n");
    route(&house, &[("far.test", far.smtp())]);
    let names: Vec<String> = (0..35).map(|n| format!("u{n}@far.test")).collect();
    for name in &names {
        far.well(&["user", "add", name, "--password", "x"]);
    }
    let before = far.log().matches("connect ip=").count();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    submit(&house, &names, &message("to many"));
    house.await_empty_queue();
    for n in 0..5 {
        submit(&house, &["dora@far.test"], &message(&format!("one of five {n}")));
        house.await_empty_queue();
    }
    for n in 0..35 {
        let new = far.path(&format!("mail/far.test/u{n}/Maildir/new"));
        far.until("each has it once", || (tests::files(&new).len() == 1).then_some(()));
    }
    far.until("mail for dora", || (mail_of_dora(&far).len() == 5).then_some(()));
    let connections = far.log().matches("connect ip=").count() - before;
    assert!((1..=3).contains(&connections), "{connections} connections for six messages");
    // One that the server has closed meanwhile is no trouble.
    let mut far = far;
    far.services().stop("smtp", nix::sys::signal::Signal::SIGKILL);
    far.run();
    submit(&house, &["dora@far.test"], &message("after a restart"));
    far.until("mail for dora", || (mail_of_dora(&far).len() == 6).then_some(()));
    assert!(!house.log().contains("deferral"), "{}", house.log());
}

#[test]
fn a_smarthost_takes_mail_of_who_has_logged_in_by_tls() {
    let (far, house) = (House::start(), House::start());
    far.write("etc/tcp.smtp", ":allow\n");
    far.well(&["cdb"]);
    far.well(&["user", "add", "carrier@example.test", "--scram", "--password", "pass word:x"]);
    far.write("control/authsender", "carrier@example.test:any\n");
    house.write("control/smtplogins", "smart:carrier@example.test:pass word:x\n");
    let logins = house.path("control/smtplogins");
    let owner = std::fs::metadata(house.path("run/sts")).unwrap();
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    chown(&logins, Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(&logins, std::fs::Permissions::from_mode(0o400)).unwrap();
    // Its certificate is signed by itself: it is known by its fingerprint.
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(far.path("control/tls/default.crt"))
        .output()
        .unwrap();
    let print = String::from_utf8(output.stdout).unwrap();
    let print = print.trim().rsplit('=').next().unwrap().to_owned();
    house.write("control/tlspolicy", &format!("127.0.0.1:fingerprint {print}\n"));
    for (n, (port, how)) in
        [(far.submission().port(), "starttls"), (far.submissions().port(), "smtps")].into_iter().enumerate()
    {
        house.write("control/smtproutes", &format!("out{n}.test:127.0.0.1:{port} {how} login=smart\n"));
        submit(&house, &[&format!("x@out{n}.test")], &message("relayed"));
        house.await_empty_queue();
        let login = "login user=carrier@example.test method=SCRAM-SHA-256";
        far.until("the login", || (far.log().matches(login).count() == n + 1).then_some(()));
    }
    assert!(!house.log().contains("pass word"));
    // A certificate that is not the one that is known: the password stays here, and so does the mail.
    house.write("control/tlspolicy", &format!("127.0.0.1:fingerprint {}\n", "00".repeat(32)));
    submit(&house, &["x@out1.test"], &message("kept"));
    house.until("the deferral", || house.log().contains("has none of the fingerprints").then_some(()));
    assert_eq!(house.queued(), 1);
}

#[test]
fn recipients_of_many_domains_that_go_to_one_relay_share_its_transactions() {
    let (far, house) = (far(), House::start());
    far.write("etc/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"\n");
    far.well(&["cdb"]);
    let mut far = far;
    far.services().stop("send", nix::sys::signal::Signal::SIGTERM);
    let smart = far.smtp();
    house.write("control/smtproutes", &format!(":[127.0.0.1]:{}\nown.test:[127.0.0.1]:1\n", smart.port()));
    let mut house = house;
    house.services().stop("send", nix::sys::signal::Signal::SIGTERM);
    house.run();
    let names: Vec<String> = (0..50).map(|n| format!("x@d{n}.test")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("x@own.test");
    let before = far.log().matches(" accept msg=").count();
    submit(&house, &names, &message("to fifty domains"));
    house.until("what can't go there", || house.log().contains(" Z recipient=x@own.test").then_some(()));
    far.until("all of it", || (far.log().matches(" accept msg=").count() > before).then_some(()));
    house.until("fifty answers", || (house.log().matches(" K recipient=").count() == 50).then_some(()));
    // As many as had been read when the first one began, and the others.
    assert!(far.log().matches(" accept msg=").count() - before <= 3, "{}", far.log());
}
