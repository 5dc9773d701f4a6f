//! Changes to users and domains: the texts are edited, then compiled.
//!
//! One writer at a time; each file is replaced whole; a process killed between two files leaves what
//! no one sees (a password without an account), and the compiled file old or new. A domain whose texts
//! have a wrong line is not touched until that is corrected.

use std::path::{Path, PathBuf};

use control::Broken;
use sys::durable::Folder;

use crate::account::{Account, Delivery, Service, Settings, targets};
use crate::lock::Lock;
use crate::name::{self, Address};
use crate::page::Page;
use crate::record::{self, Entry, Key};
use crate::text::{self, Sheet};
use crate::words::{quoted, show_size, split};
use crate::{compile, store};

/// Why a change was not made. Nothing was changed.
#[derive(Debug)]
pub enum Refusal {
    /// It cannot be done like this; a sentence that says why and what to do.
    Wrong(String),
    /// It cannot be done now.
    Later(Broken),
}

impl From<Broken> for Refusal {
    fn from(broken: Broken) -> Refusal {
        Refusal::Later(broken)
    }
}

fn wrong<T>(sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Wrong(sentence.into()))
}

/// Who holds the right to change what is under `users/`.
#[derive(Debug)]
pub struct Editor {
    users: PathBuf,
    _lock: Lock,
}

/// A domain whose texts are in order.
struct Domain {
    name: String,
    folder: Folder,
    sheet: Sheet,
}

impl Editor {
    /// Waits for other writers; removes what one that was killed left behind.
    pub fn open(users: &Path) -> Result<Editor, Refusal> {
        let lock = Lock::take(users)?;
        let editor = Editor { users: users.to_owned(), _lock: lock };
        let top = compile::folder(users)?;
        for left in top.names().map_err(|error| Broken::io("users", &error))? {
            let name = left.to_string_lossy();
            if name.starts_with(".new.") || name.starts_with(".del.") {
                let _ = std::fs::remove_dir_all(users.join(&left));
            }
        }
        Ok(editor)
    }

    /// Makes a domain; `settings` are `key=value`. Features 43, 44.
    pub fn domain_add(&self, name: &str, settings: &[&str]) -> Result<(), Refusal> {
        let name = checked(name, name::domain(name))?;
        if self.users.join(&name).symlink_metadata().is_ok() {
            return wrong(format!("the domain {name} is here already"));
        }
        let settings = parse_settings(settings, &name)?;
        if let Some(real) = &settings.alias_of {
            self.domain(real)?;
        }
        let failed = |error: std::io::Error| Broken::io(format!("users/{name}"), &error);
        let top = compile::folder(&self.users)?;
        let new = format!(".new.{name}");
        let folder = top.make_folder(&new, 0o700).map_err(failed)?;
        for (file, text, mode) in first_texts(&name, &settings) {
            compile::write(&folder, file, text.as_bytes(), mode).map_err(failed)?;
        }
        compile::into(&folder, &name).map_err(first)?;
        if sys::is_root() {
            let owner = top.stat(".").map_err(failed)?;
            top.give(&new, owner.st_uid, owner.st_gid).map_err(failed)?;
        }
        top.rename_new(&new, &top, &name).map_err(failed)?;
        Ok(top.sync().map_err(failed)?)
    }

    /// Removes a domain that has no accounts left and that no other is an alias of. The mail stays on disk.
    pub fn domain_del(&self, name: &str) -> Result<(), Refusal> {
        let domain = self.domain(name)?;
        let left = accounts_of(&domain.sheet, &domain.name);
        if let Some((first, _)) = left.first() {
            return wrong(format!(
                "{} users are left in {name}, such as {first}; remove them first",
                left.len()
            ));
        }
        for other in store::domains(&self.users)? {
            if self.domain(&other).is_ok_and(|other| other.settings().alias_of.as_ref() == Some(&domain.name))
            {
                return wrong(format!("{other} is an alias of {name}; remove it first"));
            }
        }
        let failed = |error: std::io::Error| Broken::io(format!("users/{}", domain.name), &error);
        let top = compile::folder(&self.users)?;
        let gone = format!(".del.{}", domain.name);
        top.rename(&domain.name, &top, &gone).map_err(failed)?;
        top.sync().map_err(failed)?;
        Ok(std::fs::remove_dir_all(self.users.join(gone)).map_err(failed)?)
    }

    /// Adds an account; `password` is in its kept form, `settings` are words as in `accounts`.
    pub fn user_add(&self, address: &str, password: Option<&str>, settings: &[&str]) -> Result<(), Refusal> {
        let (domain, name) = self.account_of(address)?;
        if domain.settings().alias_of.is_some() {
            return wrong(format!("{} is an alias of another domain; add the user there", domain.name));
        }
        if domain.account(&name).is_some() {
            return wrong(format!("{address} exists already"));
        }
        if domain.sheet.records.contains_key(&record::key(Key::Entry, &name)) {
            return wrong(format!("there is an alias or route of the name {address}; remove it first"));
        }
        let account = parse_account(&settings.join(" "), &domain.name)?;
        if let Some(password) = password {
            domain.set("passwords", &name, password)?;
        }
        domain.set("accounts", &name, &account.to_string())?;
        self.compile(&domain)
    }

    /// Changes settings of an account: words as in `accounts`; `word=` takes one away.
    pub fn user_set(&self, address: &str, settings: &[&str]) -> Result<(), Refusal> {
        let (domain, name) = self.account_of(address)?;
        let Some(account) = domain.account(&name) else { return nobody(address) };
        let mut words = split(&account.to_string()).map_err(Refusal::Wrong)?;
        for (word, value) in split(&settings.join(" ")).map_err(Refusal::Wrong)? {
            words.retain(|(old, _)| *old != word && !(word == "forward" && old == "deliver"));
            if value.as_deref() != Some("") {
                words.push((word, value));
            }
        }
        let shown = |(word, value): &(String, Option<String>)| match value {
            Some(value) => format!("{word}={}", quoted(value)),
            None => word.clone(),
        };
        let text: Vec<_> = words.iter().map(shown).collect();
        let account = parse_account(&text.join(" "), &domain.name)?;
        domain.set("accounts", &name, &account.to_string())?;
        self.compile(&domain)
    }

    /// Sets an account's password, in its kept form.
    pub fn user_passwd(&self, address: &str, password: &str) -> Result<(), Refusal> {
        let (domain, name) = self.account_of(address)?;
        if domain.account(&name).is_none() {
            return nobody(address);
        }
        domain.set("passwords", &name, password)?;
        self.compile(&domain)
    }

    /// Removes an account and its password. The mail stays on disk.
    pub fn user_del(&self, address: &str) -> Result<(), Refusal> {
        let (domain, name) = self.account_of(address)?;
        if domain.account(&name).is_none() {
            return nobody(address);
        }
        domain.remove("accounts", &name)?;
        domain.remove("passwords", &name)?;
        self.compile(&domain)
    }

    /// Adds or replaces an alias: features 46, 48, 49.
    pub fn alias_set(&self, address: &str, list: &[&str]) -> Result<(), Refusal> {
        let address = checked(address, Address::parse(address))?;
        let domain = self.domain(&address.domain)?;
        if domain.account(&address.local).is_some() {
            return wrong(format!("{address} is an account; let it forward instead"));
        }
        if address.local.starts_with('#') {
            return wrong(format!("{address}: a line that begins with # would be a comment"));
        }
        let list = targets(&list.join(","), &domain.name).map_err(Refusal::Wrong)?;
        domain.set("aliases", &address.local, &list.join(", "))?;
        self.compile(&domain)
    }

    /// Removes an alias.
    pub fn alias_del(&self, address: &str) -> Result<(), Refusal> {
        let address = checked(address, Address::parse(address))?;
        let domain = self.domain(&address.domain)?;
        match domain.entry(&address.local) {
            Some(Entry::Alias(_)) => {}
            _ => return wrong(format!("there is no alias {address}")),
        }
        domain.remove("aliases", &address.local)?;
        self.compile(&domain)
    }

    fn account_of(&self, address: &str) -> Result<(Domain, String), Refusal> {
        let address = checked(address, Address::login(address))?;
        Ok((self.domain(&address.domain)?, address.local))
    }

    /// A domain that is here and in order. Texts that were edited but not compiled are compiled first.
    fn domain(&self, name: &str) -> Result<Domain, Refusal> {
        let domain = look(&self.users, name)?;
        if let Some(problem) = domain.sheet.problems.first() {
            return Err(problem.clone().into());
        }
        sweep(&domain.folder);
        if !matches!(store::is_current(&self.users, &domain.name), Ok(Some(true))) {
            self.compile(&domain)?;
        }
        Ok(domain)
    }

    fn compile(&self, domain: &Domain) -> Result<(), Refusal> {
        Ok(compile::locked(&self.users, &domain.name).map_err(first)?)
    }
}

/// Temporary files of a writer that was killed.
fn sweep(folder: &Folder) {
    for name in folder.names().unwrap_or_default() {
        let shown = name.to_string_lossy();
        if shown.starts_with('.') && shown.ends_with(".tmp") {
            let _ = folder.remove(&name);
        }
    }
}

fn first(problems: Vec<Broken>) -> Broken {
    let none = || Broken::new("users", "could not be compiled", "run fulmar check");
    problems.into_iter().next().unwrap_or_else(none)
}

fn nobody<T>(address: &str) -> Result<T, Refusal> {
    wrong(format!("there is no user {address}"))
}

fn checked<T>(text: &str, name: Result<T, name::Fault>) -> Result<T, Refusal> {
    name.map_err(|fault| Refusal::Wrong(format!("`{text}`: {fault}")))
}

fn parse_account(text: &str, domain: &str) -> Result<Account, Refusal> {
    if text.chars().any(char::is_control) {
        return wrong("a setting has a control character in it");
    }
    Account::parse(text, domain).map_err(Refusal::Wrong)
}

fn parse_settings(settings: &[&str], domain: &str) -> Result<Settings, Refusal> {
    let mut parsed = Settings::default();
    for setting in settings {
        let line = setting.replacen('=', " ", 1);
        if line.chars().any(char::is_control) {
            return wrong("a setting has a control character in it");
        }
        parsed.take(&line, domain).map_err(Refusal::Wrong)?;
    }
    Ok(parsed)
}

/// What a new domain's files say.
fn first_texts(name: &str, settings: &Settings) -> [(&'static str, String, u32); 4] {
    [
        (
            "domain",
            format!("# Settings of {name}: one a line, key and value. See users(5).\n{settings}"),
            0o640,
        ),
        (
            "accounts",
            format!("# Accounts of {name}, such as\n#   alice: quota=500M\n#   info: forward=alice\n"),
            0o640,
        ),
        (
            "aliases",
            format!("# Aliases of {name}, such as\n#   sales: alice, bob@elsewhere.example\n"),
            0o640,
        ),
        ("passwords", "# Set with: fulmar user passwd ADDRESS\n".into(), 0o600),
    ]
}

impl Domain {
    fn settings(&self) -> Settings {
        let value = self.sheet.records.get(&record::key(Key::Settings, ""));
        value.and_then(|value| record::read_settings(value, &self.name).ok()).unwrap_or_default()
    }

    fn entry(&self, local: &str) -> Option<Entry> {
        let value = self.sheet.records.get(&record::key(Key::Entry, local))?;
        record::entry(value, &self.name).ok()
    }

    fn account(&self, name: &str) -> Option<Account> {
        if let Some(Entry::Account(account)) = self.entry(name) {
            return Some(account);
        }
        let value = self.sheet.records.get(&record::key(Key::Account, name))?;
        match record::entry(value, &self.name) {
            Ok(Entry::Account(account)) => Some(account),
            _ => None,
        }
    }

    fn set(&self, file: &str, name: &str, rest: &str) -> Result<(), Refusal> {
        self.edit(file, |page| page.set(name, rest))
    }

    fn remove(&self, file: &str, name: &str) -> Result<(), Refusal> {
        self.edit(file, |page| page.remove(name))
    }

    fn edit(&self, file: &str, change: impl FnOnce(&mut Page<'_>)) -> Result<(), Refusal> {
        let failed = |error| text::unreadable(&self.name, file, &error);
        let mode = if file == "passwords" { 0o600 } else { 0o640 };
        let mut page = Page::read(&self.folder, file, mode).map_err(failed)?;
        change(&mut page);
        Ok(page.save().map_err(failed)?)
    }
}

/// A domain as its texts say, wrong lines left out.
fn look(users: &Path, name: &str) -> Result<Domain, Refusal> {
    let name = checked(name, name::domain(name))?;
    let folder = match Folder::open(&users.join(&name)) {
        Ok(folder) => folder,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return wrong(format!("the domain {name} is not here; add it with: fulmar domain add {name}"));
        }
        Err(error) => return Err(text::unreadable(&name, "", &error).into()),
    };
    let sheet = text::read(&folder, &name)?;
    Ok(Domain { name, folder, sheet })
}

fn accounts_of(sheet: &Sheet, domain: &str) -> Vec<(String, Account)> {
    let account = |(key, value): (&Vec<u8>, &Vec<u8>)| {
        let (letter, name) = key.split_first()?;
        let name = String::from_utf8(name.to_vec()).ok()?;
        match (letter, record::entry(value, domain)) {
            (b'e' | b'a', Ok(Entry::Account(account))) => Some((format!("{name}@{domain}"), account)),
            _ => None,
        }
    };
    let mut all: Vec<_> = sheet.records.iter().filter_map(account).collect();
    all.sort_by(|one, two| one.0.cmp(&two.0));
    all
}

/// All accounts of a domain by address, as its texts say now.
pub fn accounts(users: &Path, domain: &str) -> Result<Vec<(String, Account)>, Refusal> {
    let domain = look(users, domain)?;
    Ok(accounts_of(&domain.sheet, &domain.name))
}

/// All aliases of a domain by address, as its texts say now.
pub fn aliases(users: &Path, domain: &str) -> Result<Vec<(String, Vec<String>)>, Refusal> {
    let domain = look(users, domain)?;
    let alias =
        |(key, value): (&Vec<u8>, &Vec<u8>)| match (key.split_first()?, record::entry(value, &domain.name)) {
            ((b'e', name), Ok(Entry::Alias(list))) => {
                Some((format!("{}@{}", String::from_utf8_lossy(name), domain.name), list))
            }
            _ => None,
        };
    Ok(domain.sheet.records.iter().filter_map(alias).collect())
}

/// What is known of an account of the files, as `key` and value, for people; never the password.
pub fn show(users: &Path, address: &str) -> Result<Vec<(&'static str, String)>, Refusal> {
    let named = checked(address, Address::login(address))?;
    let domain = look(users, &named.domain)?;
    let Some(account) = domain.account(&named.local) else { return nobody(address) };
    let password = domain.sheet.records.get(&record::key(Key::Password, &named.local));
    let mut facts = facts(&named, &account, &domain.settings(), password.map(Vec::as_slice));
    let own = |(alias, list): (String, Vec<String>)| list.contains(&named.to_string()).then_some(alias);
    let mine: Vec<_> = aliases(users, &named.domain)?.into_iter().filter_map(own).collect();
    facts.push(("aliases", mine.join(", ")));
    Ok(facts)
}

/// What an account says of itself, for people.
pub fn facts(
    named: &Address,
    account: &Account,
    settings: &Settings,
    password: Option<&[u8]>,
) -> Vec<(&'static str, String)> {
    let quota = account.quota.or(settings.quota);
    let services = account.services.as_deref().or(settings.services.as_deref());
    let scheme = match password.map(sasl::Secret::parse) {
        None => "none".to_owned(),
        Some(Ok(secret)) => secret.scheme().to_ascii_lowercase(),
        Some(Err(unusable)) => unusable.to_string(),
    };
    let mut facts = vec![("address", named.to_string()), ("deliver", account.delivery.name().to_owned())];
    if account.delivery != Delivery::Mailbox && !account.forward.is_empty() {
        facts.push(("forward", account.forward.join(", ")));
    }
    facts.push(("wildcard", if account.wildcard { "yes" } else { "no" }.into()));
    facts.push(("quota", quota.map_or("as for all".into(), show_size)));
    facts.push(("services", services.map_or("all".into(), Service::show)));
    facts.push(("password", scheme));
    let why = account.disabled.as_ref().map(|reason| format!("yes {reason}").trim_end().to_owned());
    facts.push(("disabled", why.unwrap_or_else(|| "no".into())));
    facts
}
