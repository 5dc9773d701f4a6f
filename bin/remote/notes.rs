//! How TLS went with other servers, noted for the reports that `tlsrpt` sends to their domains. RFC 8460.
//!
//! A line for each connection, in a file for each day (UTC) in `run/tlsrpt/`, named by the number of the day.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use secrecy::Tlsa;
use secrecy::report::Note;

use crate::hosts::Place;
use crate::wanted::Policy;

/// Largest file of a day.
const LARGEST: u64 = 64 << 20;
const DAY: u64 = 86_400;
/// Days for which notes are kept.
const KEPT: u64 = 5;

/// Where it is noted.
pub(crate) struct Notes(Option<PathBuf>);

impl Notes {
    /// In `folder`; `None`: nowhere.
    pub(crate) fn at(folder: Option<PathBuf>) -> Notes {
        Notes(folder)
    }

    /// What can't be noted is only missing in a report.
    pub(crate) fn note(
        &self,
        domain: &str,
        place: &Place,
        own: Option<IpAddr>,
        policy: &Policy,
        failure: Option<&str>,
    ) {
        let Some(folder) = &self.0 else { return };
        let (kind, strings, mx) = match policy {
            Policy::Admin => return,
            Policy::Nobody => ("no-policy-found", Vec::new(), Vec::new()),
            Policy::Dane(records) => ("tlsa", records.iter().map(record).collect(), Vec::new()),
            Policy::Sts(policy) => ("sts", policy.text.clone(), policy.mx.clone()),
        };
        let note = Note {
            domain: domain.to_owned(),
            kind: kind.to_owned(),
            strings,
            mx,
            host: place.name.clone(),
            ip: place.address.ip().to_string(),
            own: own.map(|own| own.to_string()).unwrap_or_default(),
            failure: failure.map(str::to_owned),
        };
        let path = folder.join((sys::unix_seconds() / DAY).to_string());
        let first = !path.exists();
        let file = File::options().append(true).create(true).open(path);
        if first {
            clear(folder, sys::unix_seconds() / DAY);
        }
        let _ = file.and_then(|mut file| match file.metadata()?.len() < LARGEST {
            true => file.write_all(format!("{}\n", note.line()).as_bytes()),
            false => Ok(()),
        });
    }
}

/// Where nobody is told, as there is no cron, notes must not pile up.
fn clear(folder: &Path, today: u64) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let day = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
        if day.is_some_and(|day| day + KEPT < today) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// As RFC 8460 §4.2 writes them.
fn record(record: &Tlsa) -> String {
    let data: String = record.data.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{} {} {} {data}", record.usage, record.selector, record.matching)
}
