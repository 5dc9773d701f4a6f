//! An account, an alias, a route: what one line of `accounts`, `aliases` or `routes` says.

use std::fmt;

use crate::name::{self, Fault};
use crate::words::{self, days, quoted, show_size, size, split};

/// Most addresses in one list.
pub const TARGETS_MAX: usize = 1000;

/// What becomes of an account's mail: feature 50.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Into its Maildir.
    #[default]
    Mailbox,
    /// To other addresses.
    Forward,
    /// Both.
    Both,
    /// As the account's own .qmail files say.
    Qmail,
}

const DELIVERIES: &[(&str, Delivery)] = &[
    ("mailbox", Delivery::Mailbox),
    ("forward", Delivery::Forward),
    ("both", Delivery::Both),
    ("qmail", Delivery::Qmail),
];

impl Delivery {
    /// Its word.
    pub fn name(self) -> &'static str {
        DELIVERIES.iter().find(|(_, delivery)| *delivery == self).map_or("", |(name, _)| name)
    }
}

/// What one can log in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Fetching mail.
    Pop3,
    /// Reading mail on the server.
    Imap,
    /// Sending mail.
    Smtp,
    /// Editing Sieve scripts.
    Sieve,
    /// The user's own web page.
    Web,
}

const SERVICES: &[(&str, Service)] = &[
    ("pop3", Service::Pop3),
    ("imap", Service::Imap),
    ("smtp", Service::Smtp),
    ("sieve", Service::Sieve),
    ("web", Service::Web),
];

impl Service {
    /// Its word.
    pub fn name(self) -> &'static str {
        SERVICES.iter().find(|(_, service)| *service == self).map_or("", |(name, _)| name)
    }

    /// The service of a word, other usual names included: `imaps`, `submission`, `managesieve`.
    pub fn of(word: &str) -> Option<Service> {
        let word = match word {
            "pop3s" => "pop3",
            "imaps" => "imap",
            "smtps" | "submission" | "submissions" => "smtp",
            "managesieve" => "sieve",
            word => word,
        };
        SERVICES.iter().find(|(name, _)| *name == word).map(|(_, service)| *service)
    }

    /// `all`, `none`, or words with commas between.
    pub(crate) fn list(text: &str) -> Result<Vec<Service>, String> {
        match text {
            "all" => return Ok(SERVICES.iter().map(|(_, service)| *service).collect()),
            "none" => return Ok(Vec::new()),
            _ => {}
        }
        let service = |word: &str| Service::of(word).ok_or_else(|| format!("`{word}` is no service"));
        text.split(',').map(|word| service(word.trim())).collect()
    }

    pub(crate) fn show(list: &[Service]) -> String {
        let names: Vec<_> = list.iter().map(|service| service.name()).collect();
        if names.is_empty() { "none".into() } else { names.join(",") }
    }
}

/// An account: features 45, 50 to 53, 58 to 61, 67.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What becomes of its mail.
    pub delivery: Delivery,
    /// Where it is forwarded to.
    pub forward: Vec<String>,
    /// Does it also receive for `name-*`? Of the account `default`: for all that do not exist?
    pub wildcard: bool,
    /// Octets, 0 for no limit; `None`: as the domain says.
    pub quota: Option<u64>,
    /// Why neither mail nor logins are taken, if so.
    pub disabled: Option<String>,
    /// What may be logged in to; `None`: as the domain says.
    pub services: Option<Vec<Service>>,
    /// The host that serves its mailbox; `None`: as the domain says.
    pub host: Option<String>,
    /// Days after which the trash folder's messages go, 0 for never; `None`: as the domain says.
    pub trash_days: Option<u32>,
    /// The same for the spam folder.
    pub spam_days: Option<u32>,
}

impl Account {
    /// Reads the words behind the colon; names without a domain in `forward` get `domain`.
    /// The error is a sentence.
    pub fn parse(text: &str, domain: &str) -> Result<Account, String> {
        let mut account = Account::default();
        let mut said = None;
        for (word, value) in split(text)? {
            let value = || value.clone().ok_or(format!("`{word}` needs a value: {word}=..."));
            match word.as_str() {
                "deliver" => said = Some(delivery(&value()?)?),
                "forward" => account.forward.extend(targets(&value()?, domain)?),
                "wildcard" => account.wildcard = true,
                "quota" => account.quota = Some(size(&value()?)?),
                "disabled" => account.disabled = Some(value().unwrap_or_default()),
                "services" => account.services = Some(Service::list(&value()?)?),
                "host" => account.host = Some(host(&value()?)?),
                "trash-days" => account.trash_days = Some(days(&value()?)?),
                "spam-days" => account.spam_days = Some(days(&value()?)?),
                _ => return Err(format!("`{word}` is no setting of an account")),
            }
        }
        account.settle(said)
    }

    /// `forward=` alone means to forward; modes and addresses have to fit together.
    fn settle(mut self, said: Option<Delivery>) -> Result<Account, String> {
        let usual = if self.forward.is_empty() { Delivery::Mailbox } else { Delivery::Forward };
        self.delivery = said.unwrap_or(usual);
        let forwards = matches!(self.delivery, Delivery::Forward | Delivery::Both);
        match (forwards, self.forward.is_empty()) {
            (true, true) => Err(format!("deliver={} needs forward=ADDRESS", self.delivery.name())),
            (false, false) => Err(format!("deliver={} does not go with forward=", self.delivery.name())),
            _ => Ok(self),
        }
    }

    /// The instructions for one delivery, in the language of .qmail files; `folder` is a route's.
    pub fn instructions(&self, folder: &str) -> Vec<String> {
        let mailbox = || format!("./Maildir/{folder}{}", if folder.is_empty() { "" } else { "/" });
        let forward = || self.forward.iter().map(|address| format!("&{address}"));
        match self.delivery {
            _ if !folder.is_empty() => vec![mailbox()],
            Delivery::Mailbox => vec![mailbox()],
            Delivery::Forward => forward().collect(),
            Delivery::Both => std::iter::once(mailbox()).chain(forward()).collect(),
            Delivery::Qmail => vec![".qmail".into()],
        }
    }
}

impl fmt::Display for Account {
    /// The words behind the colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "deliver={}", self.delivery.name())?;
        if !self.forward.is_empty() {
            write!(f, " forward={}", self.forward.join(","))?;
        }
        if self.wildcard {
            f.write_str(" wildcard")?;
        }
        if let Some(quota) = self.quota {
            write!(f, " quota={}", show_size(quota))?;
        }
        if let Some(services) = &self.services {
            write!(f, " services={}", Service::show(services))?;
        }
        if let Some(host) = &self.host {
            write!(f, " host={host}")?;
        }
        if let Some(days) = self.trash_days {
            write!(f, " trash-days={days}")?;
        }
        if let Some(days) = self.spam_days {
            write!(f, " spam-days={days}")?;
        }
        match &self.disabled {
            Some(reason) => write!(f, " disabled={}", quoted(reason)),
            None => Ok(()),
        }
    }
}

fn host(text: &str) -> Result<String, String> {
    name::domain(text).map_err(|fault| format!("`{text}`: {fault}"))
}

fn delivery(word: &str) -> Result<Delivery, String> {
    let found = DELIVERIES.iter().find(|(name, _)| *name == word);
    found.map(|(_, delivery)| *delivery).ok_or(format!("`{word}` is none of mailbox, forward, both, qmail"))
}

/// Addresses with commas between; a name without a domain gets `domain`. The part before the `@` keeps
/// its case: it may be somebody else's.
pub(crate) fn targets(text: &str, domain: &str) -> Result<Vec<String>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let list: Vec<String> = parts
        .map(|part| target(part, domain).map_err(|fault| format!("`{part}`: {fault}")))
        .collect::<Result<_, _>>()?;
    match list.len() {
        0 => Err("there is no address".into()),
        1..=TARGETS_MAX => Ok(list),
        _ => Err(format!("more than {TARGETS_MAX} addresses; split them into several aliases")),
    }
}

fn target(text: &str, domain: &str) -> Result<String, Fault> {
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, domain));
    name::local(local)?;
    Ok(format!("{local}@{}", name::domain(domain)?))
}

/// A route: mail for a name goes into a folder of an account. Feature 55.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose mailbox.
    pub account: String,
    /// The Maildir++ folder, such as `.Lists`; empty for the inbox.
    pub folder: String,
    /// Is it switched off?
    pub disabled: bool,
}

impl Route {
    /// Reads `account`, `account/.Folder` or `account/Maildir/.Folder`, and perhaps `disabled`.
    pub fn parse(text: &str) -> Result<Route, String> {
        let end = |c: char| c == '/' || c.is_whitespace();
        let text = text.trim().trim_end_matches(end);
        let (place, disabled) = match text.strip_suffix("disabled") {
            Some(place) if place.ends_with(char::is_whitespace) => (place.trim_end_matches(end), true),
            _ => (text, false),
        };
        let (account, folder) = place.split_once('/').unwrap_or((place, ""));
        let account = name::account(account).map_err(|fault| format!("`{account}`: {fault}"))?;
        let folder = if folder == "Maildir" { "" } else { folder.strip_prefix("Maildir/").unwrap_or(folder) };
        let inside = folder.starts_with('.') && folder.len() > 1 && !folder.contains("..");
        let plain = !folder.contains('/') && !folder.chars().any(char::is_control) && folder.len() < 200;
        match folder.is_empty() || (inside && plain) {
            true => Ok(Route { account, folder: folder.into(), disabled }),
            false => Err(format!("`{folder}` is no folder of a Maildir, such as .Lists")),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.folder.is_empty() { "" } else { "/" };
        let disabled = if self.disabled { " disabled" } else { "" };
        write!(f, "{}{slash}{}{disabled}", self.account, self.folder)
    }
}

/// Settings of a domain, or of all (`users/defaults`): features 44, 54, 58, 60, 61.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Mail for this domain is mail for that one.
    pub alias_of: Option<String>,
    /// Octets, 0 for no limit.
    pub quota: Option<u64>,
    /// Who gets a blind copy of all mail sent and received by the domain.
    pub journal: Option<String>,
    /// Where mail for postmaster goes if there is neither account nor alias of that name.
    pub postmaster: Option<String>,
    /// What may be logged in to.
    pub services: Option<Vec<Service>>,
    /// The host that serves its mailboxes; without: whichever is asked.
    pub host: Option<String>,
    /// Days after which the trash folder's messages go, 0 for never.
    pub trash_days: Option<u32>,
    /// The same for the spam folder.
    pub spam_days: Option<u32>,
    /// Uid and gid that own the mail; without: fulmar-mail's.
    pub owner: Option<(u32, u32)>,
    /// `user+ext` is not `user`.
    pub no_plus: bool,
}

impl Settings {
    /// Takes one line, `key value`. The error is a sentence.
    pub fn take(&mut self, line: &str, domain: &str) -> Result<(), String> {
        let (key, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        if value.is_empty() {
            return Err(format!("`{key}` needs a value: {key} VALUE"));
        }
        let address = || target(value, domain).map_err(|fault| format!("`{value}`: {fault}"));
        match key {
            "alias-of" => {
                self.alias_of = Some(name::domain(value).map_err(|fault| format!("`{value}`: {fault}"))?);
            }
            "quota" => self.quota = Some(size(value)?),
            "journal" => self.journal = Some(address()?),
            "postmaster" => self.postmaster = Some(address()?),
            "services" => self.services = Some(Service::list(value)?),
            "host" => self.host = Some(host(value)?),
            "trash-days" => self.trash_days = Some(days(value)?),
            "spam-days" => self.spam_days = Some(days(value)?),
            "owner" => self.owner = Some(owner(value)?),
            "plus" => self.no_plus = !words::on(value)?,
            _ => return Err(format!("`{key}` is no setting of a domain")),
        }
        Ok(())
    }

    /// What is not said here is as `defaults` says.
    #[must_use]
    pub fn or(mut self, defaults: &Settings) -> Settings {
        self.quota = self.quota.or(defaults.quota);
        self.services = self.services.or_else(|| defaults.services.clone());
        self.host = self.host.or_else(|| defaults.host.clone());
        self.trash_days = self.trash_days.or(defaults.trash_days);
        self.spam_days = self.spam_days.or(defaults.spam_days);
        self.owner = self.owner.or(defaults.owner);
        self
    }
}

impl fmt::Display for Settings {
    /// A line a setting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |key: &str, value: Option<String>| match value {
            Some(value) => writeln!(f, "{key} {value}"),
            None => Ok(()),
        };
        line("alias-of", self.alias_of.clone())?;
        line("quota", self.quota.map(show_size))?;
        line("journal", self.journal.clone())?;
        line("postmaster", self.postmaster.clone())?;
        line("services", self.services.as_deref().map(Service::show))?;
        line("host", self.host.clone())?;
        line("trash-days", self.trash_days.map(|days| days.to_string()))?;
        line("spam-days", self.spam_days.map(|days| days.to_string()))?;
        line("owner", self.owner.map(|(uid, gid)| format!("{uid}:{gid}")))?;
        line("plus", self.no_plus.then(|| "no".into()))
    }
}

/// `uid:gid`, or a name of the passwd file. Root owns no mail.
fn owner(text: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("`{text}` is no user; write a name, or uid:gid in digits");
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let owner = match text.split_once(':') {
        Some((uid, gid)) if plain(uid) && plain(gid) => (uid.parse().ok(), gid.parse().ok()),
        Some(_) => return Err(wrong()),
        None => {
            let user = sys::user(text).map_err(|error| format!("/etc/passwd: {error}"))?.ok_or_else(wrong)?;
            (Some(user.identity.uid), Some(user.identity.gid))
        }
    };
    match owner {
        (Some(0), _) => Err("mail cannot be owned by root".into()),
        (Some(uid), Some(gid)) if uid != u32::MAX && gid != u32::MAX => Ok((uid, gid)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> Result<Account, String> {
        Account::parse(text, "example.test")
    }

    #[test]
    fn an_account_is_read_back_as_it_is_shown() {
        for text in [
            "",
            "deliver=qmail wildcard",
            "forward=Bob@Other.Example,carol",
            "deliver=both forward=bob@other.example quota=100M",
            "quota=none services=pop3,imap host=mail2.example.org trash-days=30 spam-days=never disabled=\"over quota\"",
            "services=none disabled",
        ] {
            let read = account(text).unwrap();
            assert_eq!(account(&read.to_string()).unwrap(), read, "{text}");
        }
        assert_eq!(
            account("forward=Bob@Other.Example,carol").unwrap().forward,
            ["Bob@other.example", "carol@example.test"]
        );
    }

    #[test]
    fn the_four_modes_give_their_instructions() {
        assert_eq!(account("").unwrap().instructions(""), ["./Maildir/"]);
        assert_eq!(account("forward=b@x").unwrap().instructions(""), ["&b@x"]);
        assert_eq!(
            account("deliver=both forward=b@x,c@x").unwrap().instructions(""),
            ["./Maildir/", "&b@x", "&c@x"]
        );
        assert_eq!(account("deliver=qmail").unwrap().instructions(""), [".qmail"]);
        assert_eq!(account("").unwrap().instructions(".Lists"), ["./Maildir/.Lists/"]);
    }

    #[test]
    fn what_contradicts_itself_or_is_not_understood_is_refused() {
        for text in [
            "deliver=forward",
            "deliver=mailbox forward=b@x",
            "deliver=pigeon",
            "quota=lots",
            "quota",
            "colour=red",
            "forward=",
            "forward=..@x",
            "forward=a@b/c",
            "services=gopher",
            "trash-days=-1",
            "a=\"",
        ] {
            assert!(account(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_route_stays_inside_its_account_s_maildir() {
        for (text, account, folder) in [
            ("alice", "alice", ""),
            ("Alice/Maildir/", "alice", ""),
            ("alice/.Lists", "alice", ".Lists"),
            ("alice/Maildir/.A.B/", "alice", ".A.B"),
        ] {
            let route = Route::parse(text).unwrap();
            assert_eq!((route.account.as_str(), route.folder.as_str()), (account, folder));
            assert_eq!(Route::parse(&route.to_string()), Ok(route));
        }
        assert!(Route::parse("alice/.Lists disabled").unwrap().disabled);
        for text in [
            "",
            "../bob",
            "alice/..",
            "alice/.",
            "alice/../bob",
            "alice/Maildir/cur",
            "alice/.a/b",
            "alice/.a..b",
            "/x",
        ] {
            assert!(Route::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn settings_are_read_back_as_they_are_shown() {
        let mut settings = Settings::default();
        for line in [
            "quota 1G",
            "journal archive",
            "postmaster root@host.example",
            "services pop3,imap",
            "host mail2.example.org",
            "trash-days 30",
            "spam-days never",
            "owner 5000:5000",
            "plus no",
            "alias-of Example.ORG",
        ] {
            settings.take(line, "example.test").unwrap();
        }
        let mut again = Settings::default();
        settings.to_string().lines().try_for_each(|line| again.take(line, "example.test")).unwrap();
        assert_eq!(again, settings);
        for line in [
            "quota",
            "owner 0:5",
            "owner root",
            "owner 5",
            "owner +5:5",
            "journal",
            "x y",
            "plus maybe",
            "alias-of ..",
        ] {
            assert!(settings.take(line, "example.test").is_err(), "{line}");
        }
    }
}
