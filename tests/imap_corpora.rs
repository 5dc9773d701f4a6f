//! Messages that others have collected because they are odd: BODYSTRUCTURE and BODY[n] agree with Python's email
//! package wherever that finds no fault with a message, and with each other always.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::imap::Value;
use tests::{Imap, ImapServer, tool};

use crate::fetching::well;

/// A leaf: its section, type, encoding, octets as they are encoded, if known; their number.
#[derive(Debug, PartialEq, Eq)]
struct Leaf {
    section: String,
    kind: String,
    encoding: String,
    octets: Vec<u8>,
}

fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/mime_oracle.py")
}

/// Where Python is on its own: a boundary that is written twice, one line after the other; a boundary in a charset.
const OPINIONS: [&str; 3] = ["msg_33.txt", "msg_37.txt", "malformed/000.eml"];

/// The messages that the crate mail-parser is tested with, if cargo has it here.
fn of_mail_parser() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let indexes = home.map(|home| tests::files(&home.join("registry/src"))).unwrap_or_default();
    let crates = indexes.iter().flat_map(|index| tests::files(index));
    let is_it = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("mail-parser-"))
    };
    let folders = crates.filter(is_it).flat_map(|one| tests::files(&one.join("resources/eml")));
    folders.flat_map(|folder| tests::files(&folder)).collect()
}

/// Python's own collection, and the seeds of our fuzz targets.
fn corpus(python: &Path) -> Vec<PathBuf> {
    let output = Command::new(python).arg(oracle()).arg("corpus").output().unwrap();
    if !output.status.success() {
        eprintln!("SKIPPED: this Python has no tests of its own, whose messages are wanted");
        return Vec::new();
    }
    let folder = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/mime");
    let mut all = [tests::files(&folder), tests::files(&seeds), of_mail_parser()].concat();
    all.retain(|path| {
        let text = fs::read(path).unwrap_or_default();
        // A CR by itself is a line end to Python, and a NUL can't be sent as it is.
        let bare = text.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
        let bare = bare || text.ends_with(b"\r") || text.contains(&0);
        let odd = OPINIONS.iter().any(|name| path.ends_with(name));
        !text.is_empty() && !bare && !odd && path.extension().is_none_or(|end| end == "txt" || end == "eml")
    });
    all.sort();
    all
}

/// By file; `None`: a message with a fault.
fn expected(python: &Path, files: &[PathBuf]) -> Vec<Option<Vec<Leaf>>> {
    let output = well(Command::new(python).arg(oracle()).args(files)).stdout;
    let text = String::from_utf8(output).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let of = |path: &PathBuf| {
        let mine = rows.iter().filter(|row| Path::new(row[0]) == path);
        mine.map(|row| (row.len() == 5).then(|| leaf(row))).collect()
    };
    files.iter().map(of).collect()
}

fn leaf(row: &[&str]) -> Leaf {
    let octets = (0..row[4].len() / 2).map(|at| u8::from_str_radix(&row[4][2 * at..2 * at + 2], 16).unwrap());
    let words = [row[1], row[2], row[3]].map(str::to_owned);
    let [section, kind, encoding] = words;
    Leaf { section, kind, encoding, octets: octets.collect() }
}

/// The leaves that a BODYSTRUCTURE names, each with the size that it tells.
fn told(structure: &Value, section: &[usize], all: &mut Vec<(String, String, String, u64)>) {
    let list = structure.list();
    if matches!(list.first(), Some(Value::List(_))) {
        let parts = list.iter().take_while(|part| matches!(part, Value::List(_)));
        parts.enumerate().for_each(|(at, part)| told(part, &[section, &[at + 1]].concat(), all));
        return;
    }
    let section = if section.is_empty() { &[1][..] } else { section };
    let kind = format!("{}/{}", list[0].word(), list[1].word()).to_ascii_lowercase();
    if kind == "message/rfc822" && list.len() > 8 {
        let inner = &list[8];
        let many = matches!(inner.list().first(), Some(Value::List(_)));
        let below = if many { section.to_vec() } else { [section, &[1]].concat() };
        return told(inner, &below, all);
    }
    let section: Vec<String> = section.iter().map(usize::to_string).collect();
    all.push((section.join("."), kind, list[5].word().to_ascii_lowercase(), list[6].number().unwrap()));
}

fn fetched(imap: &mut Imap, at: usize) -> Vec<Leaf> {
    let answer = imap.good(&format!("FETCH {at} (BODYSTRUCTURE)"));
    let mut all = Vec::new();
    told(&answer.fetches()[0].1["BODYSTRUCTURE"], &[], &mut all);
    all.truncate(200);
    let one = |(section, kind, encoding, size): (String, String, String, u64)| {
        let answer = imap.good(&format!("FETCH {at} (BODY.PEEK[{section}])"));
        let (_, items) = &answer.fetches()[0];
        let octets = items[&format!("BODY[{section}]")].octets().to_vec();
        assert_eq!(octets.len() as u64, size, "message {at}: BODY[{section}] is not as long as was told");
        Leaf { section, kind, encoding, octets }
    };
    all.into_iter().map(one).collect()
}

#[test]
fn odd_messages_are_taken_apart_as_another_library_does() {
    let (Some(python), Some(server)) = (tool("python3"), ImapServer::start()) else { return };
    server.login("alice").good("NOOP");
    let files = corpus(&python);
    for (number, path) in files.iter().enumerate() {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).contains('\r');
        let octets = fs::read(path).unwrap();
        let octets =
            if text { octets.split(|byte| *byte == b'\r').collect::<Vec<_>>().concat() } else { octets };
        server.drop_file(&format!("cur/{number:05}.corpus.host:2,S"), &octets);
    }
    if files.is_empty() {
        return;
    }
    let mut imap = server.inbox("alice");
    let order = imap.good("FETCH 1:* (BODY.PEEK[])");
    let (mut wrong, mut agreed) = (Vec::new(), 0);
    let expected = expected(&python, &files);
    for (at, items) in order.fetches() {
        let text = String::from_utf8_lossy(items["BODY[]"].octets()).replace("\r\n", "\n");
        let same =
            |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).replace("\r\n", "\n") == text;
        let number =
            files.iter().position(same).unwrap_or_else(|| panic!("message {at} is none of the corpus"));
        let ours = fetched(&mut imap, at as usize);
        match &expected[number] {
            Some(theirs) if *theirs == ours => agreed += 1,
            Some(theirs) => {
                wrong.push(format!("{}:\n  Python {theirs:?}\n  server {ours:?}", files[number].display()))
            }
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {} disagree: {}", wrong.len(), wrong.len() + agreed, wrong.join("\n"));
    eprintln!("{agreed} of {} messages agreed, the others have faults", files.len());
}
