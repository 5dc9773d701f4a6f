//! The records of a compiled domain: keys and values, there and back.
//!
//! A key is one letter and a name in lower case: `s` settings, `e` where a name's mail goes, `a` an
//! account whose name a route has taken, `p` a password. A value of `e` and `a` begins with the letter
//! of its kind: account, list, route, or broken line.

use control::Broken;

use crate::account::{Account, Route, Settings};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Settings,
    Entry,
    Account,
    Password,
}

/// Where a name's mail goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// To an account.
    Account(Account),
    /// To these addresses.
    Alias(Vec<String>),
    /// To a folder of an account.
    Route(Route),
}

pub(crate) fn key(key: Key, name: &str) -> Vec<u8> {
    let letter = match key {
        Key::Settings => b's',
        Key::Entry => b'e',
        Key::Account => b'a',
        Key::Password => b'p',
    };
    let mut bytes = Vec::with_capacity(1 + name.len());
    bytes.push(letter);
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

pub(crate) fn account(account: &Account) -> Vec<u8> {
    format!("A{account}").into_bytes()
}

pub(crate) fn alias(targets: &[String]) -> Vec<u8> {
    format!("L{}", targets.join(",")).into_bytes()
}

pub(crate) fn route(route: &Route) -> Vec<u8> {
    format!("R{route}").into_bytes()
}

pub(crate) fn settings(settings: &Settings) -> Vec<u8> {
    settings.to_string().into_bytes()
}

pub(crate) fn broken(broken: &Broken) -> Vec<u8> {
    let line = broken.line.unwrap_or(0);
    format!("B{}\n{line}\n{}\n{}", broken.file, broken.problem, broken.cure).into_bytes()
}

/// Reads a value of `e` or `a`.
pub(crate) fn entry(value: &[u8], domain: &str) -> Result<Entry, Broken> {
    let text = str::from_utf8(value).map_err(|_| garbled(domain))?;
    match (text.get(..1), text.get(1..).unwrap_or_default()) {
        (Some("A"), rest) => Account::parse(rest, domain).map(Entry::Account).map_err(|_| garbled(domain)),
        (Some("R"), rest) => Route::parse(rest).map(Entry::Route).map_err(|_| garbled(domain)),
        (Some("L"), rest) if !rest.is_empty() => {
            Ok(Entry::Alias(rest.split(',').map(str::to_owned).collect()))
        }
        (Some("B"), rest) => Err(read_broken(rest).unwrap_or_else(|| garbled(domain))),
        _ => Err(garbled(domain)),
    }
}

/// Reads a value of `s`.
pub(crate) fn read_settings(value: &[u8], domain: &str) -> Result<Settings, Broken> {
    let text = str::from_utf8(value).map_err(|_| garbled(domain))?;
    if let Some(rest) = text.strip_prefix('B') {
        return Err(read_broken(rest).unwrap_or_else(|| garbled(domain)));
    }
    let mut settings = Settings::default();
    for line in text.lines() {
        settings.take(line, domain).map_err(|_| garbled(domain))?;
    }
    Ok(settings)
}

fn read_broken(text: &str) -> Option<Broken> {
    let mut parts = text.splitn(4, '\n');
    let (file, line) = (parts.next()?, parts.next()?.parse().ok()?);
    Some(Broken::new(file, parts.next()?, parts.next()?).at(line))
}

/// The compiled file says what no compiler of ours wrote.
pub(crate) fn garbled(domain: &str) -> Broken {
    Broken::new(format!("users/{domain}/cdb"), "damaged", "make it anew from its texts: fulmar cdb")
}
