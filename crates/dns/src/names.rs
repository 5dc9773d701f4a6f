//! Names of hosts and of addresses as text.

use std::net::IpAddr;

use domain::base::name::{Label, ToLabelIter};

/// Longest host name in octets, without the final dot (RFC 1035 §2.3.4).
const LONGEST: usize = 253;

/// Whether `name` may be shown and used as the name of a host: letters, digits, hyphens and
/// underscores between dots, no empty label, at most 253 octets, and not like an IPv4 address.
pub fn is_host(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or_default();
    (1..=LONGEST).contains(&name.len())
        && name.split('.').all(|label| is_label(label.as_bytes()))
        && !last.bytes().all(|b| b.is_ascii_digit())
}

// RFC 1123 §2.1; the underscore is common in practice and harmless.
fn is_label(label: &[u8]) -> bool {
    (1..=63).contains(&label.len())
        && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A name out of a message as a lower-case host name without the final dot; `None` if it is no
/// [host name](is_host). The root is the empty string.
pub(crate) fn host(name: &impl ToLabelIter) -> Option<String> {
    let labels: Vec<&Label> = name.iter_labels().filter(|label| !label.is_root()).collect();
    let mut text = String::new();
    for label in &labels {
        if !is_label(label.as_slice()) {
            return None;
        }
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.as_slice().iter().map(|b| b.to_ascii_lowercase() as char));
    }
    (text.is_empty() || is_host(&text)).then_some(text)
}

/// The name under which the host name of `ip` is asked for (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|b| [b & 15, b >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}.")).collect::<String>() + "ip6.arpa"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_asked_for_backwards() {
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(reverse([192, 0, 2, 1].into()), "1.2.0.192.in-addr.arpa");
        assert_eq!(reverse("::ffff:192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
        assert!(reverse(v6).starts_with("1.0.0.0.") && reverse(v6).ends_with("8.b.d.0.1.0.0.2.ip6.arpa"));
    }

    #[test]
    fn what_is_no_host_name_is_told_apart() {
        for good in ["a.example", "mail_1.example.org.", "xn--bcher-kva.example", "localhost", "1.a"] {
            assert!(is_host(good), "{good}");
        }
        let long = "a.".repeat(127) + "b";
        for bad in
            ["", ".", "a..b", "a b", "a\r\nb", "<b>.example", "192.0.2.1", "12", "a\0", "ä.example", &long]
        {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
