//! Not `queued` but QMAILQUEUE; not SMTP but LMTP.

use super::*;

pub(super) fn script(world: &World, text: &str) -> String {
    let path = world.path("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn qmailqueue_gets_the_message_and_its_exit_code_decides() {
    // S58
    let world = World::new(&[]);
    let input = format!("{ENVELOPE}DATA\r\nSubject: a\r\n.\r\n");
    for (end, code) in [("exit 0", 250), ("exit 31", 554), ("exit 53", 451), ("printf Dno >&6; exit 82", 554)]
    {
        let path =
            script(&world, &format!("cat >{0}/got; cat <&1 >>{0}/got; {end}", world.home.path().display()));
        let (codes, _, _) = world.talk(&[("QMAILQUEUE", &path)], &input);
        assert_eq!(codes.last(), Some(&code), "{end}");
    }
    let got = String::from_utf8(std::fs::read(world.path("got")).unwrap()).unwrap();
    assert!(got.starts_with("Received: from unknown (unknown [192.0.2.7])\n"));
    assert!(got.ends_with("\nSubject: a\nFcarol@example.org\0Talice@example.test\0\0"));
    assert_eq!(world.talk(&[("QMAILQUEUE", "/nonexistent/program")], &input).0[3], 451);
    assert_eq!(world.accepted(), []);
}

#[test]
fn the_own_words_of_a_queue_program_stay_one_line_of_512_octets() {
    // S58, S60
    let world = World::new(&[]);
    let long = "x".repeat(2000);
    let path = script(&world, &format!("cat >/dev/null; printf 'D5.7.1 {long}\\n250 ok\\n' >&6; exit 82"));
    let (child, mut client) = world.smtpd(&[("QMAILQUEUE", &path)]);
    client.write_all(format!("{ENVELOPE}DATA\r\nSubject: a\r\n.\r\nQUIT\r\n").as_bytes()).unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    let lines: Vec<&str> = replies.split_inclusive("\r\n").collect();
    assert_eq!(lines.len(), 6, "{replies}");
    assert!(lines[4].starts_with("554 5.7.1 xxx") && lines.iter().all(|line| line.len() <= 512));
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn lmtp_is_spoken_where_the_command_line_says_so() {
    // RFC 2033
    let world = World::new(&[]);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_smtpd"));
    command.arg("lmtp").env_clear().env("FULMAR_HOME", world.home.path());
    command.stdin(std::os::fd::OwnedFd::from(theirs.try_clone().unwrap()));
    command.stdout(std::os::fd::OwnedFd::from(theirs)).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut client = ours;
    let to = "RCPT TO:<alice@example.test>\r\nRCPT TO:<x@example.test>\r\nRCPT TO:<bob@example.test>\r\n";
    let talk = format!("HELO x\r\nLHLO x\r\nMAIL FROM:<>\r\n{to}DATA\r\nhi\r\n.\r\nQUIT\r\n");
    client.write_all(talk.as_bytes()).unwrap();
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    assert_eq!(codes(&replies), [220, 500, 250, 250, 250, 550, 250, 354, 250, 250, 221]);
    assert!(replies.starts_with("220 mail.example.test LMTP\r\n"), "{replies}");
    assert!(child.wait().unwrap().success());
    assert_eq!(world.accepted().len(), 1);
    let wrong = Command::new(env!("CARGO_BIN_EXE_smtpd")).arg("imap").output().unwrap();
    assert_eq!(wrong.status.code(), Some(100));
}
