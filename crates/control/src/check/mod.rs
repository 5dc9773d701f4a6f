//! `fulmar check`: everything that is wrong with the control files and rules of a house, at once.
//!
//! Nothing is changed. What makes a program refuse to work is an error, what works but can hardly
//! be meant a warning, what has no effect a note.

mod cross;
mod entry;
mod rule;
mod theirs;
mod value;

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::broken::short;
use crate::{Broken, Control, File, Home, Kind, TABLE, Uids, file, lookup, stamp};

pub(crate) use entry::entries;
pub use theirs::{Judged, Verdict, judge};
pub(crate) use value::is_host;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It has no effect.
    Note,
    /// It works, and can hardly be meant.
    Warning,
    /// It does not work, or opens the house.
    Error,
}

impl Severity {
    /// `note`, `warning`, `error`.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The file, such as `control/me`.
    pub file: String,
    /// The line, from 1, where one can be named.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub cure: String,
}

impl Problem {
    fn new(severity: Severity, file: &str, problem: impl Into<String>, cure: impl Into<String>) -> Problem {
        Problem { severity, file: file.into(), line: None, problem: problem.into(), cure: cure.into() }
    }

    fn at(mut self, line: usize) -> Problem {
        self.line = Some(line);
        self
    }
}

impl From<Broken> for Problem {
    fn from(broken: Broken) -> Problem {
        let Broken { file, line, problem, cure } = broken;
        Problem { severity: Severity::Error, file, line, problem, cure }
    }
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Broken {
        let Problem { file, line, problem, cure, .. } = problem;
        Broken { file, line, problem, cure }
    }
}

/// Looks at every file in `control/` and every rule file in `etc/`. Sorted by file and line.
pub fn check(home: &Home) -> Vec<Problem> {
    let control = Control::open(home);
    let mut problems = folder(home, &control);
    problems.extend(control.me().err().filter(|broken| broken.line.is_none()).map(Problem::from));
    problems.extend(Uids::read(home).err().map(Problem::from));
    problems.extend(control.known_backends().err().map(Problem::from));
    problems.extend(cross::check(&control));
    problems.extend(rule::check(home));
    problems.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    problems.dedup();
    problems
}

/// What editors, version control and interrupted programs leave.
pub(crate) fn is_left_over(name: &str) -> bool {
    let ends = ["~", ".tmp", ".bak", ".orig", ".rej", ".old", ".swp", ".dpkg-dist", ".dpkg-old"];
    name.starts_with(['.', '#']) || ends.iter().any(|end| name.ends_with(end))
}

fn folder(home: &Home, control: &Control) -> Vec<Problem> {
    let folder = home.control();
    let names: Result<Vec<_>, _> = fs::read_dir(&folder).and_then(Iterator::collect);
    let names = match names {
        Ok(names) => names,
        Err(error) => return vec![Broken::io(short(&folder), &error).into()],
    };
    let names = names.iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut problems: Vec<_> = open_to_others(&folder).into_iter().collect();
    for name in names.filter(|name| !is_left_over(name)) {
        let path = folder.join(&name);
        match (file(&name), name.strip_suffix(".cdb").and_then(file)) {
            (Some(file), _) => problems.extend(known(control, file, &path)),
            (None, Some(file)) => problems.extend(compiled(&path, &folder.join(file.name))),
            (None, None) => problems.push(unknown(&name)),
        }
    }
    problems
}

fn known(control: &Control, file: &File, path: &Path) -> Vec<Problem> {
    let shown = short(path);
    let mut problems: Vec<_> = open_to_others(path).into_iter().chain(hidden(path, file)).collect();
    match (file.kind, file.readers) {
        (Kind::Foreign, _) => {
            problems.push(Problem::new(
                Severity::Note,
                &shown,
                format!("has no effect: {}", file.sentence),
                "remove it",
            ));
            return problems;
        }
        (_, []) => {
            let cure = "leave it for later, or remove it";
            problems.push(Problem::new(Severity::Note, &shown, "known, but no program uses it yet", cure));
        }
        _ => {}
    }
    problems.extend(value::check(control, file, path));
    problems
}

/// Anybody who can write a control file owns the mail.
fn open_to_others(path: &Path) -> Option<Problem> {
    let mode = path.metadata().ok()?.permissions().mode();
    let cure = format!("chmod o-w {}", path.display());
    (mode & 0o002 != 0)
        .then(|| Problem::new(Severity::Error, &short(path), "everybody on this host can change it", cure))
}

/// Files that must not be read by everybody.
pub(crate) const SECRET: [&str; 6] = ["batvkey", "dkimkeys", "hostkey", "smtplogins", "srs_secrets", "tls"];

/// Programs that root starts read their files under other uids.
fn hidden(path: &Path, file: &File) -> Option<Problem> {
    let seen = path.metadata().ok()?;
    let readable = seen.permissions().mode() & 0o004 != 0;
    // lookup reads it as root.
    let with_password = || fs::read_to_string(path).is_ok_and(|text| text.contains("://"));
    let secret = SECRET.contains(&file.name) || (file.name == "users" && with_password());
    let (problem, cure) = match secret {
        true if readable => ("a secret that everybody on this host can read", "chmod o-r"),
        false if !readable && sys::is_root() => ("programs that are not root cannot read it", "chmod a+r"),
        _ => return None,
    };
    Some(Problem::new(Severity::Warning, &short(path), problem, format!("{cure} {}", path.display())))
}

fn unknown(name: &str) -> Problem {
    let shown = format!("control/{name}");
    let near = TABLE.iter().map(|file| (distance(&name.to_lowercase(), file.name), file.name)).min();
    match near {
        Some((distance, near)) if distance <= 2 && distance < near.len() => Problem::new(
            Severity::Warning,
            &shown,
            "no program reads a file of this name",
            format!("did you mean control/{near}?"),
        ),
        _ => Problem::new(
            Severity::Note,
            &shown,
            "no program reads a file of this name",
            "remove it; control(5) lists the names",
        ),
    }
}

/// A compiled file against its text.
fn compiled(path: &Path, text: &Path) -> Option<Problem> {
    let shown = short(path);
    let stale = cdb::Cdb::open(path).and_then(|records| {
        records.records().try_for_each(|record| record.map(|_| ()))?;
        stamp::is_stale(&records, text)
    });
    match stale {
        Err(error) => Some(lookup::damaged(path, &error).into()),
        Ok(true) => Some(Problem::new(Severity::Warning, &shown, "older than its text", "fulmar cdb")),
        Ok(false) if text.metadata().as_ref().is_ok_and(Metadata::is_file) => None,
        Ok(false) => {
            let problem = "its text is missing; what it holds stays in force";
            Some(Problem::new(Severity::Note, &shown, problem, "write the text anew, or remove the cdb"))
        }
    }
}

/// How many letters must be changed, added or dropped to get from one word to the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (at, wanted) in other.iter().enumerate() {
            let changed = corner + usize::from(letter != *wanted);
            corner = row[at + 1];
            row[at + 1] = changed.min(corner + 1).min(row[at] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests;
