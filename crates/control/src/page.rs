//! control(5) and the folder `control/`, written from the table. The tests compare them with what
//! is in the tree; `FULMAR_WRITE=1 cargo test -p control` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Control, Default, Entry, File, Kind, TABLE};

/// Lists for which an empty file is not the same as a missing one.
const EMPTY_COUNTS: [&str; 3] = ["chkrcptdomains", "chksenderdomains", "locals"];

fn kind(file: &File) -> String {
    match file.kind {
        Kind::Line => "One line.".into(),
        Kind::Host => "One host name.".into(),
        Kind::Number { unit, min, max } if max == i64::MAX as u64 => {
            format!("A number, in {unit}, from {min}.")
        }
        Kind::Number { unit, min, max } => format!("A number, in {unit}, from {min} to {max}."),
        Kind::Flag => "1 or 0.".into(),
        Kind::List(entry) => format!("One a line: {}.", of(entry)),
        Kind::Map(entry) => format!("key:value lines; a key is {}.", of(entry)),
        Kind::Text => "A text.".into(),
        Kind::Folder => "A folder.".into(),
        Kind::Foreign => "No effect.".into(),
    }
}

fn of(entry: Entry) -> &'static str {
    match entry {
        Entry::Domain => "a domain, or .suffix for all names below it",
        Entry::Address => "user@host, or @host for all its users",
        Entry::Route => "a domain, .suffix, user@host, or nothing for all others",
        Entry::Network => "an address, a prefix with a dot at its end, or network/bits",
        Entry::Pattern => "a pattern",
        Entry::Word => "a word",
    }
}

fn default(file: &File) -> String {
    match file.default {
        Default::None => String::new(),
        Default::Me => "Default: the value of control/me.".into(),
        Default::Value(value) => format!("Default: {value}"),
    }
}

/// The file of `control/` that shows `file`'s default, and its use in comments.
fn sample(file: &File) -> String {
    let mut text = String::new();
    if let Default::Value(value) = file.default {
        let _ = writeln!(text, "{value}");
    }
    let default = default(file);
    for sentence in [file.sentence, &kind(file), &default] {
        wrap(&mut text, sentence);
    }
    if EMPTY_COUNTS.contains(&file.name) {
        wrap(&mut text, "Without entries this file means none; remove it to get the default.");
    }
    text
}

fn wrap(text: &mut String, sentence: &str) {
    let mut line = String::new();
    for word in sentence.split_whitespace() {
        if line.len() + word.len() > 90 {
            let _ = writeln!(text, "#{line}");
            line.clear();
        }
        let _ = write!(line, " {word}");
    }
    if !line.is_empty() {
        let _ = writeln!(text, "#{line}");
    }
}

/// Text for mdoc, one sentence a line.
fn mdoc(text: &str) -> String {
    let mut quoted = String::new();
    for (number, part) in text.replace('\\', "\\e").split('`').enumerate() {
        match number {
            0 => {}
            number => quoted.push_str(if number % 2 == 1 { "\\(lq" } else { "\\(rq" }),
        }
        quoted.push_str(part);
    }
    let lines = quoted.replace(". ", ".\n").replace("; a", ";\na");
    let guard =
        |line: &str| if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") };
    lines.lines().map(guard).collect()
}

fn item(file: &File) -> String {
    let mut text = format!(".It Pa {}\n{}", file.name, mdoc(file.sentence));
    if file.kind == Kind::Foreign {
        return text;
    }
    text += &mdoc(&kind(file));
    match file.default {
        Default::None => {}
        Default::Me => text += "Default: the value of\n.Pa me .\n",
        Default::Value(value) => {
            // A word that consists of a full stop would be taken for punctuation.
            let guard = if value.starts_with('.') { "\\&" } else { "" };
            let _ = writeln!(text, "Default:\n.Li {guard}{value} .");
        }
    }
    for (number, reader) in file.readers.iter().enumerate() {
        let end = if number + 1 == file.readers.len() { " ." } else { " ," };
        let start = if number == 0 { "Read by\n" } else { "" };
        let _ = writeln!(text, "{start}.Xr {reader} 8{end}");
    }
    text
}

fn list(title: &str, files: impl Fn(&File) -> bool) -> String {
    let items: String = TABLE.iter().filter(|file| files(file)).map(item).collect();
    format!(".Ss {title}\n.Bl -tag -width concurrencyremote\n{items}.El\n")
}

fn page() -> String {
    let mut text = include_str!("page.mdoc").to_owned();
    text += &list("Files in use", |file| !file.readers.is_empty());
    text += &list("Known files that no program uses yet", |file| {
        file.readers.is_empty() && file.kind != Kind::Foreign
    });
    text += &list("Files of qmail and IndiMail that have no effect here", |file| file.kind == Kind::Foreign);
    let readers = TABLE.iter().flat_map(|file| file.readers.iter().copied());
    let readers: BTreeSet<&str> = readers.chain(["fulmar"]).collect();
    let readers: Vec<String> = readers.iter().map(|reader| format!(".Xr {reader} 8")).collect();
    text + ".Sh SEE ALSO\n" + &readers.join(" ,\n") + "\n"
}

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn same_or_write(path: &Path, text: &str) {
    if std::env::var_os("FULMAR_WRITE").is_some() {
        fs::write(path, text).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == text,
        "{} is not what the table says: FULMAR_WRITE=1 cargo test -p control",
        path.display()
    );
}

fn has_sample(file: &File) -> bool {
    !matches!(file.kind, Kind::Folder | Kind::Foreign)
}

#[test]
fn the_manual_is_what_the_table_says() {
    same_or_write(&tree("crates/control/control.5"), &page());
}

#[test]
fn every_file_that_has_a_value_is_shown_in_the_folder_control_and_no_other() {
    let wanted: BTreeSet<String> =
        TABLE.iter().filter(|file| has_sample(file)).map(|file| file.name.to_owned()).collect();
    for file in TABLE.iter().filter(|file| has_sample(file)) {
        same_or_write(&tree("control").join(file.name), &sample(file));
    }
    let found =
        fs::read_dir(tree("control")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.filter(|name| !name.starts_with('.')).collect::<BTreeSet<_>>(), wanted);
}

#[test]
fn copying_the_folder_control_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (with, without) = (home.path().join("with"), home.path().join("without"));
    for folder in [&with, &without] {
        fs::create_dir(folder).unwrap();
        fs::write(folder.join("me"), "mail.example.org\n").unwrap();
    }
    for file in TABLE.iter().filter(|file| has_sample(file) && file.name != "me") {
        fs::write(with.join(file.name), sample(file)).unwrap();
    }
    let (with, without) = (Control::at(with), Control::at(without));
    for file in TABLE.iter().filter(|file| has_sample(file) && !EMPTY_COUNTS.contains(&file.name)) {
        let name = file.name;
        match file.kind {
            Kind::Number { .. } if file.default == Default::None => {}
            Kind::Number { .. } => assert_eq!(with.number(name), without.number(name), "{name}"),
            Kind::Flag => assert_eq!(with.flag(name), without.flag(name), "{name}"),
            Kind::List(_) | Kind::Map(_) => {
                let entries = |control: &Control| control.list(name).unwrap().unwrap_or_default();
                assert_eq!(entries(&with), entries(&without), "{name}");
            }
            Kind::Text => assert_eq!(with.whole(name), without.whole(name), "{name}"),
            _ => assert_eq!(with.line(name), without.line(name), "{name}"),
        }
    }
}
