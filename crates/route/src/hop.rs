//! To whom mail for another host's domain is handed: smtproutes, else the domain's own exchangers.

use std::net::{IpAddr, Ipv6Addr};

use control::{Broken, Table};

const SMTP: u16 = 25;

/// Who is asked for a domain's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The domain's mail exchangers.
    Exchangers(String),
    /// A host that an admin has named; a name is taken as it is, its MX records do not count.
    Relay {
        /// Name or address.
        host: Host,
        /// Its port.
        port: u16,
    },
}

/// A host by its name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Its name, as it was written.
    Name(String),
    /// Its address.
    Address(IpAddr),
}

/// Who gets the mail of `domain`, by the table `smtproutes`.
pub fn hop(smtproutes: &Table, domain: &str) -> Result<Hop, Broken> {
    let value = smtproutes.host(domain)?.map(|hit| hit.value()).unwrap_or_default();
    let value = value.trim();
    if value.is_empty() {
        return Ok(match literal(domain) {
            Some(ip) => Hop::Relay { host: Host::Address(ip), port: SMTP },
            None => Hop::Exchangers(domain.to_owned()),
        });
    }
    relay(value).ok_or_else(|| {
        Broken::new(
            "control/smtproutes",
            format!("{value:?}, the relay of {domain}, is no host and port"),
            "write domain:host or domain:host:port",
        )
    })
}

/// A relay as smtproutes names it: `host`, `host:port`, `1.2.3.4`, `[1.2.3.4]:port`, `[2001:db8::1]:port`.
pub fn relay(value: &str) -> Option<Hop> {
    let (host, port) = match value.strip_prefix('[') {
        Some(rest) => {
            let (inside, port) = rest.split_once(']')?;
            (Host::Address(address(inside)?), port.strip_prefix(':').or(Some(port).filter(|p| p.is_empty()))?)
        }
        None => {
            let (name, port) = value.split_once(':').unwrap_or((value, ""));
            let host = name.parse().map(Host::Address);
            (host.ok().or_else(|| dns::is_host(name).then(|| Host::Name(name.to_owned())))?, port)
        }
    };
    let port = if port.is_empty() { SMTP } else { port.parse().ok().filter(|port| *port > 0)? };
    Some(Hop::Relay { host, port })
}

/// RFC 5321 §4.1.3: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
fn literal(domain: &str) -> Option<IpAddr> {
    address(domain.strip_prefix('[')?.strip_suffix(']')?)
}

fn address(text: &str) -> Option<IpAddr> {
    match text.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("IPv6:") => text[5..].parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(routes: &str, domain: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("smtproutes"), routes).unwrap();
        let table = control::Control::at(folder.path()).table("smtproutes").unwrap();
        match hop(&table, domain) {
            Ok(Hop::Exchangers(domain)) => format!("mx {domain}"),
            Ok(Hop::Relay { host: Host::Name(name), port }) => format!("{name} {port}"),
            Ok(Hop::Relay { host: Host::Address(ip), port }) => format!("ip {ip} {port}"),
            Err(broken) => format!("broken {broken}"),
        }
    }

    #[test]
    fn routes_are_found_as_in_qmail() {
        let routes = "one.test:relay.test\n.sub.test:[192.0.2.9]:2525\nport.test:Relay.test:26\nmx.test:\n\
            six.test:[2001:db8::1]:25\nfour.test:192.0.2.8\n:smart.test:587\n";
        for (domain, expect) in [
            ("one.test", "relay.test 25"),
            ("ONE.test", "relay.test 25"),
            ("a.sub.test", "ip 192.0.2.9 2525"),
            ("port.test", "Relay.test 26"),
            ("mx.test", "mx mx.test"),
            ("six.test", "ip 2001:db8::1 25"),
            ("four.test", "ip 192.0.2.8 25"),
            ("sub.test", "smart.test 587"),
            ("other.test", "smart.test 587"),
        ] {
            assert_eq!(of(routes, domain), expect, "{domain}");
        }
        assert_eq!(of("", "other.test"), "mx other.test");
        assert_eq!(of("", "[192.0.2.1]"), "ip 192.0.2.1 25");
        assert_eq!(of("", "[IPv6:2001:db8::2]"), "ip 2001:db8::2 25");
    }

    #[test]
    fn a_relay_that_is_none_is_broken_and_never_means_the_exchangers() {
        for value in ["a b", "x.test:99999", "x.test:0", "[192.0.2.1", "[x]:25", "[192.0.2.1]25"] {
            let answer = of(&format!("one.test:{value}\n"), "one.test");
            assert!(answer.starts_with("broken"), "{value}: {answer}");
        }
    }
}
