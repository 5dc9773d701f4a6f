//! `qmail-qread`, `qmail-qstat`, and `mailq`: the queue in qmail's own form.

use control::{Control, Home};
use queue::{Listed, Queue};
use route::{Route, Routes};
use sys::Stop;

use super::pick::{Pick, each_recipient};
use super::{open, trouble, unreadable};
use crate::admin;
use crate::show::print;

/// `qmail-qread`: every message with its recipients.
pub(crate) fn qread(home: &Home) -> Result<(), Stop> {
    list(home, &open(home)?, &Pick::default())
}

/// `qmail-qstat`: how many messages there are. What `queued` has taken needs no further processing.
pub(crate) fn qstat(home: &Home) -> Result<(), Stop> {
    let count = open(home)?.ids().map_err(unreadable)?.len();
    print(&format!("messages in queue: {count}\nmessages in queue but not yet preprocessed: 0\n"))
}

pub(super) fn list(home: &Home, queue: &Queue, pick: &Pick) -> Result<(), Stop> {
    let routes = Routes::read(&Control::open(home)).map_err(Stop::temporary)?;
    // Without `lookup` what is in no control file is shown as remote.
    let domains = admin::list(home, "domain-list").unwrap_or_default();
    pick.each(queue, |listed| {
        let mut text = head(listed);
        let read = each_recipient(listed, |recipient| {
            let done = if recipient.done { "  done" } else { "" };
            let channel = if is_local(&routes, &domains, &recipient.address) { "local" } else { "remote" };
            text.push_str(&format!("{done}\t{channel}\t{}\n", plain(&recipient.address)));
        });
        read.map_err(|other| trouble(listed.id, &other))?;
        print(&text)
    })
}

fn head(listed: &Listed) -> String {
    let date = message::date((listed.head.arrival / 1_000_000) as i64);
    // `21 Nov 2026 08:00:00`: without the day of the week and the zone, and no zero in front.
    let date = date.split_once(", ").map_or(&date[..], |(_, rest)| rest);
    let date = date.trim_end_matches(" -0000").trim_start_matches('0');
    let (id, size, sender) = (listed.id, listed.size, plain(&listed.head.sender));
    let bouncing = if listed.noted { " bouncing" } else { "" };
    format!("{date} GMT  #{id}  {size}  <{sender}> {bouncing}\n")
}

fn is_local(routes: &Routes, domains: &[String], address: &[u8]) -> bool {
    match routes.of(address) {
        Ok(Route::Local(_)) => true,
        Ok(Route::Ask(address)) => {
            domains.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(route::domain(&address)))
        }
        Ok(Route::Remote(_)) | Err(_) => false,
    }
}

fn plain(text: &[u8]) -> String {
    text.iter().map(|octet| if (32..127).contains(octet) { char::from(*octet) } else { '_' }).collect()
}
