//! One control file by itself.

use std::fs;
use std::io::BufReader;
use std::path::Path;

use super::{Problem, Severity, entry};
use crate::broken::short;
use crate::grammar::{Line, Lines};
use crate::read::fault_in;
use crate::{Broken, Control, File, Kind, networks};

/// What is wrong with the contents of `file`, which is at `path`.
pub(super) fn check(control: &Control, file: &File, path: &Path) -> Vec<Problem> {
    match file.kind {
        Kind::Folder if path.is_dir() => Vec::new(),
        Kind::Folder => {
            vec![Problem::new(
                Severity::Error,
                &short(path),
                "is not a folder",
                "make it a folder, or remove it",
            )]
        }
        Kind::Text => control.whole(file.name).err().map(Problem::from).into_iter().collect(),
        Kind::Foreign => Vec::new(),
        _ => match lines(path) {
            Err(broken) => vec![broken.into()],
            Ok(lines) if file.kind.is_single() => single(control, file, &lines),
            Ok(lines) if file.kind.is_of_networks() => networks(file, path, lines),
            Ok(lines) => entry::entries(file, &lines),
        },
    }
}

/// The entries with those of the networks they name.
fn networks(file: &File, path: &Path, lines: Vec<Line>) -> Vec<Problem> {
    let folder = networks::folder(path);
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for line in lines {
        let number = line.number;
        match networks::expand(&folder, line) {
            Ok(members) => all.extend(members),
            Err(broken) => {
                let problem = format!("{}: {}", broken.file, broken.problem);
                problems.push(Problem::new(Severity::Error, &short(path), problem, broken.cure).at(number));
            }
        }
    }
    problems.extend(entry::entries(file, &all));
    problems
}

/// The lines that are neither comments nor empty.
fn lines(path: &Path) -> Result<Vec<Line>, Broken> {
    if !path.is_file() {
        return Err(Broken::new(short(path), "not a regular file", "put a regular file in its place"));
    }
    let text = fs::File::open(path).map_err(|error| Broken::io(short(path), &error))?;
    let lines: Result<Vec<_>, _> = Lines::new(BufReader::new(text)).collect();
    let mut lines = lines.map_err(|fault| fault_in(&short(path), fault))?;
    lines.retain(|line| !line.is_comment() && !line.text.is_empty());
    Ok(lines)
}

fn single(control: &Control, file: &File, lines: &[Line]) -> Vec<Problem> {
    let shown = format!("control/{}", file.name);
    let read = match file.kind {
        Kind::Number { .. } => control.number(file.name).map(|number| size(file, number)),
        Kind::Flag => control.flag(file.name).map(|_| None),
        Kind::Host => control.line(file.name).map(|host| host.and_then(|host| host_name(file, &host))),
        _ => {
            let odd = |text: String| quotes(&shown, &text, Severity::Warning).or_else(|| blank(file, &text));
            control.line(file.name).map(|text| text.and_then(odd))
        }
    };
    let mut problems: Vec<Problem> = match read {
        Ok(problem) => problem.into_iter().collect(),
        Err(broken) => vec![broken.into()],
    };
    if let Some(second) = lines.get(1) {
        let cure = "remove it, or begin it with # if it is a comment";
        problems.push(
            Problem::new(Severity::Warning, &shown, "only the first line counts", cure).at(second.number),
        );
    }
    problems
}

/// RFC 5321 §4.2: the greeting begins with the name of this host.
fn blank(file: &File, text: &str) -> Option<Problem> {
    let problem = "blank: clients are greeted without the name of this host";
    let cure = "write the host name, perhaps with more behind it, or remove the file";
    (file.name == "smtpgreeting" && text.trim().is_empty())
        .then(|| Problem::new(Severity::Warning, "control/smtpgreeting", problem, cure))
}

/// Numbers that are allowed, and were probably meant in another unit.
fn size(file: &File, number: u64) -> Option<Problem> {
    let (problem, cure) = match (file.name, number) {
        ("databytes", 1..10_000) => ("hardly any message is so small", "the unit is bytes; 0 is no limit"),
        ("queuelifetime", 0..3600) => {
            ("mail is given up within the hour", "the unit is seconds; a week is 604800")
        }
        ("timeoutsmtpd" | "timeoutremote", 1..60) => {
            ("slow hosts are cut off", "the unit is seconds; 1200 is usual")
        }
        ("concurrencylocal" | "concurrencyremote", 0) => {
            ("such deliveries are held", "write a number when they may go on")
        }
        _ => return None,
    };
    Some(Problem::new(Severity::Warning, &format!("control/{}", file.name), problem, cure))
}

fn host_name(file: &File, host: &str) -> Option<Problem> {
    let shown = format!("control/{}", file.name);
    if let Some(problem) = quotes(&shown, host, Severity::Error) {
        return Some(problem);
    }
    if !is_host(host) {
        let cure = "write a full host name such as mail.example.org";
        return Some(Problem::new(Severity::Error, &shown, format!("`{host}` is not a host name"), cure));
    }
    let is_full = host.contains('.') || host.starts_with('[');
    let cure = "write the full name, such as mail.example.org; other hosts look it up";
    (!is_full).then(|| Problem::new(Severity::Warning, &shown, format!("`{host}` is not a full name"), cure))
}

/// A host name, or an address in brackets.
pub(crate) fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.trim_start_matches("IPv6:").parse::<std::net::IpAddr>().is_ok();
    }
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || !byte.is_ascii();
    let label =
        |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(good) && !label.starts_with('-');
    host.len() <= 255 && host.split('.').all(label)
}

/// A quote that a word processor made of a plain one.
pub(super) fn quotes(file: &str, text: &str, severity: Severity) -> Option<Problem> {
    const TYPED: &str = "\u{201c}\u{201d}\u{201e}\u{201f}\u{2018}\u{2019}\u{201a}\u{ab}\u{bb}";
    let quote = text.chars().find(|c| TYPED.contains(*c))?;
    Some(Problem::new(severity, file, format!("typographic quote {quote}"), "write plain text without it"))
}
