//! A newcomer's qmail queue is taken over: nothing is lost, nothing doubled, times and failures stay.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;
use tests::House;

/// A queue as qmail keeps it: a message in `info` of which one recipient is done, one in `todo` that
/// nobody has looked at, one whose last recipient has failed and that is not bounced yet.
fn qmail_queue(folder: &Path) {
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("lock/sendmutex", b"");
    for name in ["info", "local", "remote", "todo", "bounce", "intd"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    write("mess/1/24", b"Subject: of info\n\none\n");
    write("info/1/24", b"Fbob@example.test\0");
    write("local/1/24", b"Dbob@example.test\0Talice@example.test\0");
    let day = SystemTime::now() - Duration::from_secs(86_400);
    fs::File::options().write(true).open(folder.join("info/1/24")).unwrap().set_modified(day).unwrap();
    write("mess/2/25", b"Subject: of todo\n\ntwo\n");
    write("todo/25", b"u1000\0p77\0F\0Talice@example.test\0Tbob@example.test\0");
    write("mess/3/26", b"Subject: of bounce\n\nthree\n");
    write("info/3/26", b"Fbob@example.test\0");
    write("remote/3/26", b"Dgone@far.test\0");
    write("bounce/26", b"<gone@far.test>:\nSorry, no mailbox here by that name.\n\n");
    // Only the first half of qmail-queue's work: never accepted, never to be delivered.
    write("mess/4/27", b"Subject: half\n\n");
    write("intd/27", b"u1000\0p77\0F\0Talice@example.test\0");
}

#[test]
fn a_qmail_queue_is_taken_over_once_and_delivered() {
    let mut house = House::start();
    house.services().stop("send", Signal::SIGTERM);
    let theirs = tempfile::tempdir().unwrap();
    qmail_queue(theirs.path());
    let folder = theirs.path().to_str().unwrap();
    let said = house.well(&["import-queue", folder, "--dry-run"]);
    assert!(said.ends_with("3 messages would be taken over\n"), "{said}");
    assert_eq!(house.queued(), 0);

    let lock = fs::File::options().write(true).open(theirs.path().join("lock/sendmutex")).unwrap();
    lock.lock().unwrap();
    let refused = house.fulmar(&["import-queue", folder]);
    assert_eq!(refused.status.code(), Some(111));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("qmail-send is running"), "{refused:?}");
    drop(lock);

    assert!(house.well(&["import-queue", folder]).ends_with("3 messages taken over\n"));
    assert_eq!(house.well(&["import-queue", folder]), "0 messages taken over\n");
    let list = house.well(&["queue", "list", "--older", "23h"]);
    assert!(list.contains("bob@example.test") && list.lines().count() == 2, "{list}");
    house.run();
    house.await_empty_queue();
    let subjects = |name: &str| {
        let mail = house.mail(name).into_iter().map(|mail| String::from_utf8_lossy(&mail).into_owned());
        let mut subjects: Vec<String> = mail
            .map(|mail| mail.lines().find(|line| line.starts_with("Subject: ")).unwrap().to_owned())
            .collect();
        subjects.sort_unstable();
        subjects
    };
    assert_eq!(subjects("alice"), ["Subject: of info", "Subject: of todo"]);
    assert_eq!(subjects("bob"), ["Subject: failure notice", "Subject: of todo"]);
    let bounce = house.mail("bob").into_iter().map(|mail| String::from_utf8_lossy(&mail).into_owned());
    assert!(bounce.into_iter().any(|mail| mail.contains("no mailbox here by that name")));
}

#[test]
fn what_is_no_qmail_queue_is_told_so_and_a_damaged_message_hinders_no_other() {
    let mut house = House::start();
    house.services().stop("send", Signal::SIGTERM);
    let theirs = tempfile::tempdir().unwrap();
    let folder = theirs.path().to_str().unwrap();
    assert_eq!(house.fulmar(&["import-queue", folder]).status.code(), Some(111));
    qmail_queue(theirs.path());
    fs::remove_file(theirs.path().join("mess/1/24")).unwrap();
    fs::write(theirs.path().join("todo/25"), b"u1\0p2\0Talice@example.test\0").unwrap();
    let said = house.fulmar(&["import-queue", folder]);
    assert_eq!(said.status.code(), Some(111));
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(
        err.contains("message 24: its text is missing") && err.contains("message 25: it has no sender"),
        "{err}"
    );
    assert!(out.ends_with("1 messages taken over\n"), "{out}");
}

#[test]
fn a_newcomer_is_told_what_becomes_of_his_control_files_and_they_work() {
    let theirs = tempfile::tempdir().unwrap();
    let control = theirs.path().join("control");
    let write = |name: &str, text: &str| {
        let path = theirs.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for (name, text) in [
        ("me", "mail.old.test\n"),
        ("defaultdomain", "old.test\n"),
        ("locals", "localhost\nmail.old.test\n"),
        ("rcpthosts", "localhost\nmail.old.test\nold.test\n"),
        ("plusdomain", "test\n"),
        ("concurrencyremote", "255\n"),
        ("concurrencyincoming", "30\n"),
        ("smtproutes", "old.test:[127.0.0.1]:1\n"),
        ("databytes", "20000000\n"),
        ("qmqpservers", "127.0.0.1\n"),
        ("servercert.pem", "x\n"),
    ] {
        write(&format!("control/{name}"), text);
    }
    write("users/assign", ".\n");
    write("alias/.qmail-root", "&root\n");
    let mut house = House::empty();
    let said = house.well(&["check", "--control", control.to_str().unwrap()]);
    for line in [
        "used       me: by ",
        "used       smtproutes: by remote",
        "used       databytes: by ",
        "ignored    concurrencyincoming: no program reads",
        "ignored    servercert.pem: ",
        "different  concurrencyremote: one destination has half",
        "different  users: missing: write two lines",
    ] {
        assert!(said.lines().any(|seen| seen.starts_with(line)), "{line}: {said}");
    }
    assert!(said.contains("/users/assign: copy it") && said.contains("/alias: stays"), "{said}");
    let json = house.well(&["--json", "check", "--control", control.to_str().unwrap()]);
    assert!(json.contains("\"verdict\": \"used\""), "{json}");
    // What he has is copied as it is, and works.
    for file in tests::files(&control) {
        fs::copy(&file, house.path("control").join(file.file_name().unwrap())).unwrap();
    }
    house.run();
    assert!(house.well(&["check"]).lines().all(|line| !line.starts_with("error:")));
    write("control/rcpthosts", ".test\n");
    let refused = house.fulmar(&["check", "--control", control.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(100));
    assert!(
        String::from_utf8_lossy(&refused.stdout).starts_with("dangerous  rcpthosts: `.test`"),
        "{refused:?}"
    );
}
