//! What IMAP and hosts with one set of users are set to: values that programs pass over where they mean nothing.

use std::collections::BTreeSet;

use control::{Control, Home, Problem, Severity};
use mailbox::Names;

/// What is wrong with the values; that a file can't be read is `control`'s to tell.
pub(super) fn check(home: &Home) -> Vec<Problem> {
    let control = Control::open(home);
    let mut problems = Vec::new();
    problems.extend(separator(&control));
    problems.extend(key(&control));
    problems.extend(index(home, &control));
    problems.extend(lines(&control, "imapfolders", folder));
    problems.extend(names(&control));
    problems.extend(lines(&control, "sharedfolders", group));
    problems.extend(members(&control));
    problems
}

fn problem(severity: Severity, name: &str, problem: String, cure: &str) -> Problem {
    Problem { severity, file: format!("control/{name}"), line: None, problem, cure: cure.to_owned() }
}

fn line(control: &Control, name: &str) -> Option<String> {
    control.line(name).ok().flatten().filter(|line| !line.is_empty())
}

fn separator(control: &Control) -> Option<Problem> {
    let found = line(control, "imapseparator").filter(|found| !matches!(found.as_str(), "." | "/"))?;
    let said = format!("`{found}` separates nothing: the default holds");
    Some(problem(Severity::Warning, "imapseparator", said, "write . or /"))
}

fn key(control: &Control) -> Option<Problem> {
    use std::os::unix::fs::PermissionsExt;
    let length = line(control, "hostkey")?.len();
    let seen = control.path("hostkey").metadata().ok()?;
    if seen.permissions().mode() & 0o007 != 0 {
        let said = "everybody on this host may read it: no login is led to another host".to_owned();
        let cure = "chmod 400 it, for lookup alone, and write another one if others have been here: usher(8)";
        return Some(problem(Severity::Error, "hostkey", said, cure));
    }
    let said = format!("{length} characters can be guessed: no login is led to another host");
    let cure = "write at least 32 characters by chance, the same on all hosts: usher(8)";
    (length < 32).then(|| problem(Severity::Error, "hostkey", said, cure))
}

/// `gate` makes the folder, but not the one that it lies in.
fn index(home: &Home, control: &Control) -> Option<Problem> {
    let folder = home.join(line(control, "indexdir")?);
    let there = folder.is_dir() || (!folder.exists() && folder.parent().is_some_and(std::path::Path::is_dir));
    let said = format!("{} cannot be made: no mailbox is opened by IMAP", folder.display());
    (!there).then(|| problem(Severity::Error, "indexdir", said, "make the folder, for root"))
}

/// Problem and cure.
type Wrong = Option<(&'static str, &'static str)>;

fn lines(control: &Control, name: &str, wrong: impl Fn(&str) -> Wrong) -> Vec<Problem> {
    let all = control.list(name).ok().flatten().unwrap_or_default();
    let told = |line: &String| {
        let (said, cure) = wrong(line)?;
        Some(problem(Severity::Warning, name, format!("`{line}` {said}"), cure))
    };
    all.iter().filter_map(told).collect()
}

/// What mailboxes may be for: RFC 6154.
const USES: [&str; 6] = ["\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash"];

fn folder(line: &str) -> Wrong {
    let known = line
        .rsplit_once([' ', '\t'])
        .is_some_and(|(_, word)| USES.iter().any(|known| known.eq_ignore_ascii_case(word.trim())));
    let cure = "write a name and one of \\Archive \\Drafts \\Important \\Junk \\Sent \\Trash";
    (!known).then_some(("is passed over: it says not what the mailbox is for", cure))
}

/// What stands before the use, and the use.
fn given(line: &str) -> Option<(&str, String)> {
    let (name, word) = line.trim().rsplit_once([' ', '\t'])?;
    Some((name.trim_end(), word.to_ascii_lowercase()))
}

/// Names that no mailbox can have, uses that another line has already, and a list that can't be read.
fn names(control: &Control) -> Vec<Problem> {
    let file = "imapfolders";
    let all = match control.list(file) {
        Ok(all) => all.unwrap_or_default(),
        Err(broken) if broken.problem.contains("UTF-8") => {
            let said = format!("{}: the default holds", broken.problem);
            return vec![problem(Severity::Error, file, said, &broken.cure)];
        }
        Err(_) => return Vec::new(),
    };
    let slash = line(control, "imapseparator").is_some_and(|found| found == "/");
    let names = Names { separator: if slash { '/' } else { '.' } };
    let mut seen = BTreeSet::new();
    let wrong = |one: &String| {
        let (name, what) = given(one)?;
        let (why, cure) = match names.check(name) {
            Err(_) => (
                "a mailbox can't have this name",
                "write another name; control/imapseparator stands between levels",
            ),
            Ok(()) if !seen.insert(what) => ("an earlier line is for the same", "remove one"),
            Ok(()) => return None,
        };
        Some(problem(Severity::Warning, file, format!("`{one}` is passed over: {why}"), cure))
    };
    all.iter().filter_map(wrong).collect()
}

fn group(line: &str) -> Wrong {
    let cure = "write group:member member, the group in letters, digits, - and _";
    let Some((group, members)) = line.split_once(':') else {
        return Some(("shares nothing: it has no colon", cure));
    };
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    match group.trim() {
        "" => Some(("shares nothing: it names no group", cure)),
        name if name.starts_with('-') || name.len() > 64 || !name.bytes().all(plain) => {
            Some(("shares nothing: that can be no group's name", cure))
        }
        _ if members.trim().is_empty() => Some(("shares with nobody", cure)),
        _ => None,
    }
}

/// Members that nobody is.
fn members(control: &Control) -> Vec<Problem> {
    let file = "sharedfolders";
    let mut problems = Vec::new();
    for line in control.list(file).ok().flatten().unwrap_or_default() {
        let Some((group, members)) = line.split_once(':') else { continue };
        let words = members.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        for word in words.filter(|word| !may_be_somebody(word)) {
            let said = format!("`{word}` in the line of {group} is nobody's address");
            let cure = "write user@domain, @domain for all of a domain, or * for everybody";
            problems.push(problem(Severity::Warning, file, said, cure));
        }
    }
    problems
}

/// An address, a domain, everybody, or a user of this system.
fn may_be_somebody(word: &str) -> bool {
    let is_host = |host: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') || !c.is_ascii();
        !host.is_empty() && host.chars().all(plain)
    };
    match word.rsplit_once('@') {
        Some((_, domain)) => is_host(domain),
        None => word == "*" || is_host(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("control")).unwrap();
        for (name, text) in files {
            let path = folder.path().join("control").join(name);
            std::fs::write(&path, text).unwrap();
            let mode = if text.ends_with("for all\n") { 0o644 } else { 0o600 };
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        check(&Home::at(folder.path())).into_iter().map(|problem| problem.file).collect()
    }

    #[test]
    fn what_means_nothing_is_told_and_what_does_is_not() {
        let good = [
            ("imapseparator", "/\n"),
            ("imapfolders", "# mine\nSent Mail \\Sent\nTrash \\trash\n"),
            ("sharedfolders", "sales: ann@x.test @y.test\nall:*\n"),
            ("hostkey", "0123456789abcdef0123456789abcdef\n"),
            ("indexdir", "index\n"),
        ];
        assert!(found(&good).is_empty() && found(&[]).is_empty());
        assert_eq!(found(&[("hostkey", "0123456789abcdef0123456789abcdef for all\n")]).len(), 1);
        let bad = [
            ("imapseparator", "|\n"),
            ("hostkey", "secret\n"),
            ("indexdir", "no/where\n"),
            ("imapfolders", "Sent\nX \\Flagged\n"),
            ("sharedfolders", "sales ann@x.test\na.b: *\nx:\ny: ann@ @ b;c\n"),
        ];
        let told = found(&bad);
        let count = |name: &str| told.iter().filter(|file| file.ends_with(name)).count();
        assert_eq!(bad.map(|(name, _)| count(name)), [1, 1, 1, 2, 6]);
    }

    #[test]
    fn folders_that_nobody_will_get_are_told() {
        let count = |text: &str| found(&[("imapfolders", text)]).len();
        assert_eq!(count("Mail.Sent \\Sent\nEntwürfe \\Drafts\n"), 0);
        assert_eq!(count("a/b \\Sent\n../x \\Trash\nSent \\Sent\nSent2 \\sent\n"), 3);
        assert_eq!(found(&[("imapfolders", "a/b \\Sent\n"), ("imapseparator", "/\n")]).len(), 0);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("control")).unwrap();
        std::fs::write(folder.path().join("control/imapfolders"), b"\xff \\Sent\n").unwrap();
        assert_eq!(check(&Home::at(folder.path())).len(), 1);
    }
}
