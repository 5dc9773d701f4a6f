//! Servers of databases for a test: a PostgreSQL and a MariaDB of its own, gone when dropped.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{PATIENCE, files};

/// A running server with a database `mail`, reached by TCP.
pub struct Server {
    folder: tempfile::TempDir,
    child: Child,
    port: u16,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Postgres,
    Mariadb,
}

impl Server {
    /// PostgreSQL from Debian; `None`, said loudly: not here, or we are not root.
    pub fn postgres(port: u16) -> Option<Server> {
        let user = nix::unistd::User::from_name("postgres").ok().flatten();
        let bin = files(Path::new("/usr/lib/postgresql")).pop().map(|version| version.join("bin"));
        let (Some(user), Some(bin), true) = (user, bin, nix::unistd::geteuid().is_root()) else {
            eprintln!("SKIPPED: needs root and Debian's postgresql");
            return None;
        };
        let folder = folder(user.uid.as_raw(), user.gid.as_raw());
        let data = folder.path().join("data");
        let mut init = Command::new(bin.join("initdb"));
        init.args(["-A", "trust", "-U", "fulmar", "-E", "UTF8", "--no-sync", "--locale=C", "-D"]).arg(&data);
        let output = init.uid(user.uid.as_raw()).gid(user.gid.as_raw()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut server = Command::new(bin.join("postgres"));
        server
            .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-F", "-k"])
            .arg(folder.path())
            .arg("-D")
            .arg(&data);
        let server =
            Server::start(server, folder, user.uid.as_raw(), user.gid.as_raw(), port, Kind::Postgres);
        server.sql_in("postgres", "CREATE DATABASE mail");
        Some(server)
    }

    /// MariaDB from Debian, in the same way.
    pub fn mariadb(port: u16) -> Option<Server> {
        let user = nix::unistd::User::from_name("mysql").ok().flatten();
        let program = PathBuf::from("/usr/sbin/mariadbd");
        let (Some(user), true, true) = (user, program.exists(), nix::unistd::geteuid().is_root()) else {
            eprintln!("SKIPPED: needs root and Debian's mariadb-server");
            return None;
        };
        let folder = folder(user.uid.as_raw(), user.gid.as_raw());
        let data = folder.path().join("data");
        let mut init = Command::new("mariadb-install-db");
        init.arg(format!("--datadir={}", data.display()))
            .args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        let output = init.uid(user.uid.as_raw()).gid(user.gid.as_raw()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut server = Command::new(program);
        server.args(["--no-defaults", "--bind-address=127.0.0.1", &format!("--port={port}")]);
        server.arg(format!("--datadir={}", data.display()));
        server.arg(format!("--socket={}", folder.path().join("sock").display()));
        server.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M"]);
        let server = Server::start(server, folder, user.uid.as_raw(), user.gid.as_raw(), port, Kind::Mariadb);
        server.sql_in(
            "mysql",
            "CREATE DATABASE mail; CREATE USER fulmar@'127.0.0.1' IDENTIFIED BY 'open';\
                                GRANT ALL ON mail.* TO fulmar@'127.0.0.1'",
        );
        Some(server)
    }

    fn start(
        mut command: Command,
        folder: tempfile::TempDir,
        uid: u32,
        gid: u32,
        port: u16,
        kind: Kind,
    ) -> Server {
        let log = fs::File::create(folder.path().join("log")).unwrap();
        command.uid(uid).gid(gid).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let server = Server { child: command.spawn().unwrap(), folder, port, kind };
        let end = Instant::now() + PATIENCE;
        // There is nothing to wait for but an answer.
        while !server.try_sql(if kind == Kind::Postgres { "postgres" } else { "mysql" }, "SELECT 1").0 {
            let log = fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "the server does not come up: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// As control/users has it.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://fulmar@127.0.0.1:{}/mail", self.port),
            Kind::Mariadb => format!("mysql://fulmar:open@127.0.0.1:{}/mail", self.port),
        }
    }

    /// Has the server's own client run statements in the database `mail`, which must go well.
    pub fn sql(&self, statements: &str) -> String {
        self.sql_in("mail", statements)
    }

    fn sql_in(&self, database: &str, statements: &str) -> String {
        let (well, said) = self.try_sql(database, statements);
        assert!(well, "{statements}: {said}");
        said
    }

    fn try_sql(&self, database: &str, statements: &str) -> (bool, String) {
        let socket = format!("--socket={}", self.folder.path().join("sock").display());
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = Command::new("psql");
                command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "fulmar", "-At", "-v"]);
                command.args(["ON_ERROR_STOP=1", "-d", database, "-c", statements]);
                command
            }
            Kind::Mariadb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    &socket,
                    "-u",
                    "root",
                    "-N",
                    "-B",
                    database,
                    "-e",
                    statements,
                ]);
                command
            }
        };
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// Sends a signal to the server and all it has started: SIGSTOP makes it silent, SIGCONT goes on.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = self.child.id() as i32;
        for child in files(Path::new("/proc")) {
            let stat = fs::read_to_string(child.join("stat")).unwrap_or_default();
            let parent =
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<i32>().ok());
            if let (true, Ok(own)) =
                (parent == Some(pid), child.file_name().unwrap().to_string_lossy().parse())
            {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(own), signal);
            }
        }
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
        self.kill();
    }
}

fn folder(uid: u32, gid: u32) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("fulmar-database-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(folder.path(), Some(uid), Some(gid)).unwrap();
    folder
}
