//! Users and scripts of this host that send by `sendmail`: the programs people have, ordinary uids, a
//! QMAILQUEUE wrapper, SMTP on standard input.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::{House, program, tool};

/// The house's `sendmail`, as an installation has it.
fn sendmail(house: &House) -> PathBuf {
    let path = house.path("sendmail");
    if !path.exists() {
        symlink(program("inject"), &path).unwrap();
    }
    path
}

/// A command of a user of this host, with a home that holds nothing.
fn command(house: &House, name: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(name);
    command
        .args(words)
        .env_clear()
        .env("FULMAR_HOME", house.path(""))
        .env("HOME", house.path(""))
        .env("USER", "bob");
    command.env("PATH", "/usr/bin:/bin").env("QMAILHOST", "example.test").env("MAILRC", house.path("mailrc"));
    command.current_dir(house.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A program that takes no message closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn well(command: Command, input: &str) -> String {
    let shown = format!("{command:?}");
    let output = run(command, input);
    assert!(output.status.success(), "{shown}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one message that alice gets, with its header fields checked.
fn alice_gets(house: &House, fields: &[&str]) -> String {
    let mail = house.await_mail("alice", 1);
    let text = String::from_utf8_lossy(&mail[0]).into_owned();
    for field in fields {
        assert!(text.contains(&format!("\n{field}\n")), "{field} is not in:\n{text}");
    }
    assert!(text.starts_with("Return-Path: <bob@example.test>\n"), "{text}");
    assert!(!text.contains('\r'), "{text}");
    text
}

#[test]
fn a_user_without_rights_sends_and_the_received_line_names_the_uid() {
    let house = House::start();
    let mut mail = command(&house, &sendmail(&house), &["-oi", "-t"]);
    let mut uid = nix::unistd::geteuid().as_raw();
    if uid == 0 {
        uid = 64_321;
        mail.uid(uid).gid(uid);
    }
    well(
        mail,
        "To: alice@example.test\r\nBcc: bob@example.test\r\nSubject: x\r\n\r\nbody\n.\nafter the dot\n",
    );
    let text = alice_gets(
        &house,
        &["Subject: x", "From: bob@example.test", "To: alice@example.test", ".", "after the dot"],
    );
    assert!(text.contains(&format!(" invoked by uid {uid}); ")), "{text}");
    assert!(!text.to_lowercase().contains("bcc"), "{text}");
    house.await_mail("bob", 1);
}

#[test]
fn cron_and_logcheck_send() {
    let house = House::start();
    let cron = ["-i", "-FCronDaemon", "-B8BITMIME", "-oem", "alice@example.test"];
    let text = "From: root (Cron Daemon)\nTo: alice\nSubject: Cron <root@h> run-parts /etc\nContent-Type: text/plain; charset=UTF-8\n\nJ\u{f6}rg\n";
    well(command(&house, &sendmail(&house), &cron), text);
    let me = [
        "From: root@mail.example.test (Cron Daemon)",
        "To: alice@mail.example.test",
        "Subject: Cron <root@h> run-parts /etc",
    ];
    assert!(alice_gets(&house, &me).ends_with("\n\nJ\u{f6}rg\n"));
}

#[test]
fn mutt_sends() {
    let Some(mutt) = tool("mutt") else { return };
    let house = House::start();
    let set = format!(
        "set sendmail='{} -oem -oi' from=bob@example.test use_envelope_from copy=no",
        sendmail(&house).display()
    );
    let words = ["-n", "-F", "/dev/null", "-e", &set, "-s", "by mutt", "--", "alice@example.test"];
    well(command(&house, &mutt, &words), "Hello.\n");
    alice_gets(&house, &["Subject: by mutt", "To: alice@example.test"]);
}

#[test]
fn s_nail_sends() {
    let Some(nail) = tool("s-nail") else { return };
    let house = House::start();
    let mta = format!("mta={}", sendmail(&house).display());
    let words = [
        "-n",
        "-S",
        "sendwait",
        "-S",
        &mta,
        "-r",
        "bob@example.test",
        "-s",
        "by s-nail",
        "alice@example.test",
    ];
    well(command(&house, &nail, &words), "Hello.\n");
    alice_gets(&house, &["Subject: by s-nail"]);
}

#[test]
fn bsd_mailx_sends() {
    let Some(mailx) = tool("bsd-mailx") else { return };
    let house = House::start();
    house.write("mailrc", &format!("set sendmail={}\nset sendwait\n", sendmail(&house).display()));
    well(command(&house, &mailx, &["-s", "by mailx", "alice@example.test"]), "Hello.\n");
    alice_gets(&house, &["Subject: by mailx", "To: alice@example.test"]);
}

#[test]
fn mailsubj_sends() {
    let house = House::start();
    well(command(&house, &program("mailsubj"), &["by mailsubj", "alice@example.test"]), "Hello.\n");
    alice_gets(&house, &["Subject: by mailsubj", "To: alice@example.test"]);
}

#[test]
fn a_queue_wrapper_in_sh_adds_a_field_and_ends_in_enqueue() {
    let house = House::start();
    let wrapper = house.path("wrapper");
    let script = format!("#!/bin/sh\n{{ echo 'X-Wrapped: yes'; cat; }} | {}\n", program("enqueue").display());
    house.write("wrapper", &script);
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    let mut mail = command(&house, &sendmail(&house), &["alice@example.test"]);
    mail.env("QMAILQUEUE", &wrapper);
    well(mail, "Subject: wrapped\n\nHello.\n");
    alice_gets(&house, &["X-Wrapped: yes", "Subject: wrapped"]);
    house.write("wrapper", "#!/bin/sh\nexit 31\n");
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755)).unwrap();
    let mut mail = command(&house, &sendmail(&house), &["alice@example.test"]);
    mail.env("QMAILQUEUE", &wrapper);
    assert_eq!(run(mail, "Subject: refused\n\n").status.code(), Some(100));
}

#[test]
fn sendmail_bs_speaks_smtp_and_relays() {
    let house = House::start();
    let dialog = "EHLO here\r\nMAIL FROM:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<u@elsewhere.invalid>\r\n\
                  RSET\r\nMAIL FROM:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: by -bs\r\n\r\nHello.\r\n.\r\nQUIT\r\n";
    let said = well(command(&house, &sendmail(&house), &["-bs"]), dialog);
    let codes: Vec<&str> =
        said.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        ["220", "250", "250", "250", "250", "250", "250", "250", "354", "250", "221"],
        "{said}"
    );
    alice_gets(&house, &["Subject: by -bs"]);
    let mut stranger = command(&house, &sendmail(&house), &["-bs"]);
    stranger.env("TCPREMOTEIP", "192.0.2.1");
    let said = well(stranger, "MAIL FROM:<a@b.c>\r\nRCPT TO:<u@elsewhere.invalid>\r\nQUIT\r\n");
    assert!(
        said.contains("\n553 "),
        "a client from the network has no more rights than its rule gives it: {said}"
    );
}

#[test]
fn mailq_shows_the_queue_and_newaliases_says_why_not() {
    let house = House::start();
    let mailq = house.path("mailq");
    symlink(program("inject"), &mailq).unwrap();
    well(command(&house, &mailq, &[]), "");
    well(command(&house, &sendmail(&house), &["-bp"]), "");
    let newaliases = house.path("newaliases");
    symlink(program("inject"), &newaliases).unwrap();
    let output = run(command(&house, &newaliases, &[]), "");
    assert_eq!(output.status.code(), Some(100));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no alias file"));
    assert_eq!(run(command(&house, &sendmail(&house), &["-q"]), "").status.code(), Some(0));
    assert_eq!(
        run(command(&house, &sendmail(&house), &["-t"]), "Subject: nobody\n\n").status.code(),
        Some(100)
    );
}

#[test]
fn mail_that_cannot_be_queued_is_told_with_111() {
    let mut house = House::start();
    let mail = sendmail(&house);
    house.services().kill_all();
    let output = run(command(&house, &mail, &["alice@example.test"]), "Hello.\n");
    assert_eq!(output.status.code(), Some(111), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_user_who_holds_all_his_connections_keeps_nobody_else_from_sending() {
    let Some(python) = tool("python3") else { return };
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: needs root, as one user is to be two");
        return;
    }
    let house = House::start();
    let mut hog = command(&house, &python, &["-c", HOG, house.path("run/queue").to_str().unwrap()]);
    let mut hog = hog.spawn().unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(hog.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut said).unwrap();
    assert_eq!(said, "one over the limit is hung up on: 0\n");
    let send = |uid: u32| {
        let mut mail = command(&house, &sendmail(&house), &["alice@example.test"]);
        mail.uid(uid).gid(uid);
        run(mail, "Hello.\n").status.code()
    };
    assert_eq!((send(64_321), send(64_322)), (Some(111), Some(0)));
    drop(hog.stdin.take());
    assert!(hog.wait().unwrap().success());
    house.await_mail("alice", 1);
}

/// Takes a connection more than an ordinary user may have, and holds them until told.
const HOG: &str = r#"
import os, socket, sys
os.setgroups([])
os.setgid(64321)
os.setuid(64321)
held = []
for _ in range(101):
    held.append(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    held[-1].settimeout(60)
    held[-1].connect(sys.argv[1])
print("one over the limit is hung up on:", len(held[-1].recv(10)), flush=True)
sys.stdin.read()
"#;
