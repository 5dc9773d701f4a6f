//! The IMAP server that a test is about: ours in a house, or with `FULMAR_TEST_IMAP=dovecot` Debian's Dovecot, so
//! that a test can be seen to be fair.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::dovecot::Dovecot;
use super::imap::Imap;
use super::{DOMAIN, House, PASSWORD, PATIENCE};

/// A server with users alice and bob of [`DOMAIN`].
pub enum ImapServer {
    /// A whole house.
    Ours(Box<House>),
    /// The peer.
    Peer(Dovecot),
}

/// Is it Dovecot that is tested?
pub fn peer_is_tested() -> bool {
    std::env::var_os("FULMAR_TEST_IMAP").is_some_and(|value| value == "dovecot")
}

impl ImapServer {
    /// Starts it; `None` if the peer that is asked for is not installed.
    pub fn start() -> Option<ImapServer> {
        match peer_is_tested() {
            true => Some(ImapServer::Peer(Dovecot::start()?)),
            false => Some(ImapServer::Ours(Box::new(House::start()))),
        }
    }

    /// Where IMAP is.
    pub fn address(&self) -> SocketAddr {
        match self {
            ImapServer::Ours(house) => house.imap(),
            ImapServer::Peer(dovecot) => dovecot.address(),
        }
    }

    /// Is it ours?
    pub fn is_ours(&self) -> bool {
        matches!(self, ImapServer::Ours(_))
    }

    /// The Maildir of `name`.
    pub fn maildir(&self, name: &str) -> PathBuf {
        match self {
            ImapServer::Ours(house) => house.path("mail").join(DOMAIN).join(name).join("Maildir"),
            ImapServer::Peer(dovecot) => dovecot.maildir(name),
        }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        match self {
            ImapServer::Ours(house) => house.log(),
            ImapServer::Peer(dovecot) => dovecot.log(),
        }
    }

    /// A session of `name`.
    pub fn login(&self, name: &str) -> Imap {
        self.try_login(name).unwrap_or_else(|error| panic!("{name}: {error}; the log:\n{}", self.log()))
    }

    /// A session of `name`, or why there is none.
    pub fn try_login(&self, name: &str) -> std::io::Result<Imap> {
        Imap::try_login(self.address(), &format!("{name}@{DOMAIN}"), PASSWORD)
    }

    /// A session of `name` with the inbox selected.
    pub fn inbox(&self, name: &str) -> Imap {
        let mut imap = self.login(name);
        imap.good("SELECT INBOX");
        imap
    }

    /// Puts a file into the Maildir of alice, such as `new/1.a`, as another program of hers would; LF line ends.
    pub fn drop_file(&self, name: &str, text: &[u8]) -> PathBuf {
        let maildir = self.maildir("alice");
        let base = name.rsplit('/').next().unwrap_or(name);
        let (temporary, path) = (maildir.join("tmp").join(base), maildir.join(name));
        std::fs::write(&temporary, text).unwrap();
        give(&temporary, &maildir);
        std::fs::rename(&temporary, &path).unwrap();
        path
    }

    /// The processes of the sessions after the login.
    pub fn sessions(&self) -> Vec<i32> {
        match self {
            ImapServer::Ours(house) => house
                .processes()
                .into_iter()
                .filter(|(_, name)| name == "imapd")
                .map(|(pid, _)| pid)
                .collect(),
            ImapServer::Peer(dovecot) => children(dovecot.pid(), "imap"),
        }
    }

    /// Waits until `seen` gives something.
    pub fn until<T>(&self, what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(thing) = seen() {
                return thing;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}; the log:\n{}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Makes `path` belong to whom `like` belongs to.
pub fn give(path: &Path, like: &Path) {
    if nix::unistd::geteuid().is_root() {
        let like = std::fs::metadata(like).unwrap();
        chown(path, Some(like.uid()), Some(like.gid())).unwrap();
    }
}

fn children(parent: i32, program: &str) -> Vec<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let all = std::fs::read_to_string(path).unwrap_or_default();
    let named = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == program)
    };
    all.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(named).collect()
}
