//! Tables and the ways in which mail asks them: by name, by suffix, by address.
//!
//! Keys are compared without case. A compiled table and its text give the same answers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::broken::short;
use crate::{Broken, network};

/// The line of a table that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its key, in lower case.
    pub key: Vec<u8>,
    /// What follows the colon; empty in a list.
    pub value: Vec<u8>,
    /// The number of the line, from 1; a compiled table does not know it, see [`crate::Control::line_of`].
    pub line: Option<usize>,
}

impl Hit {
    /// The value as text; what is not UTF-8 is replaced.
    pub fn value(&self) -> String {
        String::from_utf8_lossy(&self.value).into_owned()
    }
}

/// A list or map, ready to be asked.
#[derive(Debug)]
pub struct Table {
    form: Form,
    exists: bool,
}

/// By key: the number of the line, and what follows the colon.
pub(crate) type Records = BTreeMap<Vec<u8>, (usize, Vec<u8>)>;

#[derive(Debug)]
enum Form {
    Text(Records),
    /// With the forms of the keys of a table of networks, if it tells them.
    Compiled(cdb::Cdb, PathBuf, Option<Vec<network::Form>>),
}

impl Table {
    pub(crate) fn text(records: Records, exists: bool) -> Table {
        Table { form: Form::Text(records), exists }
    }

    pub(crate) fn compiled(records: cdb::Cdb, path: PathBuf) -> Result<Table, Broken> {
        let told = records.get(network::FORMS).map_err(|error| damaged(&path, &error))?;
        let forms = told.and_then(|told| network::read_forms(&told));
        Ok(Table { form: Form::Compiled(records, path, forms), exists: true })
    }

    /// Is there a file? What is empty is not what is missing: an empty `locals` means none.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Can nothing be found in it?
    pub fn is_empty(&self) -> bool {
        matches!(&self.form, Form::Text(records) if records.is_empty())
    }

    /// The line of exactly `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Hit>, Broken> {
        let key = key.as_ref().to_ascii_lowercase();
        let value = match &self.form {
            Form::Text(records) => records.get(&key).map(|(line, value)| (Some(*line), value.clone())),
            Form::Compiled(..) if key.contains(&0) => None,
            Form::Compiled(records, path, _) => {
                records.get(&key).map_err(|error| damaged(path, &error))?.map(|value| (None, value))
            }
        };
        // A default stands in no line.
        Ok(value.map(|(line, value)| Hit { key, value, line: line.filter(|line| *line > 0) }))
    }

    /// Is there a line of exactly `key`?
    pub fn has(&self, key: impl AsRef<[u8]>) -> Result<bool, Broken> {
        Ok(self.get(key)?.is_some())
    }

    /// The line of `domain`, else of the longest `.suffix` of it: how rcpthosts is asked.
    pub fn domain(&self, domain: impl AsRef<[u8]>) -> Result<Option<Hit>, Broken> {
        let domain = domain.as_ref();
        self.first(std::iter::once(domain).chain(suffixes(domain)))
    }

    /// The line of the whole `address`, else of its `@host`: how badmailfrom is asked.
    pub fn address(&self, address: impl AsRef<[u8]>) -> Result<Option<Hit>, Broken> {
        let address = address.as_ref();
        self.first(std::iter::once(address).chain(at(address).map(|at| &address[at..])))
    }

    /// The line of `address`, its domain, the longest `.suffix`, else of the empty key: how
    /// virtualdomains is asked. An address without `@` has no domain.
    pub fn route(&self, address: impl AsRef<[u8]>) -> Result<Option<Hit>, Broken> {
        let address = address.as_ref();
        match self.get(address)? {
            None => self.host(at(address).map_or(&b""[..], |at| &address[at + 1..])),
            hit => Ok(hit),
        }
    }

    /// The line of `host`, the longest `.suffix`, else of the empty key: how smtproutes is asked.
    pub fn host(&self, host: impl AsRef<[u8]>) -> Result<Option<Hit>, Broken> {
        match self.domain(host)? {
            None => self.get(b""),
            hit => Ok(hit),
        }
    }

    /// The line of `ip`, else of the longest network that it is in: how relayclients is asked.
    pub fn network(&self, ip: IpAddr) -> Result<Option<Hit>, Broken> {
        if self.is_empty() {
            return Ok(None);
        }
        let forms = match &self.form {
            Form::Compiled(_, _, forms) => forms.as_deref(),
            Form::Text(_) => None,
        };
        let keys = network::keys(ip, forms);
        self.first(keys.iter().map(String::as_bytes))
    }

    fn first<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Result<Option<Hit>, Broken> {
        for key in keys {
            if let Some(hit) = self.get(key)? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }
}

/// The place of the last `@`.
fn at(address: &[u8]) -> Option<usize> {
    address.iter().rposition(|byte| *byte == b'@')
}

/// The ends of `domain` that begin with a dot, longest first.
fn suffixes(domain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let dots = domain.iter().enumerate().filter(|(at, byte)| *at > 0 && **byte == b'.');
    dots.map(|(at, _)| &domain[at..])
}

pub(crate) fn damaged(path: &std::path::Path, error: &cdb::Error) -> Broken {
    match error {
        cdb::Error::Io(error) => Broken::io(short(path), error),
        other => Broken::new(short(path), other.to_string(), "make it anew from its text: fulmar cdb"),
    }
}
