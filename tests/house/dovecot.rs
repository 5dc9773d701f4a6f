//! Debian's Dovecot, a private one, for tests that are to be true of any IMAP server.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{DOMAIN, PASSWORD, imap::Imap, tool};

/// Who owns the mail.
const OWNER: u32 = 64_006;

/// A running Dovecot with users alice and bob.
pub struct Dovecot {
    home: tempfile::TempDir,
    address: SocketAddr,
    server: Child,
}

impl Dovecot {
    /// `None`: not installed, or nobody here is root.
    pub fn start() -> Option<Dovecot> {
        let dovecot = tool("dovecot")?;
        if !Path::new("/usr/lib/dovecot/imap").exists() {
            eprintln!("SKIPPED: dovecot-imapd is not installed");
            return None;
        }
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: Dovecot wants root");
            return None;
        }
        let home = tempfile::Builder::new().prefix("fulmar-test-").tempdir().unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        settle(home.path(), port);
        let mut command = Command::new(dovecot);
        command.arg("-F").arg("-c").arg(home.path().join("conf")).stdin(Stdio::null());
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let dovecot = Dovecot { home, address: (Ipv4Addr::LOCALHOST, port).into(), server };
        let deadline = Instant::now() + super::PATIENCE;
        while Imap::try_connect(dovecot.address).is_err() {
            assert!(Instant::now() < deadline, "Dovecot does not come up: {}", dovecot.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(dovecot)
    }

    /// Where IMAP is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The Maildir of `name`.
    pub fn maildir(&self, name: &str) -> PathBuf {
        self.home.path().join("mail").join(name).join("Maildir")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Its process, the parent of all others.
    pub fn pid(&self) -> i32 {
        self.server.id() as i32
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(self.pid());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.server.wait();
        if std::thread::panicking() {
            eprintln!("the log of Dovecot:\n{}", self.log());
        }
    }
}

fn settle(home: &Path, port: u16) {
    let mail = home.join("mail");
    let mut users = String::new();
    for name in ["alice", "bob"] {
        let account = mail.join(name);
        users += &format!("{name}@{DOMAIN}:{{PLAIN}}{PASSWORD}:{OWNER}:{OWNER}::{}::\n", account.display());
        for part in ["", "Maildir", "Maildir/cur", "Maildir/new", "Maildir/tmp"] {
            let path = account.join(part);
            fs::create_dir_all(&path).unwrap();
            chown(&path, Some(OWNER), Some(OWNER)).unwrap();
        }
    }
    chown(&mail, Some(OWNER), Some(OWNER)).unwrap();
    fs::write(home.join("users"), users).unwrap();
    fs::write(home.join("conf"), config(home, port)).unwrap();
}

fn config(home: &Path, port: u16) -> String {
    let home = home.display();
    format!(
        "base_dir = {home}/run\nstate_dir = {home}/state\nlog_path = {home}/log\nprotocols = imap\n\
         listen = 127.0.0.1\nssl = no\ndisable_plaintext_auth = no\nmail_location = maildir:%h/Maildir\n\
         first_valid_uid = {OWNER}\nauth_cache_size = 0\nmail_max_userip_connections = 1000\n\
         passdb {{\n  driver = passwd-file\n  args = username_format=%u {home}/users\n}}\n\
         userdb {{\n  driver = passwd-file\n  args = username_format=%u {home}/users\n}}\n\
         namespace inbox {{\n  inbox = yes\n  separator = .\n  mailbox Drafts {{\n    auto = subscribe\n    special_use = \\Drafts\n  }}\n\
         \n  mailbox Sent {{\n    auto = subscribe\n    special_use = \\Sent\n  }}\n  mailbox Trash {{\n    auto = subscribe\n    special_use = \\Trash\n  }}\n\
         \n  mailbox Archive {{\n    auto = subscribe\n    special_use = \\Archive\n  }}\n  mailbox Junk {{\n    auto = subscribe\n    special_use = \\Junk\n  }}\n}}\n\
         service anvil {{\n  client_limit = 4000\n}}\nservice auth {{\n  client_limit = 5000\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {port}\n  }}\n  inet_listener imaps {{\n    port = 0\n  }}\n  service_count = 0\n  client_limit = 1000\n}}\n"
    )
}
