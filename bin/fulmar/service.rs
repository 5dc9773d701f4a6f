//! `fulmar service`, and `qmailctl`: the services of the home, told what to do.
//!
//! daemontools, runit and s6 all listen at `supervise/control` for the same letters; where systemd runs
//! the services it is asked instead.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use control::Home;
use sys::Stop;
use sys::process::{Exit, Start};

use crate::queue::qmail;
use crate::show::print;

#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Verb {
    /// Start every service
    Start,
    /// Stop every service
    Stop,
    /// End every service; it is started again at once
    Restart,
    /// Stop every service where it is, without ending it
    Pause,
    /// Let paused services go on
    Cont,
    /// What runs
    Stat,
    /// Try all waiting mail now
    Flush,
    /// Have send read its control files again
    Reload,
}

/// What qmailctl understands: the word, what it does.
type Word = (&'static str, fn(&Home) -> Result<(), Stop>, &'static str);
const WORDS: &[Word] = &[
    ("start", |home| run(home, Verb::Start), "starts the services"),
    ("stop", |home| run(home, Verb::Stop), "stops the services"),
    ("restart", |home| run(home, Verb::Restart), "ends the services; they are started again"),
    ("pause", |home| run(home, Verb::Pause), "stops the services where they are"),
    ("cont", |home| run(home, Verb::Cont), "lets paused services go on"),
    ("stat", |home| run(home, Verb::Stat), "says what runs"),
    ("flush", |home| run(home, Verb::Flush), "tries all waiting mail now"),
    ("doqueue", |home| run(home, Verb::Flush), "the same"),
    ("alrm", |home| run(home, Verb::Flush), "the same"),
    ("reload", |home| run(home, Verb::Reload), "has send read its control files again"),
    ("hup", |home| run(home, Verb::Reload), "the same"),
    ("queue", queue, "shows what waits"),
    ("cdb", crate::cdb::run, "compiles the tables"),
];

pub(crate) fn qmailctl(home: &Home, words: &[String]) -> Result<(), Stop> {
    let wanted = words.first().map(String::as_str);
    match WORDS.iter().find(|(word, ..)| Some(*word) == wanted) {
        Some((_, deed, _)) => deed(home),
        None if matches!(wanted, Some("help" | "--help" | "-h")) => {
            let line = |(word, _, about): &Word| format!("{word:8} {about}\n");
            print(&WORDS.iter().map(line).collect::<String>())
        }
        None => {
            let words: Vec<&str> = WORDS.iter().map(|(word, ..)| *word).collect();
            Err(Stop::usage(format_args!("qmailctl {}|help", words.join("|"))))
        }
    }
}

fn queue(home: &Home) -> Result<(), Stop> {
    qmail::qstat(home).and_then(|()| qmail::qread(home))
}

pub(crate) fn run(home: &Home, verb: Verb) -> Result<(), Stop> {
    let services = services(home)?;
    if !services.iter().any(|service| is_supervised(service)) && has_units() {
        return ask_systemd(verb);
    }
    match verb {
        Verb::Start => all(&services, 'u', "started"),
        Verb::Stop => all(&services, 'd', "stopped"),
        Verb::Restart => all(&services, 't', "restarted"),
        Verb::Pause => all(&services, 'p', "paused"),
        Verb::Cont => all(&services, 'c', "going on"),
        Verb::Stat => services.iter().try_for_each(|service| print(&state(service))),
        Verb::Flush => tell(&home.join("etc/run/send"), 'a', "trying all waiting mail"),
        Verb::Reload => tell(&home.join("etc/run/send"), 'h', "reading its control files again"),
    }
}

/// The folders of `etc/run`, by name.
fn services(home: &Home) -> Result<Vec<PathBuf>, Stop> {
    let folder = home.join("etc/run");
    let at = |error| Stop::temporary(format_args!("{}: {error}; fulmar init makes it", folder.display()));
    let entries = fs::read_dir(&folder).map_err(at)?;
    let mut services: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    services.retain(|service| service.join("run").is_file());
    services.sort_unstable();
    Ok(services)
}

fn is_supervised(service: &Path) -> bool {
    sys::durable::fifo_writer(&service.join("supervise/control")).is_ok()
}

fn all(services: &[PathBuf], letter: char, done: &str) -> Result<(), Stop> {
    let told: Vec<_> = services.iter().map(|service| tell(service, letter, done)).collect();
    told.into_iter().collect()
}

fn tell(service: &Path, letter: char, done: &str) -> Result<(), Stop> {
    let control = service.join("supervise/control");
    let written = sys::durable::fifo_writer(&control).and_then(|mut fifo| write!(fifo, "{letter}"));
    match written {
        Ok(()) => print(&format!("{}: {done}\n", name(service))),
        Err(error) => Err(Stop::temporary(format_args!(
            "{}: nobody supervises it ({}: {error}); be root, and start a supervisor on {}",
            name(service),
            control.display(),
            service.parent().unwrap_or(service).display()
        ))),
    }
}

fn state(service: &Path) -> String {
    let name = name(service);
    if !is_supervised(service) {
        return format!("{name}: not supervised\n");
    }
    let status = fs::read(service.join("supervise/status")).unwrap_or_default();
    let age = since(&status)
        .map_or(String::new(), |since| format!(" {} seconds", sys::unix_seconds().saturating_sub(since)));
    match pid(&status) {
        Some(0) => format!("{name}: down{age}\n"),
        Some(pid) => format!("{name}: up (pid {pid}){age}\n"),
        None => format!("{name}: supervised\n"),
    }
}

/// The process id in `supervise/status`: daemontools and runit have it in 4 octets, least first, s6 in 8.
fn pid(status: &[u8]) -> Option<u64> {
    match status.len() {
        18 | 20 => Some(u32::from_le_bytes(status[12..16].try_into().ok()?).into()),
        35 | 43 => Some(u64::from_be_bytes(status[24..32].try_into().ok()?)),
        _ => None,
    }
}

/// When that was so: a TAI64 label. Unix time began ten seconds into it; s6 counts the leap seconds since
/// (27 up to now), the others do not.
fn since(status: &[u8]) -> Option<u64> {
    let label = u64::from_be_bytes(status.get(..8)?.try_into().ok()?);
    let ahead = if status.len() > 20 { 37 } else { 10 };
    label.checked_sub((1 << 62) + ahead)
}

fn name(service: &Path) -> String {
    service.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where units of ours are installed.
fn has_units() -> bool {
    ["/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"]
        .iter()
        .any(|folder| Path::new(folder).join("fulmar.target").exists())
}

fn ask_systemd(verb: Verb) -> Result<(), Stop> {
    let words: &[&str] = match verb {
        Verb::Start => &["start", "fulmar.target"],
        Verb::Stop => &["stop", "fulmar.target"],
        Verb::Restart => &["restart", "fulmar.target"],
        Verb::Pause => &["kill", "--signal=STOP", "fulmar-*"],
        Verb::Cont => &["kill", "--signal=CONT", "fulmar-*"],
        Verb::Stat => &["--no-pager", "list-units", "fulmar*"],
        Verb::Flush => &["kill", "--signal=ALRM", "fulmar-send.service"],
        Verb::Reload => &["kill", "--signal=HUP", "fulmar-send.service"],
    };
    let failed = |cause: &dyn std::fmt::Display| Stop::temporary(format_args!("systemctl: {cause}"));
    let mut child = Start::new("systemctl").args(words).spawn().map_err(|error| failed(&error))?;
    match child.wait().map_err(|error| failed(&error))? {
        exit if exit.is_success() => Ok(()),
        Exit::Code(code) => Err(failed(&format_args!("exit code {code}"))),
        other => Err(failed(&format_args!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_supervisors_status_is_understood() {
        let mut daemontools = vec![0; 18];
        daemontools[..8].copy_from_slice(&((1_u64 << 62) + 10 + 1_700_000_000).to_be_bytes());
        daemontools[12..16].copy_from_slice(&4711_u32.to_le_bytes());
        assert_eq!((pid(&daemontools), since(&daemontools)), (Some(4711), Some(1_700_000_000)));
        let runit = [&daemontools[..], &[0, 1]].concat();
        assert_eq!(pid(&runit), Some(4711));
        let mut s6 = vec![0; 43];
        s6[..8].copy_from_slice(&((1_u64 << 62) + 37 + 1_700_000_000).to_be_bytes());
        s6[24..32].copy_from_slice(&4712_u64.to_be_bytes());
        assert_eq!((pid(&s6), since(&s6)), (Some(4712), Some(1_700_000_000)));
        assert_eq!((pid(b"?"), since(b"?")), (None, None));
    }
}
