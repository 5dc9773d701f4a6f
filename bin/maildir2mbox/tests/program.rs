//! The real program on a Maildir and an mbox file of a test's own.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

struct Box {
    home: tempfile::TempDir,
}

impl Box {
    fn new() -> Box {
        let home = tempfile::tempdir().unwrap();
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(home.path().join("Maildir").join(folder)).unwrap();
        }
        Box { home }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn put(&self, name: &str, second: u64, text: &str) {
        let path = self.path("Maildir").join(name);
        fs::write(&path, text).unwrap();
        File::open(&path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(second))
            .unwrap();
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_maildir2mbox"));
        command.env_clear().current_dir(self.home.path());
        command.env("MAIL", "mbox").env("MAILDIR", "Maildir").env("MAILTMP", "mbox.tmp");
        command
    }

    fn run(&self) -> Option<i32> {
        self.command().status().unwrap().code()
    }

    fn mbox(&self) -> String {
        fs::read_to_string(self.path("mbox")).unwrap()
    }

    fn left(&self) -> usize {
        ["new", "cur"]
            .map(|folder| fs::read_dir(self.path("Maildir").join(folder)).unwrap().count())
            .iter()
            .sum()
    }
}

#[test]
fn messages_go_to_the_end_of_the_mbox_oldest_first() {
    let mailbox = Box::new();
    fs::write(mailbox.path("mbox"), "From old Thu Jan 01 00:00:00 1970\nS: old\n\nno end").unwrap();
    fs::set_permissions(mailbox.path("mbox"), fs::Permissions::from_mode(0o640)).unwrap();
    mailbox.put("new/2.b.h", 2, "Subject: b\n\nFrom here\n>From there\n>>>From\nno end");
    mailbox.put("cur/1.a.h:2,S", 1, "Return-Path: <al b@x.y>\nSubject: a\n\nbody\n");
    assert_eq!(mailbox.run(), Some(0));
    let expect = "From old Thu Jan 01 00:00:00 1970\nS: old\n\nno end\n\n\
                  From al-b@x.y Thu Jan 01 00:00:01 1970\nReturn-Path: <al b@x.y>\nSubject: a\n\nbody\n\n\
                  From MAILER-DAEMON Thu Jan 01 00:00:02 1970\nSubject: b\n\n>From here\n>>From there\n>>>From\nno end\n\n";
    assert_eq!(mailbox.mbox(), expect);
    assert_eq!((mailbox.left(), mailbox.path("mbox.tmp").exists()), (0, false));
    assert_eq!(fs::metadata(mailbox.path("mbox")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(mailbox.run(), Some(0), "nothing to do");
    assert_eq!(mailbox.mbox(), expect);
}

#[test]
fn an_mbox_that_is_missing_is_made_for_its_owner_alone() {
    let mailbox = Box::new();
    assert_eq!(mailbox.run(), Some(0));
    assert!(!mailbox.path("mbox").exists(), "there is no mail");
    mailbox.put("new/1.a.h", 1, "");
    fs::write(mailbox.path("mbox.tmp"), "left by a crash").unwrap();
    assert_eq!(mailbox.run(), Some(0));
    assert_eq!(mailbox.mbox(), "From MAILER-DAEMON Thu Jan 01 00:00:01 1970\n\n");
    assert_eq!(fs::metadata(mailbox.path("mbox")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn whatever_is_wrong_the_mail_stays() {
    // L04
    let mailbox = Box::new();
    mailbox.put("new/1.a.h", 1, "Subject: a\n\n");
    for (variable, value, code) in [
        ("MAIL", None, 100),
        ("MAILDIR", None, 100),
        ("MAILTMP", Some(""), 100),
        ("MAIL", Some("no/such/folder/mbox"), 111),
        ("MAIL", Some("."), 111),
        ("MAIL", Some("/dev/full"), 111),
        ("MAILTMP", Some("/dev/full"), 111),
        ("MAILTMP", Some("mbox"), 111),
        ("MAILTMP", Some("no/such/folder/tmp"), 111),
        ("MAILDIR", Some("nothing"), 111),
    ] {
        let mut command = mailbox.command();
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        assert_eq!(command.status().unwrap().code(), Some(code), "{variable}={value:?}");
        assert_eq!(mailbox.left(), 1);
    }
    assert_eq!(mailbox.command().arg("x").status().unwrap().code(), Some(100));
}

#[test]
fn a_full_disk_changes_neither_mbox_nor_maildir() {
    // L04
    let mailbox = Box::new();
    fs::write(mailbox.path("mbox"), "From x\n\n").unwrap();
    mailbox.put("new/1.a.h", 1, &"x".repeat(3_000_000));
    let line = "trap '' XFSZ; ulimit -f 1000; exec \"$0\"";
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", line, env!("CARGO_BIN_EXE_maildir2mbox")])
        .env_clear()
        .current_dir(mailbox.home.path());
    command.env("MAIL", "mbox").env("MAILDIR", "Maildir").env("MAILTMP", "mbox.tmp");
    let status = command.status().unwrap();
    assert!(!status.success(), "{status}");
    assert_eq!((mailbox.mbox(), mailbox.left()), ("From x\n\n".to_owned(), 1));
    assert_eq!(mailbox.run(), Some(0));
    assert!(
        mailbox.mbox().starts_with("From x\n\nFrom MAILER-DAEMON "),
        "what the first try has left is overwritten"
    );
}

#[test]
fn a_delivery_that_holds_the_lock_is_waited_for_and_its_mail_is_kept() {
    let mailbox = Box::new();
    mailbox.put("new/1.a.h", 1, "Subject: a\n\n");
    let mut delivery = File::options().create(true).append(true).open(mailbox.path("mbox")).unwrap();
    delivery.lock().unwrap();
    let mut child = mailbox.command().spawn().unwrap();
    std::io::Write::write_all(&mut delivery, b"From delivery\n\n").unwrap();
    assert!(child.try_wait().unwrap().is_none(), "it waits");
    drop(delivery);
    assert!(child.wait().unwrap().success());
    assert!(mailbox.mbox().starts_with("From delivery\n\nFrom MAILER-DAEMON "), "{}", mailbox.mbox());
}
