use super::*;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

fn maildir() -> (tempfile::TempDir, PathBuf, Maildir) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("Maildir");
    let maildir = Maildir::create(&path).unwrap();
    (home, path, maildir)
}

fn put(path: &Path, name: &[u8], text: &str) {
    std::fs::write(path.join(OsStr::from_bytes(name)), text).unwrap();
}

fn names(entries: &[Entry]) -> Vec<&[u8]> {
    entries.iter().map(|entry| &entry.file[..]).collect()
}

fn text(maildir: &Maildir, entry: &Entry) -> String {
    let mut text = String::new();
    maildir.read(entry).unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn only_regular_files_are_messages_and_nothing_hangs_or_leads_away() {
    // P14
    let (home, path, maildir) = maildir();
    for place in ["new", "cur"] {
        let folder = path.join(place);
        put(&folder, b"1.a b\nc:2,XyZ", "four");
        put(&folder, b".2.hidden", "x");
        std::fs::create_dir(folder.join("3.folder")).unwrap();
        std::fs::create_dir(folder.join("3.folder,S=5")).unwrap();
        symlink("/etc/passwd", folder.join("4.link,S=5")).unwrap();
        sys::durable::make_fifo(&folder.join("5.fifo,S=5"), 0o600).unwrap();
        std::os::unix::net::UnixListener::bind(folder.join("6.socket")).unwrap();
    }
    put(&path.join("cur"), b"7.x:1,strange", "");
    put(home.path(), b"outside", "x");
    let entries = maildir.scan().unwrap();
    assert_eq!(names(&entries), [&b"1.a b\nc:2,XyZ"[..], b"1.a b\nc:2,XyZ", b"7.x:1,strange"]);
    assert_eq!((entries[0].octets, entries[0].wire, entries[0].name().flags), (4, None, &b"XyZ"[..]));
    for name in ["4.link,S=5", "5.fifo,S=5", "3.folder"] {
        let entry = Entry { file: name.into(), place: Place::New, octets: 5, wire: None };
        assert!(maildir.read(&entry).is_err(), "{name}");
    }
}

#[test]
fn a_hundred_thousand_messages_are_listed_without_looking_at_one() {
    // P14: these files are empty, so a size that is not 0 was read from the name.
    let (_home, path, maildir) = maildir();
    for count in 0..100_000 {
        let name = format!("{}.M{:06}P1.host,S=12,W=13:2,S", 1_700_000_000 + count / 7, count % 7);
        put(&path.join("cur"), name.as_bytes(), "");
    }
    let entries = maildir.scan().unwrap();
    assert_eq!(entries.len(), 100_000);
    assert!(entries.iter().all(|entry| (entry.octets, entry.wire) == (12, Some(13))));
    assert!(entries.is_sorted_by(|a, b| a.name().order(&b.name()).is_lt()));
}

#[test]
fn a_message_is_found_again_after_another_program_changed_its_flags() {
    let (_home, path, maildir) = maildir();
    put(&path.join("new"), b"1.a", "one");
    put(&path.join("cur"), b"2.b:2,", "two");
    let entries = maildir.scan().unwrap();
    std::fs::rename(path.join("new/1.a"), path.join("cur/1.a:2,S")).unwrap();
    std::fs::rename(path.join("cur/2.b:2,"), path.join("cur/2.b:2,FS")).unwrap();
    assert_eq!((text(&maildir, &entries[0]), text(&maildir, &entries[1])), ("one".into(), "two".into()));
    assert_eq!(maildir.remove(&entries, &Quota::NONE).unwrap(), 0);
    assert!(maildir.scan().unwrap().is_empty());
    assert_eq!(maildir.read(&entries[0]).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(maildir.remove(&entries, &Quota::NONE).unwrap(), 0);
}

#[test]
fn messages_move_from_new_to_cur_with_the_flags_they_have() {
    let (_home, path, maildir) = maildir();
    put(&path.join("new"), b"1.a", "one");
    put(&path.join("new"), b"2.b:2,F", "two");
    put(&path.join("new"), b"3.gone", "");
    put(&path.join("cur"), b"4.d:2,R", "four");
    let entries = maildir.scan().unwrap();
    std::fs::remove_file(path.join("new/3.gone")).unwrap();
    maildir.settle(&entries, b"S").unwrap();
    let after = maildir.scan().unwrap();
    assert_eq!(names(&after), [&b"1.a:2,S"[..], b"2.b:2,FS", b"4.d:2,R"]);
    assert!(after.iter().all(|entry| entry.place == Place::Cur));
    assert_eq!(text(&maildir, &after[0]), "one");
}

#[test]
fn a_move_that_a_power_cut_left_half_done_never_makes_two_messages_of_one() {
    let (_home, path, maildir) = maildir();
    put(&path.join("new"), b"1.a", "one");
    put(&path.join("new"), b"2.b", "two");
    let before = maildir.scan().unwrap();
    for (from, to) in [("new/1.a", "cur/1.a:2,"), ("new/2.b", "cur/2.b:2,S")] {
        std::fs::hard_link(path.join(from), path.join(to)).unwrap();
    }
    maildir.settle(&before[..1], b"").unwrap();
    assert!(!path.join("new/1.a").exists());
    assert_eq!(names(&maildir.scan().unwrap()), [&b"1.a:2,"[..], b"2.b:2,S"]);
    maildir.remove(&maildir.scan().unwrap(), &Quota::NONE).unwrap();
    assert!(maildir.scan().unwrap().is_empty());
}

#[test]
fn two_different_messages_of_one_name_are_both_kept() {
    let (_home, path, maildir) = maildir();
    put(&path.join("new"), b"1.a", "one");
    put(&path.join("cur"), b"1.a:2,", "other");
    let entries = maildir.scan().unwrap();
    assert_eq!(entries.len(), 2);
    maildir.settle(&entries, b"").unwrap();
    assert!(path.join("new/1.a").exists() && path.join("cur/1.a:2,").exists());
}
