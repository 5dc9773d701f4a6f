//! The mail programs that people and scripts send with.

use std::io::Write;
use std::process::{Command, Stdio};

use tests::{House, message, tool};

fn run(command: &mut Command, input: &str) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

fn alice_gets(house: &House, subject: &str) {
    let mail = house.await_mail("alice", 1);
    let text = String::from_utf8_lossy(&mail[0]);
    assert!(text.contains(&format!("\nSubject: {subject}\n")), "{text}");
    assert!(text.starts_with("Return-Path: <bob@example.test>\n"), "{text}");
    assert!(!text.contains('\r'), "{text}");
}

#[test]
fn swaks_sends() {
    let Some(swaks) = tool("swaks") else { return };
    let house = House::start();
    let server = house.smtp().to_string();
    run(
        Command::new(swaks)
            .args(["--server", &server, "--from", "bob@example.test", "--to", "alice@example.test"])
            .args(["--header", "Subject: by swaks", "--body", "Hello.\n.\n..dots"]),
        "",
    );
    alice_gets(&house, "by swaks");
    assert!(String::from_utf8_lossy(&house.mail("alice")[0]).contains("\n.\n..dots"));
}

#[test]
fn msmtp_sends() {
    let Some(msmtp) = tool("msmtp") else { return };
    let house = House::start();
    let port = format!("--port={}", house.smtp().port());
    run(
        Command::new(msmtp)
            .args(["--host=127.0.0.1", &port, "--auth=off", "--tls=off", "--from=bob@example.test"])
            .args(["--", "alice@example.test"]),
        &message("by msmtp"),
    );
    alice_gets(&house, "by msmtp");
}

#[test]
fn smtplib_sends() {
    let Some(python) = tool("python3") else { return };
    let house = House::start();
    let script = format!(
        "import smtplib, sys\n\
         s = smtplib.SMTP('127.0.0.1', {})\n\
         s.sendmail('bob@example.test', ['alice@example.test'], sys.stdin.read())\n\
         s.quit()\n",
        house.smtp().port()
    );
    run(Command::new(python).args(["-c", &script]), &message("by smtplib"));
    alice_gets(&house, "by smtplib");
}

#[test]
fn curl_sends() {
    let Some(curl) = tool("curl") else { return };
    let house = House::start();
    let url = format!("smtp://{}", house.smtp());
    run(
        Command::new(curl).args(["-sS", "--url", &url, "--mail-from", "bob@example.test"]).args([
            "--mail-rcpt",
            "alice@example.test",
            "--crlf",
            "-T",
            "-",
        ]),
        &message("by curl"),
    );
    alice_gets(&house, "by curl");
}
