//! The loopback names and addresses, which never go to a name server (RFC 6761 §6.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use crate::{config, names};

/// The name that /etc/hosts has for the loopback address `ip`; `localhost` for 127.0.0.1 and ::1.
pub(crate) fn name_of(ip: IpAddr) -> Option<String> {
    let ip = ip.to_canonical();
    if !ip.is_loopback() {
        return None;
    }
    let plain = ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST;
    listed(&config::read(Path::new("/etc/hosts")), ip).or_else(|| plain.then(|| "localhost".to_owned()))
}

/// The addresses of `localhost` and the names under it.
pub(crate) fn addresses(name: &str) -> Option<Vec<IpAddr>> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let ours = name == "localhost" || name.ends_with(".localhost");
    ours.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

/// The addresses that /etc/hosts has for `name`, in its order. Mail is never routed by this file; it is
/// for names that the admin of this host uses for its own addresses.
pub fn in_hosts_file(name: &str) -> Vec<IpAddr> {
    all_listed(&config::read(Path::new("/etc/hosts")), name)
}

fn all_listed(text: &str, name: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let ip = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    };
    text.lines().filter_map(address).collect()
}

fn listed(text: &str, ip: IpAddr) -> Option<String> {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        if words.next().and_then(|word| word.parse().ok()) == Some(ip) {
            return words.find(|word| names::is_host(word)).map(str::to_ascii_lowercase);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_hosts_line_counts() {
        let text = "# 127.0.1.1 no\n127.0.0.1 localhost\n127.0.1.1\t\x07bad Mail.example.org mail # x\n";
        assert_eq!(listed(text, [127, 0, 1, 1].into()).as_deref(), Some("mail.example.org"));
        assert_eq!(listed(text, [127, 0, 0, 9].into()), None);
        assert_eq!(all_listed(text, "MAIL"), [IpAddr::from([127, 0, 1, 1])]);
        assert!(all_listed(text, "x").is_empty());
    }

    #[test]
    fn only_loopback_names_are_answered_here() {
        assert!(addresses("LOCALHOST.").is_some() && addresses("a.localhost").is_some());
        assert!(addresses("notlocalhost").is_none());
        assert_eq!(name_of([192, 0, 2, 1].into()), None);
    }
}
