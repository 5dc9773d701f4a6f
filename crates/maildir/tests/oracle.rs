//! Maildirs written by us are read by others and the other way round: the published `maildir`
//! crate and Python's `mailbox` module.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use maildir::{Maildir, Place, Quota, Text};

const MESSAGE: &[u8] = b"From: alice@example.test\nSubject: one\n\nFrom here on\n.\n\0\xff body\n";

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("Maildir");
    (home, path)
}

fn deliver(maildir: &Maildir) {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, MESSAGE).unwrap();
    maildir.deliver(b"", Text::of(&file).unwrap(), &Quota::NONE).unwrap();
}

fn texts(maildir: &Maildir) -> Vec<(Place, Vec<u8>, Vec<u8>)> {
    let entries = maildir.scan().unwrap();
    let text = |entry| {
        let mut text = Vec::new();
        maildir.read(entry).unwrap().read_to_end(&mut text).unwrap();
        text
    };
    entries.iter().map(|entry| (entry.place, entry.name().flags.to_vec(), text(entry))).collect()
}

fn python(script: &str, path: &Path) -> Option<String> {
    let out = Command::new("python3").args(["-c", script]).arg(path).output();
    let Ok(out) = out else {
        eprintln!("SKIPPED: needs python3");
        return None;
    };
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8(out.stdout).unwrap())
}

#[test]
fn the_published_crate_reads_what_we_deliver() {
    let (_home, path) = home();
    let ours = Maildir::create(&path).unwrap();
    deliver(&ours);
    deliver(&ours);
    ours.settle(&ours.scan().unwrap()[..1], b"S").unwrap();
    let theirs = published_maildir::Maildir::from(path.clone());
    assert_eq!((theirs.count_new(), theirs.count_cur()), (1, 1));
    let mut seen = theirs.list_cur().next().unwrap().unwrap();
    assert!(seen.is_seen());
    assert_eq!(std::fs::read(seen.path()).unwrap(), MESSAGE);
    assert_eq!(seen.parsed().unwrap().headers.len(), 2);
}

#[test]
fn we_read_what_the_published_crate_delivers() {
    let (_home, path) = home();
    let theirs = published_maildir::Maildir::from(path.clone());
    theirs.create_dirs().unwrap();
    theirs.store_new(MESSAGE).unwrap();
    theirs.store_cur_with_flags(MESSAGE, "SR").unwrap();
    let mut seen = texts(&Maildir::open(&path).unwrap());
    seen.sort_by_key(|(place, ..)| *place == Place::Cur);
    let expect =
        [(Place::New, b"".to_vec(), MESSAGE.to_vec()), (Place::Cur, b"RS".to_vec(), MESSAGE.to_vec())];
    assert_eq!(seen, expect);
}

#[test]
fn python_reads_what_we_deliver() {
    let (_home, path) = home();
    let ours = Maildir::create(&path).unwrap();
    deliver(&ours);
    deliver(&ours);
    ours.settle(&ours.scan().unwrap()[..1], b"FS").unwrap();
    let script = "
import mailbox, sys
box = mailbox.Maildir(sys.argv[1], create=False)
for key, message in box.items():
    body = box.get_bytes(key)
    print(message.get_subdir(), message.get_flags(), message['Subject'], len(body), body[-8:])
";
    let Some(seen) = python(script, &path) else { return };
    let mut seen: Vec<&str> = seen.lines().collect();
    seen.sort_unstable();
    let line = |head: &str| format!("{head} one {} b'\\x00\\xff body\\n'", MESSAGE.len());
    assert_eq!(seen, [line("cur FS"), line("new ")]);
}

#[test]
fn we_read_what_python_delivers() {
    let (_home, path) = home();
    let script = "
import mailbox, sys
box = mailbox.Maildir(sys.argv[1])
box.add(b'Subject: new\\n\\nx\\n')
message = mailbox.MaildirMessage(b'Subject: cur\\n\\ny\\n')
message.set_subdir('cur')
message.set_flags('SF')
box.add(message)
";
    if python(script, &path).is_none() {
        return;
    }
    let mut seen = texts(&Maildir::open(&path).unwrap());
    seen.sort_by_key(|(place, ..)| *place == Place::Cur);
    let expect = [
        (Place::New, b"".to_vec(), b"Subject: new\n\nx\n".to_vec()),
        (Place::Cur, b"FS".to_vec(), b"Subject: cur\n\ny\n".to_vec()),
    ];
    assert_eq!(seen, expect);
}
