//! Look-ups as callers want them: the name of an address, the addresses of a name, its exchangers.

use std::net::IpAddr;

use crate::ask::Ask;
use crate::message::{self, Answer, Kind, Record, Reply};
use crate::{Config, Error, hosts, names};

/// Longest chain of aliases over all questions of one look-up.
const LONGEST_CHAIN: usize = 8;

/// One mail exchanger (RFC 5321 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Lower is tried first.
    pub preference: u16,
    /// Its name; empty: this domain takes no mail (RFC 7505).
    pub host: String,
}

/// The mail exchangers of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanges {
    /// Best first. None: the domain's own address is meant (RFC 5321 §5.1).
    pub hosts: Vec<Exchange>,
    /// A name server of this host has validated that.
    pub secure: bool,
}

/// Asks the configured servers. Cheap to make, holds no socket, may be shared between threads.
#[derive(Clone, Debug)]
pub struct Resolver {
    config: Config,
}

impl Resolver {
    /// A resolver that asks as `config` says.
    pub fn new(config: Config) -> Resolver {
        Resolver { config }
    }

    /// The records of `kind` that `name` has, aliases followed.
    pub fn lookup(&self, name: &str, kind: Kind) -> Result<Answer, Error> {
        self.seek(name, kind).and_then(|answer| match answer.records.is_empty() {
            true => Err(Error::NotFound),
            false => Ok(answer),
        })
    }

    /// The same, where that there are none may be as good as proved: then the answer is empty.
    pub fn seek(&self, name: &str, kind: Kind) -> Result<Answer, Error> {
        let mut name = message::name(name).ok_or(Error::NotFound)?;
        let ask = Ask::new(&self.config);
        let mut chain = true; // false: an alias may have been forged
        for _ in 0..LONGEST_CHAIN {
            match ask.ask(&name, kind)? {
                Reply::Answer(answer) => return Ok(Answer { secure: chain && answer.secure, ..answer }),
                Reply::Alias(target) => name = target,
                Reply::NotFound(secure) => {
                    return Ok(Answer { records: Vec::new(), secure: chain && secure });
                }
                _ => return Err(Error::NotFound),
            }
            chain = false;
        }
        Err(Error::Later("aliases go round in circles"))
    }

    /// The first valid name of `ip`. Whether it is true is another question: see [`Self::confirms`].
    pub fn name_of(&self, ip: IpAddr) -> Result<String, Error> {
        if let Some(name) = hosts::name_of(ip) {
            return Ok(name);
        }
        let answer = self.lookup(&names::reverse(ip), Kind::Ptr)?;
        let name = answer.records.into_iter().find_map(|record| match record {
            Record::Host(name) => Some(name),
            _ => None,
        });
        name.ok_or(Error::NotFound)
    }

    /// Whether `ip` is among the addresses of `name`.
    pub fn confirms(&self, name: &str, ip: IpAddr) -> Result<bool, Error> {
        let ip = ip.to_canonical();
        let kind = if ip.is_ipv4() { Kind::A } else { Kind::Aaaa };
        match self.addresses_of(name, kind) {
            Ok(found) => Ok(found.contains(&ip)),
            Err(Error::NotFound) => Ok(false),
            Err(later) => Err(later),
        }
    }

    /// All addresses of `name`, IPv6 and IPv4. Later only if neither kind gave any.
    pub fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Error> {
        self.proved_addresses(name).map(|(found, _)| found)
    }

    /// The same, and whether a name server of this host has validated them.
    pub fn proved_addresses(&self, name: &str) -> Result<(Vec<IpAddr>, bool), Error> {
        let both = (self.kind_of_addresses(name, Kind::Aaaa), self.kind_of_addresses(name, Kind::A));
        match both {
            (Ok((mut v6, one)), Ok((v4, other))) => {
                v6.extend(v4);
                Ok((v6, one && other))
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(Error::NotFound), Err(error)) | (Err(error), _) => Err(error),
        }
    }

    /// The mail exchangers of `domain`, best first. `NotFound` only where the name can be none.
    pub fn exchanges(&self, domain: &str) -> Result<Exchanges, Error> {
        let answer = self.seek(domain, Kind::Mx)?;
        let exchange = |record| match record {
            Record::Exchange(preference, host) => Some(Exchange { preference, host }),
            _ => None,
        };
        Ok(Exchanges {
            hosts: answer.records.into_iter().filter_map(exchange).collect(),
            secure: answer.secure,
        })
    }

    fn addresses_of(&self, name: &str, kind: Kind) -> Result<Vec<IpAddr>, Error> {
        self.kind_of_addresses(name, kind).map(|(found, _)| found)
    }

    fn kind_of_addresses(&self, name: &str, kind: Kind) -> Result<(Vec<IpAddr>, bool), Error> {
        if let Some(mut local) = hosts::addresses(name) {
            local.retain(|ip| ip.is_ipv4() == (kind == Kind::A));
            return Ok((local, false));
        }
        let address = |record| match record {
            Record::Address(ip) => Some(ip),
            _ => None,
        };
        let answer = self.lookup(name, kind)?;
        Ok((answer.records.into_iter().filter_map(address).collect(), answer.secure))
    }
}
