//! `fulmar domain`: the domains that this server receives mail for.

use clap::Subcommand;
use control::Home;
use serde_json::Value;
use sys::Stop;

use crate::admin;
use crate::show::Shape;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Receive mail for a domain
    Add {
        /// Such as example.org
        name: String,
        /// Such as postmaster=alice@example.org, quota=500M, alias-of=example.net
        #[arg(value_name = "SETTING=VALUE")]
        settings: Vec<String>,
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
        Verb::Add { name, settings } => {
            let mut words = vec!["domain-add", name];
            words.extend(settings.iter().map(String::as_str));
            admin::tell(home, &words)
        }
        Verb::Del { name } => admin::tell(home, &["domain-del", name]),
        Verb::List => {
            let names = admin::ask(home, &["domain-list"])?;
            let rows: Vec<_> = names.into_iter().map(|name| vec![Value::from(name)]).collect();
            shape.table(&["domain"], &rows)
        }
    }
}
