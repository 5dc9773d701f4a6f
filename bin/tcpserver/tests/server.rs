//! A tcpserver of a test's own, ours or Debian's, and clients for it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
use nix::unistd::Pid;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Ours.
pub const OURS: &str = env!("CARGO_BIN_EXE_tcpserver");
/// Debian's.
pub const DEBIANS: &str = "/usr/bin/tcpserver";

/// The example program that is one-shot and worker.
pub fn greeter() -> String {
    let path = Path::new(OURS).parent().unwrap().join("examples/greeter");
    assert!(path.exists(), "{} is built by `cargo test` without filters", path.display());
    path.display().to_string()
}

pub struct Server {
    child: Child,
    /// What `-1` printed.
    pub port: String,
    log: Receiver<String>,
    seen: Vec<String>,
}

impl Server {
    /// Ours, with these options, host and port, program.
    pub fn ours(args: &[&str]) -> Server {
        Server::start(Command::new(OURS).arg("-1").args(args))
    }

    /// Starts what has `-1` among its options.
    pub fn start(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut port).unwrap();
        let log = follow(child.stderr.take().unwrap());
        let server = Server { child, port: port.trim().to_owned(), log, seen: Vec::new() };
        assert!(!server.port.is_empty(), "not started: {:?}", server.log.recv_timeout(PATIENCE));
        // Nobody who waits for the end of the output shall wait.
        assert_eq!(out.read_to_string(&mut port).unwrap(), 0);
        server
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::new([127, 0, 0, 1].into(), self.port.parse().unwrap())
    }

    pub fn connect(&self) -> Client {
        self.connect_from([127, 0, 0, 1])
    }

    /// From another of this host's loopback addresses.
    pub fn connect_from(&self, ip: [u8; 4]) -> Client {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
        bind(fd.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(IpAddr::from(ip), 0))).unwrap();
        connect(fd.as_raw_fd(), &SockaddrStorage::from(self.address())).unwrap();
        Client::new(TcpStream::from(fd))
    }

    /// What one connection brings until its end.
    pub fn fetch(&self) -> String {
        self.connect().rest()
    }

    /// The next line of the log that contains `part`.
    pub fn log(&mut self, part: &str) -> String {
        let end = Instant::now() + PATIENCE;
        while let Ok(line) = self.log.recv_timeout(end.saturating_duration_since(Instant::now())) {
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
        panic!("no `{part}` in the log:\n{}", self.seen.join("\n"));
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).unwrap();
    }

    /// Ends it; all of its log.
    pub fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        // Children may hold the log open: take what is there.
        while let Ok(line) = self.log.recv_timeout(Duration::from_millis(200)) {
            self.seen.push(line);
        }
        std::mem::take(&mut self.seen)
    }

    /// Its children's process ids.
    pub fn children(&self) -> Vec<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid());
        let text = std::fs::read_to_string(path).unwrap();
        text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// Processor time used so far, in clock ticks of 10 ms.
    pub fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let words: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
        words[11].parse::<u64>().unwrap() + words[12].parse::<u64>().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Polls until `done`, for what no line of a log tells.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub struct Client(pub TcpStream);

impl Client {
    pub fn new(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let mut octet = [0];
        while !line.ends_with(b"\n") && self.0.read(&mut octet).unwrap_or(0) == 1 {
            line.push(octet[0]);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    pub fn say(&mut self, line: &str) {
        let _ = self.0.write_all(format!("{line}\n").as_bytes());
    }

    /// All until the end, however that comes.
    pub fn rest(&mut self) -> String {
        let mut all = Vec::new();
        let _ = self.0.read_to_end(&mut all);
        String::from_utf8(all).unwrap()
    }

    /// The greeting of [`greeter`] is its process id.
    pub fn greeting(&mut self) -> i32 {
        let line = self.line();
        line.strip_prefix("220 ").unwrap_or_else(|| panic!("no greeting: `{line}`")).parse().unwrap()
    }

    /// Its environment, as [`greeter`] shows it.
    pub fn env(&mut self) -> Vec<String> {
        self.greeting();
        self.say("env");
        self.rest().lines().map(str::to_owned).collect()
    }

    /// Has nothing come, not even the end?
    pub fn is_waiting(&self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let seen = self.0.peek(&mut [0]);
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        seen.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}

/// A table made by Debian's tcprules.
pub struct Rules(tempfile::TempDir);

impl Rules {
    pub fn new(text: &str) -> Rules {
        let rules = Rules(tempfile::tempdir().unwrap());
        rules.compile(text);
        // Readable by whatever uid the server takes.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(rules.0.path(), open).unwrap();
        rules
    }

    pub fn compile(&self, text: &str) {
        let mut tcprules = Command::new("/usr/bin/tcprules")
            .args([self.path(), self.0.path().join("tmp")])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        tcprules.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(tcprules.wait().unwrap().success());
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("rules.cdb")
    }

    pub fn text(&self) -> String {
        self.path().display().to_string()
    }
}

/// `sh -c script` as arguments.
pub fn command(program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args);
    command
}
