//! Says which rule a client would meet: `tcprulescheck rules.cdb [ip]`.
//!
//! Asks the table exactly as tcpserver does, through crate `rules`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use rules::{Change, Client, Found};
use sys::{Env, Stop};

fn main() -> ExitCode {
    sys::main("tcprulescheck", run)
}

fn run() -> Result<(), Stop> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let (table, ip) = match &arguments[..] {
        [table] => (PathBuf::from(table), None),
        [table, ip] => (PathBuf::from(table), Some(ip.to_string_lossy().into_owned())),
        _ => return Err(Stop::usage("tcprulescheck rules.cdb [ip]")),
    };
    let unable = |error: &dyn std::fmt::Display| {
        Stop::temporary(format!("unable to read {}: {error}", table.display()))
    };
    let environment = Env::here();
    let ip =
        ip.or_else(|| environment.text("TCPREMOTEIP").map(str::to_owned)).unwrap_or("0.0.0.0".to_owned());
    let client =
        Client { ip: &ip, host: environment.get("TCPREMOTEHOST"), info: environment.get("TCPREMOTEINFO") };
    let table = cdb::Cdb::open(&table).map_err(|error| unable(&error))?;
    let found = rules::find(&client, |key| table.get(key)).map_err(|error| unable(&error))?;
    io::stdout()
        .write_all(&report(found))
        .map_err(|error| Stop::temporary(format!("unable to write: {error}")))
}

/// What tcpserver would do, one thing a line.
fn report(found: Option<Found>) -> Vec<u8> {
    let Some(Found { key, verdict }) = found else {
        return b"default:\nallow connection\n".to_vec();
    };
    let mut lines = vec![[b"rule ", &key[..], b":"].concat()];
    if verdict.deny {
        lines.push(b"deny connection".to_vec());
    } else {
        lines.extend(verdict.changes.iter().map(|change| match change {
            Change::Set(name, value) => [b"set environment variable ", &name[..], b"=", value].concat(),
            Change::Unset(name) => [b"unset environment variable ", &name[..]].concat(),
        }));
        lines.push(b"allow connection".to_vec());
    }
    lines.push(Vec::new());
    lines.join(&b'\n')
}
