//! `fulmar user`: who has an account, with which password, quota and delivery.

use clap::{Args, Subcommand};
use control::Home;
use serde_json::Value;
use sys::Stop;

use crate::show::Shape;
use crate::{admin, password};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Add a user with a mailbox
    Add(New),
    /// Change a user's settings
    Set {
        /// Such as alice@example.org
        address: String,
        /// Such as quota=1G, forward=bob@example.net, disabled=moved; without a value: as usual
        #[arg(value_name = "SETTING=VALUE", required = true)]
        settings: Vec<String>,
    },
    /// Remove a user; the mail in the mailbox stays on disk
    Del {
        /// Such as alice@example.org
        address: String,
    },
    /// Set a user's password
    Passwd {
        /// Such as alice@example.org
        address: String,
        #[command(flatten)]
        password: password::Source,
    },
    /// All users of a domain
    List {
        /// Such as example.org
        domain: String,
    },
    /// What is known of one user
    Show {
        /// Such as alice@example.org
        address: String,
    },
}

#[derive(Args)]
pub(crate) struct New {
    /// Such as alice@example.org
    address: String,
    #[command(flatten)]
    password: password::Source,
    /// Ask for no password: nobody can log in as this user
    #[arg(long, conflicts_with_all = ["password", "plain", "scram"])]
    no_password: bool,
    /// How much the mailbox may hold, such as 500M
    #[arg(long, value_name = "SIZE")]
    quota: Option<String>,
    /// What becomes of the user's mail
    #[arg(long, value_parser = ["mailbox", "forward", "both", "qmail"])]
    deliver: Option<String>,
    /// Take what is for NAME-anything, too; for the user `default`: what is for nobody else
    #[arg(long)]
    wildcard: bool,
    /// Where to forward it; may be given more than once
    #[arg(long, value_name = "ADDRESS")]
    forward: Vec<String>,
}

impl New {
    fn settings(&self) -> Vec<String> {
        let quota = self.quota.iter().map(|quota| format!("quota={quota}"));
        let deliver = self.deliver.iter().map(|deliver| format!("deliver={deliver}"));
        let forward = (!self.forward.is_empty()).then(|| format!("forward={}", self.forward.join(",")));
        let wildcard = self.wildcard.then(|| "wildcard".to_owned());
        quota.chain(deliver).chain(forward).chain(wildcard).collect()
    }
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    match verb {
        Verb::Add(new) => add(home, new),
        Verb::Set { address, settings } => {
            let mut words = vec!["user-set", address];
            words.extend(settings.iter().map(String::as_str));
            admin::tell(home, &words)
        }
        Verb::Del { address } => admin::tell(home, &["user-del", address]),
        Verb::Passwd { address, password } => admin::tell(home, &["user-passwd", address, &password.read()?]),
        Verb::List { domain } => {
            let names = admin::ask(home, &["user-list", domain])?;
            let rows: Vec<_> = names.into_iter().map(|name| vec![Value::from(name)]).collect();
            shape.table(&["user"], &rows)
        }
        Verb::Show { address } => show(home, address, shape),
    }
}

fn add(home: &Home, new: &New) -> Result<(), Stop> {
    // Nobody should think up a password for an address that cannot be.
    if let Some((_, domain)) = new.address.rsplit_once('@') {
        admin::ask(home, &["user-list", domain])?;
    }
    let password = if new.no_password { String::new() } else { new.password.read()? };
    let settings = new.settings();
    let mut words = vec!["user-add", &new.address, &password];
    words.extend(settings.iter().map(String::as_str));
    admin::tell(home, &words)
}

fn show(home: &Home, address: &str, shape: Shape) -> Result<(), Stop> {
    let fields = admin::ask(home, &["user-show", address])?;
    let facts: Vec<_> = fields.iter().filter_map(|field| field.split_once('=')).collect();
    shape.facts(&facts.iter().map(|(name, value)| (*name, Value::from(*value))).collect::<Vec<_>>())
}
