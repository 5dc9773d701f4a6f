use super::*;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::{Place, Text, Trouble};

fn maildir() -> (tempfile::TempDir, PathBuf, Maildir) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("Maildir");
    let maildir = Maildir::create(&path).unwrap();
    (home, path, maildir)
}

fn message(octets: usize) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![b'x'; octets]).unwrap();
    file
}

fn remembers(path: &Path) -> String {
    std::fs::read_to_string(path.join(FILE)).unwrap()
}

fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    File::options().append(true).open(path.join(FILE)).unwrap().set_modified(then).unwrap();
}

#[test]
fn a_mailbox_takes_just_what_its_quota_allows() {
    // L06
    let (_home, path, maildir) = maildir();
    let quota = Quota::octets(1000);
    for _ in 0..2 {
        maildir.deliver(b"", Text::of(&message(500)).unwrap(), &quota).unwrap();
    }
    assert!(matches!(maildir.deliver(b"", Text::of(&message(1)).unwrap(), &quota), Err(Trouble::Full)));
    assert_eq!(maildir.usage(&quota).unwrap(), (1000, 2));
    assert_eq!(std::fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    assert_eq!(maildir.scan().unwrap().len(), 2);
    assert!(maildir.deliver(b"", Text::of(&message(1)).unwrap(), &Quota::NONE).is_ok());
}

#[test]
fn a_quota_of_messages_is_kept_too() {
    let (_home, _path, maildir) = maildir();
    let quota = Quota { octets: 0, messages: 2 };
    let taken =
        (0..5).filter(|_| maildir.deliver(b"", Text::of(&message(5)).unwrap(), &quota).is_ok()).count();
    assert_eq!(taken, 2);
}

#[test]
fn room_that_another_program_made_is_noticed_before_mail_is_turned_away() {
    let (_home, path, maildir) = maildir();
    let quota = Quota::octets(1000);
    maildir.deliver(b"", Text::of(&message(500)).unwrap(), &quota).unwrap();
    let name = maildir.deliver(b"", Text::of(&message(500)).unwrap(), &quota).unwrap();
    std::fs::remove_file(path.join("new").join(name)).unwrap();
    // More than one line, so the count is not believed.
    assert!(maildir.deliver(b"", Text::of(&message(500)).unwrap(), &quota).is_ok());
    // One line and fresh: believed. One line and old: not.
    std::fs::remove_file(path.join(FILE)).unwrap();
    assert!(!maildir.has_room(&quota, 1).unwrap());
    let entries = maildir.scan().unwrap();
    std::fs::remove_file(path.join("new").join(OsStr::from_bytes(&entries[0].file))).unwrap();
    assert!(!maildir.has_room(&quota, 1).unwrap());
    age(&path, 16 * 60);
    assert!(maildir.has_room(&quota, 1).unwrap());
}

#[test]
fn removing_messages_makes_room() {
    let (_home, _path, maildir) = maildir();
    let quota = Quota::octets(1000);
    maildir.deliver(b"", Text::of(&message(600)).unwrap(), &quota).unwrap();
    assert!(!maildir.has_room(&quota, 600).unwrap());
    maildir.remove(&maildir.scan().unwrap(), &quota).unwrap();
    assert_eq!(maildir.usage(&quota).unwrap(), (0, 0));
    maildir.deliver(b"", Text::of(&message(600)).unwrap(), &quota).unwrap();
}

#[test]
fn what_a_quota_counts_is_all_folders_but_trash_and_deleted_messages() {
    let (_home, path, maildir) = maildir();
    for folder in [".Sent", ".Trash", "other"] {
        Maildir::create(&path.join(folder)).unwrap();
        std::fs::write(path.join(folder).join("cur/1.a:2,S"), "12345").unwrap();
    }
    std::fs::write(path.join("cur/1.b:2,T"), "12345").unwrap();
    std::fs::write(path.join("cur/1.c,S=100:2,"), "12345").unwrap();
    std::fs::write(path.join("new/1.d"), "1").unwrap();
    symlink("/etc/passwd", path.join("new/1.link")).unwrap();
    assert_eq!(maildir.usage(&Quota::octets(1000)).unwrap(), (106, 3));
    assert_eq!(remembers(&path), "1000S\n         106      3\n");
}

#[test]
fn a_folder_counts_to_the_mailbox_it_lies_in() {
    let (_home, path, _maildir) = maildir();
    let sub = Maildir::create(&path.join(".Sub")).unwrap();
    std::fs::write(path.join(".Sub/maildirfolder"), "").unwrap();
    let quota = Quota::octets(1000);
    sub.deliver(b"", Text::of(&message(400)).unwrap(), &quota).unwrap();
    assert!(!path.join(".Sub").join(FILE).exists());
    assert_eq!(Maildir::open(&path).unwrap().usage(&quota).unwrap(), (400, 1));
}

#[test]
fn a_damaged_or_foreign_count_is_made_anew_and_never_believed() {
    let (home, path, maildir) = maildir();
    std::fs::write(path.join("new/1.d"), "1234").unwrap();
    let quota = Quota::octets(1000);
    let long = format!("1000S\n{}", "1 1\n".repeat(2000));
    for bad in [
        "",
        "1000S",
        "garbage\n",
        "2000S\n 5 1\n",
        "1000S\nx y\n",
        "1000S\n9223372036854775807 1\n9223372036854775807 1\n",
        "1000S\n-5 -1\n",
        "S\n1 1\n",
        "1000S\n\0\u{ffff}\n",
        &long,
    ] {
        std::fs::write(path.join(FILE), bad).unwrap();
        assert_eq!(maildir.usage(&quota).unwrap(), (4, 1), "{bad:?}");
    }
    std::fs::write(home.path().join("theirs"), "1000S\n1 1\n").unwrap();
    std::fs::remove_file(path.join(FILE)).unwrap();
    symlink(home.path().join("theirs"), path.join(FILE)).unwrap();
    assert_eq!(maildir.usage(&quota).unwrap(), (4, 1));
    assert_eq!(std::fs::read_to_string(home.path().join("theirs")).unwrap(), "1000S\n1 1\n");
    std::fs::remove_file(path.join(FILE)).unwrap();
    sys::durable::make_fifo(&path.join(FILE), 0o600).unwrap();
    assert_eq!(maildir.usage(&quota).unwrap(), (4, 1));
}

#[test]
fn a_count_in_couriers_own_words_is_understood() {
    let (_home, path, maildir) = maildir();
    std::fs::write(path.join(FILE), "1000C,500S\n       100           2\n  -50 -1\n").unwrap();
    assert_eq!(maildir.usage(&Quota { octets: 500, messages: 1000 }).unwrap(), (50, 1));
    let entry = crate::Entry { file: b"x".to_vec(), place: Place::New, octets: 0, wire: None };
    assert_eq!(maildir.remove([&entry], &Quota::NONE).unwrap(), 0);
}
