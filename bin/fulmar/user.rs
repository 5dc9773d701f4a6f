//! `fulmar user`: who has an account, with which password, quota and delivery.

use clap::{Args, Subcommand};
use control::Home;
use serde_json::Value;
use sys::Stop;

use crate::show::{Shape, print};
use crate::{admin, password};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Add a user with a mailbox
    Add(New),
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
        Verb::Del { address } => {
            admin::ask(home, &[b"admin", b"user-del", address.as_bytes()])?;
            print(&format!("{address} is no longer a user\n"))
        }
        Verb::Passwd { address, password } => {
            let password = password.read()?;
            admin::ask(home, &[b"admin", b"user-passwd", address.as_bytes(), password.as_bytes()])?;
            print(&format!("{address} has a new password\n"))
        }
        Verb::List { domain } => {
            let names = admin::ask(home, &[b"admin", b"user-list", domain.as_bytes()])?;
            let rows: Vec<_> = names.into_iter().map(|name| vec![Value::from(name)]).collect();
            shape.table(&["user"], &rows)
        }
        Verb::Show { address } => show(home, address, shape),
    }
}

fn add(home: &Home, new: &New) -> Result<(), Stop> {
    let (password, settings) = (new.password.read()?, new.settings());
    let mut question: Vec<&[u8]> = vec![b"admin", b"user-add", new.address.as_bytes(), password.as_bytes()];
    question.extend(settings.iter().map(|setting| setting.as_bytes()));
    admin::ask(home, &question)?;
    print(&format!("{} can receive and read mail\n", new.address))
}

fn show(home: &Home, address: &str, shape: Shape) -> Result<(), Stop> {
    let fields = admin::ask(home, &[b"admin", b"user-show", address.as_bytes()])?;
    let facts: Vec<_> = fields.iter().filter_map(|field| field.split_once('=')).collect();
    shape.facts(&facts.iter().map(|(name, value)| (*name, Value::from(*value))).collect::<Vec<_>>())
}
