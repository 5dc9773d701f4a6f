//! Reading control files. Nothing is kept: every call reads the file as it is now.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::broken::short;
use crate::grammar::{self, Fault, Line};
use crate::lookup::{Records, damaged};
use crate::{Broken, Default, File, Home, Kind, Table, file, mailhost, network, networks, stamp};

/// Longest file that is read as one text: a megabyte.
const LONGEST_TEXT: usize = 1 << 20;

/// The control files of a house. Opening is free of cost; reading is done by each call.
#[derive(Clone, Debug)]
pub struct Control {
    folder: PathBuf,
}

impl Control {
    /// The control files of `home`.
    pub fn open(home: &Home) -> Control {
        Control::at(home.control())
    }

    /// The control files in `folder`.
    pub fn at(folder: impl Into<PathBuf>) -> Control {
        Control { folder: folder.into() }
    }

    /// Where the file `name` is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The full name of this host. An error when it is missing or empty: nothing works without it.
    pub fn me(&self) -> Result<String, Broken> {
        self.line("me")?.ok_or_else(|| {
            Broken::new(
                "control/me",
                "missing",
                "write the full name of this host into it, such as mail.example.org",
            )
        })
    }

    /// The value of a one-line file, or its default. `None`: missing, and there is no default.
    pub fn line(&self, name: &str) -> Result<Option<String>, Broken> {
        let file = known(name)?;
        let Some(line) = self.single(file)? else { return self.fallback(file) };
        let text = utf8(file, &line)?;
        if text.is_empty() && file.kind == Kind::Host {
            return Err(wrong(file, &line, "empty", "write a host name, or remove the file for the default"));
        }
        Ok(Some(text))
    }

    /// The value of a one-line file, or its default; an error when there is neither.
    pub fn text(&self, name: &str) -> Result<String, Broken> {
        match self.line(name)? {
            Some(text) => Ok(text),
            None => Err(Broken::new(
                format!("control/{name}"),
                "missing",
                "make the file; control(5) says what for",
            )),
        }
    }

    /// The value of a number file, or its default. What is no number, or out of bounds, is an
    /// error; so is an empty file, which may be one that is being written.
    pub fn number(&self, name: &str) -> Result<u64, Broken> {
        let file = known(name)?;
        let Kind::Number { min, max, unit } = file.kind else { return Err(misused(file, "number")) };
        let line = match self.single(file)? {
            Some(line) => line,
            None => Line { number: 1, text: self.fallback(file)?.unwrap_or_default().into_bytes() },
        };
        let cure =
            || format!("write {unit} in digits, from {min} to {max}, or remove the file for the default");
        let digits = !line.text.is_empty() && line.text.iter().all(u8::is_ascii_digit);
        let text = utf8(file, &line)?;
        match text.parse::<u64>() {
            Ok(number) if digits && (min..=max).contains(&number) => Ok(number),
            _ if digits => Err(wrong(file, &line, format!("{text} is out of bounds"), cure())),
            _ => Err(wrong(file, &line, format!("`{text}` is not a number"), cure())),
        }
    }

    /// Is a flag file there and does it hold `1`?
    pub fn flag(&self, name: &str) -> Result<bool, Broken> {
        let file = known(name)?;
        match self.line(name)?.as_deref() {
            None | Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(_) => Err(Broken::new(
                format!("control/{}", file.name),
                "neither 1 nor 0",
                "write 1 for on, 0 for off",
            )),
        }
    }

    /// The lines of a list or map file in their order, or its default; a cdb is not asked.
    /// `None`: missing, no default.
    pub fn list(&self, name: &str) -> Result<Option<Vec<String>>, Broken> {
        let file = known(name)?;
        let Some(lines) = self.entries(file)? else { return Ok(self.fallback(file)?.map(|me| vec![me])) };
        lines.iter().map(|line| utf8(file, line)).collect::<Result<_, _>>().map(Some)
    }

    /// Refuses places of users (the file `users`) that nothing can be asked of: it would look as if
    /// the users there did not exist.
    pub fn known_backends(&self) -> Result<(), Broken> {
        match self.list("users")?.unwrap_or_default().into_iter().find(|backend| !is_backend(backend)) {
            None => Ok(()),
            Some(other) => {
                // It may hold a password.
                let other = other.split("://").next().unwrap_or_default();
                let problem = format!("`{other}` is not a place of users that this version knows");
                let cure = "write cdb, system, sqlite:PATH, postgres://..., mysql://..., or remove the file";
                Err(Broken::new("control/users", problem, cure))
            }
        }
    }

    /// A list or map to be asked: the cdb where there is one, else the text, else the default.
    pub fn table(&self, name: &str) -> Result<Table, Broken> {
        let file = known(name)?;
        if let Some(table) = self.compiled(file)? {
            return Ok(table);
        }
        match self.entries(file)? {
            Some(lines) => Ok(Table::text(records(file.kind, self.members(file, lines)), true)),
            None => {
                let default = self
                    .fallback(file)?
                    .map(|value| (value.to_ascii_lowercase().into_bytes(), (0, Vec::new())));
                Ok(Table::text(default.into_iter().collect(), false))
            }
        }
    }

    /// The table of a file such as mailhosts. A text in which a line names no host is broken as a whole.
    pub fn hosts(&self, name: &str) -> Result<Table, Broken> {
        let file = known(name)?;
        if let Some(table) = self.compiled(file)? {
            return Ok(table);
        }
        let lines = self.entries(file)?;
        for line in lines.iter().flatten() {
            mailhost::named(&line.text).map_err(|problem| wrong(file, line, problem, mailhost::CURE))?;
        }
        let exists = lines.is_some();
        Ok(Table::text(records(file.kind, lines.unwrap_or_default()), exists))
    }

    /// The whole of a text file without its comments, at most a megabyte. `None`: missing, or
    /// nothing but comments.
    pub fn whole(&self, name: &str) -> Result<Option<String>, Broken> {
        let file = known(name)?;
        let Some(from) = self.open_text(file)? else { return Ok(None) };
        let (mut text, mut comments) = (String::new(), false);
        for line in grammar::Lines::new(from) {
            let line = line.map_err(|fault| fault_in(&self.shown(file), fault))?;
            if line.is_comment() {
                comments = true;
                continue;
            }
            text.push_str(&utf8(file, &line)?);
            text.push('\n');
            if text.len() > LONGEST_TEXT {
                return Err(wrong(file, &line, "longer than a megabyte", "write a shorter text"));
            }
        }
        Ok((!text.is_empty() || !comments).then_some(text))
    }

    /// Is mail for `domain` received here by rcpthosts or morercpthosts? Nothing that is missing
    /// says yes. Accounts are another question: `lookup` knows them.
    pub fn receives(&self, domain: &str) -> Result<bool, Broken> {
        for name in ["rcpthosts", "morercpthosts"] {
            if self.table(name)?.domain(domain)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The table `name` from another file of `control/`: what RELAYCLIENTS and the like name. It has to be there.
    pub fn table_in(&self, name: &str, other: &str) -> Result<Table, Broken> {
        let plain = !other.is_empty() && !other.starts_with('.') && !other.contains('/');
        let there = plain && is_there(&self.folder.join(other))?;
        if !there {
            let problem = format!("`{}` is no file of control/ to take {name} from", other.escape_debug());
            return Err(Broken::new("control", problem, "name one that is there, without a path"));
        }
        let file = known(name)?;
        let from = File { name: "", ..*file };
        let path = self.folder.join(other);
        let text = fs::File::open(&path).map_err(|error| Broken::io(short(&path), &error))?;
        let lines: Result<_, _> = grammar::entries(BufReader::new(text)).collect();
        let lines = lines.map_err(|fault| fault_in(&short(&path), fault))?;
        Ok(Table::text(records(from.kind, self.members(&from, lines)), true))
    }

    /// The number of the line that gives the table `name` this key, for people; the last of several counts.
    pub fn line_of(&self, name: &str, key: &[u8]) -> Option<usize> {
        let file = known(name).ok()?;
        let lines = self.entries(file).ok()??;
        records(file.kind, self.members(file, lines)).get(key).map(|(line, _)| *line)
    }

    /// The lines with the members of networks in place of their names. A network that is missing has none.
    fn members(&self, file: &File, lines: Vec<Line>) -> Vec<Line> {
        if !file.kind.is_of_networks() {
            return lines;
        }
        let folder = networks::folder(&self.folder.join(file.name));
        let expand = |line: Line| {
            networks::expand(&folder, line).unwrap_or_else(|broken| {
                say_once(&broken.to_string());
                Vec::new()
            })
        };
        lines.into_iter().flat_map(expand).collect()
    }

    fn fallback(&self, file: &File) -> Result<Option<String>, Broken> {
        match file.default {
            Default::None => Ok(None),
            Default::Me => self.me().map(Some),
            Default::Value(value) => Ok(Some(value.to_owned())),
        }
    }

    fn compiled(&self, file: &File) -> Result<Option<Table>, Broken> {
        let path = self.folder.join(format!("{}.cdb", file.name));
        if !is_there(&path)? {
            return Ok(None);
        }
        let records = cdb::Cdb::open(&path).map_err(|error| damaged(&path, &error))?;
        let text = self.folder.join(file.name);
        if stamp::is_stale(&records, &text).map_err(|error| damaged(&path, &error))? {
            warn_once(&path);
        }
        Table::compiled(records, path).map(Some)
    }

    fn single(&self, file: &File) -> Result<Option<Line>, Broken> {
        let Some(from) = self.open_text(file)? else { return Ok(None) };
        grammar::single(from).map_err(|fault| fault_in(&self.shown(file), fault))
    }

    fn entries(&self, file: &File) -> Result<Option<Vec<Line>>, Broken> {
        let Some(from) = self.open_text(file)? else { return Ok(None) };
        let lines: Result<_, _> = grammar::entries(from).collect();
        lines.map(Some).map_err(|fault| fault_in(&self.shown(file), fault))
    }

    /// `None`: there is no such file. A folder, a FIFO, an unreadable file is an error.
    fn open_text(&self, file: &File) -> Result<Option<impl BufRead + use<>>, Broken> {
        let path = self.folder.join(file.name);
        if !is_there(&path)? {
            return Ok(None);
        }
        match fs::File::open(&path) {
            Ok(text) => Ok(Some(BufReader::new(text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Broken::io(short(&path), &error)),
        }
    }

    fn shown(&self, file: &File) -> String {
        short(&self.folder.join(file.name))
    }
}

fn is_backend(name: &str) -> bool {
    let prefixes = ["sqlite:", "postgres://", "postgresql://", "mysql://", "mariadb://"];
    matches!(name, "cdb" | "system") || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn known(name: &str) -> Result<&'static File, Broken> {
    let unknown =
        || Broken::new(format!("control/{name}"), "not in the table of control files", "this is a bug");
    file(name).ok_or_else(unknown)
}

fn misused(file: &File, kind: &str) -> Broken {
    Broken::new(format!("control/{}", file.name), format!("read as a {kind}"), "this is a bug")
}

fn wrong(file: &File, line: &Line, problem: impl Into<String>, cure: impl Into<String>) -> Broken {
    Broken::new(format!("control/{}", file.name), problem, cure).at(line.number)
}

fn utf8(file: &File, line: &Line) -> Result<String, Broken> {
    String::from_utf8(line.text.clone()).map_err(|_| wrong(file, line, "not UTF-8", "save the file as UTF-8"))
}

/// False: nothing of this name. What is there must be a regular file.
fn is_there(path: &Path) -> Result<bool, Broken> {
    let followed = |seen: fs::Metadata| if seen.is_symlink() { fs::metadata(path) } else { Ok(seen) };
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        // A link that leads nowhere is not the same as no file.
        seen => match seen.and_then(followed) {
            Ok(seen) if seen.is_file() => Ok(true),
            Ok(_) => Err(Broken::new(short(path), "not a regular file", "put a regular file in its place")),
            Err(error) => Err(Broken::io(short(path), &error)),
        },
    }
}

/// Lines as the records of a table, keys in lower case; of two lines with one key the later wins.
pub(crate) fn records(kind: Kind, lines: Vec<Line>) -> Records {
    let is_map = matches!(kind, Kind::Map(_));
    let key = |key: &[u8]| match kind.is_of_networks() {
        true => network::canonical(&key.to_ascii_lowercase()),
        false => key.to_ascii_lowercase(),
    };
    let record = |line: Line| match is_map {
        false => Some((key(&line.text), (line.number, Vec::new()))),
        true => grammar::pair(&line.text).map(|(name, value)| (key(name), (line.number, value.to_vec()))),
    };
    lines.into_iter().filter_map(record).collect()
}

pub(crate) fn fault_in(file: &str, fault: Fault) -> Broken {
    match fault {
        Fault::Io(error) => Broken::io(file, &error),
        Fault::Nul(line) => Broken::new(file, "a NUL octet", "this is no text file; write it anew").at(line),
        Fault::TooLong(line) => {
            let problem = format!("longer than {} octets", grammar::LONGEST);
            Broken::new(file, problem, "write shorter lines").at(line)
        }
    }
}

/// Says once in the life of a process that a cdb is older than its text.
fn warn_once(path: &Path) {
    say_once(&format!("{}: its text has been changed; run fulmar cdb", short(path)));
}

fn say_once(warning: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.to_owned()) {
        sys::log!("{}: warning: {warning}", sys::logging::name());
    }
}
