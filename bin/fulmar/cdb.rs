//! `fulmar cdb`: compiles every table whose text is the truth.
//!
//! One that has a mistake does not stop the others, and its old table stays in force.

use control::{Broken, Home};
use sys::Stop;

use crate::show::print;

pub(crate) fn run(home: &Home) -> Result<(), Stop> {
    let (tables, users) = (compile(home), users(home));
    tables.and(users)
}

/// The tables of rules and control files.
pub(crate) fn compile(home: &Home) -> Result<(), Stop> {
    let mut result = Ok(());
    for table in control::compile_all(home) {
        match table {
            Ok(made) => print(&format!("{}: {} records\n", made.file, made.records))?,
            Err(broken) => result = refused(&broken),
        }
    }
    result
}

/// The domains. Each compiled file belongs to whom its folder belongs to.
fn users(home: &Home) -> Result<(), Stop> {
    let mut result = Ok(());
    for domain in users::compile_all(&home.users()).map_err(Stop::temporary)? {
        if domain.problems.is_empty() {
            print(&format!("users/{}: compiled\n", domain.domain))?;
        }
        for broken in &domain.problems {
            result = refused(broken);
        }
    }
    result
}

fn refused(broken: &Broken) -> Result<(), Stop> {
    Err(Stop::permanent(broken))
}
