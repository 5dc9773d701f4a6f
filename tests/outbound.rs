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
