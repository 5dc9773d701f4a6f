//! What waits, shown: lists, one message, sums.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::time::SystemTime;

use queue::{Head, Listed, Queue, Trouble};
use serde_json::{Value, json};
use sys::Stop;
use wire::Fate;

use super::pick::{Pick, domain, each_recipient};
use super::{trouble, unreadable};
use crate::show::{Shape, print, time};

/// How much of a message `show` looks at to find its header.
const HEADER_MAX: usize = 64 << 10;
/// Domains that `stats` names.
const DOMAINS: usize = 10;

pub(super) fn list(queue: &Queue, pick: &Pick, shape: Shape) -> Result<(), Stop> {
    let mut rows = Vec::new();
    let picked = pick.each(queue, |listed| {
        rows.push(row(listed));
        Ok(())
    });
    shape.table(&["id", "arrived", "size", "waiting", "done", "next try", "sender"], &rows)?;
    picked
}

fn row(listed: &Listed) -> Vec<Value> {
    vec![
        json!(listed.id),
        json!(time(listed.head.arrival / 1_000_000)),
        json!(listed.size),
        json!(listed.recipients - listed.done),
        json!(listed.done),
        due(listed),
        json!(String::from_utf8_lossy(&listed.head.sender)),
    ]
}

fn due(listed: &Listed) -> Value {
    if listed.steering.held { json!("held") } else { json!(time(seconds(listed.due))) }
}

pub(super) fn show(queue: &Queue, id: u64, shape: Shape) -> Result<(), Stop> {
    let listed = queue.show(id).map_err(|other| trouble(id, &other))?;
    let answers = queue.last_answers(id);
    let recipients = recipients(&listed, &answers).map_err(|other| trouble(id, &other))?;
    let header = header(&listed).map_err(|other| trouble(id, &other))?;
    let Head { arrival, uid, sender, .. } = &listed.head;
    let mut facts = vec![
        ("id", json!(id)),
        ("sender", json!(String::from_utf8_lossy(sender))),
        ("arrived", json!(time(arrival / 1_000_000))),
        ("uid", json!(uid)),
        ("size", json!(listed.size)),
        ("next try", due(&listed)),
    ];
    facts.extend(listed.steering.route.as_ref().map(|relay| ("route", json!(relay))));
    if shape.json {
        facts.push(("recipients", Value::Array(recipients)));
        facts.push(("header", json!(header)));
        return shape.facts(&facts);
    }
    shape.facts(&facts)?;
    print(&recipients.iter().map(line).collect::<String>())?;
    print(&format!("\n{}", clean(&header)))
}

fn line(recipient: &Value) -> String {
    let text = |name: &str| clean(recipient[name].as_str().unwrap_or_default()).replace('\n', "?");
    let answer =
        if recipient["answer"].is_null() { String::new() } else { format!("\n         {}", text("answer")) };
    format!("{:7}  {}{answer}\n", text("state"), text("address"))
}

fn recipients(listed: &Listed, answers: &HashMap<Vec<u8>, Fate>) -> Result<Vec<Value>, Trouble> {
    let mut all = Vec::new();
    each_recipient(listed, |recipient| {
        let state = if recipient.done { "done" } else { "waiting" };
        let answer = answers.get(&recipient.address).filter(|_| !recipient.done);
        let answer = answer.map(|fate| fate.text().to_string());
        all.push(json!({ "address": String::from_utf8_lossy(&recipient.address), "state": state, "answer": answer }));
    })?;
    Ok(all)
}

fn header(listed: &Listed) -> Result<String, Trouble> {
    let start = listed.stored.message_start(HEADER_MAX)?;
    let end = start.windows(2).position(|pair| pair == b"\n\n").map_or(start.len(), |blank| blank + 1);
    Ok(String::from_utf8_lossy(&start[..end]).into_owned())
}

/// Without control characters that a terminal would obey.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c }).collect()
}

/// The message as it is, octet by octet.
pub(super) fn view(queue: &Queue, id: u64) -> Result<(), Stop> {
    let listed = queue.show(id).map_err(|other| trouble(id, &other))?;
    listed.stored.check_message().map_err(|other| trouble(id, &other))?;
    let file = listed.stored.file().try_clone().map_err(unreadable)?;
    let written = std::io::copy(&mut file.take(listed.size), &mut std::io::stdout());
    match written.and_then(|_| std::io::stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::temporary(format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

pub(super) fn stats(queue: &Queue, shape: Shape) -> Result<(), Stop> {
    let totals = queue.totals().map_err(unreadable)?;
    let mut facts = vec![
        ("messages", json!(totals.messages)),
        ("held", json!(totals.held)),
        ("recipients waiting", json!(totals.waiting)),
        ("octets", json!(totals.octets)),
        ("damaged", json!(totals.damaged)),
        ("oldest", totals.oldest.map_or(Value::Null, |arrival| json!(time(arrival / 1_000_000)))),
    ];
    let domains = domains(queue)?;
    if shape.json {
        let counts = domains.iter().map(|(name, count)| (name.clone(), json!(count))).collect();
        facts.push(("domains", Value::Object(counts)));
        return shape.facts(&facts);
    }
    shape.facts(&facts)?;
    let line = |(name, count): &(String, u64)| format!("{count:>18}  {}\n", clean(name));
    print(&domains.iter().map(line).collect::<String>())
}

/// For which domains most recipients wait.
fn domains(queue: &Queue) -> Result<Vec<(String, u64)>, Stop> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    Pick::default().each(queue, |listed| {
        let counted = each_recipient(listed, |recipient| {
            if !recipient.done {
                let name = String::from_utf8_lossy(domain(&recipient.address)).to_ascii_lowercase();
                *counts.entry(name).or_default() += 1;
            }
        });
        counted.map_err(|other| trouble(listed.id, &other))
    })?;
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(DOMAINS);
    Ok(counts)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs())
}
