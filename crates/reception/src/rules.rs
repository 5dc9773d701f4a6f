//! The control files that say what is taken in, read at the start of each connection; read anew only if one of them
//! has been touched since the last. One that is broken turns every client away for later.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use control::{Broken, Control, Home, Table};
use policy::Unsure;

use crate::state::State;

/// Recipients of a message where `maxrecipients` does not say.
const RECIPIENTS: u32 = 1000;

pub(crate) const TABLES: &[&str] = &[
    "badmailfrom",
    "badrcptto",
    "relayclients",
    "relaydomains",
    "relaymailfrom",
    "tlsclients",
    "rcpthosts",
    "morercpthosts",
    "percenthack",
];
pub(crate) const FILES: &[&str] = &[
    "me",
    "smtpgreeting",
    "envnoathost",
    "localiphost",
    "doublebounceto",
    "doublebouncehost",
    "databytes",
    "maxrecipients",
    "maxhops",
    "timeoutsmtpd",
    "digestlogins",
];

/// What the files say.
#[derive(Clone, Debug)]
pub struct Rules {
    /// This host's name.
    pub me: String,
    /// What it greets with.
    pub greeting: String,
    /// Host of addresses without one.
    pub envnoathost: String,
    /// Stands for our own address in brackets.
    pub localiphost: String,
    /// Who gets what is addressed to the postmaster of this host's own name, as double bounces do.
    pub postmaster: String,
    /// Octets of a message; 0: no limit.
    pub databytes: u64,
    /// Recipients of a message.
    pub recipients: u32,
    /// Trace lines of a message that goes round in circles.
    pub hops: u32,
    /// Are logins offered that need a password kept in a form for them?
    pub digests: bool,
    /// Patience with each read and write.
    pub timeout: Duration,
    tables: HashMap<&'static str, Rc<Table>>,
}

impl Rules {
    fn read(control: &Control) -> Result<Rules, Broken> {
        let mut tables = HashMap::new();
        for name in TABLES {
            tables.insert(*name, Rc::new(control.table(name)?));
        }
        let small = |name| Ok::<u32, Broken>(u32::try_from(control.number(name)?).unwrap_or(u32::MAX));
        Ok(Rules {
            me: control.me()?,
            greeting: control.text("smtpgreeting")?,
            envnoathost: control.text("envnoathost")?,
            localiphost: control.text("localiphost")?,
            postmaster: format!("{}@{}", control.text("doublebounceto")?, control.text("doublebouncehost")?),
            databytes: control.number("databytes")?,
            recipients: Some(small("maxrecipients")?).filter(|n| *n > 0).unwrap_or(RECIPIENTS),
            hops: small("maxhops")?,
            digests: control.flag("digestlogins")?,
            timeout: Duration::from_secs(control.number("timeoutsmtpd")?),
            tables,
        })
    }

    /// The key of `name`'s line for an address or its `@host`.
    pub fn address(&self, name: &str, address: &str) -> Result<Option<String>, Unsure> {
        self.ask(name, |table| table.address(address))
    }

    /// The key of `name`'s line for a domain or a `.suffix` of it.
    pub fn domain(&self, name: &str, domain: &str) -> Result<Option<String>, Unsure> {
        self.ask(name, |table| table.domain(domain))
    }

    /// The key of `name`'s line for an address or the longest network that it is in, and its value.
    pub fn network(&self, name: &str, ip: IpAddr) -> Result<Option<(String, String)>, Unsure> {
        self.grant(name, |table| table.network(ip))
    }

    /// The rules with the clients of another file of `control/` in place of relayclients.
    pub fn with_relayclients(&self, control: &Control, file: &str) -> Result<Rules, Broken> {
        let mut rules = self.clone();
        rules.tables.insert("relayclients", Rc::new(control.table_in("relayclients", file)?));
        Ok(rules)
    }

    /// The key of `name`'s line for a host or a `.suffix` of it, and its value.
    pub fn host(&self, name: &str, host: &str) -> Result<Option<(String, String)>, Unsure> {
        self.grant(name, |table| table.domain(host))
    }

    /// A line that lets somebody relay: its key, and what is glued to recipients.
    fn grant(
        &self,
        name: &str,
        ask: impl Fn(&Table) -> Result<Option<control::Hit>, Broken>,
    ) -> Result<Option<(String, String)>, Unsure> {
        let Some(hit) = self.hit(name, ask)? else { return Ok(None) };
        let key = told(&hit);
        match hit.value().bytes().all(|octet| octet.is_ascii_graphic()) {
            true => Ok(Some((key, hit.value()))),
            false => {
                Err(Unsure(format!("control/{name}:{key}: what follows the colon can't be in an address")))
            }
        }
    }

    /// Does `name` have exactly this line?
    pub fn has(&self, name: &str, line: &str) -> Result<bool, Unsure> {
        Ok(self.ask(name, |table| table.get(line))?.is_some())
    }

    fn ask(
        &self,
        name: &str,
        ask: impl Fn(&Table) -> Result<Option<control::Hit>, Broken>,
    ) -> Result<Option<String>, Unsure> {
        Ok(self.hit(name, ask)?.map(|hit| told(&hit)))
    }

    fn hit(
        &self,
        name: &str,
        ask: impl Fn(&Table) -> Result<Option<control::Hit>, Broken>,
    ) -> Result<Option<control::Hit>, Unsure> {
        let table = self.tables.get(name).ok_or_else(|| Unsure(format!("control/{name} was not read")))?;
        ask(table).map_err(|broken| Unsure(broken.to_string()))
    }
}

/// A line for the log: its key, and its number where that is known.
fn told(hit: &control::Hit) -> String {
    let key = String::from_utf8_lossy(&hit.key);
    hit.line.map_or_else(|| key.to_string(), |line| format!("{key} line={line}"))
}

/// The files with what they said last.
pub struct Files {
    control: Control,
    folder: PathBuf,
    kept: Option<(State, Rc<Rules>)>,
}

impl Files {
    /// Those of `home`; none is read yet.
    pub fn of(home: &Home) -> Files {
        Files { control: Control::open(home), folder: home.control(), kept: None }
    }

    /// What the files say now, for a client whose RELAYCLIENTS may name a file of its own.
    pub fn rules_for(&mut self, relayclients: Option<&str>) -> Result<Rc<Rules>, Broken> {
        let rules = self.rules()?;
        match relayclients {
            None => Ok(rules),
            Some(file) => rules.with_relayclients(&self.control, file).map(Rc::new),
        }
    }

    /// What the files say now.
    pub fn rules(&mut self) -> Result<Rc<Rules>, Broken> {
        if let Some((then, rules)) = &self.kept
            && then.is_still(&self.folder)
        {
            return Ok(rules.clone());
        }
        let now = State::of(&self.folder);
        let rules = match self.kept.take() {
            Some((then, rules)) if then.says_as(&now) => rules,
            _ => Rc::new(Rules::read(&self.control)?),
        };
        self.kept = Some((now, rules.clone()));
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn house(files: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("control")).unwrap();
        for (name, text) in files {
            fs::write(home.path().join("control").join(name), text).unwrap();
        }
        let files = Files::of(&Home::at(home.path()));
        (home, files)
    }

    #[test]
    fn what_is_missing_is_its_default_and_me_is_needed() {
        let (_home, mut files) = house(&[("me", "mail.example.test\n")]);
        let rules = files.rules().unwrap();
        assert_eq!((&rules.greeting[..], rules.recipients, rules.hops), ("mail.example.test", 1000, 100));
        assert_eq!(rules.domain("rcpthosts", "example.test"), Ok(None), "nothing missing opens a relay");
        assert!(house(&[]).1.rules().is_err());
    }

    #[test]
    fn an_edit_holds_from_the_next_connection_on_and_a_broken_one_is_told() {
        let (home, mut files) = house(&[("me", "m"), ("rcpthosts", "a.test\n.b.test\n")]);
        let before = files.rules().unwrap();
        assert_eq!(before.domain("rcpthosts", "x.B.test"), Ok(Some(".b.test line=2".into())));
        assert!(
            !Rc::ptr_eq(&before, &files.rules().unwrap()),
            "what has just been written may be written again"
        );
        let before = files.rules().unwrap();
        files.kept = Some((State::of_old(&files.folder), before.clone()));
        assert!(Rc::ptr_eq(&before, &files.rules().unwrap()), "untouched files are not read again");
        fs::write(home.path().join("control/rcpthosts"), "new.test\n").unwrap();
        assert_eq!(files.rules().unwrap().domain("rcpthosts", "a.test"), Ok(None));
        fs::create_dir(home.path().join("control/networks")).unwrap();
        fs::write(home.path().join("control/networks/us"), "192.0.2.1\n").unwrap();
        fs::write(home.path().join("control/relayclients"), "@us:\n").unwrap();
        let us = |files: &mut Files, ip: &str| {
            files.rules().unwrap().network("relayclients", ip.parse().unwrap()).unwrap().is_some()
        };
        assert!(us(&mut files, "192.0.2.1") && !us(&mut files, "192.0.2.2"));
        fs::write(home.path().join("control/networks/us"), "192.0.2.2\n").unwrap();
        assert!(us(&mut files, "192.0.2.2") && !us(&mut files, "192.0.2.1"));
        fs::write(home.path().join("control/databytes"), "12abc\n").unwrap();
        assert!(files.rules().is_err() && files.rules().is_err());
        fs::remove_file(home.path().join("control/databytes")).unwrap();
        assert!(files.rules().is_ok());
    }
}
