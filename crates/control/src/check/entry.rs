//! The entries of lists and the keys of maps.

use std::collections::HashMap;

use super::value::{is_host, quotes};
use super::{Problem, Severity, distance};
use crate::grammar::{self, Line};
use crate::{Entry, File, Kind, Role, mailhost, networks};

/// What is wrong with the entries of a list or map.
pub(crate) fn entries(file: &File, lines: &[Line]) -> Vec<Problem> {
    let mut seen = HashMap::new();
    let mut problems = Vec::new();
    for line in lines {
        let found = one(file, line).or_else(|| repeated(file, line, &mut seen));
        problems.extend(found.map(|problem| problem.at(line.number)));
    }
    problems
}

fn one(file: &File, line: &Line) -> Option<Problem> {
    let shown = format!("control/{}", file.name);
    let text = String::from_utf8_lossy(&line.text);
    let error = |(problem, cure): (String, String)| Problem::new(Severity::Error, &shown, problem, cure);
    if text.starts_with([' ', '\t']) {
        return Some(error(("begins with a blank".into(), "begin the line with the entry".into())));
    }
    let patterns = matches!(file.kind, Kind::List(Entry::Pattern) | Kind::Map(Entry::Pattern));
    if let Some(problem) = quotes(&shown, &text, Severity::Error).filter(|_| !patterns) {
        return Some(problem);
    }
    match file.kind {
        _ if file.name == "mailhosts" => mailhost::slip(&line.text)
            .map(|problem| error((problem, format!("{}: usher(8)", mailhost::CURE)))),
        Kind::List(_) if file.name == "relaytable" && !RELAY_TABLE.contains(&&*text) => {
            Some(error((format!("`{text}` means nothing here"), format!("write {}", RELAY_TABLE.join(", ")))))
        }
        Kind::List(entry) => wrong(entry, &text).map(error),
        Kind::Map(entry) => match grammar::pair(&line.text) {
            None => Some(error((
                "no colon".into(),
                "write key:value; without a colon the line has no effect".into(),
            ))),
            Some((key, _)) if file.name == "uids" => role(&String::from_utf8_lossy(key)).map(error),
            Some((_, policy)) if file.name == "authsender" && !POLICIES.contains(&policy.trim_ascii()) => {
                Some(error((
                    format!("`{}` is no policy", String::from_utf8_lossy(policy)),
                    "write any, own or domain behind the colon".into(),
                )))
            }
            Some((_, limit)) if file.name == "sendlimits" && !is_limit(limit) => Some(error((
                format!("`{}` is no limit", String::from_utf8_lossy(limit)),
                "write messages/recipients an hour behind the colon, such as 200/1000".into(),
            ))),
            Some((key, _)) => wrong(entry, &String::from_utf8_lossy(key)).map(error),
        },
        _ => None,
    }
}

/// What may stand in `relaytable`.
const RELAY_TABLE: [&str; 5] = ["address", "sender", "off", "files", "database"];

/// What may stand behind the colon in `authsender`.
const POLICIES: [&[u8]; 3] = [b"any", b"own", b"domain"];

/// One number, or two with a slash between.
fn is_limit(text: &[u8]) -> bool {
    let mut numbers = text.trim_ascii().split(|octet| *octet == b'/');
    let count = numbers.clone().count();
    let digits = |number: &[u8]| (1..=18).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
    count <= 2 && numbers.all(digits)
}

/// Of two lines with one key the later wins; is it what is meant?
fn repeated(file: &File, line: &Line, seen: &mut HashMap<Vec<u8>, (usize, Vec<u8>)>) -> Option<Problem> {
    let Kind::Map(_) = file.kind else { return None };
    let (key, value) = grammar::pair(&line.text)?;
    let (number, earlier) = seen.insert(key.to_ascii_lowercase(), (line.number, value.to_vec()))?;
    let problem = format!("the key of line {number} again; this line wins");
    (earlier != value)
        .then(|| Problem::new(Severity::Warning, &format!("control/{}", file.name), problem, "remove one"))
}

/// Problem and cure of an entry.
fn wrong(entry: Entry, text: &str) -> Option<(String, String)> {
    match entry {
        Entry::Domain => domain(text),
        Entry::Address => address(text),
        Entry::Route if text.is_empty() => None,
        Entry::Route => route(text),
        Entry::Network => network(text),
        Entry::Pattern | Entry::Word => None,
    }
}

/// A role of no program; what was meant has the uid of its default then.
fn role(text: &str) -> Option<(String, String)> {
    let name = text.to_ascii_lowercase();
    let (far, near) = Role::ALL.iter().map(|role| (distance(&name, role.name()), role.name())).min()?;
    match far {
        0 => None,
        1 | 2 => say(text, "no such role", format!("did you mean {near}?")),
        _ => say(text, "no such role", "remove it; control(5) lists the roles"),
    }
}

fn domain(text: &str) -> Option<(String, String)> {
    let name = text.strip_prefix('.').unwrap_or(text);
    if let Some(suffix) = text.strip_prefix("*.") {
        return say(text, "a star means nothing here", format!("write .{suffix} for all names below it"));
    }
    if let Some((_, host)) = text.rsplit_once('@') {
        return say(text, "an address where a domain must be", format!("write {host}"));
    }
    if let Some(name) = text.strip_suffix(':') {
        return say(text, "a colon after a domain", format!("write {name}"));
    }
    if let Some(name) = text.strip_suffix('.').filter(|name| !name.is_empty()) {
        return say(text, "a dot at the end of a domain", format!("write {name}"));
    }
    match is_host(name) {
        true => None,
        false => {
            say(text, "not a domain", "write a name such as example.org, or .example.org for all below it")
        }
    }
}

fn address(text: &str) -> Option<(String, String)> {
    let Some((user, host)) = text.rsplit_once('@') else {
        return say(
            text,
            "not an address",
            format!("write @{} for all users of a host", text.trim_start_matches(['*', '.'])),
        );
    };
    if user == "*" || host.starts_with(['.', '*']) {
        return say(text, "a wildcard that means nothing here", "write @host, or use the patterns file");
    }
    match is_host(host) && !user.contains([' ', '\t']) {
        true => None,
        false => say(text, "not an address", "write user@host or @host"),
    }
}

fn route(text: &str) -> Option<(String, String)> {
    if text == "*" {
        return say(text, "a star means nothing here", "write nothing before the colon for all others");
    }
    match text.split_once('@') {
        Some(("", host)) => say(text, "an address without user", format!("write {host}")),
        Some(_) => address(text),
        None => domain(text),
    }
}

fn network(text: &str) -> Option<(String, String)> {
    if networks::named(text.as_bytes()).is_some_and(|(_, rest)| rest.is_empty()) {
        return None;
    }
    if text.is_empty() || text.contains(['=', '@']) {
        return say(text, "neither an address nor a network", "write 192.0.2.1:, 192.0.2.: or 192.0.2.0/24:");
    }
    if text.contains('-') {
        return say(text, "a range", "write a line for each, or networks such as 192.0.2.0/28");
    }
    let fault = rules::line(format!("{text}:deny").as_bytes(), 1).err()?;
    Some((fault.problem, fault.cure))
}

fn say(text: &str, problem: &str, cure: impl Into<String>) -> Option<(String, String)> {
    let short: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(80).collect();
    Some((format!("`{short}`: {problem}"), cure.into()))
}
