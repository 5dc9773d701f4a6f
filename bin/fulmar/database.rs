//! `fulmar database`: the tables of the databases that `control/users` names. `lookup` alone speaks to them.

use clap::Subcommand;
use control::Home;
use sys::Stop;

use crate::admin;
use crate::show::print;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make the tables, or bring them to the newest version; SQLite's are made by lookup itself
    Migrate,
}

pub(crate) fn run(home: &Home, verb: &Verb) -> Result<(), Stop> {
    match verb {
        Verb::Migrate => {
            let told = admin::ask(home, &["database-migrate"])?;
            print(&told.iter().map(|line| format!("{line}\n")).collect::<String>())
        }
    }
}
