//! Keys of tables of networks, and which of them an address is asked under.
//!
//! `10.1.2.3`, `10.1.` (all that begins so), `10.0.0.0/8`, `[2001:db8::1]`, `[2001:db8::/32]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A key in the one form that it is asked under: addresses as the standard library writes them, without
/// brackets. What is neither an address nor a network stays as it is, and never answers.
pub(crate) fn canonical(key: &[u8]) -> Vec<u8> {
    let Ok(text) = str::from_utf8(key) else { return key.to_vec() };
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let (address, length) = bare.split_once('/').map_or((bare, None), |(ip, length)| (ip, Some(length)));
    match (address.parse::<IpAddr>(), length) {
        (Ok(ip), None) => ip.to_canonical().to_string().into(),
        (Ok(ip), Some(length)) => format!("{ip}/{length}").into(),
        (Err(_), _) => bare.as_bytes().to_vec(),
    }
}

/// The keys under which `ip` is asked, the longest network first.
pub(crate) fn keys(ip: IpAddr) -> Vec<String> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (0..=32).rev().flat_map(|bits| of_v4(ip, bits)).collect(),
        IpAddr::V6(ip) => {
            std::iter::once(ip.to_string()).chain((0..=128).rev().map(|bits| v6(ip, bits))).collect()
        }
    }
}

fn of_v4(ip: Ipv4Addr, bits: u32) -> Vec<String> {
    let network = Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0));
    let [a, b, c, _] = ip.octets();
    let prefix = match bits {
        32 => Some(ip.to_string()),
        24 => Some(format!("{a}.{b}.{c}.")),
        16 => Some(format!("{a}.{b}.")),
        8 => Some(format!("{a}.")),
        _ => None,
    };
    prefix.into_iter().chain([format!("{network}/{bits}")]).collect()
}

fn v6(ip: Ipv6Addr, bits: u32) -> String {
    let network = Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0));
    format!("{network}/{bits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_under_every_network_that_holds_it_and_no_other() {
        let of = |ip: &str| keys(ip.parse().unwrap());
        let keys = of("10.1.2.3");
        assert_eq!(keys[..3], ["10.1.2.3", "10.1.2.3/32", "10.1.2.2/31"]);
        for key in ["10.1.2.", "10.1.2.0/24", "10.1.", "10.", "10.0.0.0/8", "0.0.0.0/0"] {
            assert!(keys.contains(&key.to_owned()), "{key}");
        }
        assert!(!keys.iter().any(|key| key.is_empty() || key.starts_with("11") || key == "1."));
        assert_eq!(keys.len(), 37);
        assert_eq!(of("::ffff:10.1.2.3"), keys);
        let keys = of("2001:db8::1");
        assert_eq!(keys[..2], ["2001:db8::1", "2001:db8::1/128"]);
        assert!(keys.contains(&"2001:db8::/32".to_owned()) && keys.len() == 130);
    }

    #[test]
    fn a_key_has_one_form_however_it_is_written() {
        for (written, asked) in [
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.", "10.1."),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("[2001:db8:0:0::1]", "2001:db8::1"),
            ("[2001:db8:0:0::/32]", "2001:db8::/32"),
            ("[::ffff:10.1.2.3]", "10.1.2.3"),
            ("10.1.2.3-5", "10.1.2.3-5"),
            ("", ""),
        ] {
            assert_eq!(canonical(written.as_bytes()), asked.as_bytes(), "{written}");
        }
    }
}
