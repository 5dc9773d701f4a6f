//! `fulmar domain`: the domains that this server receives mail for.

use clap::Subcommand;
use control::Home;
use serde_json::Value;
use sys::Stop;

use crate::admin;
use crate::show::{Shape, print};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Receive mail for a domain
    Add {
        /// Such as example.org
        name: String,
    },
    /// Stop receiving mail for a domain that has no users left
    Del {
        /// Such as example.org
        name: String,
    },
    /// All domains
    List,
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    match verb {
        Verb::Add { name } => {
            admin::ask(home, &[b"admin", b"domain-add", name.as_bytes()])?;
            print(&format!("{name} is ours now; next: fulmar user add postmaster@{name}\n"))
        }
        Verb::Del { name } => {
            admin::ask(home, &[b"admin", b"domain-del", name.as_bytes()])?;
            print(&format!("{name} is no longer ours\n"))
        }
        Verb::List => {
            let names = admin::ask(home, &[b"admin", b"domain-list"])?;
            let rows: Vec<_> = names.into_iter().map(|name| vec![Value::from(name)]).collect();
            shape.table(&["domain"], &rows)
        }
    }
}
