//! `fulmar restore`: brings back mail that was removed by IMAP, as long as `control/undelete` keeps it.
//!
//! Asks `lookup` whose the mailbox is, becomes the owner, and then only renames within his Maildir.

use std::time::Duration;

use clap::Args;
use control::{Control, Home};
use mailbox::{Deleted, Deletions};
use owner::Owner;
use serde_json::Value;
use sys::confine::Confine;
use sys::{Packets, Stop};

use crate::show::{Shape, print, time};

const PATIENCE: Duration = Duration::from_secs(30);
const DAY: i64 = 86_400;

#[derive(Args)]
pub(crate) struct Options {
    /// Such as alice@example.org
    address: String,
    /// Only mail from this mailbox, such as INBOX or Lists.rust
    folder: Option<String>,
    /// Only mail that was removed in the last so many days
    #[arg(long, value_name = "DAYS")]
    since: Option<u32>,
    /// Say what there is; bring nothing back
    #[arg(long)]
    list: bool,
    /// Remove for good what is older than control/undelete says, or with --since 0 everything; bring nothing back
    #[arg(long, conflicts_with_all = ["list", "folder"])]
    purge: bool,
}

pub(crate) fn run(home: &Home, options: &Options, shape: Shape) -> Result<(), Stop> {
    let days = Control::open(home).number("undelete").map_err(Stop::temporary)?;
    let owner = owner(home, &options.address)?;
    let failed =
        |error: std::io::Error| Stop::temporary(format_args!("{}: {error}", owner.maildir.display()));
    sys::become_user(&owner.identity).map_err(failed)?;
    Confine::new().write(&owner.home).write(&owner.maildir).apply().map_err(failed)?;
    let deletions = Deletions::open(&owner.maildir).map_err(failed)?;
    let now = sys::unix_seconds() as i64;
    let ago = |days: u64| now - DAY.saturating_mul(days.min(100_000) as i64);
    if options.purge {
        let before = ago(options.since.map_or(days, u64::from));
        let purged =
            deletions.map_or(Ok(0), |deletions| deletions.purge(before, usize::MAX)).map_err(failed)?;
        return print(&format!("{purged} removed for good\n"));
    }
    let since = options.since.map_or(i64::MIN, |days| ago(days.into()));
    let Some(deletions) = deletions else { return shown(&[], shape, options.list) };
    let mut all = deletions.list(since).map_err(failed)?;
    all.retain(|deleted| options.folder.as_ref().is_none_or(|folder| is_of(deleted, folder)));
    if options.list {
        return shown(&all, shape, true);
    }
    restore(&deletions, &all)
}

/// Whose the mailbox is. An address that only leads to others has none.
fn owner(home: &Home, address: &str) -> Result<Owner, Stop> {
    let path = home.run("lookup-root");
    let no_answer = |error: std::io::Error| {
        Stop::temporary(format_args!("no answer at {}: {error}. Is lookup running?", path.display()))
    };
    let socket = Packets::connect(&path).map_err(no_answer)?;
    socket.set_timeout(PATIENCE).map_err(no_answer)?;
    let answer = socket.ask(&wire::packet(&[b"owner", address.as_bytes()])).map_err(no_answer)?;
    let owner = Owner::from_packet(&answer.bytes).map_err(|fate| match fate {
        wire::Fate::Never(text) => Stop::permanent(text),
        other => Stop::temporary(other.text()),
    })?;
    match owner.user.eq_ignore_ascii_case(address) || !owner.user.contains('@') {
        true => Ok(owner),
        false => Err(Stop::permanent(format_args!("{address} has no mailbox; {} has", owner.user))),
    }
}

/// Is it of this mailbox? Levels may be separated by either.
fn is_of(deleted: &Deleted, folder: &str) -> bool {
    let folder = folder.replace('/', ".");
    let inbox = folder.eq_ignore_ascii_case(mailbox::INBOX) && deleted.mailbox == mailbox::INBOX;
    inbox || deleted.mailbox == folder
}

fn shown(all: &[Deleted], shape: Shape, list: bool) -> Result<(), Stop> {
    if !list {
        return print("nothing to restore\n");
    }
    let row = |deleted: &Deleted| {
        let removed = u64::try_from(deleted.removed).unwrap_or_default();
        vec![
            Value::from(time(removed)),
            Value::from(deleted.octets),
            Value::from(deleted.mailbox.clone()),
            Value::from(deleted.file.to_string_lossy().into_owned()),
        ]
    };
    shape.table(&["removed", "octets", "mailbox", "file"], &all.iter().map(row).collect::<Vec<_>>())
}

fn restore(deletions: &Deletions, all: &[Deleted]) -> Result<(), Stop> {
    let (mut restored, mut failed) = (std::collections::BTreeMap::<String, usize>::new(), 0);
    for deleted in all {
        match deletions.restore(deleted) {
            Ok(mailbox) => *restored.entry(mailbox).or_default() += 1,
            Err(error) => {
                failed += 1;
                sys::log!("fulmar: warning: {}: {error}", deleted.file.display());
            }
        }
    }
    if restored.is_empty() && failed == 0 {
        return print("nothing to restore\n");
    }
    let lines: String =
        restored.iter().map(|(mailbox, count)| format!("{count} restored to {mailbox}\n")).collect();
    print(&lines)?;
    match failed {
        0 => Ok(()),
        count => Err(Stop::temporary(format_args!("{count} could not be restored"))),
    }
}
