//! A house for one test: an account's home, a queue that keeps what it gets, the real program.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use sys::{Listener, Packets};

pub struct House {
    pub folder: tempfile::TempDir,
}

/// What the queue got.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Submission {
    pub message: Vec<u8>,
    pub envelope: Vec<u8>,
}

impl Submission {
    pub fn sender(&self) -> &[u8] {
        self.addresses()[0].strip_prefix(b"F").unwrap()
    }

    pub fn recipients(&self) -> Vec<&[u8]> {
        self.addresses()[1..].iter().map(|address| address.strip_prefix(b"T").unwrap()).collect()
    }

    fn addresses(&self) -> Vec<&[u8]> {
        self.envelope.strip_suffix(b"\0").unwrap().split(|b| *b == 0).collect()
    }
}

impl House {
    /// A home with a Maildir.
    pub fn new() -> House {
        let folder = tempfile::tempdir().unwrap();
        let house = House { folder };
        std::fs::create_dir(house.path("run")).unwrap();
        std::fs::create_dir(house.path("home")).unwrap();
        for name in ["", "tmp", "new", "cur"] {
            std::fs::create_dir(house.home("Maildir").join(name)).unwrap();
        }
        house.mode("", 0o700);
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.path("home").join(name)
    }

    pub fn mode(&self, name: &str, mode: u32) {
        std::fs::set_permissions(self.home(name), PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Writes a .qmail file.
    pub fn qmail(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.home(name), text).unwrap();
        self.mode(name, 0o600);
    }

    /// The messages in `new` of the Maildir.
    pub fn mail(&self) -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(self.home("Maildir/new")).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    pub fn left_in_tmp(&self) -> usize {
        std::fs::read_dir(self.home("Maildir/tmp")).unwrap().count()
    }

    /// A queue that gives `answer` to all it gets; what it got can be received.
    pub fn queue(&self, answer: &'static [u8]) -> Receiver<Submission> {
        let listener = Listener::bind(&self.path("run/queue"), 0o666).unwrap();
        let (send, receive) = channel();
        std::thread::spawn(move || {
            while let Ok(client) = listener.accept() {
                if let Some(submission) = submission(&client) {
                    send.send(submission).unwrap();
                    client.send(answer, &[]).unwrap();
                }
            }
        });
        receive
    }

    pub fn call(&self) -> Call<'_> {
        Call {
            house: self,
            options: vec![],
            dash: "",
            ext: "",
            local: "alice",
            sender: "bob@x.test",
            under: vec![],
            program: env!("CARGO_BIN_EXE_local-deliver").into(),
        }
    }
}

fn submission(client: &Packets) -> Option<Submission> {
    let mut submission = Submission::default();
    loop {
        let packet = client.recv().unwrap()?.bytes;
        match packet[0] {
            b'M' => submission.message.extend_from_slice(&packet[1..]),
            b'E' => submission.envelope.extend_from_slice(&packet[1..]),
            b'.' => return Some(submission),
            b'L' => {}
            other => panic!("packet {other}"),
        }
    }
}

/// A call of the program.
#[derive(Clone)]
pub struct Call<'a> {
    pub house: &'a House,
    pub options: Vec<&'a str>,
    pub local: &'a str,
    pub dash: &'a str,
    pub ext: &'a str,
    pub sender: &'a str,
    /// A program (strace, sh) and its arguments, put before the call.
    pub under: Vec<OsString>,
    /// The program itself.
    pub program: PathBuf,
}

/// What came of a call.
#[derive(Debug)]
pub struct Result {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl<'a> Call<'a> {
    pub fn ext(mut self, ext: &'a str) -> Call<'a> {
        (self.dash, self.ext) = ("-", ext);
        self
    }

    pub fn of(mut self, program: &Path) -> Call<'a> {
        self.program = program.to_owned();
        self
    }

    pub fn under(mut self, words: &[&str]) -> Call<'a> {
        self.under = words.iter().map(OsString::from).collect();
        self
    }

    pub fn command(&self) -> Command {
        let mut words = self.under.clone();
        words.push(self.program.clone().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(&self.options).arg("alice").arg(self.house.path("home"));
        command.args([self.local, self.dash, self.ext, "example.test", self.sender, "./Maildir/"]);
        command.env_clear().env("FULMAR_HOME", self.house.folder.path()).env("PATH", "/usr/bin:/bin");
        command
    }

    pub fn run(&self, message: &[u8]) -> Result {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(message).unwrap();
        self.run_on(Stdio::from(file))
    }

    pub fn run_on(&self, message: Stdio) -> Result {
        let Output { status, stdout, stderr } = self.command().stdin(message).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Result { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}
