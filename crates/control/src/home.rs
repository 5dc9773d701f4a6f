//! Where the house stands and what its rooms are called.

use std::env;
use std::path::{Path, PathBuf};

/// Where the house is when `FULMAR_HOME` does not say.
const USUAL: &str = "/var/fulmar";

/// The folder that holds everything: `bin control etc queue users mail relay run log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

/// The home in which the running program was installed.
fn around_program() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let home = program.parent().filter(|bin| bin.ends_with("bin"))?.parent()?;
    home.join("control").is_dir().then(|| home.to_owned())
}

impl Home {
    /// The folder that `FULMAR_HOME` names, else that in whose `bin/` the running program is, else
    /// `/var/fulmar`. Nothing is touched. Taking it from the environment is safe since no program is setuid.
    pub fn find() -> Home {
        let named = env::var_os("FULMAR_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
        Home::at(named.or_else(around_program).unwrap_or_else(|| USUAL.into()))
    }

    /// The house at `path`; a relative path is taken from the current folder, now.
    pub fn at(path: impl Into<PathBuf>) -> Home {
        let path = path.into();
        Home(std::path::absolute(&path).unwrap_or(path))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Something inside the house by its name from the top, such as `lock/send`.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// The program `name`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// The socket `name`, such as `queue` or `lookup-root`.
    pub fn run(&self, name: &str) -> PathBuf {
        self.0.join("run").join(name)
    }

    /// Programs.
    pub fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }

    /// Control files.
    pub fn control(&self) -> PathBuf {
        self.0.join("control")
    }

    /// Rule files and what the supervisor runs.
    pub fn etc(&self) -> PathBuf {
        self.0.join("etc")
    }

    /// Messages under way.
    pub fn queue(&self) -> PathBuf {
        self.0.join("queue")
    }

    /// Domains, accounts, passwords.
    pub fn users(&self) -> PathBuf {
        self.0.join("users")
    }

    /// Homes of virtual accounts.
    pub fn mail(&self) -> PathBuf {
        self.0.join("mail")
    }

    /// The relay table.
    pub fn relay(&self) -> PathBuf {
        self.0.join("relay")
    }

    /// Logs.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}
