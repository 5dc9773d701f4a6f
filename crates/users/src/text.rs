//! The text files of one domain, read into records.
//!
//! A line that is wrong gives a problem with its number and cure, and a record that makes questions
//! about this very name end in "later", never in "no such user". Knows nothing of other domains.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use control::Broken;
use control::grammar::{self, Fault, Line};
use sys::durable::Folder;

use crate::account::{Account, Route, Settings, targets};
use crate::name::{self, local};
use crate::record::{self, Key};

/// The files of a domain, in the order in which they are read: a name's first entry counts.
pub(crate) const FILES: [&str; 5] = ["domain", "routes", "accounts", "aliases", "passwords"];

/// What the texts of a domain say.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// Records as they stand in the compiled file.
    pub(crate) records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Lines that are wrong.
    pub(crate) problems: Vec<Broken>,
    /// Size and time of each file as it was read.
    pub(crate) stamp: String,
}

/// Reads the texts in `folder`, the domain's. An error: a file cannot be read at all.
pub(crate) fn read(folder: &Folder, domain: &str) -> Result<Sheet, Broken> {
    let mut sheet = Sheet::default();
    let mut reader =
        Reader { sheet: &mut sheet, domain, file: "", settings: Settings::default(), first: BTreeMap::new() };
    for file in FILES {
        let open = open(folder, file).map_err(|error| unreadable(domain, file, &error))?;
        let seen = match &open {
            Some(open) => Some(open.metadata().map_err(|error| unreadable(domain, file, &error))?),
            None => None,
        };
        reader.sheet.stamp.push_str(&stamp(file, seen.as_ref()));
        if let Some(open) = open {
            reader.read(file, open)?;
        }
    }
    reader.finish();
    Ok(sheet)
}

/// Size and time of each file in the domain's folder at `path`, to be compared with [`Sheet::stamp`].
pub(crate) fn stamp_of(path: &Path) -> String {
    FILES.iter().map(|file| stamp(file, path.join(file).metadata().ok().as_ref())).collect()
}

fn stamp(file: &str, seen: Option<&Metadata>) -> String {
    match seen {
        Some(seen) => format!("{file} {} {}.{:09}\n", seen.len(), seen.mtime(), seen.mtime_nsec()),
        None => format!("{file} -\n"),
    }
}

fn open(folder: &Folder, file: &str) -> io::Result<Option<File>> {
    match folder.read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

pub(crate) fn unreadable(domain: &str, file: &str, error: &io::Error) -> Broken {
    let shown = format!("users/{domain}/{file}");
    match error.kind() {
        ErrorKind::PermissionDenied => Broken::new(
            shown,
            format!("uid {} cannot read it: {error}", sys::uid()),
            "as root: fulmar cdb, which gives it to the user that lookup runs as",
        ),
        _ => Broken::io(shown, error),
    }
}

struct Reader<'a> {
    sheet: &'a mut Sheet,
    domain: &'a str,
    file: &'static str,
    settings: Settings,
    /// In which line of the present file a name was first met.
    first: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn read(&mut self, file: &'static str, text: File) -> Result<(), Broken> {
        (self.file, self.first) = (file, BTreeMap::new());
        for line in grammar::entries(BufReader::new(text)) {
            let line = line.map_err(|fault| self.fault(fault))?;
            let number = line.number;
            if let Err((name, problem)) = self.line(line) {
                self.problem(number, name, problem);
            }
        }
        Ok(())
    }

    /// The error: the name that the line is about, as far as that can be told, and a sentence.
    fn line(&mut self, line: Line) -> Result<(), (String, String)> {
        let number = line.number;
        let nobody = |problem: &str| (String::new(), problem.to_owned());
        let text = String::from_utf8(line.text).map_err(|_| nobody("not UTF-8"))?;
        if self.file == "domain" {
            return self.settings.take(text.trim(), self.domain).map_err(|problem| (String::new(), problem));
        }
        let end = text.find(|c: char| c == ':' || c.is_whitespace()).unwrap_or(text.len());
        let word = &text[..end];
        let name = self.name(word).map_err(|fault| nobody(&format!("`{word}`: {fault}")))?;
        let Some(rest) = text[end..].trim_start().strip_prefix(':') else {
            return Err((name, format!("no colon behind `{word}`")));
        };
        if let Some(first) = self.first.get(&name) {
            let problem = format!("`{name}` stands in line {first} already");
            // The first line holds; this one takes nothing away from it.
            self.report(number, problem);
            return Ok(());
        }
        self.first.insert(name.clone(), number);
        self.entry(&name, rest.trim_start()).map_err(|problem| (name, problem))
    }

    fn name(&self, word: &str) -> Result<String, name::Fault> {
        match self.file {
            "accounts" | "passwords" => name::account(word),
            _ => local(word),
        }
    }

    fn entry(&mut self, name: &str, rest: &str) -> Result<(), String> {
        match self.file {
            "passwords" => {
                self.sheet.records.insert(record::key(Key::Password, name), rest.trim_end().into());
            }
            "accounts" => {
                let account = Account::parse(rest, self.domain)?;
                self.insert(name, record::account(&account));
            }
            "aliases" => {
                let list = targets(rest, self.domain)?;
                self.insert(name, record::alias(&list));
            }
            _ => {
                let route = Route::parse(rest)?;
                self.insert(name, record::route(&route));
            }
        }
        Ok(())
    }

    /// A name's first entry says where its mail goes; its account is found beside that all the same.
    fn insert(&mut self, name: &str, value: Vec<u8>) {
        let key = record::key(Key::Entry, name);
        if !self.sheet.records.contains_key(&key) {
            self.sheet.records.insert(key, value);
        } else if self.file == "accounts" {
            self.sheet.records.insert(record::key(Key::Account, name), value);
        }
    }

    fn problem(&mut self, number: usize, name: String, problem: String) {
        let broken = self.report(number, problem);
        let value = record::broken(&broken);
        match self.file {
            // A password that cannot be told matches nothing.
            "passwords" => {}
            "domain" => {
                self.sheet.records.insert(record::key(Key::Settings, ""), value);
            }
            _ => self.insert(&name, value),
        }
    }

    fn report(&mut self, number: usize, problem: String) -> Broken {
        let file = format!("users/{}/{}", self.domain, self.file);
        let broken = Broken::new(file, problem, "correct the line, see users(5); then fulmar cdb").at(number);
        self.sheet.problems.push(broken.clone());
        broken
    }

    fn fault(&self, fault: Fault) -> Broken {
        let file = format!("users/{}/{}", self.domain, self.file);
        match fault {
            Fault::Io(error) => unreadable(self.domain, self.file, &error),
            Fault::Nul(line) => {
                Broken::new(file, "a NUL octet", "this is no text file; write it anew").at(line)
            }
            Fault::TooLong(line) => {
                Broken::new(file, "longer than 65536 octets", "split the list into several aliases").at(line)
            }
        }
    }

    fn finish(self) {
        let settings = record::settings(&self.settings);
        self.sheet.records.entry(record::key(Key::Settings, "")).or_insert(settings);
    }
}

/// Reads `users/defaults`, which has the settings of a domain. A wrong line is an error.
pub(crate) fn defaults(users: &Folder) -> Result<Settings, Broken> {
    let mut settings = Settings::default();
    let Some(file) = open(users, "defaults").map_err(|error| unreadable_defaults(&error))? else {
        return Ok(settings);
    };
    for line in grammar::entries(BufReader::new(file)) {
        let cure = "correct the line, see users(5)";
        let broken = |problem: &str| Broken::new("users/defaults", problem, cure);
        let line = line.map_err(|fault| match fault {
            Fault::Io(error) => unreadable_defaults(&error),
            Fault::Nul(line) | Fault::TooLong(line) => broken("this is no text").at(line),
        })?;
        let text = String::from_utf8(line.text).map_err(|_| broken("not UTF-8").at(line.number))?;
        settings.take(text.trim(), "").map_err(|problem| broken(&problem).at(line.number))?;
    }
    Ok(settings)
}

pub(crate) fn unreadable_defaults(error: &io::Error) -> Broken {
    Broken::io("users/defaults", error)
}
