//! A temporary house with one account, a stand-in for `lookup`, and the programs.

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use md5::{Digest, Md5};
use sys::process::{Child, Exit, Start};
use sys::stem::{Copy, Stem};
use sys::{Env, Listener, worker};

pub(crate) const STAMP: &str = "<1896.697170952@example.test>";
pub(crate) const USER: &str = "alice@example.test";
pub(crate) const PASSWORD: &str = "wonderland";

/// Her folder in the house.
pub(crate) const ALICE: &str = "mail/example.test/alice";

/// Whom the account and `login` run as when the tests run as root.
pub(crate) const OWNER: u32 = 20_001;
pub(crate) const NET: u32 = 20_002;

/// What `lookup` is to say; a test may change it.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Answer to `login`, behind the `K`.
    pub(crate) owner: String,
    /// Answer to any `auth`, if not the true one.
    pub(crate) auth: Option<String>,
    tickets: HashSet<String>,
    /// All questions, fields joined by a blank.
    pub(crate) asked: Vec<String>,
}

pub(crate) struct House {
    dir: tempfile::TempDir,
    pub(crate) lookup: Arc<Mutex<Lookup>>,
}

impl House {
    /// A house whose mailbox holds the messages of the dialogs.
    pub(crate) fn new() -> House {
        let house = House::without_lookup();
        house.start("lookup", Lookup::auth);
        house.start("lookup-root", Lookup::login);
        house
    }

    pub(crate) fn without_lookup() -> House {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let lookup = Lookup { owner: String::new(), auth: None, tickets: HashSet::new(), asked: vec![] };
        let house = House { dir, lookup: Arc::new(Mutex::new(lookup)) };
        for name in ["run", "control"] {
            house.folder(name);
        }
        for name in ["mail", "mail/example.test"] {
            house.folder(name);
        }
        for name in ["", "/Maildir", "/Maildir/tmp", "/Maildir/new", "/Maildir/cur"] {
            house.owned(&house.folder(&format!("{ALICE}{name}")));
        }
        house.fill();
        fs::write(house.path("control/uids"), format!("fulmar-net:{NET}:{NET}\n")).unwrap();
        house.lookup().owner = house.owner();
        house
    }

    /// The usual answer of `lookup`.
    pub(crate) fn owner(&self) -> String {
        let (uid, home) = (owner_uid(), self.path(ALICE));
        let home = home.display();
        let who = format!("uid={uid}\0gid={uid}\0groups=\0home={home}\0maildir={home}/Maildir\0quota=0");
        format!("\0{who}\0user={USER}\0local=alice\0domain=example.test\0dash=\0ext=")
    }

    fn folder(&self, name: &str) -> PathBuf {
        fs::create_dir(self.path(name)).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o755)).unwrap();
        self.path(name)
    }

    fn owned(&self, path: &Path) {
        if sys::is_root() {
            chown(path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn lookup(&self) -> std::sync::MutexGuard<'_, Lookup> {
        self.lookup.lock().unwrap()
    }

    /// Puts the dialogs' messages into the mailbox, and nothing else.
    pub(crate) fn fill(&self) {
        for folder in ["new", "cur"] {
            for entry in fs::read_dir(self.path(ALICE).join("Maildir").join(folder)).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
        for entry in fs::read_dir(dialogs().join("messages")).unwrap() {
            let (from, name) = (entry.as_ref().unwrap().path(), entry.unwrap().file_name());
            let to = self.path(ALICE).join("Maildir/new").join(name);
            fs::copy(from, &to).unwrap();
            self.owned(&to);
        }
    }

    fn start(&self, socket: &str, answer: fn(&mut Lookup, &[&str]) -> String) {
        let listener = Listener::bind(&self.path("run").join(socket), 0o666).unwrap();
        let lookup = self.lookup.clone();
        thread::spawn(move || {
            while let Ok(packets) = listener.accept() {
                let lookup = lookup.clone();
                thread::spawn(move || {
                    while let Ok(Some(packet)) = packets.recv() {
                        let text = String::from_utf8_lossy(&packet.bytes).into_owned();
                        let fields: Vec<&str> = text.split('\0').collect();
                        let said = {
                            let mut lookup = lookup.lock().unwrap();
                            lookup.asked.push(fields.join(" "));
                            answer(&mut lookup, &fields)
                        };
                        packets.send(said.as_bytes(), &[]).unwrap();
                    }
                });
            }
        });
    }

    /// `gate SERVER login pop3`, logging into a file.
    pub(crate) fn gate(&self, server: &str) -> Start {
        self.gate_under(&[], server)
    }

    fn gate_under(&self, starter: &[&str], server: &str) -> Start {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut env = Env::here();
        env.set("FULMAR_HOME", self.dir.path().as_os_str().as_encoded_bytes());
        env.remove(worker::VARIABLE);
        let gate = gate().into_os_string().into_string().unwrap();
        let words = [starter, &[&gate, server, "login", "pop3"]].concat();
        Start::new(words[0]).args(&words[1..]).env_only(&env).fd(2, log)
    }

    /// A connection served by a `gate` of its own, as from inetd.
    pub(crate) fn connect(&self) -> Client {
        self.connect_to("pop3d")
    }

    pub(crate) fn connect_to(&self, server: &str) -> Client {
        let (ours, theirs) = pair();
        let start =
            self.gate(server).env("TCPREMOTEIP", "192.0.2.7").env("PROTO", "TCP").env("TLS", "offered");
        let child =
            start.fd(0, OwnedFd::from(theirs.try_clone().unwrap())).fd(1, OwnedFd::from(theirs)).spawn();
        Client { stream: BufReader::new(ours), child: Some(child.unwrap()) }
    }

    /// Listens as inetd does; gives the port. For clients that are programs.
    pub(crate) fn listen(&self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let gates: Vec<Start> = (0..20).map(|_| self.gate("pop3d")).collect();
        thread::spawn(move || {
            for start in gates {
                let (stream, _) = listener.accept().unwrap();
                let copy = OwnedFd::from(stream.try_clone().unwrap());
                let mut child = start.fd(0, copy).fd(1, OwnedFd::from(stream)).spawn().unwrap();
                thread::spawn(move || child.wait());
            }
        });
        port
    }

    /// A `gate` as tcpserver's worker.
    pub(crate) fn worker(&self) -> Worker {
        self.worker_under(&[])
    }

    /// As one that `starter`, a program and what it is told, starts.
    pub(crate) fn worker_under(&self, starter: &[&str]) -> Worker {
        let (child, stem) = Stem::start(self.gate_under(starter, "pop3d"), 100).unwrap();
        let copy = stem.copy().unwrap();
        copy.packets.set_timeout(Duration::from_secs(20)).unwrap();
        Worker { child, stem, copy }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }
}

/// A connection on which nobody waits for ever.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (ours, theirs)
}

pub(crate) fn owner_uid() -> u32 {
    if sys::is_root() { OWNER } else { sys::uid() }
}

impl Lookup {
    fn auth(&mut self, fields: &[&str]) -> String {
        if let Some(said) = &self.auth {
            return said.clone();
        }
        match fields {
            ["auth", "pop3", _, "", "APOP", ""] => format!("C{STAMP}"),
            ["auth", "pop3", _, "", "PASS", USER, PASSWORD] => self.ticket(),
            ["auth", "pop3", _, "", "APOP", USER, digest] if *digest == digest_of(PASSWORD) => self.ticket(),
            ["auth", ..] => "D5.7.8 wrong name or password".into(),
            other => panic!("no question: {other:?}"),
        }
    }

    fn ticket(&mut self) -> String {
        let ticket = format!("{:032x}", self.tickets.len() + 1);
        self.tickets.insert(ticket.clone());
        format!("K{ticket}")
    }

    fn login(&mut self, fields: &[&str]) -> String {
        match fields {
            ["login", ticket] if self.tickets.remove(*ticket) => format!("K{}", self.owner),
            ["login", _] => "D5.7.8 no such ticket".into(),
            other => panic!("no question: {other:?}"),
        }
    }
}

pub(crate) fn digest_of(password: &str) -> String {
    hex::encode(Md5::digest(format!("{STAMP}{password}")))
}

pub(crate) fn dialogs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/pop3")
}

/// `gate`, and beside it `login` and `pop3d`: built here when only this package has been.
fn gate() -> PathBuf {
    let gate = PathBuf::from(env!("CARGO_BIN_EXE_gate"));
    let there = |name: &str| gate.with_file_name(name).exists();
    if !there("login") || !there("pop3d") {
        let built = std::process::Command::new(env!("CARGO"))
            .args(["build", "-q", "-p", "login", "-p", "pop3d"])
            .status();
        assert!(built.unwrap().success());
    }
    gate
}

pub(crate) struct Worker {
    child: Child,
    stem: Stem,
    copy: Copy,
}

impl Worker {
    /// Gives it a connection.
    pub(crate) fn job(&self) -> Client {
        let (ours, theirs) = pair();
        let packets = &self.copy.packets;
        packets.send(b"PROTO=TCP\0TCPREMOTEIP=192.0.2.8\0TLS=offered", &[theirs.as_fd()]).unwrap();
        Client { stream: BufReader::new(ours), child: None }
    }

    /// What it says about the last job; `None`: it ends, or has become somebody else.
    pub(crate) fn answer(&self) -> Option<Vec<u8>> {
        self.copy.packets.recv().unwrap().map(|packet| packet.bytes)
    }

    /// Does it still run?
    pub(crate) fn is_running(&self) -> bool {
        !self.copy.process.ended(Duration::ZERO).unwrap()
    }

    /// Does its stem refuse to make another?
    pub(crate) fn makes_no_copy(&self) -> bool {
        self.stem.copy().is_err()
    }

    /// How it ended.
    pub(crate) fn wait(&self) -> Exit {
        self.copy.process.wait().unwrap()
    }

    /// Closes its packets, as a tcpserver that ends does; gives how it and its stem ended.
    pub(crate) fn leave(self) -> [Exit; 2] {
        let Worker { mut child, stem, copy } = self;
        drop(stem);
        let Copy { packets, process } = copy;
        drop(packets);
        [process.wait().unwrap(), child.wait().unwrap()]
    }

    /// The process id of the `login` that waits, or will in a moment, or has the client.
    pub(crate) fn login(&self) -> u32 {
        loop {
            if let [_stem, login, ..] = self.logins()[..] {
                return login;
            }
            thread::yield_now();
        }
    }

    /// The process ids of all `login`, their stem first.
    pub(crate) fn logins(&self) -> Vec<u32> {
        let pid = self.child.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }
}

pub(crate) struct Client {
    stream: BufReader<UnixStream>,
    child: Option<Child>,
}

impl Client {
    /// The next line without its end; empty at the end of the connection.
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8_lossy(&line).trim_end().to_owned(),
        }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(&format!("{line}\r\n"));
        self.line()
    }

    /// USER and PASS; gives the answer to the latter.
    pub(crate) fn login(&mut self, password: &str) -> String {
        assert_eq!(self.say(&format!("USER {USER}")), "+OK Password, please");
        self.say(&format!("PASS {password}"))
    }

    pub(crate) fn greeting(&mut self) -> String {
        let line = self.line();
        assert!(line.starts_with("+OK POP3 ready"), "{line}");
        line
    }

    /// All that is still to come.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// Waits for the end of the server.
    pub(crate) fn exit(&mut self) -> Exit {
        self.child.take().unwrap().wait().unwrap()
    }
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.get_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
