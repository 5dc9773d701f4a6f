//! Logging in by IMAP: every mechanism, what is refused and how, TLS, and what is not lost on the way to the mailbox.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use data_encoding::BASE64;
use nix::sys::signal::Signal;
use tests::imap::quoted;
use tests::{House, Imap, PASSWORD, PATIENCE, Smtp, message, tool};

const ALICE: &str = "alice@example.test";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Says `input` at once; gives all that is answered until the server hangs up.
fn at_once(address: SocketAddr, input: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may hang up before all is said.
    let mut writer = stream.try_clone().unwrap();
    let input = input.to_vec();
    let talk = std::thread::spawn(move || writer.write_all(&input));
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..count]);
    }
    let _ = talk.join().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn log_in(user: &str, password: &str) -> String {
    format!("LOGIN {} {}", quoted(user), quoted(password))
}

/// The words behind `name=` in a list of capabilities.
fn mechanisms(imap: &mut Imap) -> Vec<String> {
    let answer = imap.good("CAPABILITY");
    let all = answer.after("CAPABILITY ").unwrap();
    all.split(' ').filter_map(|word| word.strip_prefix("AUTH=")).map(str::to_owned).collect()
}

#[test]
fn each_mechanism_that_is_offered_lets_in_and_no_other() {
    let house = House::start();
    let offered = mechanisms(&mut Imap::try_connect(house.imap()).unwrap());
    assert_eq!(offered, ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"]);
    std::fs::remove_file(house.path("control/digestlogins")).unwrap();
    let mut imap = Imap::try_connect(house.imap()).unwrap();
    assert_eq!(mechanisms(&mut imap), ["PLAIN", "LOGIN"]);
    for absent in ["CRAM-MD5", "SCRAM-SHA-256", "EXTERNAL", "X", "PLAIN-CLIENTTOKEN"] {
        assert!(!imap.command(&format!("AUTHENTICATE {absent}")).is_ok(), "{absent}");
    }
    let plain = BASE64.encode(format!("\0{ALICE}\0{PASSWORD}").as_bytes());
    assert!(imap.good(&format!("AUTHENTICATE PLAIN {plain}")).code("CAPABILITY").is_some());
    house.write("control/digestlogins", "1\n");
    let Some(gsasl) = tool("gsasl") else { return };
    house.well(&["user", "add", "kay@example.test", "--scram", "--password", PASSWORD]);
    let port = house.imap().port().to_string();
    let log_in = |mechanism: &str, user: &str, password: &str| {
        let mut command = Command::new(&gsasl);
        command.args(["--imap", "--no-starttls", "--connect", &format!("127.0.0.1:{port}")]);
        command.args(["--mechanism", mechanism, "--authentication-id", user, "--password", password]);
        let output = command.args(["--authorization-id", "", "--no-cb"]).stdin(Stdio::null()).output();
        let output = output.unwrap();
        (output.status.success(), said(&output))
    };
    for (mechanism, user) in offered.iter().map(|way| (way.as_str(), ALICE)).chain([
        ("SCRAM-SHA-256", "kay@example.test"),
        ("PLAIN", "kay@example.test"),
        ("LOGIN", "kay@example.test"),
    ]) {
        let (well, said) = log_in(mechanism, user, PASSWORD);
        assert!(well, "{mechanism} {user}: {said}");
        assert!(!log_in(mechanism, user, "wrong").0, "{mechanism} {user}");
    }
    let log = house.log();
    assert!(
        log.contains("login service=imap ip=127.0.0.1 method=SCRAM-SHA-256 user=alice@example.test"),
        "{log}"
    );
    assert!(!log.contains(PASSWORD), "no password in the log");
}

#[test]
fn a_rule_says_which_mechanisms_are_offered() {
    let house = House::start();
    house.write("etc/tcp.imap", ":allow,AUTHMECHANISMS=\"PLAIN scram-sha-256\"\n");
    house.well(&["cdb"]);
    let mut imap = Imap::try_connect(house.imap()).unwrap();
    assert_eq!(mechanisms(&mut imap), ["SCRAM-SHA-256", "PLAIN"]);
    assert!(!imap.command("AUTHENTICATE CRAM-MD5").is_ok());
    imap.good(&log_in(ALICE, PASSWORD));
}

#[test]
fn a_name_and_a_password_come_quoted_or_as_literals_of_both_kinds() {
    let house = House::start();
    let (user, password) = (ALICE.as_bytes(), PASSWORD.as_bytes());
    Imap::login(house.imap(), ALICE, PASSWORD).good("LOGOUT");
    Imap::login(house.imap(), "ALICE#Example.Test", PASSWORD).good("LOGOUT");
    let mut imap = Imap::try_connect(house.imap()).unwrap();
    let answer = imap.try_literals(&[("LOGIN ", user), (" ", password)], "").unwrap();
    assert!(answer.is_ok(), "{}", answer.tagged);
    let (n, m) = (user.len(), password.len());
    let at_once_said = at_once(
        house.imap(),
        format!("a LOGIN {{{n}+}}\r\n{ALICE} {{{m}+}}\r\n{PASSWORD}\r\nb LOGOUT\r\n").as_bytes(),
    );
    assert!(at_once_said.contains("\r\na OK ") && at_once_said.contains("\r\nb OK "), "{at_once_said}");
}

#[test]
fn what_is_pipelined_behind_the_login_is_answered_by_the_mailbox() {
    let house = House::start();
    house.send("bob@example.test", ALICE, &message("first"));
    house.await_mail("alice", 1);
    let plain = BASE64.encode(format!("\0{ALICE}\0{PASSWORD}").as_bytes());
    let more = "b SELECT INBOX\r\nc FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]\r\n\
                d APPEND INBOX {12+}\r\nA: b\r\n\r\nx\r\n\r\n\r\ne NOOP\r\nf LOGOUT\r\n";
    for login in [format!("a {}", log_in(ALICE, PASSWORD)), format!("a AUTHENTICATE PLAIN {plain}")] {
        let said = at_once(house.imap(), format!("{login}\r\n{more}").as_bytes());
        assert!(said.contains("Subject: first"), "{said}");
        for tag in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(said.matches(&format!("\r\n{tag} OK ")).count(), 1, "{tag}: {said}");
        }
        assert!(said.starts_with("* OK ") && said.contains("* BYE "), "{said}");
    }
}

#[test]
fn wrong_passwords_are_answered_alike_and_slowly_and_the_fifth_is_the_last() {
    // I31
    let house = House::start();
    house.user("off", &[]);
    house.well(&["user", "set", "off@example.test", "disabled"]);
    house.user("fetcher", &[]);
    house.well(&["user", "set", "fetcher@example.test", "services=pop3"]);
    let mut answers = Vec::new();
    for user in [ALICE, "nobody@example.test", "root", "off@example.test", "fetcher@example.test", "../../x"]
    {
        let mut imap = Imap::try_connect(house.imap()).unwrap();
        let password =
            if user.starts_with("off") || user.starts_with("fetcher") { PASSWORD } else { "wrong" };
        let start = Instant::now();
        answers.push((imap.command(&log_in(user, password)).tagged, start.elapsed()));
    }
    for (answer, took) in &answers {
        assert!(answer.starts_with("NO [AUTHENTICATIONFAILED]"), "{answer}");
        assert!(*answer == answers[0].0 && took.as_millis() >= 250, "{answers:?}");
    }
    let input: String = (0..6).map(|n| format!("a{n} LOGIN bob@example.test wrong\r\n")).collect();
    let said = at_once(house.imap(), input.as_bytes());
    assert!(said.contains("a4 NO ") && !said.contains("a5 "), "{said}");
    assert!(said.contains("* BYE "), "{said}");
    let mut imap = Imap::try_connect(house.imap()).unwrap();
    for odd in [&b"x\0y"[..], b"", b"\r\n"] {
        let answer = imap.try_literals(&[("LOGIN ", ALICE.as_bytes()), (" ", odd)], "").unwrap();
        assert!(!answer.is_ok(), "{odd:?}: {}", answer.tagged);
    }
}

#[test]
fn where_tls_is_asked_for_no_password_is_taken_without_it() {
    let house = House::start();
    house.write("etc/tcp.imap", ":allow,TLS=\"required\"\n");
    house.well(&["cdb"]);
    let mut imap = Imap::try_connect(house.imap()).unwrap();
    let answer = imap.good("CAPABILITY");
    let all = answer.after("CAPABILITY ").unwrap();
    assert!(all.contains("STARTTLS") && all.contains("LOGINDISABLED") && !all.contains("AUTH="), "{all}");
    let refused = imap.command(&log_in(ALICE, PASSWORD)).tagged;
    assert!(refused.starts_with("NO [PRIVACYREQUIRED]"), "{refused}");
    assert!(!imap.command("AUTHENTICATE PLAIN").is_ok());
    assert!(!house.log().contains("lookup: refuse service=imap"), "lookup has not been asked");
    let Some(curl) = tool("curl") else { return };
    let certificate = house.path("control/tls/default.crt");
    for url in [format!("imap://{}/", house.imap()), format!("imaps://{}/", house.imaps())] {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--ssl-reqd", "--user", &format!("{ALICE}:{PASSWORD}"), &url, "--cacert"]);
        let output = command.arg(&certificate).output().unwrap();
        assert!(output.status.success() && said(&output).contains("INBOX"), "{url}: {}", said(&output));
        let output = command.args(["--user", &format!("{ALICE}:wrong")]).output().unwrap();
        assert!(!output.status.success(), "{url}");
    }
}

/// A client of OpenSSL that says `input` and then hangs up.
fn openssl(address: SocketAddr, options: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new("timeout");
    command.arg("30").arg(tool("openssl")?).args(["s_client", "-quiet", "-connect", &address.to_string()]);
    command.args(options).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Some(said(&child.wait_with_output().unwrap()))
}

#[test]
fn by_tls_a_proof_may_be_bound_to_it_and_the_login_leads_to_the_mailbox() {
    let house = House::start();
    let input = format!("a CAPABILITY\r\nb {}\r\nc LIST \"\" *\r\nd LOGOUT\r\n", log_in(ALICE, PASSWORD));
    for (address, options) in [(house.imaps(), &[][..]), (house.imap(), &["-starttls", "imap"])] {
        let Some(said) = openssl(address, options, &input) else { return };
        assert!(said.contains("AUTH=SCRAM-SHA-256-PLUS") && !said.contains("STARTTLS"), "{said}");
        for tag in ["a", "b", "c", "d"] {
            assert!(said.contains(&format!("{tag} OK ")), "{tag}: {said}");
        }
    }
    let Some(gsasl) = tool("gsasl") else { return };
    let certificate = house.path("control/tls/default.crt");
    let log_in = |password: &str| {
        let mut command = Command::new(&gsasl);
        command.args(["--imap", "--starttls", "--connect", &format!("localhost:{}", house.imap().port())]);
        command.arg("--x509-ca-file").arg(&certificate).args(["--mechanism", "SCRAM-SHA-256-PLUS"]);
        command.args(["--authentication-id", ALICE, "--password", password, "--authorization-id", ""]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.success(), said(&output))
    };
    let (well, text) = log_in(PASSWORD);
    assert!(well, "{text}");
    assert!(!log_in("wrong").0);
    assert!(
        house.log().contains("login service=imap ip=127.0.0.1 method=SCRAM-SHA-256-PLUS"),
        "{}",
        house.log()
    );
}

#[test]
fn what_is_said_in_plain_text_behind_starttls_never_counts() {
    // I05
    let house = House::start();
    let said = at_once(house.imap(), b"a STARTTLS\r\nb LOGIN alice@example.test x\r\nc LOGOUT\r\n");
    assert!(said.contains("BYE") && !said.contains("\r\na OK") && !said.contains("\r\nb "), "{said}");
    let said = openssl(house.imap(), &["-starttls", "imap"], "a STARTTLS\r\nb LOGOUT\r\n");
    assert!(said.is_none_or(|said| said.contains("a BAD") || said.contains("a NO")));
}

#[test]
fn nonsense_and_endless_lines_end_the_session_and_cost_nothing() {
    // I01, I02, I04, I06, I07, I29
    let house = House::start();
    let bad: String = (0..10_000).map(|n| format!("a{n} NONSENSE\r\n")).collect();
    let said = at_once(house.imap(), bad.as_bytes());
    assert!(said.contains("a0 BAD ") && said.contains("* BYE ") && !said.contains("a100 "), "{said}");
    let long = "x".repeat(100_000);
    for input in [
        "a LOGIN {4294967295}\r\nb LOGOUT\r\n".to_owned(),
        "a LOGIN {99999999999999999999}\r\nb LOGOUT\r\n".to_owned(),
        "a LOGIN {-1}\r\nb LOGOUT\r\n".to_owned(),
        "a LOGIN {1\r\nb LOGOUT\r\n".to_owned(),
        format!("a LOGIN {{10000000+}}\r\n{long}"),
        format!("{long} NOOP\r\nb LOGOUT\r\n"),
        format!("a {}\r\nb LOGOUT\r\n", "(".repeat(100_000)),
        "* NOOP\r\nb LOGOUT\r\n".to_owned(),
        "a SELECT INBOX\r\nb LOGOUT\r\n".to_owned(),
        "a AUTHENTICATE PLAIN\r\n*\r\nb LOGOUT\r\n".to_owned(),
        "a AUTHENTICATE PLAIN\r\n!!\r\nb LOGOUT\r\n".to_owned(),
        format!("a AUTHENTICATE PLAIN\r\n{long}\r\nb LOGOUT\r\n"),
        "é\u{7f}\0 NOOP\r\nb LOGOUT\r\n".to_owned(),
    ] {
        let address = house.imap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(input.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let said = String::from_utf8_lossy(&answer);
        let start = &input[..input.len().min(40)];
        assert!(["a BAD", "a NO", "* BAD", "* BYE"].iter().any(|no| said.contains(no)), "{start}: {said}");
        assert!(!said.contains("a OK") && said.len() < 2000, "{start}: {said}");
    }
    Imap::login(house.imap(), ALICE, PASSWORD);
}

#[test]
fn what_is_out_of_order_is_put_off_with_the_tag_of_the_login() {
    let mut house = House::start();
    std::fs::create_dir_all(house.path("mail/example.test")).unwrap();
    house.write("mail/example.test/alice", "no folder\n");
    let said = at_once(house.imap(), format!("a1 {}\r\n", log_in(ALICE, PASSWORD)).as_bytes());
    assert!(said.contains("\r\na1 NO [UNAVAILABLE]"), "{said}");
    house.services().stop("lookup", Signal::SIGKILL);
    let mut imap = Imap::try_connect(house.imap()).unwrap();
    let answer = imap.command(&log_in(ALICE, PASSWORD)).tagged;
    assert!(answer.starts_with("NO [UNAVAILABLE]"), "{answer}");
}

#[test]
fn who_has_logged_in_by_imap_may_send_from_there() {
    let house = House::to_strangers();
    let relays = || {
        let mut smtp = Smtp::connect(house.smtp());
        smtp.command("MAIL FROM:<alice@example.test>");
        smtp.command("RCPT TO:<dan@example.net>")
    };
    assert!(Imap::try_login(house.imap(), ALICE, "wrong").is_err());
    assert!(relays().starts_with("553"));
    let _session = Imap::login(house.imap(), ALICE, PASSWORD);
    assert!(relays().starts_with('2'));
}

#[test]
fn a_shared_mailbox_is_there_for_those_whom_it_is_shared_with() {
    let house = House::start();
    house.write("control/sharedfolders", "sales: alice@example.test\nall: *\n");
    let names = |user: &str| {
        let mut imap = Imap::login(house.imap(), user, PASSWORD);
        let lines = imap.good("LIST \"\" *").lines();
        lines.into_iter().filter(|line| line.contains("Shared")).collect::<Vec<_>>().join("\n")
    };
    let (alice, bob) = (names(ALICE), names("bob@example.test"));
    assert!(alice.contains("Shared.sales") && alice.contains("Shared.all"), "{alice}");
    assert!(!bob.contains("Shared.sales") && bob.contains("Shared.all"), "{bob}");
    assert!(house.path("mail/shared/sales").is_dir());
    let mut imap = Imap::login(house.imap(), ALICE, PASSWORD);
    let refused = imap.try_append("Shared.all", "", message("no").as_bytes()).unwrap().tagged;
    assert!(refused.starts_with("NO [NOPERM]"), "members may read, by themselves: {refused}");
    for name in ["all", "sales"] {
        house
            .write(&format!("mail/shared/{name}/fulmar-acl"), "anyone lrs\nalice@example.test lrswipkxtea\n");
    }
    for name in ["Shared.all", "Shared.sales"] {
        let answer = imap.try_append(name, "", message("for all").as_bytes()).unwrap();
        assert!(answer.is_ok(), "{name}: {}", answer.tagged);
    }
    let mut imap = Imap::login(house.imap(), "bob@example.test", PASSWORD);
    assert_eq!(imap.good("SELECT Shared.all").told("EXISTS"), Some(1));
    assert!(!imap.command("SETACL Shared.all bob@example.test lrswipkxtea").is_ok());
    assert!(!imap.command("SELECT Shared.sales").is_ok());
}

#[test]
fn indexes_lie_where_the_admin_wants_them_and_who_cannot_have_one_is_put_off() {
    let house = House::start();
    house.write("control/indexdir", "index\n");
    house.send("bob@example.test", ALICE, &message("first"));
    house.await_mail("alice", 1);
    let uids = || {
        let mut imap = Imap::login(house.imap(), ALICE, PASSWORD);
        let answer = imap.good("SELECT INBOX");
        (answer.number("UIDVALIDITY").unwrap(), answer.number("UIDNEXT").unwrap())
    };
    let first = uids();
    let index = house.path("index/example.test/alice");
    let kept = std::process::Command::new("find").arg(&index).args(["-type", "f"]).output().unwrap();
    assert!(said(&kept).contains("fulmar-uidlist"), "{}", said(&kept));
    let beside = house.path("mail/example.test/alice/Maildir/fulmar-uidlist");
    assert!(!beside.exists());
    assert_eq!(uids(), first);
    let mut pop3 = tests::Pop3::login(house.pop3(), ALICE, PASSWORD);
    assert!(pop3.good("STAT").starts_with("1 "));
    std::fs::rename(&index, house.path("index/moved")).unwrap();
    std::fs::write(&index, "no folder").unwrap();
    let said = at_once(house.imap(), format!("a1 {}\r\n", log_in(ALICE, PASSWORD)).as_bytes());
    assert!(said.contains("\r\na1 NO [UNAVAILABLE]"), "{said}");
}
