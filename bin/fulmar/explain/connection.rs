//! How a connection begins: the run script of the port, the rule for the address, and what both set.

use std::fs;
use std::path::Path;

use control::Home;
use rules::{Change, Client, Compiler, Found};
use sys::{Env, Stop};

use super::{Options, Story};
use crate::run_lines::{self, Kind, Served};

/// The environment that `smtpd` would have, and whether it serves submission. `None`: the client is not let in.
pub(super) fn environment(
    home: &Home,
    options: &Options,
    story: &mut Story,
) -> Result<Option<(Env, bool)>, Stop> {
    let smtp = |served: &Served| matches!(served.kind, Kind::Smtp | Kind::Submission);
    let served =
        run_lines::served(home).into_iter().find(|served| served.port == options.port && smtp(served));
    match &served {
        Some(served) => {
            story.tell("service", format!("etc/run/{} serves port {}", served.name, options.port))
        }
        None => {
            story.tell("service", format!("no run script serves port {}: taken as plain smtpd", options.port))
        }
    }
    let submission =
        served.as_ref().map_or(matches!(options.port, 587 | 465), |it| it.kind == Kind::Submission);
    let mut env = Env::new();
    for (name, value) in served.iter().flat_map(|served| &served.env) {
        env.set(name, value.as_bytes());
    }
    let rules = match served {
        Some(served) => served.rules,
        None => Some(home.join("etc/tcp.smtp.cdb")),
    };
    env.set("TCPREMOTEIP", options.ip.to_canonical().to_string());
    if let Some(host) = &options.host {
        env.set("TCPREMOTEHOST", host.as_bytes());
    }
    let Some(rules) = rules else { return Ok(Some((env, submission))) };
    Ok(met(&rules, options, &mut env, story)?.then_some((env, submission)))
}

/// Finds the rule and sets what it says; false: it denies.
fn met(table: &Path, options: &Options, env: &mut Env, story: &mut Story) -> Result<bool, Stop> {
    let shown = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let records = match cdb::Cdb::open(table) {
        Ok(records) => records,
        Err(error) => {
            story.tell("rule", format!("etc/{shown} can't be read ({error}): no variables are set"));
            return Ok(true);
        }
    };
    let ip = options.ip.to_canonical().to_string();
    let client = Client { ip: &ip, host: options.host.as_ref().map(|host| host.as_bytes()), info: None };
    let found = rules::find(&client, |key| records.get(key))
        .map_err(|error| Stop::temporary(format_args!("{}: {error}", table.display())))?;
    let Some(Found { key, verdict }) = found else {
        story.tell("rule", format!("etc/{shown} has none for {ip}: let in"));
        return Ok(true);
    };
    let text = table.with_extension("");
    let line = line(&text, &key).map(|line| format!(" line {line}")).unwrap_or_default();
    let shown = text.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let key = String::from_utf8_lossy(&key).into_owned();
    if verdict.deny {
        story.tell("rule", format!("etc/{shown}{line}: `{key}:deny`"));
        story.tell("answer", "none: the connection is closed at once");
        return Ok(false);
    }
    let mut said = String::new();
    for change in verdict.changes {
        match change {
            Change::Set(name, value) => {
                let (name, value) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(&value));
                said.push_str(&format!(",{name}=\"{value}\""));
                env.set(&name, value.as_bytes());
            }
            Change::Unset(name) => env.remove(&String::from_utf8_lossy(&name)),
        }
    }
    story.tell("rule", format!("etc/{shown}{line}: `{key}:allow{said}`"));
    Ok(true)
}

/// The line of a rule file that makes the record `key`; the first one counts.
fn line(text: &Path, key: &[u8]) -> Option<usize> {
    let folder = text.parent()?.parent()?.join("control/networks");
    let text = fs::read(text).ok()?;
    text.split(|octet| *octet == b'\n').enumerate().find_map(|(at, line)| {
        let members = control::networks::members(&folder, line);
        let makes = members.iter().any(|member| {
            let mut compiler = Compiler::default();
            compiler.line(member).is_ok() && compiler.finish().iter().any(|(made, _)| made == key)
        });
        makes.then_some(at + 1)
    })
}
