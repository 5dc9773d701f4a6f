use super::*;
use std::path::{Path, PathBuf};

fn maildir() -> (tempfile::TempDir, PathBuf, Maildir) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("Maildir");
    let maildir = Maildir::create(&path).unwrap();
    (home, path, maildir)
}

fn message(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn files(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_octet_of_a_message_is_kept_whatever_it_is() {
    // L12
    let (_home, path, maildir) = maildir();
    let long = b"0123456789\n".repeat(200_000);
    let exactly = vec![b'x'; 2 * PIECE as usize];
    for text in
        [&b""[..], b"no final newline", b"From me Sat\nx\n\nFrom you\n", b"\0\xff\r\n\0\n", &long, &exactly]
    {
        let name =
            maildir.deliver(b"Return-Path: <>\n", Text::of(&message(text)).unwrap(), &Quota::NONE).unwrap();
        let stored = std::fs::read(path.join("new").join(&name)).unwrap();
        assert!(stored == [b"Return-Path: <>\n", text].concat(), "{name}");
        assert!(name.contains(&format!(",S={}", stored.len())), "{name}");
        let bare = stored.windows(2).filter(|two| two[1] == b'\n' && two[0] != b'\r').count();
        let wire = stored.len() + bare;
        assert_eq!(name.ends_with(&format!(",W={wire}")), text.is_empty() || text.ends_with(b"\n"), "{name}");
    }
    assert!(files(&path.join("tmp")).is_empty());
}

#[test]
fn the_message_is_read_from_its_start_wherever_its_descriptor_stands() {
    let (_home, path, maildir) = maildir();
    let message = message(b"text\n");
    for _ in 0..2 {
        let name = maildir.deliver(b"", Text::of(&message).unwrap(), &Quota::NONE).unwrap();
        assert_eq!(std::fs::read(path.join("new").join(name)).unwrap(), b"text\n");
    }
}

#[test]
fn a_delivery_that_is_given_up_leaves_nothing() {
    let (_home, path, maildir) = maildir();
    let mut delivery = maildir.begin().unwrap();
    delivery.write(b"half").unwrap();
    assert_eq!((files(&path.join("tmp")).len(), files(&path.join("new")).len()), (1, 0));
    drop(delivery);
    assert_eq!((files(&path.join("tmp")).len(), files(&path.join("new")).len()), (0, 0));
}

#[test]
fn many_deliverers_never_hinder_each_other() {
    // L01
    let (_home, path, _) = maildir();
    let deliverers: Vec<_> = (0..8)
        .map(|deliverer| {
            let path = path.clone();
            std::thread::spawn(move || {
                let maildir = Maildir::open(&path).unwrap();
                for count in 0..20 {
                    let text = format!("{deliverer} {count}\n");
                    maildir.deliver(b"", Text::of(&message(text.as_bytes())).unwrap(), &Quota::NONE).unwrap();
                }
            })
        })
        .collect();
    deliverers.into_iter().for_each(|d| d.join().unwrap());
    let texts: std::collections::HashSet<Vec<u8>> =
        files(&path.join("new")).iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert_eq!(texts.len(), 160);
}

#[test]
fn a_message_that_shrinks_while_it_is_read_is_not_delivered() {
    let (_home, path, maildir) = maildir();
    let message = message(b"text\n");
    let mut delivery = maildir.begin().unwrap();
    assert!(delivery.copy(b"", Text { file: &message, length: 6, start: b"" }).is_err());
    drop(delivery);
    assert!(files(&path.join("tmp")).is_empty() && files(&path.join("new")).is_empty());
}

/// A small file system of its own, if this process may mount one.
struct Small(PathBuf);

impl Small {
    fn mount(path: &Path, options: &str) -> Option<Small> {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "none"]).arg(path);
        if !mount.output().is_ok_and(|out| out.status.success()) {
            eprintln!("SKIPPED: mounting a small file system needs root");
            return None;
        }
        Some(Small(path.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_no_part_of_a_message() {
    // L04
    let home = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(home.path(), "size=256k") else { return };
    let path = home.path().join("Maildir");
    let maildir = Maildir::create(&path).unwrap();
    let text = vec![b'x'; 100_000];
    let mut delivered = 0;
    let trouble = loop {
        match maildir.deliver(b"", Text::of(&message(&text)).unwrap(), &Quota::NONE) {
            Ok(_) => delivered += 1,
            Err(trouble) => break trouble,
        }
    };
    assert!(matches!(trouble, Trouble::System(error) if error.kind() == ErrorKind::StorageFull));
    let new = files(&path.join("new"));
    assert_eq!((new.len(), files(&path.join("tmp")).len()), (delivered, 0));
    assert!(delivered > 0 && new.iter().all(|file| std::fs::read(file).unwrap() == text));
    drop(maildir);
}

#[test]
fn a_disk_without_inodes_leaves_the_mail_where_it_was() {
    // L07
    let home = tempfile::tempdir().unwrap();
    let Some(_small) = Small::mount(home.path(), "nr_inodes=7") else { return };
    let path = home.path().join("Maildir");
    let maildir = Maildir::create(&path).unwrap();
    let delivered = (0..10)
        .filter(|_| maildir.deliver(b"", Text::of(&message(b"x\n")).unwrap(), &Quota::NONE).is_ok())
        .count();
    assert!(delivered < 10, "the disk never ran out of inodes");
    assert_eq!((files(&path.join("new")).len(), files(&path.join("tmp")).len()), (delivered, 0));
    drop(maildir);
}

#[test]
fn new_on_another_file_system_is_refused_and_leaves_nothing() {
    // L09
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("Maildir");
    Maildir::create(&path).unwrap();
    let Some(_small) = Small::mount(&path.join("new"), "size=64k") else { return };
    let maildir = Maildir::open(&path).unwrap();
    let trouble = maildir.deliver(b"", Text::of(&message(b"x\n")).unwrap(), &Quota::NONE).unwrap_err();
    assert!(matches!(trouble, Trouble::System(error) if error.kind() == ErrorKind::CrossesDevices));
    assert!(files(&path.join("new")).is_empty() && files(&path.join("tmp")).is_empty());
    drop(maildir);
}

#[test]
fn what_has_been_read_already_is_not_read_again_and_nothing_is_lost_or_doubled() {
    let home = tempfile::tempdir().unwrap();
    let maildir = Maildir::create(&home.path().join("Maildir")).unwrap();
    for length in [0, 1, 100, PIECE as usize - 1, PIECE as usize, PIECE as usize + 1, 3 * PIECE as usize] {
        let text: Vec<u8> = (0..length).map(|at| b"abcdefg\n"[at % 7]).collect();
        let file = message(&text);
        for known in [0, 1, 50, 16 * 1024, length] {
            let start = &text[..known.min(length)];
            let whole = Text { start, ..Text::of(&file).unwrap() };
            let name = maildir.deliver(b"head\n", whole, &Quota::NONE).unwrap();
            let there = std::fs::read(home.path().join("Maildir/new").join(&name)).unwrap();
            assert!(there == [b"head\n", &text[..]].concat(), "{length} {known}");
        }
    }
}
