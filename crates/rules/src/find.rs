//! Which rule a client meets: the first key that is in the table, and no other.
//!
//! Order: info@ip, info@=host, ip, =host, prefixes of the ip from long to short, =.suffixes of the
//! host from long to short, = for any host, the empty key. Host names have no case: rules hold
//! them in lower case, but for tables made by ucspi-tcp the name is asked as it came, too.

use core::net::IpAddr;
use std::borrow::Cow;
use std::fmt;

use crate::address::{first_address, plain};
use crate::{LENGTHS, Verdict};

/// Who connects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'a> {
    /// TCPREMOTEIP.
    pub ip: &'a str,
    /// TCPREMOTEHOST, in any case.
    pub host: Option<&'a [u8]>,
    /// TCPREMOTEINFO; its case matters.
    pub info: Option<&'a [u8]>,
}

/// The rule that a client meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its key.
    pub key: Vec<u8>,
    /// What it says.
    pub verdict: Verdict,
}

/// Why it is not known which rule a client meets. Such a client is denied.
#[derive(Debug)]
pub enum Failure<E> {
    /// The table could not be read.
    Table(E),
    /// The record of this key is no verdict.
    Damaged(Vec<u8>),
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Table(error) => error.fmt(f),
            Failure::Damaged(key) => write!(f, "the record of `{}` is damaged", String::from_utf8_lossy(key)),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failure<E> {}

/// Finds the rule for `client` in the table that `get` asks. `None`: no rule, which allows.
pub fn find<E>(
    client: &Client<'_>,
    get: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<Option<Found>, Failure<E>> {
    let mut search = Search { get };
    let ip: Option<IpAddr> = client.ip.parse().ok().map(plain);
    let shown = ip.map_or(Cow::Borrowed(client.ip), |ip| ip.to_string().into());
    let (ip_key, hosts) = (shown.as_bytes(), spellings(client.host));
    let with_info = client.info.iter().flat_map(|info| {
        let hosts = hosts.iter().map(|host| [info, &b"@="[..], host].concat());
        std::iter::once([info, &b"@"[..], ip_key].concat()).chain(hosts)
    });
    let whole = std::iter::once(ip_key.to_vec()).chain(hosts.iter().map(|host| [b"=", &host[..]].concat()));
    if let Some(found) = search.first(with_info.chain(whole))? {
        return Ok(Some(found));
    }
    let found = match ip {
        Some(ip @ IpAddr::V6(_)) => search.networks(ip)?,
        _ => search.first(prefixes(ip_key))?,
    };
    if found.is_some() {
        return Ok(found);
    }
    let any_host = hosts.first().map(|_| b"=".to_vec());
    search.first(suffixes(&hosts).chain(any_host).chain([Vec::new()]))
}

/// A host name as it came and, where that is another, in lower case.
fn spellings(host: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut hosts: Vec<_> =
        host.into_iter().flat_map(|host| [host.to_vec(), host.to_ascii_lowercase()]).collect();
    hosts.dedup();
    hosts
}

/// The beginnings of `ip` that end with a dot, longest first.
fn prefixes(ip: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (1..=ip.len()).rev().filter(|end| ip[end - 1] == b'.').map(|end| ip[..end].to_vec())
}

/// `=` and each end of the host that begins with a dot, longest first.
fn suffixes(hosts: &[Vec<u8>]) -> impl Iterator<Item = Vec<u8>> {
    let dots = hosts.first().into_iter().flat_map(|host| (0..host.len()).filter(|at| host[*at] == b'.'));
    dots.flat_map(move |at| hosts.iter().map(move |host| [b"=", &host[at..]].concat()))
}

struct Search<G> {
    get: G,
}

impl<E, G: FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>> Search<G> {
    fn one(&mut self, key: Vec<u8>) -> Result<Option<Found>, Failure<E>> {
        match (self.get)(&key).map_err(Failure::Table)? {
            None => Ok(None),
            Some(value) => match Verdict::decode(&value) {
                Some(verdict) => Ok(Some(Found { key, verdict })),
                None => Err(Failure::Damaged(key)),
            },
        }
    }

    fn first(&mut self, keys: impl Iterator<Item = Vec<u8>>) -> Result<Option<Found>, Failure<E>> {
        for key in keys {
            if let Some(found) = self.one(key)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The networks of our own that `ip` is in, longest first.
    fn networks(&mut self, ip: IpAddr) -> Result<Option<Found>, Failure<E>> {
        let mut lengths = (self.get)(LENGTHS).map_err(Failure::Table)?.unwrap_or_default();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        lengths.dedup();
        if lengths.first().is_some_and(|bits| *bits > 128) {
            return Err(Failure::Damaged(LENGTHS.to_vec()));
        }
        self.first(lengths.into_iter().map(|bits| format!("{}/{bits}", first_address(ip, bits)).into()))
    }
}
