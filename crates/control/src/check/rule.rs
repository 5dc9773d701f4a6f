//! Rule files: lines that are no rules, rules that open the house, tables that were forgotten.

use std::fs;
use std::io::BufReader;
use std::path::Path;

use super::{Problem, Severity, compiled};
use crate::broken::short;
use crate::compile::rule_files;
use crate::grammar::{Line, Lines};
use crate::read::fault_in;
use crate::{Home, networks};

/// What is wrong with the rule files of a house.
pub(super) fn check(home: &Home) -> Vec<Problem> {
    match rule_files(home) {
        Ok(files) => files.iter().flat_map(|path| one(path)).collect(),
        Err(broken) => vec![broken.into()],
    }
}

fn one(path: &Path) -> Vec<Problem> {
    let mut problems = lines(path);
    let table =
        path.with_file_name(format!("{}.cdb", path.file_name().unwrap_or_default().to_string_lossy()));
    if table.exists() {
        problems.extend(compiled(&table, path));
    } else {
        problems.push(Problem::new(Severity::Warning, &short(path), "has not been compiled", "fulmar cdb"));
    }
    problems
}

fn lines(path: &Path) -> Vec<Problem> {
    let file = match path.is_file().then(|| fs::File::open(path)) {
        Some(Ok(file)) => file,
        Some(Err(error)) => return vec![crate::Broken::io(short(path), &error).into()],
        None => {
            return vec![Problem::new(
                Severity::Error,
                &short(path),
                "not a regular file",
                "put a file in its place",
            )];
        }
    };
    let mut problems = Vec::new();
    for line in Lines::new(BufReader::new(file)) {
        match line {
            Err(fault) => problems.push(fault_in(&short(path), fault).into()),
            Ok(line) => problems.extend(rule(path, line)),
        }
    }
    problems
}

/// What is wrong with a line, or with the rules of the network that it names.
fn rule(path: &Path, line: Line) -> Vec<Problem> {
    let number = line.number;
    let members = match networks::expand(&networks::folder(path), line) {
        Ok(members) => members,
        Err(broken) => {
            let problem = format!("{}: {}", broken.file, broken.problem);
            return vec![Problem::new(Severity::Error, &short(path), problem, broken.cure).at(number)];
        }
    };
    let mut problems = Vec::new();
    for member in members {
        match rules::line(&member.text, number) {
            Ok(rule) => {
                let found = rule.iter().flat_map(|rule| [danger(path, rule), limit(path, rule)]);
                problems.extend(found.flatten().map(|it| it.at(number)));
            }
            Err(fault) => {
                problems
                    .push(Problem::new(Severity::Error, &short(path), fault.problem, fault.cure).at(number));
            }
        }
    }
    problems
}

fn danger(path: &Path, rule: &rules::Rule) -> Option<Problem> {
    if rule.verdict.deny || !rule.sets("RELAYCLIENT") {
        return None;
    }
    let value = rule.verdict.changes.iter().find_map(|change| match change {
        rules::Change::Set(name, value) if name == b"RELAYCLIENT" => Some(value),
        _ => None,
    });
    let (severity, problem, cure) = if rule.is_for_all() {
        (Severity::Error, "everybody may relay through this host", "remove RELAYCLIENT from this rule")
    } else if rule.is_by_name() {
        let problem = "relaying by a host name, which is chosen by whoever owns the address";
        (Severity::Warning, problem, "write the address instead")
    } else if value.is_some_and(|value| !value.is_empty()) {
        let problem = "the value of RELAYCLIENT is appended to every recipient";
        (Severity::Warning, problem, "write RELAYCLIENT=\"\"")
    } else {
        return None;
    };
    Some(Problem::new(severity, &short(path), problem, cure))
}

/// smtpd turns away every client whose DATABYTES it cannot read.
fn limit(path: &Path, rule: &rules::Rule) -> Option<Problem> {
    let is_number = |value: &[u8]| {
        let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        text.is_some_and(|text| text.parse::<u64>().is_ok())
    };
    let wrong = rule.verdict.changes.iter().rev().find_map(|change| match change {
        rules::Change::Set(name, value) if name == b"DATABYTES" => Some(value),
        _ => None,
    });
    let wrong = wrong.filter(|value| !rule.verdict.deny && !is_number(value))?;
    let problem = format!("DATABYTES is `{}`, no number: its clients are turned away", wrong.escape_ascii());
    let cure = "write it in digits, in bytes; 0 is no limit";
    Some(Problem::new(Severity::Error, &short(path), problem, cure))
}
