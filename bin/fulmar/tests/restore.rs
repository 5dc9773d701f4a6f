//! `fulmar restore` with a `lookup` that knows one account.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use sys::Listener;

const KEPT: &str = "Maildir/fulmar-deleted";

/// Root may not be an owner.
fn owner() -> u32 {
    if sys::is_root() { 64_010 } else { sys::uid() }
}

struct House(tempfile::TempDir);

impl House {
    fn new() -> House {
        let house = House(tempfile::tempdir().unwrap());
        let home = house.0.path();
        std::os::unix::fs::chown(home, Some(owner()), None).unwrap();
        for folder in ["run", "control", "alice"] {
            std::fs::create_dir(home.join(folder)).unwrap();
        }
        std::fs::write(home.join("control/undelete"), "3\n").unwrap();
        let alice = house.alice();
        for folder in ["new", "cur", "tmp", "fulmar-deleted/INBOX", "fulmar-deleted/.Old"] {
            std::fs::create_dir_all(alice.join("Maildir").join(folder)).unwrap();
        }
        let now = sys::unix_seconds();
        for (name, age) in [("INBOX", 100), ("INBOX", 1_000_000), (".Old", 200)] {
            let file = format!("{}-1.{age}.host,S=2:2,S", now - age);
            std::fs::write(alice.join(KEPT).join(name).join(file), "x\n").unwrap();
        }
        give(&alice);
        let listener = Listener::bind(&home.join("run/lookup-root"), 0o600).unwrap();
        let answer = format!(
            "K\0uid={0}\0gid={0}\0groups=\0home={1}\0maildir={1}/Maildir\0quota=0\0user=alice@x.test\0\
             local=alice\0domain=x.test\0dash=\0ext=\0programs=no",
            owner(),
            alice.display()
        );
        thread::spawn(move || {
            while let Ok(socket) = listener.accept() {
                while let Ok(Some(packet)) = socket.recv() {
                    let ours =
                        packet.bytes.starts_with(b"owner\0alice") || packet.bytes.ends_with(b"alias@x.test");
                    let answer = if ours { answer.as_bytes() } else { b"D5.1.1 no such user" };
                    let _ = socket.send(answer, &[]);
                }
            }
        });
        house
    }

    fn alice(&self) -> PathBuf {
        self.0.path().join("alice")
    }

    /// Exit code and what is printed.
    fn restore(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fulmar"));
        command.arg("--home").arg(self.0.path()).arg("restore").args(words);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap(), text.into_owned())
    }

    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let folder = self.alice().join("Maildir").join(folder);
        std::fs::read_dir(folder)
            .map_or_else(|_| Vec::new(), |all| all.map(|entry| entry.unwrap().path()).collect())
    }
}

fn give(path: &Path) {
    if sys::is_root() {
        chown(path, Some(owner()), Some(owner())).unwrap();
    }
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    }
}

#[test]
fn removed_mail_is_listed_and_restored_for_its_owner() {
    let house = House::new();
    let (code, text) = house.restore(&["alice@x.test", "--list"]);
    assert_eq!((code, text.lines().count()), (0, 4), "{text}");
    assert!(text.contains("Old") && text.contains("INBOX"));
    assert!(house.files("cur").is_empty());
    let (code, text) = house.restore(&["--since", "2", "alice@x.test"]);
    assert_eq!((code, text.as_str()), (0, "1 restored to INBOX\n1 restored to Restored\n"));
    let restored = house.files("cur");
    assert_eq!(restored.len(), 1);
    assert_eq!(restored[0].metadata().unwrap().uid(), owner());
    let folder = house.alice().join("Maildir/.Restored");
    assert_eq!(folder.metadata().unwrap().uid(), owner());
    assert_eq!(house.files("fulmar-deleted/INBOX").len(), 1);
}

#[test]
fn one_mailbox_is_restored_and_what_is_old_is_purged() {
    let house = House::new();
    assert_eq!(house.restore(&["alice@x.test", "Old"]).1, "1 restored to Restored\n");
    assert_eq!(house.restore(&["alice@x.test", "Old"]).1, "nothing to restore\n");
    assert_eq!(house.restore(&["--purge", "alice@x.test"]), (0, "1 removed for good\n".to_owned()));
    assert_eq!(house.restore(&["--purge", "--since", "0", "alice@x.test"]).1, "1 removed for good\n");
    assert_eq!(house.files("fulmar-deleted/INBOX").len(), 0);
}

#[test]
fn who_has_no_mailbox_has_nothing_to_restore() {
    let house = House::new();
    let (code, text) = house.restore(&["nobody@x.test"]);
    assert_eq!(code, 100, "{text}");
    let (code, text) = house.restore(&["alias@x.test"]);
    assert_eq!(code, 100);
    assert!(text.contains("alias@x.test has no mailbox; alice@x.test has"), "{text}");
    std::fs::remove_file(house.0.path().join("run/lookup-root")).unwrap();
    assert_eq!(house.restore(&["alice@x.test"]).0, 111);
}
