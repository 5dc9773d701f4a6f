//! A mailbox of one's own, and a client of the `pop3d` that serves it.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use sys::Identity;
use sys::process::{Child, Exit, Start};

/// Whom `pop3d` runs as when the tests run as root.
const OWNER: u32 = 20_001;

pub(crate) fn is_root() -> bool {
    sys::is_root()
}

pub(crate) struct Mailbox {
    _home: tempfile::TempDir,
    path: PathBuf,
}

impl Mailbox {
    pub(crate) fn without_maildir() -> Mailbox {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let mailbox = Mailbox { path: home.path().join("Maildir"), _home: home };
        mailbox.give(mailbox._home.path());
        mailbox
    }

    pub(crate) fn new() -> Mailbox {
        let mailbox = Mailbox::without_maildir();
        for name in ["", "tmp", "new", "cur"] {
            fs::create_dir(mailbox.path.join(name)).unwrap();
            mailbox.give(&mailbox.path.join(name));
        }
        mailbox
    }

    fn give(&self, path: &Path) {
        if is_root() {
            chown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        self.put_path(name.as_ref(), text);
    }

    pub(crate) fn put_path(&self, name: &Path, text: &str) {
        fs::write(self.path.join(name), text).unwrap();
        self.give(&self.path.join(name));
    }

    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path.join(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

pub(crate) struct Client {
    child: Option<Child>,
    stream: Option<BufReader<UnixStream>>,
    pub(crate) greeting: String,
}

impl Client {
    /// `pop3d MAILDIR`, as behind checkpassword.
    pub(crate) fn start(mailbox: &Mailbox) -> Client {
        Client::run(program().arg(mailbox.path()), true)
    }

    pub(crate) fn start_as_root(mailbox: &Mailbox) -> Client {
        Client::run(program().arg(mailbox.path()), false)
    }

    /// As `gate` starts it.
    pub(crate) fn handed_over(mailbox: &Mailbox, descriptor_3: &[u8]) -> Client {
        let handed = sys::memory::holding(descriptor_3).unwrap();
        Client::run(program().env("MAILDIR", mailbox.path()).fd(3, handed), true)
    }

    fn run(start: Start, as_owner: bool) -> Client {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let start = start.fd(0, OwnedFd::from(theirs.try_clone().unwrap())).fd(1, OwnedFd::from(theirs));
        let owner = Identity { uid: OWNER, gid: OWNER, groups: vec![] };
        let start = if as_owner && is_root() { start.identity(&owner) } else { start };
        let child = Some(start.spawn().unwrap());
        let mut client = Client { child, stream: Some(BufReader::new(ours)), greeting: String::new() };
        client.greeting = client.line();
        client
    }

    fn stream(&mut self) -> &mut BufReader<UnixStream> {
        self.stream.as_mut().unwrap()
    }

    /// The next line without its CR LF.
    pub(crate) fn line(&mut self) -> String {
        String::from_utf8_lossy(&self.raw_line()).trim_end_matches("\r\n").to_owned()
    }

    fn raw_line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        loop {
            let count = self.stream().read_until(b'\n', &mut line).unwrap();
            if count == 0 || line.ends_with(b"\r\n") {
                return line;
            }
        }
    }

    pub(crate) fn say(&mut self, line: &str) -> String {
        self.stream().get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.line()
    }

    fn lines(&mut self, command: &str) -> Vec<Vec<u8>> {
        let status = self.say(command);
        assert!(status.starts_with("+OK"), "{command}: {status}");
        let mut lines = Vec::new();
        loop {
            let line = self.raw_line();
            if line == b".\r\n" {
                return lines;
            }
            lines.push(if line.starts_with(b".") { line[1..].to_vec() } else { line });
        }
    }

    /// The lines after the status line, unstuffed.
    pub(crate) fn many(&mut self, command: &str) -> Vec<String> {
        let lines = self.lines(command);
        lines.iter().map(|line| String::from_utf8_lossy(line).trim_end_matches("\r\n").to_owned()).collect()
    }

    /// Octets after the status line, stuffing and terminator not counted.
    pub(crate) fn octets(&mut self, command: &str) -> usize {
        self.lines(command).iter().map(Vec::len).sum()
    }

    /// Sends `line` so many times at once.
    pub(crate) fn flood(&mut self, line: &str, times: usize) -> Vec<String> {
        let mut writer = self.stream().get_ref().try_clone().unwrap();
        let flood = format!("{line}\r\n").repeat(times);
        let sender = std::thread::spawn(move || writer.write_all(flood.as_bytes()).unwrap());
        let answers = (0..times).map(|_| self.line()).collect();
        sender.join().unwrap();
        answers
    }

    pub(crate) fn peak_memory_kib(&self) -> u64 {
        let pid = self.child.as_ref().unwrap().pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Closes the connection; gives the exit code.
    pub(crate) fn break_off(mut self) -> Option<i32> {
        self.stream = None;
        self.exit()
    }

    /// Waits for the server to end by itself.
    pub(crate) fn exit_code(mut self) -> Option<i32> {
        let mut rest = Vec::new();
        self.stream().read_to_end(&mut rest).unwrap();
        self.exit()
    }

    fn exit(&mut self) -> Option<i32> {
        match self.child.take()?.wait().unwrap() {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) => None,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stream = None;
        self.exit();
    }
}

fn program() -> Start {
    Start::new(env!("CARGO_BIN_EXE_pop3d")).env_remove("MAILDIR")
}
