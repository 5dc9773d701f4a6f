//! What is wrong with a file, where, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

/// A file that cannot be used. Whoever meets one answers "later" and logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The file, by the name the admin knows: `control/me`, `etc/tcp.smtp`.
    pub file: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub cure: String,
}

impl Broken {
    /// A problem with the whole of `file`.
    pub fn new(file: impl Into<String>, problem: impl Into<String>, cure: impl Into<String>) -> Broken {
        Broken { file: file.into(), line: None, problem: problem.into(), cure: cure.into() }
    }

    /// The same at line `number`, from 1.
    #[must_use]
    pub fn at(mut self, number: usize) -> Broken {
        self.line = Some(number);
        self
    }

    /// The operating system refused to read or write `file`.
    pub fn io(file: impl Into<String>, error: &io::Error) -> Broken {
        let cure = match error.kind() {
            io::ErrorKind::PermissionDenied => "let the programs' users read it: chmod a+r",
            io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => "put a regular file in its place",
            io::ErrorKind::NotFound => "make it",
            io::ErrorKind::StorageFull => "make room on the disk",
            _ => "see to the disk; until then mail waits",
        };
        Broken::new(file, error.to_string(), cure)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}; {}", self.problem, self.cure)
    }
}

impl std::error::Error for Broken {}

/// The last two parts of a path: how the admin knows a file of the house.
pub(crate) fn short(path: &Path) -> String {
    let parts: Vec<_> = path.components().rev().take(2).map(|p| p.as_os_str().to_string_lossy()).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}
