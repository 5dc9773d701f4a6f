//! Clients that go away in the middle, talk too much, or do not listen.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use tests::{House, PATIENCE, message};

/// Says `text` and hangs up without waiting for an answer.
fn cut_off(house: &House, text: &str) {
    let mut stream = TcpStream::connect(house.smtp()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // What is answered is of no interest, only that the server is done.
    let _ = stream.read_to_end(&mut Vec::new());
}

const START: &str =
    "EHLO client.example.net\r\nMAIL FROM:<bob@example.test>\r\nRCPT TO:<alice@example.test>\r\n";

#[test]
fn a_message_without_its_end_is_never_delivered() {
    // S33, S48
    let house = House::start();
    for rest in [
        "",
        "DATA\r\n",
        "DATA\r\nSubject: x\r\n\r\nhalf a mess",
        "DATA\r\nSubject: x\r\n\r\nall but the dot\r\n",
        "DATA\r\nSubject: x\r\n\r\nall but the line end\r\n.",
        "BDAT 1000\r\nSubject: x\r\n\r\n",
        "BDAT 15\r\nSubject: x\r\n\r\nx",
    ] {
        cut_off(&house, &format!("{START}{rest}"));
    }
    house.send("bob@example.test", "alice@example.test", &message("whole"));
    let mail = house.await_mail("alice", 1);
    house.await_empty_queue();
    assert_eq!((mail.len(), house.mail("alice").len()), (1, 1));
    assert!(String::from_utf8_lossy(&mail[0]).contains("Subject: whole\n"));
}

#[test]
fn ten_thousand_commands_are_answered_in_order_to_a_client_that_listens_late() {
    // S61
    let house = House::start();
    let mut stream = TcpStream::connect(house.smtp()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let talk = std::thread::spawn(move || {
        let _ = writer.write_all(("NOOP\r\n".repeat(10_000) + "QUIT\r\n").as_bytes());
    });
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    talk.join().unwrap();
    let lines: Vec<_> = answers.lines().collect();
    assert!(lines[0].starts_with("220 "));
    let last = lines.last().unwrap();
    assert!(last.starts_with("221 ") || last.starts_with("421 "), "{last}");
    assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with("250 ")));
}

#[test]
fn a_hundred_who_say_nothing_keep_nobody_out_once_they_are_gone() {
    // S47
    let house = House::start();
    let silent: Vec<_> = (0..100).map(|_| TcpStream::connect(house.smtp())).collect();
    drop(silent);
    house.send("bob@example.test", "alice@example.test", &message("next"));
    house.await_mail("alice", 1);
}
