//! How TLS went with other servers, noted for the reports that `tlsrpt` sends to their domains. RFC 8460.
//!
//! A line for each connection, in a file for each day (UTC) in `run/tlsrpt/`: time, domain, kind of policy, its
//! strings, the names of servers in it, the server's name and address, `ok` or what failed; parted by tabs, strings by `|`.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use secrecy::Tlsa;

use crate::hosts::Place;
use crate::secrecy::Policy;

/// Largest file of a day.
const LARGEST: u64 = 64 << 20;
const DAY: u64 = 86_400;

/// Where it is noted.
pub(crate) struct Notes(Option<PathBuf>);

impl Notes {
    /// In `folder`; `None`: nowhere.
    pub(crate) fn at(folder: Option<PathBuf>) -> Notes {
        Notes(folder)
    }

    /// What can't be noted is only missing in a report.
    pub(crate) fn note(&self, domain: &str, place: &Place, policy: &Policy, failure: Option<&str>) {
        let Some(folder) = &self.0 else { return };
        let now = sys::unix_seconds();
        let (kind, strings, names) = match policy {
            Policy::Admin => return,
            Policy::Nobody => ("no-policy-found", Vec::new(), Vec::new()),
            Policy::Dane(records) => ("tlsa", records.iter().map(record).collect(), Vec::new()),
            Policy::Sts(policy) => ("sts", policy.text.clone(), policy.mx.clone()),
        };
        let line = [
            &now.to_string(),
            domain,
            kind,
            &strings.join("|"),
            &names.join("|"),
            &place.name,
            &place.address.ip().to_string(),
            failure.unwrap_or("ok"),
        ]
        .join("\t");
        let path = folder.join((now / DAY).to_string());
        let file = File::options().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| match file.metadata()?.len() < LARGEST {
            true => file.write_all(format!("{}\n", line.replace(['\n', '\r'], " ")).as_bytes()),
            false => Ok(()),
        });
    }
}

/// As RFC 8460 §4.2 writes them.
fn record(record: &Tlsa) -> String {
    let data: String = record.data.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{} {} {} {data}", record.usage, record.selector, record.matching)
}
