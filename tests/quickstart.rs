//! The newcomer's one command, with every supervisor that is installed here.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::{House, program, tool};

/// Stops its server when dropped.
struct Demo {
    home: tempfile::TempDir,
    ports: House,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts/quickstart")
}

impl Demo {
    fn new() -> Demo {
        Demo {
            home: tempfile::Builder::new().prefix("fulmar demo-").tempdir_in("/var/tmp").unwrap(),
            ports: House::empty(),
        }
    }

    /// Runs the script; an empty house lends its ports.
    fn run(&self, more: &[&str]) -> Output {
        self.run_by(Command::new(script()), more)
    }

    fn qmailctl(&self, word: &str) -> Output {
        let home = self.home.path().join("demo");
        Command::new(home.join("bin/qmailctl")).arg(word).env("FULMAR_HOME", home).output().unwrap()
    }

    fn run_by(&self, mut command: Command, more: &[&str]) -> Output {
        let base = (self.ports.smtp().port() - 25).to_string();
        command.arg("--home").arg(self.home.path().join("demo")).args(["--ports", &base, "--detach"]);
        command.arg("--programs").arg(program("fulmar").parent().unwrap()).args(more);
        command.output().unwrap()
    }

    fn stop(&self) -> Output {
        Command::new(script())
            .arg("--stop")
            .arg("--home")
            .arg(self.home.path().join("demo"))
            .output()
            .unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.stop();
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The words that twenty years have put into the fingers work with every supervisor.
fn obeys_qmailctl(demo: &Demo) {
    let pid = || {
        let said = text(&demo.qmailctl("stat"));
        let line = said.lines().find(|line| line.starts_with("send: up (pid "))?.to_owned();
        Some(line.split([' ', ')']).nth(3).unwrap().to_owned())
    };
    let first = demo.ports.until("send", pid);
    assert!(demo.qmailctl("flush").status.success());
    assert!(demo.qmailctl("reload").status.success());
    assert!(demo.qmailctl("restart").status.success());
    demo.ports.until("another send", || pid().filter(|pid| *pid != first));
    assert!(demo.qmailctl("stop").status.success());
    let is_down = || text(&demo.qmailctl("stat")).contains("send: down");
    demo.ports.until("the end of send", || is_down().then_some(()));
    assert!(demo.qmailctl("start").status.success());
    demo.ports.until("send again", pid);
    let smtp_is_up = || text(&demo.qmailctl("stat")).contains("smtp: up");
    demo.ports.until("smtp again", || smtp_is_up().then_some(()));
}

fn works_under(supervisor: &str) {
    let demo = Demo::new();
    let first = demo.run(&["--supervisor", supervisor, "--user", "carol:se cret", "--user", "dan:x"]);
    let said = text(&first);
    assert!(first.status.success() && said.lines().last() == Some("ready"), "{said}");
    assert!(said.contains("carol@example.test") && said.contains("se cret"), "{said}");
    if supervisor == "own" {
        assert!(text(&demo.qmailctl("stat")).contains("send: not supervised"));
    } else {
        obeys_qmailctl(&demo);
    }
    // Again, on the same home: it starts anew and loses nothing.
    let again = demo.run(&["--supervisor", supervisor]);
    assert!(again.status.success() && text(&again).contains("carol@example.test"), "{}", text(&again));
    let mail = demo.home.path().join("demo/mail/example.test/carol/Maildir");
    let count = tests::files(&mail.join("new")).len() + tests::files(&mail.join("cur")).len();
    assert_eq!(count, 2, "a message of each start");
    let stopped = demo.stop();
    assert!(stopped.status.success() && text(&stopped).contains("stopped"), "{}", text(&stopped));
    assert!(text(&demo.stop()).contains("not running"));
    // Who kills the supervisor has still not stopped the server.
    let started = demo.run(&["--supervisor", supervisor]);
    assert!(started.status.success(), "{}", text(&started));
    let file = std::fs::read_to_string(demo.home.path().join("demo/run/supervisor")).unwrap();
    let pid: i32 = file.split(' ').next().unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    let stopped = demo.stop();
    assert!(stopped.status.success() && text(&stopped).contains("stopped"), "{}", text(&stopped));
    assert!(!text(&stopped).contains("killing"), "{}", text(&stopped));
    assert!(text(&demo.stop()).contains("not running"));
    // What was left would start its service again after a second.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(std::net::TcpStream::connect(demo.ports.smtp()).is_err(), "{supervisor}: it goes on");
}

#[test]
fn quickstart_works_without_any_supervisor() {
    works_under("own");
}

#[test]
fn quickstart_works_under_s6() {
    if tool("s6-svscan").is_some() {
        works_under("s6");
    }
}

#[test]
fn quickstart_works_under_runit() {
    if tool("runsvdir").is_some() {
        works_under("runit");
    }
}

#[test]
fn quickstart_works_under_daemontools() {
    if tool("svscan").is_some() {
        works_under("daemontools");
    }
}

#[test]
fn quickstart_needs_no_root() {
    let Some(setpriv) = tool("setpriv").filter(|_| nix::unistd::geteuid().is_root()) else { return };
    if Command::new(&setpriv)
        .args(NOBODY)
        .arg("test")
        .arg("-x")
        .arg(script())
        .status()
        .is_ok_and(|s| !s.success())
    {
        eprintln!("SKIPPED: only root can reach these sources");
        return;
    }
    let demo = Demo::new();
    std::os::unix::fs::chown(demo.home.path(), Some(64100), Some(64100)).unwrap();
    let mut command = Command::new(setpriv);
    command.args(NOBODY).arg(script());
    let output = demo.run_by(command, &[]);
    assert!(output.status.success() && text(&output).ends_with("ready\n"), "{}", text(&output));
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(demo.home.path().join("demo/queue")).unwrap());
    assert_eq!(owner, 64100);
}

/// What makes setpriv run a program as a user with no rights at all.
const NOBODY: [&str; 3] = ["--reuid=64100", "--regid=64100", "--clear-groups"];

#[test]
fn a_port_that_is_taken_is_named_and_nothing_is_started() {
    let demo = Demo::new();
    let _taken = std::net::TcpListener::bind(demo.ports.smtp()).unwrap();
    let output = demo.run(&["--supervisor", "own"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(100), "{said}");
    assert!(said.contains(&demo.ports.smtp().port().to_string()) && said.contains("--ports"), "{said}");
    assert!(!demo.home.path().join("demo").exists(), "an empty home is left");
}

#[test]
fn wrong_options_are_explained() {
    for words in
        [&["--ports", "99999"][..], &["--domain", "x y"], &["--user", "alice"], &["--nonsense"], &["--home"]]
    {
        let output = Command::new(script()).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(100), "{words:?}: {}", text(&output));
    }
}
