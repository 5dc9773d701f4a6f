//! SASL at `run/lookup`: each mechanism, step by step, and what must not let anybody in.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use sys::Packets;

use crate::house::{House, ask};

/// A house that offers digests, with alice (`secret`, readable), bob (`hidden`, hashed) and kay (`keyed`, keys).
fn house() -> House {
    let house = House::new().with_users();
    house.write("control/digestlogins", "1\n");
    assert!(house.admin(&["user-add", "kay@example.test", "{SCRAM}keyed"]).starts_with('K'));
    house
}

fn begin(connection: &Packets, mechanism: &str, message: &[&str]) -> String {
    ask(connection, &[&["auth", "smtp", "192.0.2.1", "", mechanism], message].concat())
}

fn is_in(answer: &str, user: &str) -> bool {
    answer.starts_with('K') && answer.ends_with(&format!("user={user}"))
}

#[test]
fn plain_and_login_take_every_kept_form_of_a_password() {
    let house = house();
    for (user, password) in
        [("alice@example.test", "secret"), ("bob@example.test", "hidden"), ("kay@example.test", "keyed")]
    {
        let connection = house.connect("lookup");
        assert!(is_in(&begin(&connection, "PLAIN", &["", user, password]), user));
        assert_eq!(begin(&connection, "PLAIN", &[]), "C");
        assert!(is_in(&ask(&connection, &["step", "", user, password]), user));
        assert_eq!(begin(&connection, "LOGIN", &[]), "CUsername:");
        assert_eq!(ask(&connection, &["step", user]), "CPassword:");
        assert!(is_in(&ask(&connection, &["step", password]), user));
        assert_eq!(begin(&connection, "LOGIN", &[user]), "CPassword:");
        assert!(is_in(&ask(&connection, &["step", password]), user));
        assert!(begin(&connection, "PLAIN", &["", user, "wrong"]).starts_with("D5.7.8"));
    }
}

// S38
#[test]
fn what_is_no_message_of_a_mechanism_is_told_apart_and_ends_the_exchange() {
    let house = house();
    let connection = house.connect("lookup");
    let alice = "alice@example.test";
    for message in [&[""][..], &["", "", ""], &["", alice], &["root", alice, "secret"], &["x"]] {
        assert_eq!(begin(&connection, "PLAIN", message), "D5.5.2 this is no message of the mechanism");
        assert!(ask(&connection, &["step", "", alice, "secret"]).starts_with('Z'), "nothing was begun");
    }
    for mechanism in ["XYZZY", "", "EXTERNAL", "SCRAM-SHA-256-PLUS", "plain"] {
        assert!(begin(&connection, mechanism, &[]).starts_with("D5.7.4"), "{mechanism}");
    }
    assert_eq!(begin(&connection, "LOGIN", &[alice]), "CPassword:");
    assert!(is_in(&begin(&connection, "PLAIN", &["", alice, "secret"]), alice));
    assert!(ask(&connection, &["step", "secret"]).starts_with('Z'), "the exchange before is forgotten");
}

fn cram(challenge: &str, user: &str, password: &str) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).unwrap();
    mac.update(challenge.as_bytes());
    format!("{user} {}", HEXLOWER.encode(&mac.finalize().into_bytes()))
}

// S41
#[test]
fn a_digest_is_good_for_its_challenge_and_its_user_alone() {
    let house = house();
    let (one, two) = (house.connect("lookup"), house.connect("lookup"));
    let alice = "alice@example.test";
    let first = begin(&one, "CRAM-MD5", &[])[1..].to_owned();
    let second = begin(&two, "CRAM-MD5", &[])[1..].to_owned();
    assert_ne!(first, second);
    assert!(is_in(&ask(&one, &["step", &cram(&first, alice, "secret")]), alice));
    assert!(ask(&two, &["step", &cram(&first, alice, "secret")]).starts_with("D5.7.8"), "a replay");
    for (user, password) in [("bob@example.test", "hidden"), ("nobody@example.test", "nobody"), (alice, "x")]
    {
        let challenge = begin(&one, "CRAM-MD5", &[])[1..].to_owned();
        assert!(ask(&one, &["step", &cram(&challenge, user, password)]).starts_with("D5.7.8"), "{user}");
    }
    assert!(begin(&one, "CRAM-MD5", &["x"]).starts_with("D5.5.2"));
    house.write("control/digestlogins", "0\n");
    assert!(begin(&one, "CRAM-MD5", &[]).starts_with("D5.7.4"));
    assert!(begin(&one, "SCRAM-SHA-256", &[]).starts_with("D5.7.4"));
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// The client's side of SCRAM-SHA-256: its last message, and the signature it expects.
fn scram(challenge: &str, user: &str, password: &str) -> (String, String) {
    let field = |at: usize| challenge.splitn(3, ',').nth(at).unwrap()[2..].to_owned();
    let (nonce, salt, rounds) = (field(0), BASE64.decode(field(1).as_bytes()).unwrap(), field(2));
    let mut salted = mac(password.as_bytes(), &[&salt[..], &[0, 0, 0, 1]].concat());
    let mut last = salted.clone();
    for _ in 1..rounds.parse::<u32>().unwrap() {
        last = mac(password.as_bytes(), &last);
        salted.iter_mut().zip(&last).for_each(|(sum, octet)| *sum ^= octet);
    }
    let (key, without) = (mac(&salted, b"Client Key"), format!("c=biws,r={nonce}"));
    let heard = format!("n={user},r=abc,{challenge},{without}");
    let signature = mac(&Sha256::digest(&key), heard.as_bytes());
    let proof: Vec<u8> = key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
    let server = BASE64.encode(&mac(&mac(&salted, b"Server Key"), heard.as_bytes()));
    (format!("{without},p={}", BASE64.encode(&proof)), format!("Cv={server}"))
}

#[test]
fn scram_proves_both_sides_and_tells_nobody_who_exists() {
    let house = house();
    let connection = house.connect("lookup");
    let first = |user: &str| begin(&connection, "SCRAM-SHA-256", &[&format!("n,,n={user},r=abc")]);
    for (user, password) in [("alice@example.test", "secret"), ("kay@example.test", "keyed")] {
        let challenge = first(user);
        let (last, signature) = scram(&challenge[1..], user, password);
        assert_eq!(ask(&connection, &["step", &last]), signature);
        assert!(is_in(&ask(&connection, &["step", ""]), user));
        let (wrong, _) = scram(&first(user)[1..], user, "wrong");
        assert!(ask(&connection, &["step", &wrong]).starts_with("D5.7.8"));
        first(user);
        assert!(ask(&connection, &["step", &last]).starts_with("D5.7.8"), "a replay");
    }
    let salt = |user: &str| first(user).split(",s=").nth(1).unwrap().to_owned();
    assert_eq!(salt("nobody@example.test"), salt("nobody@example.test"));
    for user in ["nobody@example.test", "bob@example.test", "not an address"] {
        let (last, _) = scram(&first(user)[1..], user, "hidden");
        assert!(ask(&connection, &["step", &last]).starts_with("D5.7.8"), "{user}");
    }
    assert!(
        house
            .log()
            .iter()
            .any(|line| line.contains("user=bob@example.test cause=password is kept in a form"))
    );
}

#[test]
fn who_logs_in_sends_in_his_own_name_unless_authsender_lets_him_more() {
    let house = house();
    house.admin(&["alias-add", "sales@example.test", "alice", "bob"]);
    house.admin(&["domain-add", "other.test"]);
    house.admin(&["domain-add", "alias.test", "alias-of=example.test"]);
    let may = |address: &str| {
        let answer = house.ask("lookup", &["sender", "alice@example.test", address]);
        answer[..1].to_owned()
    };
    let own = [
        "alice@example.test",
        "ALICE@example.test",
        "alice+x@example.test",
        "sales@example.test",
        "alice@alias.test",
    ];
    let not = ["bob@example.test", "nobody@example.test", "alice@other.test", "alice@example.org", "x"];
    assert!(own.iter().all(|address| may(address) == "K") && not.iter().all(|address| may(address) == "D"));
    house.write("control/authsender", "example.test:domain\n");
    assert_eq!(
        (may("bob@example.test"), may("bob@alias.test"), may("a@other.test")),
        ("K".into(), "K".into(), "D".into())
    );
    house.write("control/authsender", ":any\nother.test:own\n");
    assert_eq!(may("anybody@example.org"), "K");
    house.write("control/authsender", ":everything\n");
    assert_eq!(may("alice@example.test"), "Z");
    house.logged("`everything` is no policy");
}

#[test]
fn a_certificate_lets_mail_be_handed_in_and_opens_no_mailbox() {
    let house = house();
    let connection = house.connect("lookup");
    let ask = |service: &str, tls: &str, wanted: &[&str]| {
        ask(&connection, &[&["auth", service, "192.0.2.1", tls, "EXTERNAL"], wanted].concat())
    };
    let alice = "client=nobody@example.test client=alice@example.test";
    let answer = ask("smtp", alice, &[""]);
    assert!(is_in(&answer, "alice@example.test"), "{answer}");
    // Whoever speaks with clients could have said that.
    let ticket = answer[1..].split(' ').next().unwrap();
    let opened = house.ask("lookup-root", &["login", ticket]);
    assert!(opened.starts_with("D5.7.8"), "{opened}");
    assert!(is_in(&ask("smtp", alice, &["alice@example.test"]), "alice@example.test"));
    assert!(ask("smtp", alice, &["bob@example.test"]).starts_with("D5.7.8"));
    assert!(ask("smtp", "client=nobody@example.test", &[""]).starts_with("D5.7.8"));
    assert!(ask("smtp", "", &[""]).starts_with("D5.7.4"));
    assert!(ask("pop3", alice, &[""]).starts_with("D5.7.4"));
}

#[test]
fn a_bound_proof_needs_the_channel_that_it_is_bound_to() {
    let house = house();
    let connection = house.connect("lookup");
    let first = "p=tls-exporter,,n=kay@example.test,r=abc";
    let begin = |tls: &str, mechanism: &str, first: &str| {
        ask(&connection, &["auth", "smtp", "192.0.2.1", tls, mechanism, first])
    };
    assert!(begin("tls-exporter=00ff", "SCRAM-SHA-256-PLUS", first).starts_with("Cr=abc"));
    assert!(
        begin("tls-server-end-point=00", "SCRAM-SHA-256-PLUS", first).starts_with("D5.5.2"),
        "not that channel"
    );
    assert!(begin("tls-exporter=zz", "SCRAM-SHA-256-PLUS", first).starts_with("D5.5.2"));
    assert!(
        begin("tls-exporter=00", "SCRAM-SHA-256", first).starts_with("D5.5.2"),
        "bound, and says that it is not"
    );
    let unbound = "n,,n=kay@example.test,r=abc";
    assert!(begin("tls-exporter=00", "SCRAM-SHA-256-PLUS", unbound).starts_with("D5.5.2"));
    assert!(begin("", "SCRAM-SHA-256-PLUS", first).starts_with("D5.7.4"));
    // Somebody between has taken the offer of -PLUS away.
    let fooled = "y,,n=kay@example.test,r=abc";
    assert!(begin("tls-server-end-point=00", "SCRAM-SHA-256", fooled).starts_with("D5.7.8"));
    assert!(begin("", "SCRAM-SHA-256", fooled).starts_with('C'));
}
