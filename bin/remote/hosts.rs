//! To which addresses a domain's mail can go, best first. RFC 5321 §5.1, RFC 7505.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use dns::{Error, Exchange, Resolver};
use wire::Fate;

use route::{Hop, Host, Relay};

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

/// A server that may be tried.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its name; empty where the admin has named an address.
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    /// The DNS has proved that this is a server of the domain: its name was in a signed answer.
    pub(crate) named: bool,
    /// The same for its addresses.
    pub(crate) addressed: bool,
}

impl Place {
    /// How it is called.
    pub(crate) fn called(&self) -> String {
        if self.name.is_empty() { self.address.ip().to_string() } else { self.name.clone() }
    }
}

/// Where to try, in this order. `shuffle` orders hosts of equal preference.
pub(crate) fn find(
    route: &Hop,
    resolver: &Resolver,
    ourselves: &Ourselves,
    shuffle: u64,
) -> Result<Vec<Place>, Fate> {
    match route {
        Hop::Relay(Relay { host: Host::Address(ip), port, .. }) => Ok(vec![Place {
            name: String::new(),
            address: SocketAddr::new(*ip, *port),
            named: true,
            addressed: false,
        }]),
        Hop::Relay(Relay { host: Host::Name(name), port, .. }) => {
            let (found, addressed) = resolver.proved_addresses(name).map_err(|error| match error {
                // It is the admin's word that is wrong, not the sender's.
                Error::NotFound => {
                    Fate::later(4, 3, format!("the relay {name} of smtproutes has no address"))
                }
                later => unsure(name, &later),
            })?;
            // It is the admin who has named it.
            let place = |ip| Place {
                name: name.clone(),
                address: SocketAddr::new(ip, *port),
                named: true,
                addressed,
            };
            Ok(found.into_iter().map(place).collect())
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
    let (mut hosts, named) = match resolver.exchanges(domain) {
        Ok(found) => (found.hosts, found.secure),
        Err(Error::NotFound) => (Vec::new(), false),
        Err(later) => return Err(unsure(domain, &later)),
    };
    if hosts.is_empty() {
        // RFC 5321 §5.1: the domain is its own exchanger.
        hosts.push(Exchange { preference: 0, host: domain.to_owned() });
    }
    // RFC 7505 §3
    if matches!(&hosts[..], [only] if only.host.is_empty()) {
        return Err(Fate::never(1, 10, format!("{domain} takes no mail (null MX)")));
    }
    hosts.retain(|exchange| dns::is_host(&exchange.host));
    order(&mut hosts, shuffle);
    hosts.truncate(HOSTS_MAX);
    addresses(domain, (&hosts, named), resolver, ourselves)
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
    (hosts, named): (&[Exchange], bool),
    resolver: &Resolver,
    ourselves: &Ourselves,
) -> Result<Vec<Place>, Fate> {
    let (mut found, mut unsure_of, mut us) = (Vec::new(), None, None);
    for exchange in hosts {
        if us.is_some_and(|us| exchange.preference >= us) {
            break;
        }
        match resolver.proved_addresses(&exchange.host) {
            Ok((addresses, addressed)) => {
                if ourselves.is_called(&exchange.host) || addresses.iter().any(|ip| ourselves.bears(*ip)) {
                    us = Some(exchange.preference);
                }
                let place = |ip| Place {
                    name: exchange.host.clone(),
                    address: SocketAddr::new(ip, SMTP),
                    named,
                    addressed,
                };
                found.extend(addresses.into_iter().map(|ip| (exchange.preference, place(ip))));
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
