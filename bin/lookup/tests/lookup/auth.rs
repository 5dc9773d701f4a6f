//! Logging in.

use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use sys::Packets;

use crate::house::{House, ask};

fn pass(house: &House, ip: &str, user: &str, password: &str) -> String {
    house.ask("lookup", &["auth", "pop3", ip, "", "PASS", user, password])
}

fn ticket(answer: &str) -> String {
    let head = answer.split(' ').next().unwrap();
    let ticket = head.strip_prefix('K').unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(ticket.len(), 32);
    ticket.to_owned()
}

fn redeem(house: &House, ticket: &str) -> Result<owner::Owner, wire::Fate> {
    let answer = house.connect("lookup-root").ask(&wire::packet(&[b"login", ticket.as_bytes()])).unwrap();
    owner::Owner::from_packet(&answer.bytes)
}

#[test]
fn a_right_password_gives_a_ticket_that_opens_the_mailbox_once() {
    let house = House::new().with_users();
    for (user, password, name) in [
        ("alice@example.test", "secret", "alice"),
        ("ALICE#Example.Test", "secret", "alice"),
        ("bob@example.test", "hidden", "bob"),
    ] {
        let answer = pass(&house, "192.0.2.1", user, password);
        assert!(answer.ends_with(&format!(" user={name}@example.test")), "{answer}");
        let ticket = ticket(&answer);
        let owner = redeem(&house, &ticket).unwrap();
        assert_eq!(owner.home, house.path("mail/example.test").join(name));
        assert_eq!(redeem(&house, &ticket).unwrap_err().letter(), b'D', "one use");
    }
    for ticket in ["", "0", &"0".repeat(32), "../x"] {
        assert_eq!(redeem(&house, ticket).unwrap_err().letter(), b'D');
    }
}

#[test]
fn who_was_disabled_between_password_and_mailbox_does_not_get_in() {
    let house = House::new().with_users();
    let ticket = ticket(&pass(&house, "192.0.2.1", "alice@example.test", "secret"));
    assert!(house.admin(&["user-set", "alice@example.test", "disabled"]).starts_with('K'));
    assert_eq!(redeem(&house, &ticket).unwrap_err().letter(), b'D');
}

#[test]
fn a_login_is_told_what_is_shared_with_it() {
    let house = House::new().with_users();
    let shared = |user: &str, password: &str| {
        let owner = redeem(&house, &ticket(&pass(&house, "192.0.2.1", user, password))).unwrap();
        let names = owner.shared.iter().map(|path| path.strip_prefix(house.path("mail/shared")).unwrap());
        names.map(|name| name.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(shared("alice@example.test", "secret").is_empty());
    house.write("control/sharedfolders", "sales: alice@example.test\nall:*\nteam: @example.test\n../x:*\n");
    assert_eq!(shared("alice@example.test", "secret"), ["sales", "all", "team"]);
    assert_eq!(shared("bob@example.test", "hidden"), ["all", "team"]);
}

fn apop(connection: &Packets, user: &str, password: &str) -> String {
    let challenge = ask(connection, &["auth", "pop3", "192.0.2.1", "", "APOP", ""]);
    let stamp = challenge.strip_prefix('C').unwrap();
    assert!(stamp.starts_with('<') && stamp.ends_with("@mx.example.test>"), "{stamp}");
    let digest = HEXLOWER.encode(&Md5::digest(format!("{stamp}{password}")));
    ask(connection, &["auth", "pop3", "192.0.2.1", "", "APOP", user, &digest])
}

#[test]
fn digests_are_not_offered_where_nobody_asked_for_them() {
    // A client that is offered APOP takes it, and fails where the password is kept as a hash.
    let house = House::new();
    std::fs::remove_file(house.path("control/digestlogins")).unwrap();
    let connection = house.connect("lookup");
    let question = ["auth", "pop3", "192.0.2.1", "", "APOP", ""];
    assert!(ask(&connection, &question).starts_with("D5.7.4"));
    std::fs::write(house.path("control/digestlogins"), "1\n").unwrap();
    assert!(ask(&connection, &question).starts_with('C'));
}

// P09
#[test]
fn apop_lets_in_where_the_password_is_kept_as_it_is() {
    let house = House::new().with_users();
    let connection = house.connect("lookup");
    ticket(&apop(&connection, "alice@example.test", "secret"));
    ticket(&apop(&connection, "Alice#Example.test", "secret"));
    assert!(apop(&connection, "alice@example.test", "wrong").starts_with("D5.7.8"));
    assert!(apop(&connection, "bob@example.test", "hidden").starts_with("D5.7.8"));
    house.logged("user=bob@example.test cause=password is kept in a form");
    assert!(apop(&connection, "nobody@example.test", "").starts_with("D5.7.8"));
    let garbage =
        ask(&connection, &["auth", "pop3", "", "", "APOP", "alice@example.test", &"*".repeat(20_000)]);
    assert!(garbage.starts_with("D5.7.8"));
    ticket(&apop(&connection, "alice@example.test", "secret"));
}

#[test]
fn a_digest_is_worth_nothing_on_another_connection_or_after_a_new_timestamp() {
    let house = House::new().with_users();
    let (one, two) = (house.connect("lookup"), house.connect("lookup"));
    let question = ["auth", "pop3", "192.0.2.1", "", "APOP", ""];
    let stamp = ask(&one, &question)[1..].to_owned();
    ask(&two, &question);
    let digest = HEXLOWER.encode(&Md5::digest(format!("{stamp}secret")));
    let proof = ["auth", "pop3", "192.0.2.1", "", "APOP", "alice@example.test", &digest];
    assert!(ask(&two, &proof).starts_with("D5.7.8"));
    assert!(ask(&house.connect("lookup"), &proof).starts_with('Z'));
    assert!(ask(&one, &proof).starts_with('K'));
    ask(&one, &question);
    assert!(ask(&one, &proof).starts_with("D5.7.8"));
}

#[test]
fn neither_aliases_nor_bare_names_nor_services_switched_off_log_in() {
    let house = House::new().with_users();
    house.admin(&["alias-add", "sales@example.test", "alice"]);
    house.admin(&["domain-add", "alias.test", "alias-of=example.test"]);
    house.admin(&["user-add", "forwarder@example.test", "", "forward=alice"]);
    house.admin(&["user-add", "sender@example.test", "secret", "services=smtp"]);
    house.admin(&["user-add", "gone@example.test", "secret", "disabled"]);
    let names = [
        "sales@example.test",
        "alice@alias.test",
        "alice",
        "alice+x@example.test",
        "forwarder@example.test",
        "sender@example.test",
        "gone@example.test",
        "",
        "@",
        "alice@",
        "../alice@example.test",
    ];
    for (n, name) in names.iter().enumerate() {
        let ip = format!("192.0.2.{n}");
        assert_eq!(pass(&house, &ip, name, "secret"), "D5.7.8 wrong name or password", "{name}");
    }
    house.logged("user=sender@example.test cause=service switched off");
    let smtp = house
        .ask("lookup", &["auth", "submission", "192.0.2.99", "", "PASS", "sender@example.test", "secret"]);
    ticket(&smtp);
}

// A05 P13
#[test]
fn unknown_users_and_wrong_passwords_get_the_same_answer_after_the_same_time() {
    let house = House::new().with_users();
    let time = |user: &str, ip: &str| {
        let start = Instant::now();
        assert_eq!(pass(&house, ip, user, "wrong"), "D5.7.8 wrong name or password");
        start.elapsed().as_millis() / 100
    };
    let times = [
        time("alice@example.test", "192.0.2.1"),
        time("bob@example.test", "192.0.2.2"),
        time("nobody@example.test", "192.0.2.3"),
        time("x y", "192.0.2.4"),
    ];
    assert!(times.iter().all(|time| *time >= 3 && *time < 9), "{times:?}");
}

// P13 S40
#[test]
fn a_hundred_wrong_passwords_at_once_are_delayed_and_stopped_and_lock_nobody_else_out() {
    let house = House::new().with_users();
    ticket(&pass(&house, "192.0.2.9", "alice@example.test", "secret"));
    let guesses: Vec<_> = (0..100).map(|_| house.connect("lookup")).collect();
    let start = Instant::now();
    let wrong: [&[u8]; 7] =
        [b"auth", b"pop3", b"198.51.100.1", b"", b"PASS", b"alice@example.test", b"wrong"];
    for guess in &guesses {
        guess.send(&wire::packet(&wrong), &[]).unwrap();
    }
    let right = pass(&house, "192.0.2.9", "alice@example.test", "secret");
    assert!(start.elapsed() < Duration::from_secs(5), "the owner does not wait for guessers");
    ticket(&right);
    let answers: Vec<_> = guesses.iter().map(|guess| guess.recv().unwrap().unwrap().bytes).collect();
    let refused = answers.iter().filter(|answer| answer.starts_with(b"D5.7.8")).count();
    let stopped = answers.iter().filter(|answer| answer.starts_with(b"Z4.7.0")).count();
    assert_eq!((refused, stopped), (15, 85));
    assert!(
        pass(&house, "198.51.100.1", "alice@example.test", "secret").starts_with("Z4.7.0"),
        "nor is it told if he guesses right"
    );
    ticket(&pass(&house, "192.0.2.10", "alice@example.test", "secret"));
}

#[test]
fn passwords_of_strange_octets_work_and_never_reach_the_log() {
    let house = House::new().with_users();
    for (n, password) in
        [&b"p\xc3\xa4ss w\xc3\xb6rd "[..], b"latin\xe4", b"{PLAIN}x", b"*"].into_iter().enumerate()
    {
        let user = format!("u{n}@example.test");
        let question =
            wire::packet(&[b"admin", b"user-add", user.as_bytes(), &[b"{PLAIN}", password].concat()]);
        let answer = house.connect("admin").ask(&question).unwrap().bytes;
        if str::from_utf8(password).is_err() {
            assert_eq!(answer[0], b'D', "what comes by the admin is text");
            continue;
        }
        assert_eq!(answer[0], b'K', "{}", String::from_utf8_lossy(&answer));
        let question = wire::packet(&[b"auth", b"pop3", b"", b"", b"PASS", user.as_bytes(), password]);
        assert_eq!(house.connect("lookup").ask(&question).unwrap().bytes[0], b'K');
    }
    let wrong = wire::packet(&[b"auth", b"pop3", b"", b"", b"PASS", b"\xff\xfe", b"\xff geheim"]);
    assert!(house.connect("lookup").ask(&wrong).unwrap().bytes.starts_with(b"D5.7.8"));
    pass(&house, "", "alice@example.test", "nearly-secret");
    let log = house.log().join("\n");
    for secret in ["secret", "geheim", "hidden", "w\\xc3", "PLAIN"] {
        assert!(!log.contains(secret), "{log}");
    }
}

// A05
#[test]
fn a_costly_or_locked_password_lets_nobody_in_and_holds_nobody_up() {
    let house = House::new().with_users();
    let hash = "$argon2id$v=19$m=1000000000,t=1000000000,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
    let lines = format!("alice:{{ARGON2ID}}{hash}\nbob:!{{PLAIN}}hidden\n");
    std::fs::write(house.path("users/example.test/passwords"), lines).unwrap();
    assert!(house.admin(&["compile"]).starts_with('K'));
    let start = Instant::now();
    assert!(pass(&house, "192.0.2.1", "alice@example.test", "secret").starts_with("D5.7.8"));
    assert!(pass(&house, "192.0.2.2", "bob@example.test", "hidden").starts_with("D5.7.8"));
    assert!(start.elapsed() < Duration::from_secs(5));
}
