//! A control folder that served another qmail: what of it is used here, and what is not.

use std::fs;
use std::path::Path;

use super::{Problem, Severity, compiled, cross, is_left_over, known, open_to_others, unknown};
use crate::{Broken, Control, File, Kind, file};

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It works, and opens the house to strangers.
    Dangerous,
    /// Mail waits until it is mended.
    Broken,
    /// It is used, and something is not as it was.
    Different,
    /// It has no effect.
    Ignored,
    /// It is used, with the meaning that it had.
    Used,
}

impl Verdict {
    /// `dangerous`, `broken`, `different`, `ignored`, `used`.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Dangerous => "dangerous",
            Verdict::Broken => "broken",
            Verdict::Different => "different",
            Verdict::Ignored => "ignored",
            Verdict::Used => "used",
        }
    }
}

/// One file, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What becomes of it.
    pub verdict: Verdict,
    /// Its name in the folder, with the line if there is one to name.
    pub file: String,
    /// Why, and what to do.
    pub words: String,
}

/// What is not as in qmail though the file is used.
const DIFFERENT: &[(&str, &str)] = &[
    ("bouncemaxbytes", "of a larger message its header goes back, not a piece of it"),
    ("concurrencylocal", "up to 255 deliveries at once; one mailbox has half of them at most"),
    (
        "concurrencyremote",
        "one destination has half of the deliveries at most; one delivery takes many recipients",
    ),
    ("queuelifetime", "bounces have control/bouncelifetime"),
];

/// Judges every file of `folder`, and what is missing from it. The worst come first.
pub fn judge(folder: &Path) -> Result<Vec<Judged>, Broken> {
    let entries = fs::read_dir(folder).map_err(|error| Broken::io(folder.display().to_string(), &error))?;
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> = names.collect();
    let control = Control::at(folder);
    let crossed = cross::check(&control);
    let mut judged = absent(&control, &names);
    if let Some(problem) = open_to_others(folder) {
        judged.push(of(Verdict::Dangerous, problem));
    }
    for name in &names {
        judged.extend(one(&control, folder, name, &crossed));
    }
    judged.sort_by(|a, b| (a.verdict, &a.file).cmp(&(b.verdict, &b.file)));
    Ok(judged)
}

fn one(control: &Control, folder: &Path, name: &str, crossed: &[Problem]) -> Vec<Judged> {
    let path = folder.join(name);
    match (file(name), name.strip_suffix(".cdb").and_then(file)) {
        _ if is_left_over(name) => vec![plain(Verdict::Ignored, name, "left by an editor or a program")],
        (Some(known), _) => of_known(control, known, &path, crossed),
        (None, Some(text)) => match compiled(&path, &folder.join(text.name)) {
            Some(problem) => vec![of(by_severity(problem.severity), problem)],
            None => vec![plain(Verdict::Used, name, "compiled from the text beside it")],
        },
        (None, None) => vec![of(Verdict::Ignored, unknown(name))],
    }
}

fn of_known(control: &Control, file: &File, path: &Path, crossed: &[Problem]) -> Vec<Judged> {
    match (file.kind, file.readers) {
        (Kind::Foreign, _) => return vec![plain(Verdict::Ignored, file.name, file.sentence)],
        (_, []) => {
            let words = format!("no program uses it yet: {}", file.sentence);
            return vec![plain(Verdict::Ignored, file.name, words)];
        }
        _ => {}
    }
    let open = open_to_others(path);
    let mut judged: Vec<Judged> = known(control, file, path)
        .into_iter()
        .filter(|problem| problem.severity > Severity::Note)
        .map(|problem| match Some(&problem) == open.as_ref() {
            true => of(Verdict::Dangerous, problem),
            false => of(by_severity(problem.severity), problem),
        })
        .collect();
    let shown = format!("control/{}", file.name);
    judged.extend(crossed.iter().filter(|problem| problem.file == shown).map(|problem| {
        let opens = file.name.starts_with("relay") || file.name.ends_with("rcpthosts");
        let verdict = if opens { Verdict::Dangerous } else { by_severity(problem.severity) };
        of(verdict, problem.clone())
    }));
    if let Some((_, words)) = DIFFERENT.iter().find(|(name, _)| *name == file.name) {
        judged.push(plain(Verdict::Different, file.name, *words));
    }
    if judged.is_empty() {
        judged.push(plain(Verdict::Used, file.name, format!("by {}", file.readers.join(", "))));
    }
    judged
}

/// What follows from a file's absence, where that is not what it was.
fn absent(control: &Control, names: &[String]) -> Vec<Judged> {
    let missing = |name: &str| !names.iter().any(|there| there == name);
    let mut judged = Vec::new();
    if let Err(broken) = control.me()
        && missing("me")
    {
        judged.push(of(Verdict::Broken, broken.into()));
    }
    if missing("rcpthosts") && missing("morercpthosts") {
        let words =
            "missing, with which qmail relays for everybody; here only domains with users are received";
        judged.push(plain(Verdict::Different, "rcpthosts", words));
    }
    if missing("users") {
        let words = "missing: write two lines, `cdb` and `system`, for users of /etc/passwd and users/assign";
        judged.push(plain(Verdict::Different, "users", words));
    }
    judged
}

fn by_severity(severity: Severity) -> Verdict {
    match severity {
        Severity::Error => Verdict::Broken,
        Severity::Warning => Verdict::Different,
        Severity::Note => Verdict::Used,
    }
}

fn plain(verdict: Verdict, name: &str, words: impl Into<String>) -> Judged {
    Judged { verdict, file: name.to_owned(), words: words.into() }
}

fn of(verdict: Verdict, problem: Problem) -> Judged {
    let Problem { file, line, problem, cure, .. } = problem;
    let name = file.rsplit('/').next().unwrap_or_default();
    let file = line.map_or(name.to_owned(), |line| format!("{name}:{line}"));
    Judged { verdict, file, words: format!("{problem}; {cure}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn told(files: &[(&str, &str, u32)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, text, mode) in files {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let judged = judge(folder.path()).unwrap();
        judged.iter().map(|one| format!("{} {}: {}", one.verdict.name(), one.file, one.words)).collect()
    }

    #[test]
    fn every_file_of_an_existing_qmail_is_told_used_or_why_not() {
        let told = told(&[
            ("me", "mail.example.org\n", 0o644),
            ("locals", "example.org\n", 0o644),
            ("rcpthosts", "example.org\n.com\n", 0o644),
            ("virtualdomains", "club.org:ann@example.org\n", 0o644),
            ("queuelifetime", "three days\n", 0o644),
            ("concurrencyincoming", "30\n", 0o644),
            ("badmailfrom", "@spam.example\n", 0o666),
            ("bouncemaxbytes", "10000\n", 0o644),
            ("clientcipherlist", "HIGH\n", 0o644),
            ("greetdelay", "10\n", 0o644),
            ("me~", "x\n", 0o644),
            ("users", "cdb\nsystem\n", 0o644),
        ]);
        let starts = [
            "dangerous badmailfrom: everybody on this host can change it; chmod o-w",
            "dangerous rcpthosts: `.com` takes mail for every domain below it",
            "broken queuelifetime:1: ",
            "broken virtualdomains: club.org: `ann@example.org` is not the name",
            "different bouncemaxbytes: of a larger message its header goes back",
            "different queuelifetime: bounces have",
            "different virtualdomains: club.org is not in rcpthosts",
            "ignored clientcipherlist: TLS versions",
            "ignored concurrencyincoming: no program reads",
            "ignored greetdelay: no program uses it yet",
            "ignored me~: left by an editor",
            "used locals: by ",
            "used me: by smtpd",
            "used users: by lookup",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for (line, start) in told.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}\n{start}");
        }
    }

    #[test]
    fn what_is_missing_is_told_where_it_makes_a_difference() {
        let told = told(&[]);
        let starts = [
            "broken me: ",
            "different rcpthosts: missing, with which qmail relays",
            "different users: missing",
        ];
        assert!(
            told.iter().zip(starts).all(|(line, start)| line.starts_with(start)) && told.len() == 3,
            "{told:#?}"
        );
        assert!(judge(Path::new("/no/such/folder")).is_err());
    }
}
