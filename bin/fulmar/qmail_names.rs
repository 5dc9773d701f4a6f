//! qmail's own names: under which of them the programs here are found, and what fulmar does under some.

use control::{Broken, Control, Home, Kind};
use sys::Stop;

use crate::assign;
use crate::queue::qmail;
use crate::relay;
use crate::service;
use crate::show::print;

/// A name that qmail's admins have in their fingers, and the program here with the same interface.
pub(crate) const LINKS: &[(&str, &str)] = &[
    ("clearopensmtp", "fulmar"),
    ("mailq", "inject"),
    ("newaliases", "inject"),
    ("qmail-inject", "inject"),
    ("qmail-local", "dot-qmail"),
    ("qmail-newmrh", "fulmar"),
    ("qmail-newu", "fulmar"),
    ("qmail-pop3d", "pop3d"),
    ("qmail-popup", "popup"),
    ("qmail-pw2u", "fulmar"),
    ("qmail-qmqpc", "qmqpc"),
    ("qmail-qmqpd", "qmqpd"),
    ("qmail-qmtpd", "qmtpd"),
    ("qmail-qread", "fulmar"),
    ("qmail-qstat", "fulmar"),
    ("qmail-queue", "enqueue"),
    ("qmail-remote", "remote"),
    ("qmail-showctl", "fulmar"),
    ("qmail-smtpd", "smtpd"),
    ("qmail-tcpok", "remote"),
    ("qmail-tcpto", "remote"),
    ("qmailctl", "fulmar"),
    ("relay-clear", "fulmar"),
    ("relayctl", "fulmar"),
    ("sendmail", "inject"),
    ("vsmtprelay", "fulmar"),
];

/// What fulmar does when it is called by another name.
type Deed = fn(&Home, &[String]) -> Result<(), Stop>;
const DEEDS: &[(&str, Deed)] = &[
    ("clearopensmtp", relay::clear),
    ("qmail-newmrh", |home, _| newmrh(home)),
    ("qmail-newu", |home, _| assign::newu(home)),
    ("qmail-pw2u", assign::pw2u),
    ("qmail-qread", |home, _| qmail::qread(home)),
    ("qmail-qstat", |home, _| qmail::qstat(home)),
    ("qmail-showctl", |home, _| showctl(home)),
    ("qmailctl", service::qmailctl),
    ("relay-clear", relay::clear),
    ("relayctl", relay::relayctl),
    ("vsmtprelay", relay::relayctl),
];

/// Does what the name this program was called by, the first of `words`, stands for; `None`: nothing.
pub(crate) fn run(words: std::env::ArgsOs) -> Option<Result<(), Stop>> {
    let mut words = words.map(|word| word.to_string_lossy().into_owned());
    let deed = deed(&words.next()?)?;
    Some(deed(&Home::find(), &words.collect::<Vec<_>>()))
}

/// The deed for a name.
fn deed(name: &str) -> Option<Deed> {
    let name = name.rsplit('/').next().unwrap_or_default();
    DEEDS.iter().find(|(known, _)| *known == name).map(|(_, deed)| *deed)
}

fn newmrh(home: &Home) -> Result<(), Stop> {
    control::compile(home, "morercpthosts").map(|_| ()).map_err(Stop::permanent)
}

/// Every control file that has an effect: what it says, or what holds without it.
fn showctl(home: &Home) -> Result<(), Stop> {
    let control = Control::open(home);
    print(&format!("home directory: {}\n", home.path().display()))?;
    for file in control::TABLE.iter().filter(|file| !file.readers.is_empty() && file.kind != Kind::Folder) {
        match value(&control, file) {
            Ok(value) => print(&format!("\n{}: {value}\n", file.name))?,
            Err(broken) => print(&format!("\n{}: broken: {broken}\n", file.name))?,
        }
    }
    Ok(())
}

fn value(control: &Control, file: &control::File) -> Result<String, Broken> {
    match control.whole(file.name)? {
        Some(text) => Ok(text.trim_end().replace('\n', &format!("\n{}: ", file.name))),
        None => Ok(match file.default {
            control::Default::Value(value) => format!("(Default.) {value}"),
            control::Default::Me => format!("(Default.) {}", control.me()?),
            control::Default::None => "(Default.) There is no such file.".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_fulmars_has_its_deed() {
        for (name, program) in LINKS {
            assert_eq!(*program == "fulmar", deed(name).is_some(), "{name}");
        }
        assert!(deed("/var/qmail/bin/qmail-qread").is_some());
        assert!(deed("fulmar").is_none());
    }

    #[test]
    fn every_link_leads_to_a_program() {
        for (name, program) in LINKS {
            assert!(crate::init::PROGRAMS.contains(program), "{name}");
        }
    }
}
