//! A temporary home with a running `lookup`.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use sys::Packets;

/// The uid that an unprivileged suite runs as in tests that root starts.
pub(crate) const SOMEBODY: u32 = 64_201;
pub(crate) const USERS: u32 = 64_202;
pub(crate) const MAIL: u32 = 64_203;
pub(crate) const NET: u32 = 64_204;

pub(crate) struct House {
    pub(crate) home: tempfile::TempDir,
    child: Child,
    log: Receiver<String>,
    root: bool,
}

impl House {
    /// Started by an ordinary user.
    pub(crate) fn new() -> House {
        House::start(prepare(false), false)
    }

    /// Started by root; `None` when the tests are not run by root.
    pub(crate) fn of_root() -> Option<House> {
        sys::is_root().then(|| House::start(prepare(true), true))
    }

    fn start(home: tempfile::TempDir, root: bool) -> House {
        let (child, log) = launch(home.path(), root);
        House { home, child, log, root }
    }

    /// Ends it with SIGKILL, and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        (self.child, self.log) = launch(self.home.path(), self.root);
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes the file `name` below the home.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn connect(&self, socket: &str) -> Packets {
        let packets = Packets::connect(&self.path("run").join(socket)).unwrap();
        packets.set_timeout(Duration::from_secs(60)).unwrap();
        packets
    }

    /// Asks one question on a connection of its own; NULs are written as blanks.
    pub(crate) fn ask(&self, socket: &str, question: &[&str]) -> String {
        ask(&self.connect(socket), question)
    }

    pub(crate) fn admin(&self, question: &[&str]) -> String {
        self.ask("admin", &[&["admin"], question].concat())
    }

    /// example.test with alice (`secret`, kept as it is) and bob (`hidden`, hashed).
    pub(crate) fn with_users(self) -> House {
        for question in [
            &["domain-add", "example.test"][..],
            &["user-add", "alice@example.test", "{PLAIN}secret", "quota=100M"],
            &["user-add", "bob@example.test", "hidden"],
        ] {
            let answer = self.admin(question);
            assert!(answer.starts_with('K'), "{answer}");
        }
        self
    }

    /// Waits for a line of the log that holds `part`.
    pub(crate) fn logged(&self, part: &str) -> String {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(30)).expect(part);
            if line.contains(part) {
                return line;
            }
        }
    }

    /// All lines of the log up to now.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.try_iter().collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks on a kept connection.
pub(crate) fn ask(connection: &Packets, question: &[&str]) -> String {
    let fields: Vec<&[u8]> = question.iter().map(|field| field.as_bytes()).collect();
    let packet = connection.ask(&wire::packet(&fields)).unwrap();
    String::from_utf8(packet.bytes).unwrap().replace('\0', " ")
}

fn prepare(root: bool) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    for folder in ["control", "run", "mail"] {
        fs::create_dir(home.path().join(folder)).unwrap();
        fs::set_permissions(home.path().join(folder), Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(home.path().join("control/me"), "mx.example.test\n").unwrap();
    fs::write(home.path().join("control/digestlogins"), "1\n").unwrap();
    if root {
        let lines =
            format!("fulmar-users:{USERS}:{USERS}\nfulmar-mail:{MAIL}:{MAIL}\nfulmar-net:{NET}:{NET}\n");
        fs::write(home.path().join("control/uids"), lines).unwrap();
    } else if sys::is_root() {
        for folder in ["", "control", "run", "mail"] {
            chown(home.path().join(folder), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }
    home
}

fn launch(home: &Path, root: bool) -> (Child, Receiver<String>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lookup"));
    command.env_clear().env("FULMAR_HOME", home).stderr(Stdio::piped()).stdin(Stdio::null());
    if sys::is_root() && !root {
        command.uid(SOMEBODY).gid(SOMEBODY);
    }
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (send, log) = channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| send.send(line)));
    let mut said = std::iter::from_fn(|| log.recv_timeout(Duration::from_secs(30)).ok());
    let ready = said.any(|line| line == "lookup: ready");
    if !ready {
        let _ = (child.kill(), child.wait());
    }
    assert!(ready);
    (child, log)
}
