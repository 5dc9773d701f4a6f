//! Named networks: a list `control/networks/NAME` of addresses and networks, which tables of networks and rule
//! files name as `@NAME` in place of an address.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use sys::Seen;

use crate::Broken;
use crate::broken::short;
use crate::grammar::{self, Line};
use crate::read::fault_in;

/// The folder that the tables at `text` take their networks from: beside control files, and of rule files in
/// `etc/` the one in `control/`.
pub(crate) fn folder(text: &Path) -> PathBuf {
    let parent = text.parent().unwrap_or(Path::new("."));
    match (parent.file_name(), parent.parent()) {
        (Some(name), Some(home)) if name == "etc" => home.join("control/networks"),
        _ => parent.join("networks"),
    }
}

/// The name in `@NAME` or `@NAME:rest`, and the rest from the colon on.
pub(crate) fn named(text: &[u8]) -> Option<(&str, &[u8])> {
    let text = text.strip_prefix(b"@")?;
    let end = text.iter().position(|octet| *octet == b':').unwrap_or(text.len());
    let name = str::from_utf8(&text[..end]).ok()?;
    let letter = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let fit = letter && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
    fit.then_some((name, &text[end..]))
}

/// The line, or if it names a network a line for each member of it, with the same number.
pub(crate) fn expand(folder: &Path, line: Line) -> Result<Vec<Line>, Broken> {
    let Some((name, rest)) = named(&line.text) else { return Ok(vec![line]) };
    let path = folder.join(name);
    let file = File::open(&path).map_err(|error| missing(&path, name, &error))?;
    if !file.metadata().is_ok_and(|seen| seen.is_file()) {
        return Err(Broken::new(short(&path), "not a regular file", "put a regular file in its place"));
    }
    let members: Result<Vec<Line>, _> = grammar::entries(BufReader::new(file)).collect();
    let members = members.map_err(|fault| fault_in(&short(&path), fault))?;
    let whole = |member: Line| Line { number: line.number, text: [&bracketed(&member.text), rest].concat() };
    Ok(members.into_iter().map(whole).collect())
}

/// Colons of an IPv6 address must not end it.
fn bracketed(member: &[u8]) -> Vec<u8> {
    // As in relayclients, a colon at the end is allowed.
    let member = match member {
        [start @ .., b':'] if !start.ends_with(b":") => start,
        member => member,
    };
    match member.contains(&b':') && !member.starts_with(b"[") {
        true => [b"[", member, b"]"].concat(),
        false => member.to_vec(),
    }
}

fn missing(path: &Path, name: &str, error: &std::io::Error) -> Broken {
    let shown = format!("control/networks/{name}");
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            let cure = format!("list the members of @{name} there, one address or network a line");
            Broken::new(shown, "there is no such network", cure)
        }
        _ => Broken::io(short(path), error),
    }
}

/// The line, or if it names a network of `folder` a line for each member; a network that is missing has none.
pub fn members(folder: &Path, line: &[u8]) -> Vec<Vec<u8>> {
    let expanded = expand(folder, Line { number: 0, text: line.trim_ascii_end().to_vec() });
    expanded.unwrap_or_default().into_iter().map(|line| line.text).collect()
}

/// The networks that the lines name, each once.
pub(crate) fn names<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<String> {
    let mut names: Vec<String> = lines.filter_map(|line| Some(named(&line.text)?.0.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

/// How each file of the folder is; changes with any of them.
pub fn stamps(folder: &Path) -> Vec<(String, Option<Seen>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let stamp =
        |entry: fs::DirEntry| (entry.file_name().to_string_lossy().into_owned(), Seen::at(&entry.path()));
    let mut all: Vec<_> = entries.filter_map(Result::ok).map(stamp).collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<Vec<String>, String> {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("office"), "# us\n192.0.2.1\n10.1.:\n\n2001:db8::/32\n[::1]\n::\n")
            .unwrap();
        let lines = expand(home.path(), Line { number: 7, text: text.into() });
        let text = |line: Line| String::from_utf8(line.text).unwrap();
        lines.map(|lines| lines.into_iter().map(text).collect()).map_err(|broken| broken.to_string())
    }

    #[test]
    fn a_name_stands_for_each_of_its_members() {
        let wanted = ["192.0.2.1:@gw", "10.1.:@gw", "[2001:db8::/32]:@gw", "[::1]:@gw", "[::]:@gw"];
        assert_eq!(expanded("@office:@gw").unwrap(), wanted);
        assert_eq!(expanded("@office").unwrap()[0], "192.0.2.1");
        assert_eq!(expanded("192.0.2.9:").unwrap(), ["192.0.2.9:"]);
    }

    #[test]
    fn what_is_no_name_is_left_alone_and_a_name_of_nothing_is_told() {
        for text in
            ["joe@192.0.2.1:allow", "@192.0.2.1:allow", "@:allow", "@../etc/passwd:allow", "@a.b:", "@"]
        {
            assert_eq!(expanded(text).unwrap(), [text], "{text}");
        }
        let said = expanded("@nowhere:allow").unwrap_err();
        assert!(said.contains("control/networks/nowhere") && said.contains("one address"), "{said}");
    }
}
