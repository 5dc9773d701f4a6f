//! From texts to the cdb files beside them. The text is the truth: a cdb can always be made anew.
//!
//! A text with an error in it is not compiled and the old cdb stays. Each cdb bears the stamp of
//! its text, so that readers can tell when it has been forgotten.

use std::fs;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use crate::broken::short;
use crate::check::{self, Severity};
use crate::grammar::{self, Line};
use crate::read::{fault_in, records};
use crate::{Broken, Home, TABLE, file, network, networks, stamp};

/// A cdb that has been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// Its name, such as `control/morercpthosts.cdb`.
    pub file: String,
    /// Records in it, its stamp not counted.
    pub records: usize,
}

/// Makes every cdb that is due: of morercpthosts, of the control files beside which there is one
/// already, and of all rule files `etc/tcp.*`. One that fails does not stop the others.
pub fn compile_all(home: &Home) -> Vec<Result<Compiled, Broken>> {
    let control = home.control();
    let due = |name: &str| name == "morercpthosts" || is_there(&control.join(format!("{name}.cdb")));
    let tables = TABLE.iter().filter(|file| file.kind.compiles() && due(file.name));
    let tables =
        tables.filter(|file| is_there(&control.join(file.name))).map(|file| compile(home, file.name));
    let rules = match rule_files(home) {
        Ok(files) => files.iter().map(|path| compile_rules(path)).collect(),
        Err(broken) => vec![Err(broken)],
    };
    tables.chain(rules).collect()
}

/// What can't be looked at is there: whoever opens it tells the trouble.
fn is_there(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Makes the cdb of the control file `name`, whether there is one or not.
pub fn compile(home: &Home, name: &str) -> Result<Compiled, Broken> {
    let shown = format!("control/{name}");
    let table = file(name).filter(|file| file.kind.compiles());
    let Some(table) = table else {
        return Err(Broken::new(shown, "is not a list or map", "only lists and maps are compiled"));
    };
    if check::SECRET.contains(&name) {
        let cure = "leave it as text, which few may read: a cdb beside it could be read by everybody";
        return Err(Broken::new(shown, "holds secrets", cure));
    }
    let path = home.control().join(name);
    let (lines, stamp) = read(&path)?;
    let mut entries: Vec<Line> =
        lines.into_iter().filter(|line| !line.is_comment() && !line.text.is_empty()).collect();
    if table.kind.is_of_networks() {
        entries = expand(&path, entries)?;
    }
    refuse_errors(check::entries(table, &entries))?;
    let records = records(table.kind, entries);
    let forms = table.kind.is_of_networks().then(|| network::forms(records.keys().map(Vec::as_slice)));
    let forms = forms.map(|forms| (network::FORMS.to_vec(), forms));
    let records: Vec<_> = records.into_iter().map(|(key, (_, value))| (key, value)).collect();
    let count = records.len();
    let made = write(&path, records.into_iter().chain(forms), stamp)?;
    Ok(Compiled { records: count, ..made })
}

/// Makes the cdb of the rule file `path`.
pub fn compile_rules(path: &Path) -> Result<Compiled, Broken> {
    let (lines, stamp) = read(path)?;
    let mut compiler = rules::Compiler::default();
    for line in lines {
        // The compiler counts lines for itself; of a network's members only the first is a line of this file.
        for member in expand(path, vec![line])? {
            let taken = compiler.line(&member.text);
            taken.map_err(|fault| Broken::new(short(path), fault.problem, fault.cure).at(member.number))?;
        }
    }
    write(path, compiler.finish(), stamp)
}

/// The rule files of the house: `etc/tcp.*`, without their tables and what editors leave.
pub(crate) fn rule_files(home: &Home) -> Result<Vec<PathBuf>, Broken> {
    let folder = home.etc();
    let seen = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        seen => seen.map_err(|error| Broken::io(short(&folder), &error))?,
    };
    let mut files = Vec::new();
    for entry in seen {
        let entry = entry.map_err(|error| Broken::io(short(&folder), &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("tcp.") && !name.ends_with(".cdb") && !check::is_left_over(&name) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// The lines with the members of the networks that they name; the first network that is missing is told with the
/// line that names it.
fn expand(text: &Path, lines: Vec<Line>) -> Result<Vec<Line>, Broken> {
    let folder = networks::folder(text);
    let mut all = Vec::with_capacity(lines.len());
    for line in lines {
        let number = line.number;
        let told = |broken: Broken| {
            let problem = format!("{}: {}", broken.file, broken.problem);
            Broken::new(short(text), problem, broken.cure).at(number)
        };
        all.extend(networks::expand(&folder, line).map_err(told)?);
    }
    Ok(all)
}

/// All lines of a text and the stamp of what was read.
fn read(path: &Path) -> Result<(Vec<Line>, Vec<u8>), Broken> {
    let io = |error| Broken::io(short(path), &error);
    let seen = fs::metadata(path).map_err(io)?;
    if !seen.is_file() {
        return Err(Broken::new(short(path), "not a regular file", "put a regular file in its place"));
    }
    let text = fs::File::open(path).map_err(io)?;
    let seen = text.metadata().map_err(io)?;
    let lines: Result<Vec<Line>, _> = grammar::Lines::new(BufReader::new(text)).collect();
    let lines = lines.map_err(|fault| fault_in(&short(path), fault))?;
    let stamp = stamp::with_networks(path, &seen, &networks::names(lines.iter()));
    Ok((lines, stamp))
}

fn refuse_errors(problems: Vec<check::Problem>) -> Result<(), Broken> {
    match problems.into_iter().find(|problem| problem.severity == Severity::Error) {
        Some(problem) => Err(problem.into()),
        None => Ok(()),
    }
}

fn write(
    text: &Path,
    records: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    stamp: Vec<u8>,
) -> Result<Compiled, Broken> {
    let mut path = text.as_os_str().to_owned();
    path.push(".cdb");
    let path = PathBuf::from(path);
    let records: Vec<_> = records.into_iter().collect();
    let count = records.len();
    let bytes = cdb::build(records.into_iter().chain([(stamp::KEY.to_vec(), stamp)]));
    let bytes = bytes.map_err(|error| Broken::new(short(&path), error.to_string(), "split the text"))?;
    sys::durable::replace(&path, &bytes, 0o644).map_err(|error| Broken::io(short(&path), &error))?;
    Ok(Compiled { file: short(&path), records: count })
}
