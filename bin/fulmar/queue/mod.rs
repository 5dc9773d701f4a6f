//! `fulmar queue`: what waits to be delivered, and what is to become of it.
//!
//! Looks for itself; a message may be gone a moment later. Changes nothing: wishes are left for `send`.

mod change;
mod look;
mod pick;
pub(crate) mod qmail;

use clap::Subcommand;
use control::Home;
use queue::{Queue, Trouble};
use sys::Stop;

use crate::show::Shape;
use change::Change;
use pick::Pick;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// The messages that wait, oldest first
    List {
        #[command(flatten)]
        pick: Pick,
        /// In the form of qmail-qread
        #[arg(long)]
        qmail: bool,
    },
    /// One message: envelope, recipients with what was last answered for them, header
    Show {
        /// Its number, as `queue list` and the log have it
        id: u64,
    },
    /// One message as it is
    View {
        /// Its number
        id: u64,
    },
    /// How much waits, and for whom
    Stats,
    /// Try messages now
    Retry(Change),
    /// Do not try messages until they are released
    Hold(Change),
    /// No longer hold messages
    Release(Change),
    /// Remove messages; nobody is told
    Delete(Change),
    /// Give messages up now; their senders are told
    Bounce(Change),
    /// Hand the remote recipients of messages to another relay
    Route {
        /// Such as smart.example.org, [192.0.2.1]:587; - for where control files say
        relay: String,
        #[command(flatten)]
        change: Change,
    },
    /// Change recipients: add, drop, or put others in their place
    Rcpt {
        /// The recipient that is to get nothing
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        /// A recipient that is to get the message (once more)
        #[arg(long, value_name = "ADDRESS")]
        to: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    let queue = open(home)?;
    match verb {
        Verb::List { pick, qmail: true } => qmail::list(home, &queue, pick),
        Verb::List { pick, qmail: false } => look::list(&queue, pick, shape),
        Verb::Show { id } => look::show(&queue, *id, shape),
        Verb::View { id } => look::view(&queue, *id),
        Verb::Stats => look::stats(&queue, shape),
        Verb::Retry(change) => change::wish(&queue, change, &queue::Wish::Retry),
        Verb::Hold(change) => change::wish(&queue, change, &queue::Wish::Hold),
        Verb::Release(change) => change::wish(&queue, change, &queue::Wish::Release),
        Verb::Delete(change) => change::wish(&queue, change, &queue::Wish::Delete),
        Verb::Bounce(change) => change::wish(&queue, change, &queue::Wish::Bounce),
        Verb::Route { relay, change } => change::route(&queue, change, relay),
        Verb::Rcpt { from, to, change } => change::recipients(home, &queue, change, from.as_deref(), to),
    }
}

pub(crate) fn open(home: &Home) -> Result<Queue, Stop> {
    let path = home.queue();
    Queue::open(&path).map_err(|error| {
        Stop::temporary(format_args!(
            "cannot look into {}: {error}; be root, and start queued once",
            path.display()
        ))
    })
}

/// What to say of a message that can't be looked at.
fn trouble(id: u64, trouble: &Trouble) -> Stop {
    match trouble {
        Trouble::Gone => Stop::permanent(format_args!("there is no message {id} in the queue")),
        other => Stop::temporary(format_args!("message {id}: {other}")),
    }
}

fn unreadable(error: std::io::Error) -> Stop {
    Stop::temporary(format_args!("cannot read the queue: {error}"))
}
