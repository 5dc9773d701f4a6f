//! Which rule a client meets: the first key that is in the table, and no other.
//!
//! Order: info@ip, info@=host, ip, =host, prefixes of the ip from long to short, =.suffixes of the
//! host from long to short, = for any host, the empty key.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::address::{first_address, plain};
use crate::{LENGTHS, Verdict};

/// Who connects.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client<'a> {
    /// TCPREMOTEIP.
    pub ip: &'a str,
    /// TCPREMOTEHOST, in any case.
    pub host: Option<&'a [u8]>,
    /// TCPREMOTEINFO, in any case.
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
    let (ip_key, host, info) = (shown.as_bytes(), lower(client.host), lower(client.info));
    let first = [
        info.as_ref().map(|info| [info, &b"@"[..], ip_key].concat()),
        info.as_ref().zip(host.as_ref()).map(|(info, host)| [info, &b"@="[..], host].concat()),
        Some(ip_key.to_vec()),
        host.as_ref().map(|host| [b"=", &host[..]].concat()),
    ];
    if let Some(found) = search.first(first.into_iter().flatten())? {
        return Ok(Some(found));
    }
    let found = match ip {
        Some(ip @ IpAddr::V6(_)) => search.networks(ip)?,
        _ => search.first(prefixes(ip_key))?,
    };
    if found.is_some() {
        return Ok(found);
    }
    let suffixes = host.iter().flat_map(|host| suffixes(host));
    search.first(suffixes.chain(host.iter().map(|_| b"=".to_vec())).chain([Vec::new()]))
}

fn lower(name: Option<&[u8]>) -> Option<Vec<u8>> {
    name.map(<[u8]>::to_ascii_lowercase)
}

/// The beginnings of `ip` that end with a dot, longest first.
fn prefixes(ip: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (1..=ip.len()).rev().filter(|end| ip[end - 1] == b'.').map(|end| ip[..end].to_vec())
}

/// `=` and each end of `host` that begins with a dot, longest first.
fn suffixes(host: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..host.len()).filter(|at| host[*at] == b'.').map(|at| [b"=", &host[at..]].concat())
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
