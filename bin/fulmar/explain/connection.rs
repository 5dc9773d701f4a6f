//! How a connection begins: the run script of the port, the rule for the address, and what both set.

use std::fs;
use std::path::{Path, PathBuf};

use control::Home;
use rules::{Change, Client, Compiler, Found};
use sys::{Env, Stop};

use super::{Options, Story};

/// A run script that serves the port.
struct Served {
    name: String,
    /// Its rules, if it has any.
    rules: Option<PathBuf>,
    submission: bool,
    /// Variables it sets for everybody.
    env: Vec<(String, String)>,
}

/// The environment that `smtpd` would have, and whether it serves submission. `None`: the client is not let in.
pub(super) fn environment(
    home: &Home,
    options: &Options,
    story: &mut Story,
) -> Result<Option<(Env, bool)>, Stop> {
    let served = served(home, options.port);
    match &served {
        Some(served) => {
            story.tell("service", format!("etc/run/{} serves port {}", served.name, options.port))
        }
        None => {
            story.tell("service", format!("no run script serves port {}: taken as plain smtpd", options.port))
        }
    }
    let submission = served.as_ref().map_or(matches!(options.port, 587 | 465), |served| served.submission);
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

/// The service whose run line ends in `PORT smtpd ...`.
fn served(home: &Home, port: u16) -> Option<Served> {
    let folders = fs::read_dir(home.join("etc/run")).ok()?;
    folders.filter_map(Result::ok).find_map(|entry| {
        let text = fs::read_to_string(entry.path().join("run")).ok()?;
        let words: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect();
        read(entry.file_name().to_string_lossy().into_owned(), &words, port, home)
    })
}

fn read(name: String, words: &[&str], port: u16, home: &Home) -> Option<Served> {
    let port = port.to_string();
    let at = words.iter().position(|word| *word == port)?;
    let program = words.get(at + 1)?.rsplit('/').next()?;
    if !matches!(program, "smtpd" | "qmail-smtpd") {
        return None;
    }
    let option = words[..at].iter().position(|word| matches!(*word, "-x" | "-Xx"));
    let rules = option.and_then(|at| words.get(at + 1)).map(|path| home.join(path));
    let server = words.iter().position(|word| word.ends_with("tcpserver")).unwrap_or(0);
    let variable = |word: &&str| {
        let (name, value) = word.split_once('=')?;
        let fit = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'_');
        let own = !matches!(name, "PATH" | "FULMAR_HOME");
        (fit && own).then(|| (name.to_owned(), value.trim_matches('"').to_owned()))
    };
    let env = words[..server].iter().filter_map(variable).collect();
    Some(Served { name, rules, submission: words.get(at + 2) == Some(&"submission"), env })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_line_tells_rules_service_and_variables() {
        let text = "exec env - PATH=\"/bin\" REQUIREAUTH=1 tcpserver -v -X -x etc/tcp.smtp.cdb -w 2 0 5190 smtpd submission 2>&1";
        let words: Vec<&str> = text.split_whitespace().collect();
        let home = Home::at("/var/fulmar");
        let served = read("alt".into(), &words, 5190, &home).unwrap();
        assert!(served.submission);
        assert_eq!(served.rules, Some("/var/fulmar/etc/tcp.smtp.cdb".into()));
        assert_eq!(served.env, [("REQUIREAUTH".to_owned(), "1".to_owned())]);
        assert!(read("alt".into(), &words, 25, &home).is_none());
    }
}
