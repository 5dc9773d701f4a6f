//! Who has logged in may send to the world, by every mechanism that clients know; nobody else may.

use std::process::{Command, Output};

use nix::sys::signal::Signal;
use tests::{House, PASSWORD, Smtp, tool};

/// A house that knows this machine for a stranger, and keeps what it gets.
fn house() -> House {
    let mut house = House::start();
    house.services().stop("send", Signal::SIGTERM);
    house.write("etc/tcp.smtp", ":allow\n");
    house.well(&["cdb"]);
    house
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn swaks(house: &House, mechanism: &str, more: &[&str]) -> Option<Output> {
    let server = house.submission().to_string();
    let mut command = Command::new(tool("swaks")?);
    command.args(["--server", &server, "--to", "dan@example.net", "--from", "alice@example.test"]);
    command.args(["--auth", mechanism, "--auth-user", "alice@example.test"]).args(more);
    Some(command.output().unwrap())
}

#[test]
fn swaks_logs_in_by_each_mechanism_and_sends_to_the_world() {
    let house = house();
    for (n, mechanism) in ["PLAIN", "LOGIN", "CRAM-MD5"].iter().enumerate() {
        let Some(output) = swaks(&house, mechanism, &["--auth-password", PASSWORD]) else { return };
        assert!(output.status.success(), "{mechanism}: {}", said(&output));
        assert_eq!(house.queued(), n + 1);
        let Some(output) = swaks(&house, mechanism, &["--auth-password", "wrong"]) else { return };
        let said = said(&output);
        assert!(!output.status.success() && said.contains("535 5.7.8"), "{mechanism}: {said}");
    }
    assert_eq!(house.queued(), 3);
    let log = house.log();
    assert!(log.contains("login user=alice@example.test method=CRAM-MD5"), "{log}");
    assert!(!log.contains(PASSWORD), "no password in the log");
}

#[test]
fn gsasl_proves_who_it_is_by_scram() {
    let Some(gsasl) = tool("gsasl") else { return };
    let house = house();
    house.well(&["user", "add", "kay@example.test", "--scram", "--password", PASSWORD]);
    let port = house.submission().port().to_string();
    let log_in = |mechanism: &str, user: &str, password: &str| {
        let mut command = Command::new(&gsasl);
        command.args(["--smtp", "--no-starttls", "--connect", &format!("127.0.0.1:{port}")]);
        command.args(["--mechanism", mechanism, "--authentication-id", user, "--password", password]);
        let output = command.args(["--authorization-id", "", "--no-cb"]).output().unwrap();
        (output.status.success(), said(&output))
    };
    for (mechanism, user) in [
        ("SCRAM-SHA-256", "alice@example.test"),
        ("SCRAM-SHA-1", "alice@example.test"),
        ("SCRAM-SHA-256", "kay@example.test"),
        ("PLAIN", "kay@example.test"),
    ] {
        let (well, said) = log_in(mechanism, user, PASSWORD);
        assert!(well, "{mechanism} {user}: {said}");
        assert!(!log_in(mechanism, user, "wrong").0, "{mechanism} {user}");
    }
}

#[test]
fn curl_and_smtplib_and_msmtp_submit_mail() {
    let house = house();
    let url = format!("smtp://{}", house.submission());
    let script = format!(
        "import smtplib\ns = smtplib.SMTP('127.0.0.1', {})\ns.login('alice@example.test', '{PASSWORD}')\n\
         s.sendmail('alice@example.test', ['dan@example.net'], 'Subject: x\\n\\nx\\n')\ns.quit()\n",
        house.submission().port()
    );
    let letter = house.path("letter");
    std::fs::write(&letter, "Subject: x\r\n\r\nx\r\n").unwrap();
    let curl = tool("curl").map(|curl| {
        let mut command = Command::new(curl);
        command.args(["-sS", "--url", &url, "--user", &format!("alice@example.test:{PASSWORD}")]);
        command
            .args(["--mail-from", "alice@example.test", "--mail-rcpt", "dan@example.net", "-T"])
            .arg(&letter);
        command
    });
    let python = tool("python3").map(|python| {
        let mut command = Command::new(python);
        command.args(["-c", &script]);
        command
    });
    let mut sent = 0;
    for mut command in [curl, python].into_iter().flatten() {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", said(&output));
        sent += 1;
    }
    assert_eq!(house.queued(), sent);
}

#[test]
fn submission_takes_nothing_without_a_login_and_port_25_takes_our_own_mail() {
    let house = house();
    let mut smtp = Smtp::connect(house.submission());
    for command in ["MAIL FROM:<alice@example.test>", "RCPT TO:<bob@example.test>", "DATA", "VRFY alice"] {
        let reply = smtp.command(command);
        assert!(reply.starts_with("530 5.7.0"), "{command}: {reply}");
    }
    let mut smtp = Smtp::connect(house.smtp());
    assert!(smtp.command("MAIL FROM:<dan@example.net>").starts_with('2'));
    assert!(smtp.command("RCPT TO:<bob@example.test>").starts_with('2'));
    assert!(smtp.command("RCPT TO:<eve@example.org>").starts_with("553 5.7.1"));
}

/// `AUTH PLAIN` of a user with the usual password.
fn log_in(smtp: &mut Smtp, user: &str) -> String {
    let message = format!("\0{user}\0{PASSWORD}");
    smtp.command(&format!("AUTH PLAIN {}", data_encoding::BASE64.encode(message.as_bytes())))
}

#[test]
fn aliases_disabled_users_and_users_without_the_service_do_not_log_in() {
    let house = house();
    house.well(&["alias", "add", "sales@example.test", "alice@example.test"]);
    house.user("off", &[]);
    house.well(&["user", "set", "off@example.test", "disabled"]);
    house.user("reader", &[]);
    house.well(&["user", "set", "reader@example.test", "services=pop3"]);
    for user in ["sales@example.test", "off@example.test", "reader@example.test", "nobody@example.test"] {
        let mut smtp = Smtp::connect(house.submission());
        let reply = log_in(&mut smtp, user);
        assert!(reply.starts_with("535 5.7.8 Wrong name or password"), "{user}: {reply}");
        assert!(smtp.command("MAIL FROM:<>").starts_with("530"));
    }
}

#[test]
fn who_has_logged_in_is_told_when_the_sender_is_not_his() {
    let house = house();
    house.well(&["alias", "add", "sales@example.test", "alice@example.test"]);
    let try_as = |sender: &str| {
        let mut smtp = Smtp::connect(house.submission());
        assert!(log_in(&mut smtp, "alice@example.test").starts_with("235"));
        smtp.command(&format!("MAIL FROM:<{sender}>"));
        smtp.command("RCPT TO:<dan@example.net>")
    };
    assert!(try_as("alice@example.test").starts_with('2') && try_as("sales@example.test").starts_with('2'));
    assert!(try_as("").starts_with('2'), "receipts have no sender");
    let reply = try_as("bob@example.test");
    assert!(reply.starts_with("553 5.7.1") && reply.contains("your own"), "{reply}");
    house.write("control/authsender", "example.test:domain\n");
    assert!(try_as("bob@example.test").starts_with('2') && try_as("x@example.org").starts_with("553"));
    house.write("control/authsender", ":any thing\n");
    assert!(try_as("alice@example.test").starts_with("451"), "what can't be understood is put off");
}

#[test]
fn without_lookup_a_login_is_put_off_and_nothing_relays() {
    let mut house = house();
    house.services().stop("lookup", Signal::SIGKILL);
    let mut smtp = Smtp::connect(house.submission());
    let reply = log_in(&mut smtp, "alice@example.test");
    assert!(reply.starts_with("454 4.7.0"), "{reply}");
    assert!(smtp.command("MAIL FROM:<alice@example.test>").starts_with("530"));
}

#[test]
fn who_sends_more_than_he_may_is_held_and_the_postmaster_told_once() {
    let mut house = House::start();
    house.write("control/sendlimits", "alice@example.test:2/10\n");
    let mut smtp = Smtp::connect(house.submission());
    assert!(log_in(&mut smtp, "alice@example.test").starts_with("235"));
    for n in 0..4 {
        let text = tests::message(&format!("number {n}"));
        let reply = smtp.send("alice@example.test", &["bob@example.test"], text.as_bytes());
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    let subjects = |house: &House, name: &str| {
        let mail = house.mail(name);
        mail.iter().filter(|text| String::from_utf8_lossy(text).contains("Subject: number")).count()
    };
    house.await_mail("bob", 2);
    // The postmaster of the house is alice.
    let notice = house.await_mail("alice", 1);
    let notice = String::from_utf8_lossy(&notice[0]);
    assert!(
        notice.contains("Subject: alice@example.test sends more") && notice.contains("queue release"),
        "{notice}"
    );
    house.until("the end of what is not held", || (house.queued() == 2).then_some(()));
    assert_eq!((subjects(&house, "bob"), house.mail("alice").len()), (2, 1));
    assert_eq!(house.well(&["queue", "list", "--held", "--json"]).matches("\"held\"").count(), 2);
    house.services().kill_all();
    house.run();
    house.until("the look into the queue", || house.log().contains("status: local 0").then_some(()));
    assert_eq!((subjects(&house, "bob"), house.queued()), (2, 2), "held over a restart");
    house.well(&["queue", "release", "--all"]);
    house.await_empty_queue();
    assert_eq!(subjects(&house, "bob"), 4, "nothing is lost");
    house.write("control/sendlimits", ":lots\n");
    let mut smtp = Smtp::connect(house.submission());
    assert!(log_in(&mut smtp, "alice@example.test").starts_with("235"));
    let reply = smtp.send("alice@example.test", &["bob@example.test"], b"Subject: x\n\nx\n");
    assert!(reply.starts_with("451"), "{reply}");
}
