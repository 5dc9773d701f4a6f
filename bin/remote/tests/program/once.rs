//! `remote host sender recipient...`

use std::net::TcpListener;

use crate::servers::{House, Zone, name_server, port_25, serve, serve_at, serve_each};

const MESSAGE: &[u8] = b"Subject: x\n\n.dot\nend";

#[test]
fn a_message_goes_out_and_each_recipient_has_its_report() {
    let (address, server) = serve(
        "S: 220 them.test\nC: EHLO us.test\nS: 250-them.test\nS: 250-PIPELINING\nS: 250 SIZE 10000\n\
         C: MAIL FROM:<bob@x.test> SIZE=\nC: RCPT TO:<a@y.test>\nC: RCPT TO:<b@y.test>\nC: RCPT TO:<c@y.test>\n\
         S: 250 ok\nS: 250 ok\nS: 550 5.1.1 no such user\nS: 450 4.2.1 busy\nC: DATA\nS: 354 go\nD:\n\
         S: 250 2.0.0 queued as 7\nC: QUIT\nS: 221 bye",
    );
    let report =
        House::by(address).remote("y.test", "bob@x.test", &["a@y.test", "b@y.test", "c@y.test"], MESSAGE);
    let parts: Vec<&str> = report.split('|').collect();
    assert!(
        parts[0].starts_with("r127.0.0.1 accepted message./Remote host said: 250 2.0.0 queued"),
        "{report}"
    );
    assert!(parts[1].starts_with("h5.1.1 127.0.0.1 does not like the recipient"), "{report}");
    assert!(parts[2].starts_with("s4.2.1 127.0.0.1 does not like the recipient now"), "{report}");
    assert!(parts[3].starts_with('K') && parts[4].is_empty(), "{report}");
    let seen = server.join().unwrap();
    assert!(seen.contains("DATA\r\nSubject: x\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n"), "{seen}");
}

#[test]
fn nothing_but_a_yes_after_the_final_dot_is_a_delivery() {
    // R04, R05
    const TALK: &str = "S: 220 x\nC: EHLO\nS: 250 y\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\n";
    for (rest, letter) in [
        ("S: 354 go\nD:", 's'),
        ("S: 354 go\nD:\nS: 554 spam", 'h'),
        ("S: 354 go\nD:\nS: 452 full", 's'),
        ("S: 250 already", 's'),
    ] {
        let script: &'static str = Box::leak(format!("{TALK}{rest}").into_boxed_str());
        let (address, _server) = serve(script);
        let report = House::by(address).remote("y.test", "bob@x.test", &["a@y.test"], MESSAGE);
        assert!(report.starts_with(letter), "{rest}: {report}");
    }
}

#[test]
fn servers_that_talk_nonsense_or_not_at_all_are_given_up_in_time() {
    // R01, R07
    for script in ["S: nonsense", "", "S: 220-a\nS: 221 b", "S: 999 x", "S: 220 x\nC: EHLO"] {
        let script: &'static str = Box::leak(script.to_owned().into_boxed_str());
        let (address, _server) = serve(script);
        let report = House::by(address).remote("y.test", "bob@x.test", &["a@y.test"], MESSAGE);
        assert!(report.starts_with("s4."), "{script}: {report}");
    }
    // It takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let report = House::by(silent.local_addr().unwrap()).remote("y.test", "", &["a@y.test"], MESSAGE);
    assert!(report.contains("took too long to answer"), "{report}");
}

const ZONES: &[Zone] = &[
    Zone::Mx("null.test", 0, ""),
    Zone::Broken("broken.test"),
    Zone::Mx("loop.test", 10, "us.test"),
    Zone::A("us.test", [192, 0, 2, 1]),
    Zone::Mx("local.test", 10, "lo.test"),
    Zone::A("lo.test", [127, 0, 0, 1]),
    Zone::Nothing("empty.test"),
    Zone::Mx("nohost.test", 10, "gone.test"),
    Zone::Mx("two.test", 10, "dead.test"),
    Zone::Mx("two.test", 20, "good.test"),
    Zone::Mx("two.test", 30, "us.test"),
    Zone::A("dead.test", [127, 77, 0, 1]),
    Zone::A("good.test", [127, 77, 0, 2]),
    Zone::A("direct.test", [127, 77, 0, 3]),
];

#[test]
fn what_the_dns_says_decides_between_never_and_later() {
    // R08, R09
    let house = House::new(&[], name_server(ZONES));
    for (host, expect) in [
        ("null.test", "h5.1.10"),
        ("broken.test", "s4.4.3"),
        ("loop.test", "h5.4.6"),
        ("local.test", "h5.4.6"),
        ("missing.test", "h5.1.2"),
        ("empty.test", "h5.1.2"),
        ("nohost.test", "h5.1.2"),
    ] {
        let report = house.remote(host, "bob@x.test", &["a@y.test"], MESSAGE);
        assert!(report.starts_with(expect), "{host}: {report}");
    }
    let nobody = House::new(&[], "127.0.0.1:1".to_owned());
    assert!(nobody.remote("x.test", "", &["a@x.test"], MESSAGE).starts_with("s4.4.3"));
}

#[test]
fn the_next_exchanger_is_tried_and_a_domain_without_any_is_its_own() {
    let (Some(good), Some(direct)) = (port_25("127.77.0.2"), port_25("127.77.0.3")) else { return };
    const YES: &str = "S: 220 x\nC: EHLO\nS: 250 y\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nD:\nS: 250 ok";
    let house = House::new(&[("notipme", "127.77.0.1\n127.77.0.2\n127.77.0.3\n")], name_server(ZONES));
    let (_, server) = serve_at(good, YES);
    let report = house.remote("two.test", "bob@x.test", &["a@two.test"], MESSAGE);
    assert!(report.starts_with("r127.77.0.2 accepted message."), "{report}");
    server.join().unwrap();
    let (_, server) = serve_at(direct, YES);
    let report = house.remote("direct.test", "bob@x.test", &["a@direct.test"], MESSAGE);
    assert!(report.starts_with("r127.77.0.3 accepted message."), "{report}");
    server.join().unwrap();
}

#[test]
fn a_broken_route_is_never_guessed_at() {
    let house = House::new(&[("smtproutes", "y.test:a b\n")], String::new());
    assert!(house.remote("y.test", "", &["a@y.test"], MESSAGE).starts_with("s4.3.5"));
}

#[test]
fn a_server_whose_tls_does_not_work_gets_the_mail_without() {
    // R03
    const PLAIN: &str = "S: 220 x\nC: EHLO\nS: 250-y\nS: 250 STARTTLS\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\n\
                         S: 354 go\nD:\nS: 250 ok\nC: QUIT\nS: 221 bye";
    const HELLO: &str = "S: 220 x\nC: EHLO\nS: 250-y\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go";
    let garbage: &'static str =
        Box::leak(format!("{HELLO}\nS: this is no handshake at all").into_boxed_str());
    for scripts in [[HELLO, PLAIN], [garbage, PLAIN]] {
        let scripts: &'static [&'static str] = Box::leak(Box::new(scripts));
        let (address, server) = serve_each(scripts);
        let report = House::by(address).remote("y.test", "bob@x.test", &["a@y.test"], MESSAGE);
        assert!(report.starts_with("r127.0.0.1 accepted"), "{report}");
        assert_eq!(server.join().unwrap().matches("STARTTLS").count(), 1);
    }
}
