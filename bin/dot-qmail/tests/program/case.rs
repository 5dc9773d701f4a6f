//! One delivery: a home as it is before, the call, and what has to be there after it.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Who delivers where root runs the tests: what a file's mode forbids means nothing to root.
const SOMEBODY: u32 = 64_501;
/// Stands for anything in an expected text.
const ANY: char = '…';
const CATCH: &str =
    "#!/bin/sh\nexec 3<&1\nd=${0%/*}\ncat >$d/text && cat <&3 | tr '\\0' '|' >$d/envelope\nexit 0\n";

pub(crate) struct Case {
    says: &'static str,
    folder: tempfile::TempDir,
    options: Vec<&'static str>,
    local: &'static str,
    dash: &'static str,
    ext: &'static str,
    sender: &'static str,
    default: &'static str,
    message: Vec<u8>,
    home_mode: u32,
    home: Option<PathBuf>,
}

/// A delivery of a small message to joe@lists.example.test, in whose home is an empty Maildir.
pub(crate) fn case(says: &'static str) -> Case {
    let case = Case {
        says,
        folder: tempfile::tempdir().unwrap(),
        options: vec![],
        local: "joe",
        dash: "",
        ext: "",
        sender: "bob@x.test",
        default: "./Maildir/",
        message: b"Subject: hello\n\nHello.\n".to_vec(),
        home_mode: 0o700,
        home: None,
    };
    fs::create_dir(case.path("home")).unwrap();
    fs::write(case.path("catch"), CATCH).unwrap();
    fs::set_permissions(case.path("catch"), Permissions::from_mode(0o755)).unwrap();
    case.maildir("Maildir")
}

impl Case {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.clone().unwrap_or_else(|| self.path("home"))
    }

    pub(crate) fn maildir(self, name: &str) -> Case {
        for folder in ["tmp", "new", "cur"] {
            fs::create_dir_all(self.home().join(name).join(folder)).unwrap();
        }
        self
    }

    pub(crate) fn file(self, name: &str, text: &str) -> Case {
        self.mode(name, 0o600, text)
    }

    pub(crate) fn mode(self, name: &str, mode: u32, text: &str) -> Case {
        let path = self.home().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Whatever else the home needs.
    pub(crate) fn with(self, prepare: impl FnOnce(&Path)) -> Case {
        prepare(&self.home());
        self
    }

    /// To `joe-EXT`.
    pub(crate) fn ext(mut self, ext: &'static str) -> Case {
        (self.dash, self.ext) = ("-", ext);
        self.local = format!("joe-{ext}").leak();
        self
    }

    pub(crate) fn sender(mut self, sender: &'static str) -> Case {
        self.sender = sender;
        self
    }

    pub(crate) fn default(mut self, default: &'static str) -> Case {
        self.default = default;
        self
    }

    pub(crate) fn option(mut self, option: &'static str) -> Case {
        self.options.push(option);
        self
    }

    pub(crate) fn message(mut self, message: impl Into<Vec<u8>>) -> Case {
        self.message = message.into();
        self
    }

    pub(crate) fn home_mode(mut self, mode: u32) -> Case {
        self.home_mode = mode;
        self
    }

    pub(crate) fn at_home(mut self, home: &str) -> Case {
        self.home = Some(home.into());
        self
    }

    /// Delivers.
    pub(crate) fn run(self) -> Outcome {
        fs::write(self.path("message"), &self.message).unwrap();
        let root = sys::is_root();
        fs::set_permissions(self.folder.path(), Permissions::from_mode(0o755)).unwrap();
        if root {
            give(self.folder.path());
        }
        if self.home.is_none() {
            fs::set_permissions(self.path("home"), Permissions::from_mode(self.home_mode)).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_dot-qmail"));
        command.args(&self.options).args(["--", "joe"]).arg(self.home());
        command.args([self.local, self.dash, self.ext, "lists.example.test", self.sender, self.default]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("QMAILQUEUE", self.path("catch"));
        command.env("FULMAR_HOME", self.path("suite")).env("TOP", self.folder.path());
        command.stdin(File::open(self.path("message")).unwrap()).stdout(Stdio::piped());
        if root {
            command.uid(SOMEBODY).gid(SOMEBODY);
        }
        let output = command.output().unwrap();
        Outcome { case: self, output }
    }
}

/// Makes everything below `path` somebody's.
fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let seen = fs::symlink_metadata(path).unwrap();
    if seen.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path()));
    } else if seen.is_file() {
        // chown takes setuid bits away and nothing else.
        chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    }
}

/// What came of it.
pub(crate) struct Outcome {
    case: Case,
    output: Output,
}

impl Outcome {
    pub(crate) fn says(&self) -> String {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        format!(
            "{}\n{}\nout: {}\nerr: {}",
            self.case.says,
            self.output.status,
            text(&self.output.stdout),
            text(&self.output.stderr)
        )
    }

    pub(crate) fn code(self, code: i32) -> Outcome {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.says());
        self
    }

    /// Exit code 0 and this report.
    pub(crate) fn did(self, files: usize, forwards: usize, programs: usize) -> Outcome {
        let report = format!("did {files}+{forwards}+{programs}\n");
        let out = String::from_utf8_lossy(&self.output.stdout);
        assert!(out.contains(&report), "{report}{}", self.says());
        self.code(0)
    }

    pub(crate) fn out(self, expected: &str) -> Outcome {
        assert!(like(&String::from_utf8_lossy(&self.output.stdout), expected), "{}", self.says());
        self
    }

    pub(crate) fn err(self, part: &str) -> Outcome {
        assert!(String::from_utf8_lossy(&self.output.stderr).contains(part), "{part}: {}", self.says());
        self
    }

    /// The file `name` of the home holds `expected`; `…` in it is anything.
    pub(crate) fn holds(self, name: &str, expected: &str) -> Outcome {
        let bytes = fs::read(self.case.home().join(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(like(&text, expected), "{name}: {text}\n{}", self.says());
        self
    }

    /// There is nothing by this name.
    pub(crate) fn lacks(self, name: &str) -> Outcome {
        assert!(!self.case.home().join(name).exists(), "{name}: {}", self.says());
        self
    }

    /// `name` is a Maildir with so many new messages.
    pub(crate) fn mail(self, name: &str, count: usize) -> Outcome {
        assert_eq!(self.letters(name).len(), count, "{name}: {}", self.says());
        self
    }

    /// The new messages of the Maildir `name`.
    pub(crate) fn letters(&self, name: &str) -> Vec<String> {
        let files = fs::read_dir(self.case.home().join(name).join("new")).unwrap();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    /// The queue got `envelope` (NULs as `|`), once.
    pub(crate) fn queued(self, envelope: &str) -> Outcome {
        let got = fs::read_to_string(self.case.path("envelope")).unwrap_or_default();
        assert_eq!(got, envelope, "{}", self.says());
        self
    }

    /// And this message.
    pub(crate) fn text(self, expected: &str) -> Outcome {
        let got = fs::read_to_string(self.case.path("text")).unwrap_or_default();
        assert!(like(&got, expected), "{got}{}", self.says());
        self
    }

    pub(crate) fn not_queued(self) -> Outcome {
        assert!(!self.case.path("text").exists(), "{}", self.says());
        self
    }

    pub(crate) fn check(self, look: impl FnOnce(&Path)) -> Outcome {
        look(&self.case.home());
        self
    }
}

fn like(text: &str, expected: &str) -> bool {
    let mut parts = expected.split(ANY);
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}
