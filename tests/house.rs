//! A house for a test: a home of its own, free ports, every service running, gone when dropped.
//!
//! It is made by `fulmar init` and its services are started by their own run scripts, so that what
//! is tested is what is installed. Started by root the programs take numeric uids, otherwise all
//! run as the one who tests. Knows nothing of what a test wants to prove.

#[path = "house/clients.rs"]
mod clients;
#[path = "house/databases.rs"]
pub mod databases;
#[path = "house/dovecot.rs"]
pub mod dovecot;
#[path = "house/imap.rs"]
pub mod imap;
#[path = "house/imap_server.rs"]
mod imap_server;
#[cfg(target_arch = "x86_64")]
#[path = "house/intruder.rs"]
pub mod intruder;
#[path = "house/people.rs"]
pub mod people;
#[path = "house/ports.rs"]
mod ports;
#[path = "house/processes.rs"]
mod processes;
#[path = "house/programs.rs"]
mod programs;
#[path = "house/world.rs"]
pub mod world;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr};

pub use clients::{Pop3, Smtp, message, on_the_wire};
pub use imap::Imap;
pub use imap_server::{ImapServer, give, peer_is_tested};
pub use processes::Services;
pub use programs::{program, tool};

/// The domain of every house.
pub const DOMAIN: &str = "example.test";
/// The password of every user.
pub const PASSWORD: &str = "open sesame";
/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server of a test's own.
pub struct House {
    home: tempfile::TempDir,
    ports: ports::Ports,
    services: Services,
}

impl House {
    /// A running house with users alice and bob of [`DOMAIN`].
    pub fn start() -> House {
        House::start_in(&std::env::temp_dir())
    }

    /// As [`House::start`], with its home in `folder`.
    pub fn start_in(folder: &Path) -> House {
        let mut house = House::empty_in(folder);
        house.run();
        house.well(&["domain", "add", DOMAIN, "postmaster=alice@example.test"]);
        house.write("control/digestlogins", "1\n");
        for name in ["alice", "bob"] {
            house.user(name, &[]);
        }
        house
    }

    /// As [`House::start`], but this machine is a stranger, whom the shipped last rule has looked up in the relay
    /// table; mail stays in the queue.
    pub fn to_strangers() -> House {
        let mut house = House::start();
        house.services().stop("send", nix::sys::signal::Signal::SIGTERM);
        house.write("etc/tcp.smtp", ":allow,CHECKRELAY=\"\"\n");
        house.well(&["cdb"]);
        house
    }

    /// A home with nothing running in it, for tests that change something first.
    pub fn empty() -> House {
        House::empty_in(&std::env::temp_dir())
    }

    fn empty_in(folder: &Path) -> House {
        let home = tempfile::Builder::new().prefix("fulmar-test-").tempdir_in(folder).unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ports = ports::Ports::take();
        let house = House { services: Services::new(home.path()), home, ports };
        house.init();
        house
    }

    fn init(&self) {
        let programs = program("fulmar").parent().unwrap().to_owned();
        let base = self.ports.base.to_string();
        let mut arguments =
            vec!["init", "--me", "mail.example.test", "--domain", DOMAIN, "--address", "127.0.0.1", "--link"];
        arguments.extend(["--ports", &base, "--programs", programs.to_str().unwrap()]);
        if nix::unistd::geteuid().is_root() {
            arguments.extend(["--uids", "64001"]);
        }
        self.well(&arguments);
    }

    /// Starts every service that does not run, and waits until all answer.
    pub fn run(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        // Again and again: a service that was killed a moment ago may still have looked alive.
        self.services.start_all();
        while !self.is_up() {
            assert!(Instant::now() < deadline, "it does not come up; the log:\n{}", self.services.log());
            self.services.await_news(Duration::from_millis(100));
            self.services.start_all();
        }
    }

    fn is_up(&self) -> bool {
        let ports = [
            self.smtp(),
            self.submission(),
            self.pop3(),
            self.imap(),
            self.submissions(),
            self.pop3s(),
            self.imaps(),
        ];
        // tlsd listens before its first certificate is made; who wants to trust it reads that file.
        let certified = self.path("control/tls/default.crt").exists();
        certified
            && self.sockets_are_there()
            && ports.iter().all(|address| TcpStream::connect(address).is_ok())
    }

    fn sockets_are_there(&self) -> bool {
        let sockets = ["admin", "queue", "lookup", "lookup-root", "spawn", "remote", "tls"];
        sockets
            .iter()
            .all(|name| UnixAddr::new(&self.path("run").join(name)).is_ok_and(|address| answers(&address)))
    }

    /// Starts what does not run, and has everything in the queue tried at once, until nothing is left in it.
    pub fn flush(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.queued() > 0 {
            assert!(
                Instant::now() < deadline,
                "the queue does not get empty; the log:\n{}",
                self.services.log()
            );
            self.services.start_all();
            let send = self.processes().into_iter().find(|(_, name)| name == "send");
            if let Some((pid, _)) = send {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGALRM,
                );
            }
            self.services.await_news(Duration::from_secs(1));
        }
    }

    /// What all services have said up to now.
    pub fn log(&self) -> String {
        self.services.log()
    }

    /// Its services, to be killed, asked for their log, and so on.
    pub fn services(&mut self) -> &mut Services {
        &mut self.services
    }

    /// Every process of the house, with the name of its program.
    pub fn processes(&self) -> Vec<(i32, String)> {
        self.services.processes()
    }

    /// Something in the home, such as `control/me`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file of the home, as an admin would.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Runs `fulmar` with these words.
    pub fn fulmar(&self, words: &[&str]) -> Output {
        let mut command = Command::new(program("fulmar"));
        command.arg("--home").arg(self.home.path()).args(words).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// Runs `fulmar` with these words, which must go well; gives what it prints.
    pub fn well(&self, words: &[&str]) -> String {
        let output = self.fulmar(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "fulmar {words:?}: {said}\n{}", self.services.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Adds user `name` of [`DOMAIN`], with the one [`PASSWORD`] and further options.
    pub fn user(&self, name: &str, options: &[&str]) {
        let address = format!("{name}@{DOMAIN}");
        let words = ["user", "add", &address, "--plain", "--password", PASSWORD];
        self.well(&[&words[..], options].concat());
    }

    /// Where SMTP is.
    pub fn smtp(&self) -> SocketAddr {
        self.at(25)
    }

    /// Where submission is that begins with TLS.
    pub fn submissions(&self) -> SocketAddr {
        self.at(465)
    }

    /// Where POP3 is that begins with TLS.
    pub fn pop3s(&self) -> SocketAddr {
        self.at(995)
    }

    /// Where submission is.
    pub fn submission(&self) -> SocketAddr {
        self.at(587)
    }

    /// Where POP3 is.
    pub fn pop3(&self) -> SocketAddr {
        self.at(110)
    }

    /// Where IMAP is.
    pub fn imap(&self) -> SocketAddr {
        self.at(143)
    }

    /// Where IMAP is that begins with TLS.
    pub fn imaps(&self) -> SocketAddr {
        self.at(993)
    }

    fn at(&self, port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.base + port).into()
    }

    /// A port next to those of the services that nobody else will take.
    pub fn spare_port(&self) -> u16 {
        self.ports.base + 4190
    }

    /// Sends `text` by SMTP from `from` to `to`; it must be accepted.
    pub fn send(&self, from: &str, to: &str, text: &str) {
        let reply = Smtp::connect(self.smtp()).send(from, &[to], text.as_bytes());
        assert!(reply.starts_with("250 "), "{reply}");
    }

    /// The messages in the Maildir of `name`, read or not.
    pub fn mail(&self, name: &str) -> Vec<Vec<u8>> {
        let maildir = self.path("mail").join(DOMAIN).join(name).join("Maildir");
        let files = ["new", "cur"].map(|folder| files(&maildir.join(folder)));
        files.iter().flatten().filter_map(|path| fs::read(path).ok()).collect()
    }

    /// Waits until `count` messages are in the Maildir of `name`, and gives them.
    pub fn await_mail(&self, name: &str, count: usize) -> Vec<Vec<u8>> {
        self.until(&format!("{count} messages for {name}"), || {
            Some(self.mail(name)).filter(|mail| mail.len() >= count)
        })
    }

    /// Waits until the queue holds nothing any more.
    pub fn await_empty_queue(&self) {
        self.until("an empty queue", || (self.queued() == 0).then_some(()));
    }

    /// How many messages the queue holds.
    pub fn queued(&self) -> usize {
        let mess = self.path("queue/mess");
        files(&mess).iter().map(|folder| files(folder).len()).sum()
    }

    /// Waits until `seen` gives something. Looks again whenever a service has said a word.
    pub fn until<T>(&self, what: &str, seen: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(thing) = seen() {
                return thing;
            }
            let late = Instant::now() > deadline;
            assert!(!late, "waited in vain for {what}; the log:\n{}", self.services.log());
            self.services.await_news(Duration::from_millis(100));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.services.kill_all();
        if std::thread::panicking() {
            eprintln!("the log of the house:\n{}", self.services.log());
        }
    }
}

/// Does somebody take packets at `address`?
fn answers(address: &UnixAddr) -> bool {
    let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
    let socket = nix::sys::socket::socket(AddressFamily::Unix, kind, flags, None).unwrap();
    nix::sys::socket::connect(std::os::fd::AsRawFd::as_raw_fd(&socket), address).is_ok()
}

/// What is in the folder `path`; nothing if there is no such folder.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
