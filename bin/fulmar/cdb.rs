//! `fulmar cdb`: compiles every table whose text is the truth.
//!
//! One that has a mistake does not stop the others, and its old table stays in force.

use control::Home;
use sys::Stop;

use crate::admin;
use crate::show::print;

pub(crate) fn run(home: &Home) -> Result<(), Stop> {
    let tables = compile(home);
    let users = admin::ask(home, &[b"admin", b"compile"]).and_then(|said| print(&lines(&said)));
    tables.and(users)
}

/// The tables that need no service to be running: rules and control files.
pub(crate) fn compile(home: &Home) -> Result<(), Stop> {
    let mut result = Ok(());
    for table in control::compile_all(home) {
        match table {
            Ok(made) => print(&format!("{}: {} records\n", made.file, made.records))?,
            Err(broken) => result = Err(Stop::permanent(broken)),
        }
    }
    result
}

fn lines(said: &[String]) -> String {
    said.iter().map(|line| format!("{line}\n")).collect()
}
