//! Deliveries that succeed, and what keeps mail out of a Maildir.

use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::house::House;

const MESSAGE: &[u8] = b"Subject: hello\n\nHello.\n";
const HEAD: &str = "Return-Path: <bob@x.test>\nDelivered-To: alice@example.test\n";

#[test]
fn mail_arrives_in_the_maildir_with_two_lines_above_it() {
    let house = House::new();
    let result = house.call().run(MESSAGE);
    assert_eq!((result.code, &result.out[..], &result.err[..]), (Some(0), "did 1+0+0\n", ""));
    assert_eq!(house.mail(), [[HEAD.as_bytes(), MESSAGE].concat()]);
    assert_eq!(house.left_in_tmp(), 0);
}

#[test]
fn every_octet_of_a_message_is_kept_whatever_it_is() {
    // L12
    for message in [&b""[..], b"no final newline", b"From me\n\n>From\nFrom you\n", b"\0\x80\r\n\0\xff"] {
        let house = House::new();
        assert_eq!(house.call().run(message).code, Some(0));
        assert_eq!(house.mail(), [[HEAD.as_bytes(), message].concat()]);
    }
}

#[test]
fn a_message_that_is_larger_than_memory_passes() {
    // L12, X03: the same code path as for a gigabyte, in less time.
    const LENGTH: u64 = 200 << 20;
    let house = House::new();
    let file = tempfile::tempfile().unwrap();
    file.set_len(LENGTH).unwrap();
    let limit = ["/bin/sh", "-c", "ulimit -v 65536; exec \"$@\"", "sh"];
    let result = house.call().under(&limit).run_on(Stdio::from(file));
    assert_eq!(result.code, Some(0), "{result:?}");
    let file = std::fs::read_dir(house.home("Maildir/new")).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().len(), LENGTH + HEAD.len() as u64);
}

#[test]
fn a_strangers_sender_never_makes_a_second_header_line() {
    // L13
    let house = House::new();
    let sender = format!("a\r\nX-Evil: 1\n\"$(x)`@{}", "x".repeat(1000));
    let mut call = house.call();
    call.sender = &sender;
    assert_eq!(call.run(MESSAGE).code, Some(0));
    let mail = String::from_utf8(house.mail().remove(0)).unwrap();
    let lines: Vec<&str> = mail.lines().collect();
    assert!(lines[0].starts_with("Return-Path: <\"a__X-Evil: 1_\\\"$(x)`\"@xxx"), "{mail}");
    assert_eq!(lines[1], "Delivered-To: alice@example.test");
}

#[test]
fn a_message_that_was_here_before_is_never_delivered_again() {
    // S50, L14
    let house = House::new();
    let looping = b"Received: x\nDelivered-To: alice@example.test\nSubject: x\n\nx\n";
    let result = house.call().run(looping);
    assert_eq!(result.code, Some(100));
    assert!(result.err.contains("5.4.6") && result.err.contains("looping"), "{}", result.err);
    assert!(house.mail().is_empty());
    for passing in [
        &b"Delivered-To: alicia@example.test\n\nx\n"[..],
        b"delivered-to: alice@example.test\n\nx\n",
        b"Subject: x\n\nDelivered-To: alice@example.test\n",
        b" Delivered-To: alice@example.test\n\n",
    ] {
        assert_eq!(house.call().run(passing).code, Some(0));
    }
}

#[test]
fn a_home_that_others_could_change_gets_no_mail_yet() {
    // L10
    let house = House::new();
    for mode in [0o720, 0o702, 0o777, 0o1700] {
        house.mode("", mode);
        let result = house.call().run(MESSAGE);
        assert_eq!(result.code, Some(111), "{mode:o}");
        assert!(result.err.starts_with("4."), "{}", result.err);
    }
    house.mode("", 0o755);
    if sys::is_root() {
        std::os::unix::fs::chown(house.path("home"), Some(64_010), None).unwrap();
        assert_eq!(house.call().run(MESSAGE).code, Some(111));
    } else {
        eprintln!("SKIPPED: giving the home to another user needs root");
    }
    std::fs::rename(house.path("home"), house.path("away")).unwrap();
    assert_eq!(house.call().run(MESSAGE).code, Some(111));
    std::fs::rename(house.path("away"), house.path("home")).unwrap();
    assert!(house.mail().is_empty() && house.left_in_tmp() == 0);
}

#[test]
fn a_maildir_that_leads_elsewhere_gets_no_mail() {
    // L09
    for name in ["tmp", "new"] {
        let house = House::new();
        let elsewhere = house.path("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let folder = house.home("Maildir").join(name);
        std::fs::remove_dir(&folder).unwrap();
        symlink(&elsewhere, &folder).unwrap();
        assert_eq!(house.call().run(MESSAGE).code, Some(111));
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    }
}

#[test]
fn a_missing_maildir_that_a_qmail_file_names_is_not_made() {
    let house = House::new();
    house.qmail(".qmail", "./Mailbox/\n");
    assert_eq!(house.call().run(MESSAGE).code, Some(111));
    assert!(!house.home("Mailbox").exists());
}

#[test]
fn closed_descriptors_are_no_mailboxes() {
    // X04
    let house = House::new();
    let close = ["/bin/sh", "-c", "umask 0; exec \"$@\" <&- >&- 2>&-", "sh"];
    assert_eq!(house.call().under(&close).run(MESSAGE).code, Some(111));
    assert!(house.mail().is_empty() && house.left_in_tmp() == 0);
    let close = ["/bin/sh", "-c", "umask 0; trap '' TERM PIPE; exec \"$@\" >&- 2>&-", "sh"];
    assert_eq!(house.call().under(&close).run(MESSAGE).code, Some(0));
    let file = std::fs::read_dir(house.home("Maildir/new")).unwrap().next().unwrap().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!((house.mail().len(), mode & 0o777), (1, 0o600));
}

#[test]
fn a_message_that_is_no_file_is_never_taken_for_an_empty_one() {
    let house = House::new();
    for message in ["</dev/null", "<&-", "</", "< <(echo x)"] {
        let script = format!("exec \"$@\" {message}");
        let result = house.call().under(&["/bin/bash", "-c", &script, "bash"]).run(MESSAGE);
        assert_eq!(result.code, Some(111), "{message}");
    }
    assert!(house.mail().is_empty());
}

#[test]
fn a_full_log_neither_stops_a_delivery_nor_makes_two_of_it() {
    // X05
    let house = House::new();
    let full = ["/bin/sh", "-c", "exec \"$@\" >/dev/full 2>/dev/full", "sh"];
    assert_eq!(house.call().under(&full).run(MESSAGE).code, Some(0));
    assert_eq!(house.mail().len(), 1);
    house.mode("", 0o1700);
    assert_eq!(house.call().under(&full).run(MESSAGE).code, Some(111));
}

#[test]
fn wrong_arguments_are_told_so() {
    let house = House::new();
    let mut call = house.call();
    call.options = vec!["-x"];
    let result = call.run(MESSAGE);
    assert_eq!(result.code, Some(100));
    assert!(result.err.contains("usage: local-deliver"));
}
