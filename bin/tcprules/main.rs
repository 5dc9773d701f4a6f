//! Compiles connection rules for tcpserver: `tcprules rules.cdb rules.tmp < rules`.
//!
//! Reads all rules before it touches a file; a rule that is none, a full disk, a power cut leave
//! the old table as it was. The language is crate `rules`; the file format is crate `cdb`.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::{self, BufRead, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rules::Compiler;
use sys::Stop;
use sys::durable::{Folder, lock, open_any};

/// Longest line, in octets.
const LONGEST: u64 = 1 << 20;

type Records = Vec<(Vec<u8>, Vec<u8>)>;

fn main() -> ExitCode {
    sys::main("tcprules", run)
}

fn run() -> Result<(), Stop> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [table, temporary] = &arguments[..] else {
        return Err(Stop::usage("tcprules rules.cdb rules.tmp"));
    };
    if table == temporary {
        return Err(Stop::permanent("rules.tmp must be another file than rules.cdb"));
    }
    let records = compile(&mut io::stdin().lock())?;
    let (new, target) = (Place::find(temporary)?, Place::find(table)?);
    let file = new.create().map_err(|error| failed("create", temporary, &error))?;
    let written =
        fill(&file, &records).map_err(|error| failed("write to", temporary, &error)).and_then(|()| {
            let moved = new.folder.rename(new.name, &target.folder, target.name);
            moved.and_then(|()| target.folder.sync()).map_err(|error| failed("move", temporary, &error))
        });
    if written.is_err() {
        let _ = new.folder.remove(new.name);
    }
    written
}

fn compile(input: &mut impl BufRead) -> Result<Records, Stop> {
    let mut compiler = Compiler::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = input.take(LONGEST).read_until(b'\n', &mut line);
        match read.map_err(|error| Stop::temporary(format!("unable to read input: {error}")))? {
            0 => return Ok(compiler.finish()),
            read if read as u64 == LONGEST => return Err(Stop::permanent("a line of more than a megabyte")),
            _ => compiler.line(&line).map_err(Stop::permanent)?,
        }
    }
}

/// A file by its folder and name.
struct Place<'a> {
    folder: Folder,
    name: &'a OsStr,
}

impl<'a> Place<'a> {
    fn find(path: &'a Path) -> Result<Place<'a>, Stop> {
        let name = path.file_name().ok_or_else(|| failed("use", path, &"not the name of a file"))?;
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder =
            open_any(folder.unwrap_or(Path::new("."))).map_err(|error| failed("use", path, &error))?;
        Ok(Place { folder, name })
    }

    /// Makes the file, and locks it against a second tcprules. A left-over of a dead one is destroyed.
    fn create(&self) -> io::Result<File> {
        match self.folder.edit(self.name) {
            Ok(old) => {
                locked(old)?;
                self.folder.remove(self.name)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        locked(self.folder.create(self.name, 0o644)?)
    }
}

fn locked(file: File) -> io::Result<File> {
    match lock(&file)? {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::WouldBlock, "another tcprules is writing it")),
    }
}

/// Writes the table, durably but for its name.
fn fill(file: &File, records: &Records) -> Result<(), cdb::Error> {
    // tcpserver may read the table after it has given up root.
    file.set_permissions(Permissions::from_mode(0o644))?;
    let mut writer = cdb::Writer::new(file)?;
    for (key, value) in records {
        writer.add(key, value)?;
    }
    writer.finish()?;
    Ok(file.sync_all()?)
}

fn failed(verb: &str, path: &Path, error: &dyn std::fmt::Display) -> Stop {
    Stop::temporary(format!("unable to {verb} {}: {error}", path.display()))
}
