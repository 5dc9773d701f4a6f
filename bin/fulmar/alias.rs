//! `fulmar alias`: names without a mailbox of their own.

use clap::Subcommand;
use control::Home;
use serde_json::{Value, json};
use sys::Stop;

use crate::admin;
use crate::show::Shape;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make an address that leads to others, or lead it elsewhere
    Add {
        /// Such as sales@example.org
        address: String,
        /// Where it leads: addresses here or anywhere
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// Remove an alias
    Del {
        /// Such as sales@example.org
        address: String,
    },
    /// All aliases of a domain
    List {
        /// Such as example.org
        domain: String,
    },
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    match verb {
        Verb::Add { address, targets } => {
            let mut words = vec!["alias-add", address];
            words.extend(targets.iter().map(String::as_str));
            admin::tell(home, &words)
        }
        Verb::Del { address } => admin::tell(home, &["alias-del", address]),
        Verb::List { domain } => {
            let aliases = admin::ask(home, &["alias-list", domain])?;
            shape.table(&["alias", "targets"], &aliases.iter().map(|line| row(line)).collect::<Vec<_>>())
        }
    }
}

/// `name@domain=target, target`. A name may hold `=`, an address behind it not.
fn row(line: &str) -> Vec<Value> {
    let (alias, targets) = line.split_once('=').unwrap_or((line, ""));
    vec![json!(alias), json!(targets.split(", ").collect::<Vec<_>>())]
}
