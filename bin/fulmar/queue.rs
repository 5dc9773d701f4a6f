//! `fulmar queue`: what waits to be delivered. Only looks; a message may be gone a moment later.

use std::time::SystemTime;

use clap::Subcommand;
use control::Home;
use queue::{Head, Listed, Queue, Trouble};
use serde_json::{Value, json};
use sys::Stop;

use crate::show::{Shape, print, time};

/// How much of a message `show` looks at to find its header.
const HEADER_MAX: usize = 64 << 10;
/// Recipients read at a time.
const WINDOW: usize = 1000;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// The messages that wait, oldest first
    List,
    /// One message: envelope, recipients, header
    Show {
        /// Its number, as `queue list` and the log have it
        id: u64,
    },
    /// How much waits
    Stats,
}

pub(crate) fn run(home: &Home, verb: &Verb, shape: Shape) -> Result<(), Stop> {
    let path = home.queue();
    let queue = Queue::open(&path).map_err(|error| {
        Stop::temporary(format_args!(
            "cannot look into {}: {error}; be root, and start queued once",
            path.display()
        ))
    })?;
    match verb {
        Verb::List => list(&queue, shape),
        Verb::Show { id } => show(&queue, *id, shape),
        Verb::Stats => stats(&queue, shape),
    }
}

fn list(queue: &Queue, shape: Shape) -> Result<(), Stop> {
    let mut rows = Vec::new();
    for id in queue.ids().map_err(unreadable)? {
        match queue.show(id) {
            Ok(listed) => rows.push(row(&listed)),
            Err(Trouble::Gone) => {}
            Err(trouble) => sys::log!("fulmar: warning: message {id}: {trouble}"),
        }
    }
    shape.table(&["id", "arrived", "size", "waiting", "done", "next try", "sender"], &rows)
}

fn row(listed: &Listed) -> Vec<Value> {
    vec![
        json!(listed.id),
        json!(time(listed.head.arrival / 1_000_000)),
        json!(listed.size),
        json!(listed.recipients - listed.done),
        json!(listed.done),
        json!(time(seconds(listed.due))),
        json!(String::from_utf8_lossy(&listed.head.sender)),
    ]
}

fn show(queue: &Queue, id: u64, shape: Shape) -> Result<(), Stop> {
    let listed = queue.show(id).map_err(|trouble| match trouble {
        Trouble::Gone => Stop::permanent(format_args!("there is no message {id} in the queue")),
        other => Stop::temporary(format_args!("message {id}: {other}")),
    })?;
    let recipients =
        recipients(&listed).map_err(|trouble| Stop::temporary(format_args!("message {id}: {trouble}")))?;
    let header =
        header(&listed).map_err(|trouble| Stop::temporary(format_args!("message {id}: {trouble}")))?;
    let Head { arrival, uid, sender, .. } = &listed.head;
    let mut facts = vec![
        ("id", json!(id)),
        ("sender", json!(String::from_utf8_lossy(sender))),
        ("arrived", json!(time(arrival / 1_000_000))),
        ("uid", json!(uid)),
        ("size", json!(listed.size)),
        ("next try", json!(time(seconds(listed.due)))),
    ];
    if shape.json {
        facts.push(("recipients", Value::Array(recipients)));
        facts.push(("header", json!(header)));
        return shape.facts(&facts);
    }
    shape.facts(&facts)?;
    let line = |recipient: &Value| {
        format!("{:7}  {}\n", recipient["state"].as_str().unwrap_or(""), shown(&recipient["address"]))
    };
    print(&recipients.iter().map(line).collect::<String>())?;
    print(&format!("\n{}", clean(&header)))
}

/// An address as a person may see it.
fn shown(address: &Value) -> String {
    clean(address.as_str().unwrap_or_default()).replace('\n', "?")
}

fn recipients(listed: &Listed) -> Result<Vec<Value>, Trouble> {
    let (mut all, mut from) = (Vec::new(), Some(0));
    while let Some(place) = from {
        let window = listed.stored.recipients(place, WINDOW)?;
        all.extend(window.recipients.iter().map(|recipient| {
            let state = if recipient.done { "done" } else { "waiting" };
            json!({ "address": String::from_utf8_lossy(&recipient.address), "state": state })
        }));
        from = window.next;
    }
    Ok(all)
}

fn header(listed: &Listed) -> Result<String, Trouble> {
    let start = listed.stored.message_start(HEADER_MAX)?;
    let end = start.windows(2).position(|pair| pair == b"\n\n").map_or(start.len(), |blank| blank + 1);
    Ok(String::from_utf8_lossy(&start[..end]).into_owned())
}

/// Without control characters that a terminal would obey.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c }).collect()
}

fn stats(queue: &Queue, shape: Shape) -> Result<(), Stop> {
    let totals = queue.totals().map_err(unreadable)?;
    shape.facts(&[
        ("messages", json!(totals.messages)),
        ("recipients waiting", json!(totals.waiting)),
        ("octets", json!(totals.octets)),
        ("damaged", json!(totals.damaged)),
        ("oldest", totals.oldest.map_or(Value::Null, |arrival| json!(time(arrival / 1_000_000)))),
    ])
}

fn unreadable(error: std::io::Error) -> Stop {
    Stop::temporary(format_args!("cannot read the queue: {error}"))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs())
}
