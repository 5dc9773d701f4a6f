//! `fulmar domain`: the domains that this server receives mail for.

mod dns;

use clap::Subcommand;
use control::Home;
use serde_json::Value;
use sys::Stop;

use crate::show::{Shape, print};
use crate::{admin, run_lines};

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
    /// What to publish for a domain: its DNS records, or a file for mail programs that look for their settings
    Dns {
        /// Such as example.org
        name: String,
        /// Print config-v1.1.xml, as Thunderbird and others want it
        #[arg(long, conflicts_with = "autodiscover")]
        autoconfig: bool,
        /// Print autodiscover.xml, as Outlook wants it
        #[arg(long)]
        autodiscover: bool,
    },
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    match verb {
        Verb::Add { name, settings } => {
            let mut words = vec!["domain-add", name];
            words.extend(settings.iter().map(String::as_str));
            admin::tell(home, &words)
        }
        Verb::Del { name } => admin::tell(home, &["domain-del", name]),
        Verb::Dns { name, autoconfig, autodiscover } => {
            let fault = |fault| Stop::permanent(format_args!("`{}`: {fault}", name.escape_debug()));
            let (name, served) = (users::name::domain(name).map_err(fault)?, run_lines::served(home));
            let host = control::Control::open(home).me().map_err(Stop::temporary)?;
            print(&match (autoconfig, autodiscover) {
                (true, _) => dns::autoconfig(&name, &host, &served),
                (_, true) => dns::autodiscover(&host, &served),
                _ => dns::zone(&name, &host, &served),
            })
        }
        Verb::List => {
            let names = admin::ask(home, &["domain-list"])?;
            let rows: Vec<_> = names.into_iter().map(|name| vec![Value::from(name)]).collect();
            shape.table(&["domain"], &rows)
        }
    }
}
