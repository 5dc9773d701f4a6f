//! To which addresses a domain's mail can go, best first. RFC 5321 §5.1, RFC 7505.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use dns::{Error, Exchange, Resolver};
use wire::Fate;

use route::{Hop, Host};

const SMTP: u16 = 25;
/// Most exchangers whose addresses are asked for, and most addresses that are tried.
const HOSTS_MAX: usize = 20;
const ADDRESSES_MAX: usize = 40;

/// Who we are, so that we don't send to ourselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ourselves {
    /// Our names, in lower case.
    pub(crate) names: Vec<String>,
    /// Our addresses.
    pub(crate) addresses: HashSet<IpAddr>,
    /// Addresses that are not us, whatever else is said.
    pub(crate) others: HashSet<IpAddr>,
}

impl Ourselves {
    fn bears(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        !self.others.contains(&ip)
            && (self.addresses.contains(&ip) || ip.is_loopback() || ip.is_unspecified())
    }

    fn is_called(&self, host: &str) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(host))
    }
}

/// A server's name, where it has one, and its address.
pub(crate) type Place = (String, SocketAddr);

/// Where to try, in this order. `shuffle` orders hosts of equal preference.
pub(crate) fn find(
    route: &Hop,
    resolver: &Resolver,
    ourselves: &Ourselves,
    shuffle: u64,
) -> Result<Vec<Place>, Fate> {
    match route {
        Hop::Relay { host: Host::Address(ip), port } => {
            Ok(vec![(String::new(), SocketAddr::new(*ip, *port))])
        }
        Hop::Relay { host: Host::Name(name), port } => {
            let found = resolver.addresses(name).map_err(|error| match error {
                // It is the admin's word that is wrong, not the sender's.
                Error::NotFound => {
                    Fate::later(4, 3, format!("the relay {name} of smtproutes has no address"))
                }
                later => unsure(name, &later),
            })?;
            Ok(found.into_iter().map(|ip| (name.clone(), SocketAddr::new(ip, *port))).collect())
        }
        Hop::Exchangers(domain) => exchangers(domain, resolver, ourselves, shuffle),
    }
}

fn exchangers(
    domain: &str,
    resolver: &Resolver,
    ourselves: &Ourselves,
    shuffle: u64,
) -> Result<Vec<Place>, Fate> {
    let mut hosts = match resolver.exchanges(domain) {
        Ok(hosts) => hosts,
        // RFC 5321 §5.1: the domain is its own exchanger.
        Err(Error::NotFound) => vec![Exchange { preference: 0, host: domain.to_owned() }],
        Err(later) => return Err(unsure(domain, &later)),
    };
    // RFC 7505 §3
    if matches!(&hosts[..], [only] if only.host.is_empty()) {
        return Err(Fate::never(1, 10, format!("{domain} takes no mail (null MX)")));
    }
    hosts.retain(|exchange| dns::is_host(&exchange.host));
    order(&mut hosts, shuffle);
    hosts.truncate(HOSTS_MAX);
    addresses(domain, &hosts, resolver, ourselves)
}

/// By preference; those of equal preference in an order that `shuffle` decides.
fn order(hosts: &mut [Exchange], shuffle: u64) {
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    let mut random = shuffle | 1;
    for last in (1..hosts.len()).rev() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        hosts.swap(last, (random % (last as u64 + 1)) as usize);
    }
    hosts.sort_by_key(|exchange| exchange.preference);
}

/// The addresses of `hosts`, up to where we ourselves stand among them: those further back would hand the
/// mail to us.
fn addresses(
    domain: &str,
    hosts: &[Exchange],
    resolver: &Resolver,
    ourselves: &Ourselves,
) -> Result<Vec<Place>, Fate> {
    let (mut found, mut unsure_of, mut us) = (Vec::new(), None, None);
    for exchange in hosts {
        if us.is_some_and(|us| exchange.preference >= us) {
            break;
        }
        match resolver.addresses(&exchange.host) {
            Ok(addresses) => {
                if ourselves.is_called(&exchange.host) || addresses.iter().any(|ip| ourselves.bears(*ip)) {
                    us = Some(exchange.preference);
                }
                let place = |ip| (exchange.preference, (exchange.host.clone(), SocketAddr::new(ip, SMTP)));
                found.extend(addresses.into_iter().map(place));
            }
            Err(Error::NotFound) => {}
            Err(later) => unsure_of = Some(unsure(&exchange.host, &later)),
        }
    }
    found.retain(|(preference, _)| us.is_none_or(|us| *preference < us));
    found.truncate(ADDRESSES_MAX);
    match (found.is_empty(), unsure_of, us) {
        (false, ..) => Ok(found.into_iter().map(|(_, place)| place).collect()),
        (true, Some(later), _) => Err(later),
        (true, None, Some(_)) => Err(Fate::never(
            4,
            6,
            format!("{domain} is to be delivered by this host, which does not know it (mail loop)"),
        )),
        (true, None, None) => Err(Fate::never(1, 2, format!("{domain}: no such host"))),
    }
}

fn unsure(name: &str, error: &Error) -> Fate {
    Fate::later(4, 3, format!("{name}: {error}"))
}
