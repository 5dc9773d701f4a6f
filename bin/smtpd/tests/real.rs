//! The real program between a client and fakes of `lookup` and `queued`: the dialogs, and what
//! only a process can get wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of it is tests")]

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sys::process::Start;
use sys::signals::Signal;
use sys::stem::Stem;
use sys::{Listener, Packets};

#[path = "../../../tests/dialog.rs"]
mod dialog;
#[path = "real/variations.rs"]
mod variations;

const PATIENCE: Duration = Duration::from_secs(30);
const ENVELOPE: &str = "MAIL FROM:<carol@example.org>\r\nRCPT TO:<alice@example.test>\r\n";

/// A message as the fake `queued` got it: token, text, envelope.
type Message = (String, Vec<u8>, Vec<u8>);

/// A home with control files and two fake services.
struct World {
    home: tempfile::TempDir,
    accepted: Arc<Mutex<Vec<Message>>>,
}

impl World {
    fn new(control: &[(&str, &str)]) -> World {
        let world = World::without_services(control);
        let lookup = Listener::bind(&world.path("run/lookup"), 0o666).unwrap();
        each(lookup, |connection| while answer(&connection) {});
        let queue = Listener::bind(&world.path("run/queue"), 0o666).unwrap();
        let accepted = world.accepted.clone();
        each(queue, move |connection| while take(&connection, &accepted) {});
        world
    }

    fn without_services(control: &[(&str, &str)]) -> World {
        let world = World { home: tempfile::tempdir().unwrap(), accepted: Arc::default() };
        // Started by root, smtpd becomes somebody else, who has to get in.
        std::fs::set_permissions(world.home.path(), Permissions::from_mode(0o777)).unwrap();
        for folder in ["control", "run"] {
            std::fs::create_dir(world.path(folder)).unwrap();
        }
        for (name, text) in
            [("me", "mail.example.test"), ("uids", "fulmar-net:64001:64001")].iter().chain(control)
        {
            std::fs::write(world.path("control").join(name), format!("{text}\n")).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn accepted(&self) -> Vec<Message> {
        self.accepted.lock().unwrap().clone()
    }

    /// A one-shot smtpd and the client's end of its connection.
    fn smtpd(&self, variables: &[(&str, &str)]) -> (Child, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_smtpd"));
        command.env_clear().env("FULMAR_HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command
            .env("PROTO", "TCP")
            .env("TCPREMOTEIP", "192.0.2.7")
            .env("TLS", "offered")
            .envs(variables.iter().copied());
        let output = std::os::fd::OwnedFd::from(theirs.try_clone().unwrap());
        command.stdin(std::os::fd::OwnedFd::from(theirs)).stdout(output).stderr(Stdio::piped());
        (command.spawn().unwrap(), ours)
    }

    /// Says `input`, then nothing more; gives the codes of all replies, the exit code and the log.
    fn talk(&self, variables: &[(&str, &str)], input: &str) -> (Vec<u16>, Option<i32>, String) {
        let (child, mut client) = self.smtpd(variables);
        client.write_all(input.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut replies = String::new();
        client.read_to_string(&mut replies).unwrap();
        let output = child.wait_with_output().unwrap();
        (codes(&replies), output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

fn codes(replies: &str) -> Vec<u16> {
    replies.lines().filter(|line| line.as_bytes()[3] == b' ').map(|line| line[..3].parse().unwrap()).collect()
}

fn each(listener: Listener, serve: impl Fn(Packets) + Send + Sync + 'static) {
    let serve = Arc::new(serve);
    thread::spawn(move || {
        while let Ok(connection) = listener.accept() {
            let serve = serve.clone();
            thread::spawn(move || serve(connection));
        }
    });
}

/// The fake `lookup`: alice and bob at example.test.
fn answer(connection: &Packets) -> bool {
    let Ok(Some(packet)) = connection.recv() else { return false };
    let text = String::from_utf8(packet.bytes).unwrap();
    if let Some(step) = proof(&text) {
        return connection.send(step.as_bytes(), &[]).is_ok();
    }
    let answer = match text.split_once('\0').unwrap() {
        ("domain", "example.test") => "K",
        ("domain", _) => "D",
        ("recipient", "alice@example.test" | "bob@example.test") => "K",
        ("recipient", _) => "D5.1.1 No such user",
        other => panic!("{other:?}"),
    };
    connection.send(answer.as_bytes(), &[]).is_ok()
}

/// The fake `lookup`'s word on a step of a login: alice's password is `secret`.
fn proof(text: &str) -> Option<String> {
    const MALFORMED: &str = "D5.5.2 no message";
    let right = |user: &str, password: &str| match (user, password) {
        ("alice@example.test", "secret") => "Kticket\0user=alice@example.test",
        _ => "D5.7.8 wrong name or password",
    };
    let fields: Vec<&str> = text.split('\0').collect();
    Some(match fields.as_slice() {
        ["auth", "smtp", _, "", "PLAIN"] => "C".to_owned(),
        ["auth", "smtp", _, "", "PLAIN", "", user, password] | ["step", "", user, password] => {
            right(user, password).to_owned()
        }
        ["auth", "smtp", _, "", "LOGIN"] => "CUsername:".to_owned(),
        ["step", "secret"] => right("alice@example.test", "secret").to_owned(),
        ["step", name] if !name.is_empty() => "CPassword:".to_owned(),
        ["auth" | "step", ..] => MALFORMED.to_owned(),
        ["sender", login, address] => if login == address { "K" } else { "D5.7.1 no" }.to_owned(),
        _ => return None,
    })
}

/// The fake `queued`: takes one message; false at the end of the connection.
fn take(connection: &Packets, accepted: &Mutex<Vec<Message>>) -> bool {
    let mut message = Message::default();
    while let Ok(Some(packet)) = connection.recv() {
        let rest = &packet.bytes[1..];
        match packet.bytes[0] {
            b'L' => message.0 = String::from_utf8(rest.to_vec()).unwrap(),
            b'M' => message.1.extend_from_slice(rest),
            b'E' => message.2.extend_from_slice(rest),
            _ => {
                let mut accepted = accepted.lock().unwrap();
                accepted.push(message);
                return connection.send(format!("K{} ", accepted.len()).as_bytes(), &[]).is_ok();
            }
        }
    }
    false
}

#[test]
fn every_dialog_goes_as_it_is_written() {
    // S01 to S33, S43 to S60
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/smtp");
    for path in dialog::dialogs(&folder) {
        let control = dialog::world(&path);
        let control: Vec<(&str, &str)> = control.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let world = World::new(&control);
        let (mut child, mut client) = world.smtpd(&[]);
        let accepted = dialog::run_dialog(&path, &mut client);
        assert_eq!(world.accepted().len(), accepted, "{}", path.display());
        drop(client);
        assert!(child.wait().unwrap().success(), "{}", path.display());
    }
}

#[test]
fn one_token_leads_from_the_connection_to_the_queue() {
    let world = World::new(&[]);
    let input = format!("EHLO client.example.org\r\n{ENVELOPE}DATA\r\nSubject: a\r\n\r\nb\r\n.\r\nQUIT\r\n");
    let (codes, exit, log) = world.talk(&[("TCPREMOTEHOST", "mx.example.org")], &input);
    assert_eq!((codes, exit), (vec![220, 250, 250, 250, 354, 250, 221], Some(0)));
    let (token, text, envelope) = world.accepted().remove(0);
    let text = String::from_utf8(text).unwrap();
    let trace = format!(
        "Received: from client.example.org (mx.example.org [192.0.2.7])\n  by mail.example.test with ESMTP id {token}; "
    );
    assert!(text.starts_with(&trace) && text.ends_with("\nSubject: a\n\nb\n"), "{text}");
    assert_eq!(envelope, b"Fcarol@example.org\0Talice@example.test\0");
    for line in [
        "connect ip=192.0.2.7 host=mx.example.org relay=false",
        "accept msg=1 from=<carol@example.org> rcpts=1",
        "end mails=1 why=Closed",
    ] {
        assert!(log.contains(&format!("smtpd {token}: {line}")), "{log}");
    }
}

#[test]
fn the_end_of_a_connection_counts_only_the_mail_that_was_accepted() {
    let world = World::new(&[]);
    let good = format!("{ENVELOPE}DATA\r\n.\r\n");
    let refused = "MAIL FROM:<>\r\nRCPT TO:<nobody@example.test>\r\nRSET\r\n";
    let begun = "MAIL FROM:<>\r\n";
    for (input, count) in [(refused.to_owned(), 0), (format!("{good}{refused}{good}{begun}"), 2)] {
        let (_, _, log) = world.talk(&[], &input);
        assert!(log.contains(&format!(": end mails={count} ")), "{log}");
    }
}

#[test]
fn a_refusal_names_the_line_that_decided() {
    let world = World::new(&[("rcpthosts", ".lists.test"), ("badmailfrom", "@spam.example")]);
    let input = "MAIL FROM:<a@spam.example>\r\nRCPT TO:<alice@example.test>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<x@y.lists.test>\r\n\
                 RCPT TO:<x@remote.example>\r\nRCPT TO:<nobody@example.test>\r\n";
    let (codes, _, log) = world.talk(&[], input);
    assert_eq!(codes, [220, 250, 553, 250, 250, 250, 553, 550]);
    for line in [
        "refuse reply=553 5.7.1 from=<a@spam.example> to=<alice@example.test> by=control/badmailfrom:@spam.example",
        "refuse reply=553 5.7.1 from=<> to=<x@remote.example> by=no table",
        "refuse reply=550 5.1.1 from=<> to=<nobody@example.test> by=lookup",
    ] {
        assert!(log.contains(line), "{log}");
    }
}

#[test]
fn only_a_known_relay_client_sends_to_everybody() {
    // S56, S57
    let world = World::new(&[]);
    let input = "MAIL FROM:<>\r\nRCPT TO:<x@remote.example>\r\nRCPT TO:<nobody@example.test>\r\n";
    let (relay, all) = (("RELAYCLIENT", ""), |v: &[(&str, &str)]| world.talk(v, input).0);
    assert_eq!(all(&[relay]), [220, 250, 250, 550], "relayed, but not to nobody at home");
    for unknown in ["", "paranoid", "1.2.3", "::ffff:1.2.3.4.5"] {
        assert_eq!(all(&[relay, ("TCPREMOTEIP", unknown)]), [220, 250, 553, 550], "{unknown}");
    }
    assert_eq!(all(&[relay, ("TCPREMOTEIP", "::ffff:1.2.3.4")]), [220, 250, 250, 550]);
    let data = "MAIL FROM:<>\r\nRCPT TO:<x@remote.example>\r\nDATA\r\n.\r\n";
    world.talk(&[("RELAYCLIENT", "@gate.example")], data);
    assert_eq!(world.accepted().pop().unwrap().2, b"F\0Tx@remote.example@gate.example\0");
}

#[test]
fn a_blank_in_an_address_never_makes_a_word_of_its_own_in_the_log() {
    let world = World::new(&[]);
    let input = "MAIL FROM:<\"x> msg=1 from=<y\"@example.org>\r\nRCPT TO:<\"x> by=RELAYCLIENT to=<y\"@remote.example>\r\n\
                 RCPT TO:<alice@example.test>\r\nDATA\r\n.\r\n";
    let (codes, _, log) = world.talk(&[], input);
    assert_eq!(codes, [220, 250, 553, 250, 354, 250]);
    let begins = |word: &str| log.split(' ').filter(|seen| seen.starts_with(word)).count();
    assert_eq!(["by=", "to=", "from=", "msg="].map(begins), [1, 1, 2, 1], "{log}");
    assert!(log.contains("to=<x>\\x20by=RELAYCLIENT\\x20to=<y@remote.example>"), "{log}");
}

#[test]
fn our_own_address_in_brackets_is_localiphost() {
    // S25
    let world = World::new(&[("localiphost", "example.test")]);
    let input = "MAIL FROM:<>\r\nRCPT TO:<alice@[192.0.2.1]>\r\nRCPT TO:<alice@[192.0.2.2]>\r\nDATA\r\n.\r\n";
    let (codes, _, _) = world.talk(&[("TCPLOCALIP", "192.0.2.1")], input);
    assert_eq!(codes, [220, 250, 250, 553, 354, 250]);
    assert_eq!(world.accepted()[0].2, b"F\0Talice@example.test\0");
}

#[test]
fn percenthack_relays_for_nobody() {
    // S26
    let world = World::new(&[("percenthack", "example.test"), ("rcpthosts", "example.test")]);
    let input = "MAIL FROM:<>\r\nRCPT TO:<u%remote.example@example.test>\r\nRCPT TO:<alice%example.test@example.test>\r\n";
    assert_eq!(world.talk(&[], input).0, [220, 250, 553, 250]);
}

#[test]
fn without_lookup_nobody_is_accepted_and_nobody_is_unknown() {
    let world = World::without_services(&[("rcpthosts", "example.test")]);
    let input = "MAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nRCPT TO:<x@remote.example>\r\n";
    assert_eq!(world.talk(&[], input).0, [220, 250, 451, 451]);
    assert_eq!(world.talk(&[("RELAYCLIENT", "")], input).0, [220, 250, 451, 451]);
}

#[test]
fn without_queued_nothing_is_accepted() {
    // S58
    let world = World::without_services(&[]);
    each(
        Listener::bind(&world.path("run/lookup"), 0o666).unwrap(),
        |connection| while answer(&connection) {},
    );
    let input = format!("{ENVELOPE}DATA\r\nQUIT\r\n");
    assert_eq!(world.talk(&[], &input).0, [220, 250, 250, 451, 221]);
    each(Listener::bind(&world.path("run/queue"), 0o666).unwrap(), |connection| drop(connection.recv()));
    let input = format!("{ENVELOPE}DATA\r\nx\r\n.\r\nQUIT\r\n");
    assert_eq!(world.talk(&[], &input).0, [220, 250, 250, 354, 451, 221]);
}

#[test]
fn what_is_broken_turns_clients_away_and_is_told_the_admin() {
    // S57
    for (control, variables) in [
        (vec![], vec![("DATABYTES", "abc")]),
        (vec![], vec![("DATABYTES", "-1")]),
        (vec![("databytes", "12abc")], vec![]),
        (vec![("maxhops", "-1")], vec![]),
        (vec![], vec![("RELAYCLIENT", "a\nb")]),
    ] {
        let (codes, exit, log) = World::new(&control).talk(&variables, "");
        assert_eq!((codes, exit), (vec![421], Some(111)), "{control:?} {variables:?}");
        assert!(log.contains("smtpd: fatal: "), "{log}");
    }
    let world = World::new(&[]);
    std::fs::create_dir(world.path("control/rcpthosts")).unwrap();
    assert_eq!(world.talk(&[], "").1, Some(111));
}

#[test]
fn databytes_of_the_rule_wins() {
    // S32
    let world = World::new(&[("databytes", "10")]);
    let input = format!("{ENVELOPE}DATA\r\n{}\r\n.\r\n", "x".repeat(100));
    assert_eq!(world.talk(&[], &input).0.last(), Some(&552));
    assert_eq!(world.talk(&[("DATABYTES", "1000")], &input).0.last(), Some(&250));
    assert_eq!(world.talk(&[("DATABYTES", "0")], &input).0.last(), Some(&250));
}

#[test]
fn a_client_that_drips_or_stands_still_is_hung_up_on() {
    // S46
    let world = World::new(&[("timeoutsmtpd", "1")]);
    for drip in ["NOOP\r\n".to_owned(), "N".to_owned(), "x".to_owned()] {
        let (mut child, mut client) = world.smtpd(&[]);
        if drip == "x" {
            client.write_all(format!("{ENVELOPE}DATA\r\n").as_bytes()).unwrap();
        }
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut replies = String::new();
        let mut buffer = [0; 4096];
        // The wait for each reply is the drip's pace.
        while !replies.contains("421 4.4.2 ") {
            match client.read(&mut buffer) {
                Ok(0) => panic!("no word of time in {replies:?}"),
                Ok(count) => replies.push_str(&String::from_utf8_lossy(&buffer[..count])),
                Err(_) => {}
            }
            let _ = client.write_all(drip.as_bytes());
        }
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(world.accepted(), []);
}

#[test]
fn a_client_that_talks_without_a_pause_and_gets_nowhere_is_hung_up_on() {
    // S46
    let world = World::new(&[("timeoutsmtpd", "1")]);
    let (mut child, mut client) = world.smtpd(&[]);
    let mut reader = client.try_clone().unwrap();
    let read = thread::spawn(move || {
        let (mut last, mut buffer) = (Vec::new(), [0; 65_536]);
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            last = buffer[count.saturating_sub(100)..count].to_vec();
        }
        String::from_utf8(last).unwrap()
    });
    let begun = std::time::Instant::now();
    while client.write_all("NOOP\r\n".repeat(1000).as_bytes()).is_ok() {
        assert!(begun.elapsed() < PATIENCE / 2, "it goes on for ever");
    }
    assert!(read.join().unwrap().contains("421 4.4.2 "));
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_client_or_a_server_that_dies_in_the_middle_delivers_nothing() {
    // S48, S59
    let world = World::new(&[]);
    let half = format!("{ENVELOPE}DATA\r\nSubject: half\r\n\r\n{}", "x".repeat(100_000));
    assert_eq!(world.talk(&[], &half).0, [220, 250, 250, 354]);
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let (mut child, mut client) = world.smtpd(&[]);
        client.write_all(half.as_bytes()).unwrap();
        sys::signals::send(child.id(), signal).unwrap();
        child.wait().unwrap();
    }
    // Who asked and does not wait for the answer: the reply breaks, the program does not.
    let (mut child, mut client) = world.smtpd(&[]);
    client.write_all(format!("{half}\r\nQUIT\r\n").as_bytes()).unwrap();
    drop(client);
    assert!(child.wait().unwrap().success());
    assert_eq!(world.accepted(), []);
}

#[test]
fn twenty_thousand_noops_of_a_client_that_does_not_read_are_answered_in_order() {
    // S61
    let world = World::new(&[]);
    let (mut child, client) = world.smtpd(&[]);
    let mut writer = client.try_clone().unwrap();
    let write = thread::spawn(move || {
        writer.write_all("NOOP\r\n".repeat(20_000).as_bytes()).unwrap();
        writer.write_all(b"QUIT\r\n").unwrap();
    });
    let mut replies = String::new();
    { client }.read_to_string(&mut replies).unwrap();
    write.join().unwrap();
    assert_eq!(codes(&replies).len(), 20_002);
    assert!(child.wait().unwrap().success());
}

/// A worker, and what it says to one job.
struct Crew {
    packets: Packets,
}

impl Crew {
    fn start(world: &World, jobs: u32) -> Crew {
        let start = Start::new(env!("CARGO_BIN_EXE_smtpd")).env("FULMAR_HOME", world.home.path());
        Crew { packets: Stem::start(start, jobs).unwrap().1.copy().unwrap().packets }
    }

    fn talk(&self, fields: &str, input: &str) -> (Vec<u16>, Vec<u8>) {
        use std::os::fd::AsFd;
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        self.packets.send(fields.as_bytes(), &[theirs.as_fd()]).unwrap();
        drop(theirs);
        ours.write_all(input.as_bytes()).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let mut replies = String::new();
        ours.read_to_string(&mut replies).unwrap();
        (codes(&replies), self.packets.recv().unwrap().unwrap().bytes)
    }
}

#[test]
fn a_worker_serves_one_after_the_other_and_keeps_nothing_of_the_last() {
    let world = World::new(&[]);
    let crew = Crew::start(&world, 100);
    let one = "PROTO=TCP\0TCPREMOTEIP=192.0.2.1\0RELAYCLIENT=";
    let two = "PROTO=TCP\0TCPREMOTEIP=192.0.2.2";
    let relay = "MAIL FROM:<>\r\nRCPT TO:<x@remote.example>\r\n";
    assert_eq!(crew.talk(one, relay), (vec![220, 250, 250], b"K".to_vec()));
    assert_eq!(crew.talk(two, relay), (vec![220, 250, 553], b"K".to_vec()));
    let half = format!("{ENVELOPE}DATA\r\nhalf");
    assert_eq!(crew.talk(two, &half), (vec![220, 250, 250, 354], b"K".to_vec()));
    let whole = format!("{ENVELOPE}DATA\r\nwhole\r\n.\r\n");
    assert_eq!(crew.talk(two, &whole).0, [220, 250, 250, 354, 250]);
    assert!(world.accepted()[0].1.ends_with(b"\nwhole\n") && world.accepted().len() == 1);
    std::fs::write(world.path("control/rcpthosts"), "remote.example\n").unwrap();
    assert_eq!(crew.talk(two, relay).0, [220, 250, 250], "an edit holds from the next connection on");
    std::fs::write(world.path("control/databytes"), "many\n").unwrap();
    assert_eq!(crew.talk(two, relay), (vec![421], b"K".to_vec()));
}

#[test]
fn a_worker_that_was_abused_is_replaced_and_none_ever_executes() {
    let world = World::new(&[]);
    let crew = Crew::start(&world, 100);
    let path = variations::script(&world, "exit 0");
    let fields = format!("TCPREMOTEIP=192.0.2.1\0QMAILQUEUE={path}");
    let input = format!("{ENVELOPE}DATA\r\n");
    assert_eq!(crew.talk(&fields, &input), (vec![220, 250, 250, 451], b"K".to_vec()));
    assert_eq!(crew.talk("TCPREMOTEIP=192.0.2.1", "XYZZY\r\n"), (vec![220, 500], b"X".to_vec()));
    let crew = Crew::start(&world, 2);
    assert_eq!(crew.talk("TCPREMOTEIP=192.0.2.1", "").1, b"K");
    assert_eq!(crew.talk("TCPREMOTEIP=192.0.2.1", "").1, b"X");
}
