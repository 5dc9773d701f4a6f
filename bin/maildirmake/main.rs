//! `maildirmake`: makes Maildirs.

use std::path::Path;
use std::process::ExitCode;

use maildir::Maildir;
use sys::Stop;

fn main() -> ExitCode {
    sys::main("maildirmake", run)
}

fn run() -> Result<(), Stop> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    if paths.is_empty() || paths[0].as_encoded_bytes().starts_with(b"-") {
        return Err(Stop::usage("maildirmake folder ..."));
    }
    for path in &paths {
        make(Path::new(path))?;
    }
    Ok(())
}

fn make(path: &Path) -> Result<(), Stop> {
    if path.symlink_metadata().is_ok() {
        return Err(Stop::temporary(format_args!("{}: is there already", path.display())));
    }
    let made = Maildir::create(path);
    made.map(drop).map_err(|error| Stop::temporary(format_args!("can't make {}: {error}", path.display())))
}
