//! `fulmar cdb`: compiles every table whose text is the truth.
//!
//! One that has a mistake does not stop the others, and its old table stays in force.

use std::os::unix::fs::MetadataExt;

use clap::Args;
use control::{Broken, Home, Role, Uids};
use sys::Stop;

use crate::show::print;

#[derive(Args)]
pub(crate) struct Options {
    /// Control files to compile, whether there is a cdb beside them or not, such as relayclients
    /// [default: rules, users, and the control files beside which there is a cdb]
    names: Vec<String>,
}

pub(crate) fn command(home: &Home, options: &Options) -> Result<(), Stop> {
    if options.names.is_empty() {
        return run(home);
    }
    options.names.iter().try_for_each(|name| {
        let made = control::compile(home, name).map_err(Stop::permanent)?;
        print(&format!("{}: {} records\n", made.file, made.records))
    })
}

pub(crate) fn run(home: &Home) -> Result<(), Stop> {
    let (tables, users, assigned) = (compile(home), users(home), crate::assign::compile(home));
    tables.and(users).and(assigned)
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

/// The domains. Each compiled file belongs to whom its folder belongs to, and texts that root has saved
/// go back to `lookup`.
fn users(home: &Home) -> Result<(), Stop> {
    let mut result = Ok(());
    for broken in give_back(home) {
        result = refused(&broken);
    }
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

/// Only by root, and only in a house whose folder of users belongs to `lookup`.
fn give_back(home: &Home) -> Vec<Broken> {
    let lookup = Uids::read(home).and_then(|uids| uids.identity(Role::Users)).ok().flatten();
    let owner = home.users().metadata().map(|seen| seen.uid());
    match (lookup, owner) {
        (Some(lookup), Ok(owner)) if owner == lookup.uid => users::give_back(&home.users(), &lookup),
        _ => Vec::new(),
    }
}

fn refused(broken: &Broken) -> Result<(), Stop> {
    Err(Stop::permanent(broken))
}
