//! To whom mail for another host's domain is handed: smtproutes, senderroutes, else the domain's own exchangers.

use std::net::{IpAddr, Ipv6Addr};

use control::{Broken, Table};

const SMTP: u16 = 25;
const SMTPS: u16 = 465;

/// Who is asked for a domain's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hop {
    /// The domain's mail exchangers.
    Exchangers(String),
    /// A host that an admin has named; a name is taken as it is, its MX records do not count.
    Relay(Relay),
}

/// A host that an admin has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Name or address.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub how: How,
    /// Whose login is used there: a key of control/smtplogins.
    pub login: Option<String>,
}

/// How a relay is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing is said: with TLS if control/tlspolicy or the relay itself wants it.
    Unsaid,
    /// `smtps`: by TLS from the first octet (RFC 8314 §3.3).
    Smtps,
    /// `starttls`: nothing is said of mail before STARTTLS.
    StartTls,
    /// `notls`: without.
    Plain,
}

/// A host by its name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Its name, as it was written.
    Name(String),
    /// Its address.
    Address(IpAddr),
}

/// The tables that name relays.
#[derive(Debug)]
pub struct Relays {
    /// By domain of the recipient.
    pub smtproutes: Table,
    /// By sender.
    pub senderroutes: Table,
}

impl Relays {
    /// The relay that is named for `domain`, whoever sends: as it is written.
    pub fn named(&self, domain: &str) -> Result<Option<String>, Broken> {
        let hit = match self.smtproutes.domain(domain)? {
            // A sender may have one of his own.
            None if self.senderroutes.exists() => None,
            None => self.smtproutes.get(b"")?,
            hit => hit,
        };
        let value = hit.map(|hit| hit.value().trim().to_owned());
        Ok(value.filter(|value| !value.is_empty()))
    }

    /// Who gets the mail of `sender` for `domain`: by the domain's own line, the sender's, the one for all domains.
    pub fn hop(&self, sender: &str, domain: &str) -> Result<Hop, Broken> {
        let (file, hit) = match self.smtproutes.domain(domain)? {
            Some(hit) => ("smtproutes", Some(hit)),
            None => match self.senderroutes.address(sender)? {
                Some(hit) => ("senderroutes", Some(hit)),
                None => ("smtproutes", self.smtproutes.get(b"")?),
            },
        };
        let value = hit.map(|hit| hit.value()).unwrap_or_default();
        let value = value.trim();
        if value.is_empty() {
            return Ok(match literal(domain) {
                Some(ip) => Hop::Relay(Relay::to(Host::Address(ip))),
                None => Hop::Exchangers(domain.to_owned()),
            });
        }
        relay(value).map(Hop::Relay).ok_or_else(|| {
            Broken::new(
                format!("control/{file}"),
                format!("{value:?}, the relay for {domain}, is no host and port"),
                "write key:host, key:host:port, and behind a blank smtps, starttls or notls, login=NAME",
            )
        })
    }
}

impl Relay {
    fn to(host: Host) -> Relay {
        Relay { host, port: SMTP, how: How::Unsaid, login: None }
    }
}

/// A relay as smtproutes names it: `host`, `host:port`, `1.2.3.4`, `[1.2.3.4]:port`, `[2001:db8::1]:port`, and
/// then, after blanks, `smtps`, `starttls` or `notls`, and `login=NAME`.
pub fn relay(value: &str) -> Option<Relay> {
    let mut words = value.split_ascii_whitespace();
    let (host, port) = match words.next()? {
        bracketed if bracketed.starts_with('[') => {
            let (inside, port) = bracketed[1..].split_once(']')?;
            (Host::Address(address(inside)?), port.strip_prefix(':').or(Some(port).filter(|p| p.is_empty()))?)
        }
        word => {
            let (name, port) = word.split_once(':').unwrap_or((word, ""));
            let host = name.parse().map(Host::Address);
            (host.ok().or_else(|| dns::is_host(name).then(|| Host::Name(name.to_owned())))?, port)
        }
    };
    let mut relay = Relay::to(host);
    for word in words {
        match (word, word.strip_prefix("login=")) {
            ("smtps", _) if relay.how == How::Unsaid => relay.how = How::Smtps,
            ("starttls", _) if relay.how == How::Unsaid => relay.how = How::StartTls,
            ("notls", _) if relay.how == How::Unsaid => relay.how = How::Plain,
            (_, Some(login)) if !login.is_empty() && relay.login.is_none() => {
                relay.login = Some(login.into())
            }
            _ => return None,
        }
    }
    relay.port = match (port, relay.how) {
        ("", How::Smtps) => SMTPS,
        ("", _) => SMTP,
        _ => port.parse().ok().filter(|port| *port > 0)?,
    };
    Some(relay)
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
        std::fs::write(folder.path().join("senderroutes"), "ann@us.test:anns.test\n@us.test:ours.test:26\n")
            .unwrap();
        let table = |name| control::Control::at(folder.path()).table(name).unwrap();
        let relays = Relays { smtproutes: table("smtproutes"), senderroutes: table("senderroutes") };
        let (sender, domain) = domain.split_once(' ').unwrap_or(("x@y.test", domain));
        match relays.hop(sender, domain) {
            Ok(Hop::Exchangers(domain)) => format!("mx {domain}"),
            Ok(Hop::Relay(Relay { host: Host::Name(name), port, .. })) => format!("{name} {port}"),
            Ok(Hop::Relay(Relay { host: Host::Address(ip), port, .. })) => format!("ip {ip} {port}"),
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
    fn a_senders_own_relay_comes_behind_the_domains_and_before_that_for_all() {
        let routes = "one.test:relay.test\n:smart.test\n";
        assert_eq!(of(routes, "ann@us.test one.test"), "relay.test 25");
        assert_eq!(of(routes, "Ann@US.test other.test"), "anns.test 25");
        assert_eq!(of(routes, "bob@us.test other.test"), "ours.test 26");
        assert_eq!(of(routes, " other.test"), "smart.test 25");
        assert_eq!(of("", "bob@us.test [192.0.2.1]"), "ours.test 26");
    }

    #[test]
    fn whoever_sends_a_relay_may_be_known_by_the_domain_alone() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let named = |domain: &str| {
            let table = |name| control::Control::at(folder.path()).table(name).unwrap();
            let relays = Relays { smtproutes: table("smtproutes"), senderroutes: table("senderroutes") };
            relays.named(domain).unwrap()
        };
        assert_eq!(named("x.test"), None);
        write("smtproutes", "one.test:relay.test:26\nmx.test:\n:smart.test starttls\n");
        assert_eq!(named("one.test").as_deref(), Some("relay.test:26"));
        assert_eq!(named("x.test").as_deref(), Some("smart.test starttls"));
        assert_eq!(named("mx.test"), None);
        write("senderroutes", "@us.test:ours.test\n");
        assert_eq!((named("one.test").is_some(), named("x.test")), (true, None));
    }

    #[test]
    fn what_stands_behind_a_relay_says_how_it_is_spoken_to() {
        let of = |text| relay(text).map(|relay| (relay.port, relay.how, relay.login));
        assert_eq!(of("x.test smtps"), Some((465, How::Smtps, None)));
        assert_eq!(of("x.test:587  starttls login=a@b"), Some((587, How::StartTls, Some("a@b".into()))));
        assert_eq!(of("[::1]:2525 notls"), Some((2525, How::Plain, None)));
        assert_eq!(of("x.test login=a"), Some((25, How::Unsaid, Some("a".into()))));
        for bad in ["x.test tls", "x.test smtps starttls", "x.test login=", "x.test login=a login=b", "", " "]
        {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_relay_that_is_none_is_broken_and_never_means_the_exchangers() {
        for value in ["a b", "x.test:99999", "x.test:0", "[192.0.2.1", "[x]:25", "[192.0.2.1]25"] {
            let answer = of(&format!("one.test:{value}\n"), "one.test");
            assert!(answer.starts_with("broken"), "{value}: {answer}");
        }
    }
}
