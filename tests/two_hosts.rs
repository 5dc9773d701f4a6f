//! Two hosts with one set of users: whoever logs in at one is led to the other, if that has his mailbox.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use nix::sys::signal::Signal;
use tests::{House, Imap, PASSWORD, PATIENCE, Pop3, message};

const ALICE: &str = "alice@example.test";
const KEY: &str = "0123456789abcdef0123456789abcdef\n";

/// The host where clients come, and the one that has alice's mailbox.
fn hosts() -> (House, House) {
    let (front, mut back) = (House::start(), House::start());
    back.write("control/me", "b.example.test\n");
    back.services().stop("lookup", Signal::SIGTERM);
    back.run();
    for house in [&front, &back] {
        write_key(house, KEY);
        house.well(&["user", "set", ALICE, "host=b.example.test"]);
    }
    let (imap, pop3) = (back.imap().port(), back.pop3().port());
    front.write("control/mailhosts", &format!("b.example.test:127.0.0.1 imap={imap} pop3={pop3}\n"));
    (front, back)
}

/// Writes the key such that `lookup` alone can read it.
pub(crate) fn write_key(house: &House, key: &str) {
    house.write("control/hostkey", key);
    let (path, owner) = (house.path("control/hostkey"), std::fs::metadata(house.path("users")).unwrap());
    chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
}

/// Waits until the house has said so.
fn await_word(house: &House, word: &str) {
    house.until(word, || house.log().contains(word).then_some(()));
}

/// Says `input` at once; gives all that is answered.
fn at_once(house: &House, input: &str) -> String {
    let mut stream = TcpStream::connect(house.imap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(input.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn a_login_is_led_to_the_mailbox_and_the_answer_bears_its_tag() {
    let (front, mut back) = hosts();
    back.send("bob@example.test", ALICE, &message("over there"));
    back.await_mail("alice", 1);
    let mut pop3 = Pop3::login(front.pop3(), ALICE, PASSWORD);
    assert!(pop3.good("STAT").starts_with("1 "));
    assert!(String::from_utf8(pop3.fetch(1)).unwrap().contains("over there"));
    pop3.good("QUIT");
    let mut imap = Imap::login(front.imap(), ALICE, PASSWORD);
    assert_eq!(imap.good("STATUS INBOX (MESSAGES)").lines(), ["STATUS INBOX (MESSAGES 1)"]);
    imap.good("LOGOUT");
    let plain = data_encoding::BASE64.encode(format!("\0{ALICE}\0{PASSWORD}").as_bytes());
    let said = at_once(&front, &format!("x7 AUTHENTICATE PLAIN {plain}\r\nx8 NOOP\r\nx9 LOGOUT\r\n"));
    for tag in ["x7", "x8", "x9"] {
        assert_eq!(said.matches(&format!("\r\n{tag} OK ")).count(), 1, "{tag}: {said}");
    }
    assert!(said.starts_with("* OK ") && said.matches("* OK").count() == 1, "one greeting: {said}");
    assert!(!front.path("mail/example.test/alice").exists(), "the mailbox is there and not here");
    assert!(
        back.log().contains("lookup: login service=imap ip=127.0.0.1 method=HOST user=alice@example.test")
    );
    for log in [front.log(), back.log()] {
        assert!(!log.contains("fulmar1.") && !log.contains(PASSWORD), "{log}");
    }
    // Who lives here stays here.
    Imap::login(front.imap(), "bob@example.test", PASSWORD);
    assert!(front.path("mail/example.test/bob").exists());
    back.services().stop("imap", Signal::SIGTERM);
    let said = at_once(&front, &format!("x7 AUTHENTICATE PLAIN {plain}\r\n"));
    assert!(said.contains("\r\nx7 NO [UNAVAILABLE]"), "{said}");
}

#[test]
fn no_pass_is_good_without_the_key_and_none_leads_in_a_circle() {
    let (front, back) = hosts();
    let login = |house: &House, password: &str| {
        let mut imap = Imap::try_connect(house.imap()).unwrap();
        imap.command(&format!("LOGIN {ALICE} \"{password}\"")).tagged
    };
    assert!(login(&front, "wrong").starts_with("NO [AUTHENTICATIONFAILED]"));
    assert!(
        login(&back, &format!("fulmar1.1.{}.192.0.2.1.{}", "00".repeat(16), "00".repeat(32)))
            .starts_with("NO [")
    );
    write_key(&back, "another key, and as long as it has to be\n");
    assert!(login(&front, PASSWORD).starts_with("NO [AUTHENTICATIONFAILED]"));
    write_key(&back, KEY);
    back.well(&["user", "set", ALICE, "host=c.example.test"]);
    let said = login(&front, PASSWORD);
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    await_word(&back, "was led here, and c.example.test has the mailbox");
    std::fs::remove_file(front.path("control/hostkey")).unwrap();
    let said = login(&front, PASSWORD);
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    await_word(&front, "control/hostkey");
}

#[test]
fn a_key_that_everybody_can_read_opens_no_mailbox() {
    let (front, back) = hosts();
    let open_to_all = |house: &House| {
        let everybody = std::fs::Permissions::from_mode(0o444);
        std::fs::set_permissions(house.path("control/hostkey"), everybody).unwrap();
    };
    let login =
        || Imap::try_connect(front.imap()).unwrap().command(&format!("LOGIN {ALICE} \"{PASSWORD}\"")).tagged;
    assert!(login().starts_with("OK"));
    for house in [&back, &front] {
        open_to_all(house);
        let said = login();
        assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
        let cause = "control/hostkey: everybody on this host can read it; chmod o= it";
        await_word(house, cause);
    }
    write_key(&front, KEY);
    write_key(&back, KEY);
    assert!(login().starts_with("OK"));
}

/// A host that knows the certificate of the other one, and speaks to it by TLS alone.
fn secret_hosts() -> (House, House) {
    let (front, back) = hosts();
    let vouched = std::fs::read_to_string(back.path("control/tls/default.crt")).unwrap();
    front.write("control/tlsauthorities", &vouched);
    lead_by_tls(&front, &back, "mail.example.test");
    (front, back)
}

/// The other host is spoken to by TLS, and its certificate has to be for `name`.
fn lead_by_tls(front: &House, back: &House, name: &str) {
    let (imap, pop3) = (back.imaps().port(), back.pop3s().port());
    front.write(
        "control/mailhosts",
        &format!("b.example.test:127.0.0.1 imap={imap} pop3={pop3} tls={name}\n"),
    );
}

#[test]
fn a_login_is_led_by_tls_and_much_mail_goes_both_ways() {
    let (front, back) = secret_hosts();
    let mut imap = Imap::login(front.imap(), ALICE, PASSWORD);
    let large = format!("Subject: large\r\n\r\n{}", "0123456789abcdef\r\n".repeat(100_000));
    for _ in 0..2 {
        assert!(imap.try_append("INBOX", "", large.as_bytes()).unwrap().is_ok());
    }
    imap.good("SELECT INBOX");
    // Both at once: neither side may wait for the other to read first.
    let fetch = "f FETCH 1:2 (BODY.PEEK[])\r\n".repeat(3);
    let append = format!("g APPEND INBOX {{{}+}}\r\n{large}\r\n", large.len());
    let mut stream = TcpStream::connect(front.imap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reading = stream.try_clone().unwrap();
    let said = std::thread::spawn(move || {
        let mut said = Vec::new();
        reading.read_to_end(&mut said).map(|_| said)
    });
    let login = format!("e LOGIN {ALICE} \"{PASSWORD}\"\r\ns SELECT INBOX\r\n");
    stream.write_all(format!("{login}{fetch}{append}{fetch}h LOGOUT\r\n").as_bytes()).unwrap();
    let said = said.join().unwrap().unwrap();
    let count = |what: &str| said.windows(what.len()).filter(|octets| *octets == what.as_bytes()).count();
    assert_eq!(
        (count("Subject: large"), count("\r\nf OK"), count("\r\ng OK"), count("\r\nh OK")),
        (12, 6, 1, 1)
    );
    let mut pop3 = Pop3::login(front.pop3(), ALICE, PASSWORD);
    assert!(pop3.good("STAT").starts_with("3 "));
    pop3.good("QUIT");
    await_word(&front, "by=tls");
    assert!(!front.log().contains("by=plain"), "{}", front.log());
    assert!(!back.log().contains("fulmar1."));
}

#[test]
fn a_certificate_that_will_not_do_means_later_and_nothing_is_said_in_plain_text() {
    let (front, back) = secret_hosts();
    let login =
        |port| Imap::try_connect(port).unwrap().command(&format!("LOGIN {ALICE} \"{PASSWORD}\"")).tagged;
    assert!(login(front.imap()).starts_with("OK"));
    lead_by_tls(&front, &back, "other.example.test");
    let said = login(front.imap());
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    lead_by_tls(&front, &back, "mail.example.test");
    std::fs::remove_file(front.path("control/tlsauthorities")).unwrap();
    let said = login(front.imap());
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    let mut pop3 = Pop3::connect(front.pop3());
    pop3.good(&format!("USER {ALICE}"));
    let said = pop3.command(&format!("PASS {PASSWORD}"));
    assert!(said.starts_with("-ERR [SYS/TEMP]"), "{said}");
    // A line that is not understood is no reason for plain text.
    front.write("control/mailhosts", "b.example.test:127.0.0.1 imaps=993\n");
    let said = login(front.imap());
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    await_word(&front, "control/mailhosts: `imaps=993` is not understood");
    // Nor is one that names nobody, whoever is meant.
    front.write("control/mailhosts", "b.example.test 127.0.0.1 tls\n");
    let said = login(front.imap());
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    await_word(&front, "control/mailhosts: line 1: no colon");
    // Who listens there without a certificate hears nothing but the beginning of TLS.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    front.write("control/mailhosts", &format!("b.example.test:127.0.0.1 imap={port} tls\n"));
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"* OK say it in plain text\r\n").unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        heard
    });
    let said = login(front.imap());
    assert!(said.starts_with("NO [UNAVAILABLE]"), "{said}");
    let heard = heard.join().unwrap();
    assert!(heard.first() == Some(&22), "{heard:?}");
    assert!(!heard.windows(7).any(|octets| octets == b"fulmar1"));
}
