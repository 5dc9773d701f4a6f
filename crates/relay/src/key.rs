//! Whose rows they are: an IPv4 address, or the /64 of an IPv6 address, all of which one client owns.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

const PREFIX: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// An address as the table knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(IpAddr);

impl Key {
    /// The key of a client's address. An IPv4 address in IPv6's form is the IPv4 address.
    pub fn of(ip: IpAddr) -> Key {
        Key(match ip.to_canonical() {
            IpAddr::V6(ip) => IpAddr::V6(ip & PREFIX),
            ip => ip,
        })
    }

    /// Reads an address, or what is shown for a key: `2001:db8::/64`.
    pub fn parse(text: &str) -> Option<Key> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, "64")) => (address, true),
            Some(_) => return None,
            None => (text, false),
        };
        let ip: IpAddr = address.parse().ok()?;
        (!prefix || ip.is_ipv6()).then(|| Key::of(ip))
    }

    /// The name of its file: never a path, whatever was read.
    pub(crate) fn file(self) -> String {
        match self.0 {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("v6-{:016x}", u128::from(ip) >> 64),
        }
    }

    /// The key whose file has this name.
    pub(crate) fn of_file(name: &str) -> Option<Key> {
        let key = match name.strip_prefix("v6-") {
            Some(digits) => {
                Key::of(IpAddr::V6((u128::from(u64::from_str_radix(digits, 16).ok()?) << 64).into()))
            }
            None => Key(IpAddr::V4(name.parse().ok()?)),
        };
        (key.file() == name).then_some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => ip.fmt(f),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_one_key_in_whatever_form_it_comes() {
        // T01
        let key = |text: &str| Key::parse(text).map(|key| key.to_string());
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_eq!(key("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(key("2001:db8:1:2::/64"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:3::1"), key("2001:db8:1:2::1"));
    }

    #[test]
    fn what_is_no_address_is_no_key_and_no_path() {
        // T01
        for text in [
            "",
            "1.2.3.4\n5.6.7.8",
            "../../etc/passwd",
            "1.2.3",
            "1.2.3.4/24",
            "1.2.3.4/64",
            "::1/128",
            "1.2.3.4 ",
        ] {
            assert_eq!(Key::parse(text), None, "{text:?}");
        }
        for name in ["v6-", "v6-1", "v6-zzzzzzzzzzzzzzzz", ".new", "01.2.3.4", "..", "v6-00000000000000001"] {
            assert_eq!(Key::of_file(name), None, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_key_is_found_again_by_its_file_and_by_what_is_shown(ip: std::net::IpAddr) {
            let key = Key::of(ip);
            proptest::prop_assert_eq!(Key::of_file(&key.file()), Some(key));
            proptest::prop_assert_eq!(Key::parse(&key.to_string()), Some(key));
            proptest::prop_assert!(!key.file().contains('/') && !key.file().starts_with('.'));
        }
    }
}
