//! Wishes about messages, left for `send`; nothing here touches a message.

use std::io::Read;
use std::time::{Duration, Instant};

use clap::Args;
use control::Home;
use queue::{Bell, Listed, Queue, Wish};
use submission::Submission;
use sys::Stop;
use wire::Fate;

use super::pick::{Pick, each_recipient};
use crate::show::print;

/// How long `send` is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);

#[derive(Args)]
pub(crate) struct Change {
    #[command(flatten)]
    pick: Pick,
    /// Only say which messages are meant
    #[arg(long)]
    dry_run: bool,
}

/// Leaves `wish` for each message that is meant.
pub(crate) fn wish(queue: &Queue, change: &Change, wish: &Wish) -> Result<(), Stop> {
    each(queue, change, wish.verb(), |_| Ok(Some(wish.clone())))
}

pub(crate) fn route(queue: &Queue, change: &Change, relay: &str) -> Result<(), Stop> {
    let relay = Some(relay.to_owned()).filter(|relay| relay != "-");
    if relay.as_ref().is_some_and(|relay| route::relay(relay).is_none()) {
        return Err(Stop::permanent("such a relay is no host and port: smart.example.org, [192.0.2.1]:587"));
    }
    wish(queue, change, &Wish::Route(relay))
}

/// Sends the message to `to`, and drops `from`: first the one, then the other, so that no crash loses it.
pub(crate) fn recipients(
    home: &Home,
    queue: &Queue,
    change: &Change,
    from: Option<&str>,
    to: &[String],
) -> Result<(), Stop> {
    if from.is_none() && to.is_empty() {
        return Err(Stop::permanent("say --from ADDRESS, --to ADDRESS, or both"));
    }
    each(queue, change, "rcpt", |listed| {
        let mut waits = from.is_none();
        let is_meant = |one: &queue::Recipient| {
            !one.done && from.is_some_and(|from| from.as_bytes().eq_ignore_ascii_case(&one.address))
        };
        each_recipient(listed, |one| waits |= is_meant(one)).map_err(|t| super::trouble(listed.id, &t))?;
        if !waits || change.dry_run {
            return Ok(waits.then_some(Wish::Retry));
        }
        if !to.is_empty() {
            copy(home, listed, to)?;
        }
        let dropped = from.map(|from| vec![from.as_bytes().to_vec()]).unwrap_or_default();
        Ok(Some(Wish::Drop(dropped)))
    })
}

/// Puts the message into the queue once more, with the same sender, for `to`.
fn copy(home: &Home, listed: &Listed, to: &[String]) -> Result<(), Stop> {
    let id = listed.id;
    let failed = |text: &dyn std::fmt::Display| Stop::temporary(format_args!("message {id}: {text}"));
    let text = listed.stored.copy_message(&home.path().join("run")).map_err(|trouble| failed(&trouble))?;
    let mut text = std::fs::File::from(text);
    let mut submission = Submission::at(home.run("queue"));
    submission.open(&format!("rcpt-{id}")).map_err(|error| failed(&error))?;
    let mut piece = vec![0; 64 << 10];
    loop {
        match text.read(&mut piece).map_err(|error| failed(&error))? {
            0 => break,
            count => submission.write(&piece[..count]),
        }
    }
    submission.sender(&listed.head.sender);
    to.iter().for_each(|recipient| submission.recipient(recipient.as_bytes()));
    match submission.commit() {
        Fate::Done(_) => Ok(()),
        Fate::Later(text) => Err(failed(&text)),
        Fate::Never(text) => Err(Stop::permanent(format_args!("message {id}: {text}"))),
    }
}

/// Asks `of` for the wish about each message that is meant, and leaves it.
fn each(
    queue: &Queue,
    change: &Change,
    verb: &str,
    mut of: impl FnMut(&Listed) -> Result<Option<Wish>, Stop>,
) -> Result<(), Stop> {
    if change.pick.is_empty() {
        return Err(Stop::permanent("say which messages: numbers, a filter such as --sender, or --all"));
    }
    let mut left = Vec::new();
    let picked = change.pick.each(queue, |listed| {
        let Some(wish) = of(listed)? else { return Ok(()) };
        let sender = String::from_utf8_lossy(&listed.head.sender).into_owned();
        let word = if change.dry_run { "would " } else { "" };
        print(&format!("{word}{verb} {} from <{}>\n", listed.id, super::look::clean(&sender)))?;
        if !change.dry_run {
            queue.wish(listed.id, &wish).map_err(|error| {
                Stop::temporary(format_args!("cannot leave a wish in queue/ask: {error}; be root"))
            })?;
            left.push((listed.id, wish));
        }
        Ok(())
    });
    if !left.is_empty() {
        Bell::new(queue).ring_for_wishes();
        wait(queue, &left)?;
    }
    picked
}

/// Waits until `send` has done it all; if it does not run, says so.
fn wait(queue: &Queue, left: &[(u64, Wish)]) -> Result<(), Stop> {
    let start = Instant::now();
    let open = || left.iter().filter(|(id, wish)| queue.is_wished(*id, wish)).count();
    while open() > 0 {
        if start.elapsed() > PATIENCE {
            let count = open();
            return print(&format!(
                "{count} not done yet: send does it when it runs, or is done with a bounce\n"
            ));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}
