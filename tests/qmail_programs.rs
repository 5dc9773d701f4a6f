//! .qmail files that run programs, ours and those of others, as `dot-qmail` delivers by them.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::{House, files, program, tool};

const MESSAGE: &str = "Received: x\nFrom: al@a.b\nSubject: hello\n\nbody\n";

/// Somebody's home on this host, whose mail goes on by way of `house`.
struct Owner {
    home: tempfile::TempDir,
    house: House,
}

impl Owner {
    fn new() -> Owner {
        let owner = Owner { home: tempfile::tempdir().unwrap(), house: House::start() };
        fs::set_permissions(owner.home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(Command::new(program("maildirmake")).arg(owner.path("Maildir")).status().unwrap().success());
        owner.write("message", MESSAGE);
        owner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Delivers the message to carol by `.qmail`, whose programs are found in the suite; `before` comes
    /// before the words of the command. The exit code.
    fn deliver(&self, qmail: &str, sender: &str, before: &[&str]) -> i32 {
        self.write(".qmail", qmail);
        let mut words: Vec<&str> = before.to_vec();
        let (dot_qmail, home) = (program("dot-qmail"), self.home.path().to_str().unwrap());
        words.extend([
            dot_qmail.to_str().unwrap(),
            "--",
            "carol",
            home,
            "carol",
            "",
            "",
            "x.y",
            sender,
            "./Maildir/",
        ]);
        let path = format!("{}:/usr/bin:/bin:/usr/sbin", dot_qmail.parent().unwrap().display());
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().env("PATH", path).env("FULMAR_HOME", self.house.path(""));
        let output = command.stdin(File::open(self.path("message")).unwrap()).output().unwrap();
        output.status.code().unwrap_or_else(|| panic!("{output:?}"))
    }

    /// How many messages are in the Maildir.
    fn kept(&self) -> usize {
        files(&self.path("Maildir/new")).len()
    }
}

#[test]
fn condredirect_sends_mail_elsewhere_while_its_owner_is_away() {
    let owner = Owner::new();
    let qmail = "|condredirect alice@example.test test -f away\n./Maildir/\n";
    assert_eq!((owner.deliver(qmail, "al@a.b", &[]), owner.kept()), (0, 1));
    owner.write("away", "");
    assert_eq!((owner.deliver(qmail, "al@a.b", &[]), owner.kept()), (0, 1), "99: the Maildir gets none");
    let mail = String::from_utf8(owner.house.await_mail("alice", 1).remove(0)).unwrap();
    assert!(
        mail.starts_with("Return-Path: <al@a.b>\n") && mail.contains("\nDelivered-To: carol@x.y\n"),
        "{mail}"
    );
    assert!(mail.ends_with(MESSAGE), "{mail}");
}

#[test]
fn an_autoresponder_answers_once_and_keeps_the_mail() {
    let owner = Owner::new();
    symlink(program("inject"), owner.path("sendmail")).unwrap();
    owner.write("reply", "Subject: away\n\nBack on Monday.\n");
    let respond = "|case \"$SENDER\" in ''|'#@[]') ;; *) QMAILUSER=carol QMAILHOST=x.y ./sendmail -f '' -- \"$SENDER\" <reply ;; esac\n";
    let qmail = format!("{respond}./Maildir/\n");
    assert_eq!(owner.deliver(&qmail, "alice@example.test", &[]), 0);
    assert_eq!(owner.deliver(&qmail, "", &[]), 0);
    let mail = String::from_utf8(owner.house.await_mail("alice", 1).remove(0)).unwrap();
    assert!(mail.starts_with("Return-Path: <>\n") && mail.contains("\nFrom: carol@x.y\n"), "{mail}");
    assert_eq!((owner.kept(), owner.house.mail("alice").len()), (2, 1));
}

#[test]
fn bouncesaying_except_and_preline_decide_what_follows() {
    let owner = Owner::new();
    assert_eq!(
        owner.deliver("|bouncesaying 'No.' grep -q '^Subject: hello'\n./Maildir/\n", "al@a.b", &[]),
        100
    );
    assert_eq!(owner.deliver("|except grep -q '^Subject: hello'\n./Maildir/\n", "al@a.b", &[]), 100);
    assert_eq!(owner.kept(), 0);
    assert_eq!(
        owner.deliver("|except grep -q '^Subject: other'\n|preline cat >seen\n./Maildir/\n", "al@a.b", &[]),
        0
    );
    let seen = fs::read_to_string(owner.path("seen")).unwrap();
    let lines: Vec<&str> = seen.lines().map(|line| line.split(' ').next().unwrap()).take(3).collect();
    assert_eq!((&lines[..], owner.kept()), (&["From", "Return-Path:", "Delivered-To:"][..], 1), "{seen}");
    assert!(seen.ends_with(MESSAGE), "{seen}");
}

#[test]
fn dot_forward_from_elsewhere_finds_our_queue_under_its_old_name() {
    let (Some(dot_forward), Some(unshare)) = (tool("dot-forward"), tool("unshare")) else { return };
    let owner = Owner::new();
    // It looks for qmail below /var/lib/qmail, which is ours in a view of the file system of its own.
    for folder in ["lib/qmail/bin", "lib/qmail/control"] {
        fs::create_dir_all(owner.path(folder)).unwrap();
    }
    symlink(program("enqueue"), owner.path("lib/qmail/bin/qmail-queue")).unwrap();
    owner.write("lib/qmail/control/me", "x.y\n");
    let script = format!("mount --bind {} /var/lib && exec \"$@\"", owner.path("lib").display());
    let rights = if nix::unistd::geteuid().is_root() { "-m" } else { "-rm" };
    let view = [unshare.to_str().unwrap(), rights, "sh", "-c", &script, "sh"];
    if !view_works(&view) {
        eprintln!("SKIPPED: no view of the file system of one's own here");
        return;
    }
    owner.write(".forward", "alice@example.test, bob@example.test\n");
    let qmail = format!("|{} .forward\n./Maildir/\n", dot_forward.display());
    assert_eq!(owner.deliver(&qmail, "al@a.b", &view), 0);
    for name in ["alice", "bob"] {
        let mail = String::from_utf8(owner.house.await_mail(name, 1).remove(0)).unwrap();
        assert!(mail.contains("\nDelivered-To: carol@x.y\n") && mail.ends_with(MESSAGE), "{mail}");
    }
    assert_eq!(owner.kept(), 0, "it has said 99");
    owner.write(".forward", "# nobody\n");
    assert_eq!((owner.deliver(&qmail, "al@a.b", &view), owner.kept()), (0, 1));
}

fn view_works(view: &[&str]) -> bool {
    let mut command = Command::new(Path::new(view[0]));
    command.args(&view[1..]).arg("true").output().is_ok_and(|output| output.status.success())
}
