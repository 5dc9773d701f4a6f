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

/// What a key of a table looks like: of an address of which family, how many bits of it, and if with a slash.
/// Their order is that in which they are asked: the longest network first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Form {
    v6: bool,
    /// Negated, so that many bits stand before few.
    bits: std::cmp::Reverse<u8>,
    slash: bool,
}

impl Form {
    fn new(v6: bool, bits: u8, slash: bool) -> Form {
        Form { v6, bits: std::cmp::Reverse(bits), slash }
    }

    /// The form of a key in its canonical form.
    fn of(key: &[u8]) -> Option<Form> {
        let text = str::from_utf8(key).ok()?;
        if let Some((address, bits)) = text.split_once('/') {
            let ip: IpAddr = address.parse().ok()?;
            return Some(Form::new(ip.is_ipv6(), bits.parse().ok()?, true));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Form::new(ip.is_ipv6(), if ip.is_ipv6() { 128 } else { 32 }, false));
        }
        let dots = text.strip_suffix('.')?.split('.').count();
        u8::try_from(dots).ok().filter(|dots| *dots < 4).map(|dots| Form::new(false, dots * 8, false))
    }

    fn all(v6: bool) -> Vec<Form> {
        let (most, plain): (u8, &[u8]) = if v6 { (128, &[128]) } else { (32, &[32, 24, 16, 8]) };
        let plain = plain.iter().map(|bits| Form::new(v6, *bits, false));
        let mut all: Vec<Form> = plain.chain((0..=most).map(|bits| Form::new(v6, bits, true))).collect();
        all.sort();
        all
    }

    fn key(self, ip: IpAddr) -> String {
        let bits = self.bits.0;
        match ip {
            IpAddr::V4(ip) if self.slash => format!("{}/{bits}", v4(ip, bits)),
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                match bits {
                    24 => format!("{a}.{b}.{c}."),
                    16 => format!("{a}.{b}."),
                    8 => format!("{a}."),
                    _ => ip.to_string(),
                }
            }
            IpAddr::V6(ip) if self.slash => format!("{}/{bits}", v6(ip, bits)),
            IpAddr::V6(ip) => ip.to_string(),
        }
    }
}

fn v4(ip: Ipv4Addr, bits: u8) -> Ipv4Addr {
    Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0))
}

fn v6(ip: Ipv6Addr, bits: u8) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0))
}

/// The keys under which `ip` is asked, the longest network first; only those of the `forms` that a table has, if
/// that is known.
pub(crate) fn keys(ip: IpAddr, forms: Option<&[Form]>) -> Vec<String> {
    let ip = ip.to_canonical();
    let all = Form::all(ip.is_ipv6());
    let is_there = |form: &Form| forms.is_none_or(|forms| forms.contains(form));
    all.into_iter().filter(is_there).map(|form| form.key(ip)).collect()
}

/// The key of a compiled table under which its forms stand. Begins with NUL, which no line can hold.
pub(crate) const FORMS: &[u8] = b"\0forms";

/// The forms of keys, as a compiled table keeps them: `4/24 4/32. 6/64` and so on, a dot where there is no slash.
pub(crate) fn forms<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let all: std::collections::BTreeSet<Form> = keys.filter_map(Form::of).collect();
    let word = |form: Form| {
        format!("{}/{}{}", if form.v6 { 6 } else { 4 }, form.bits.0, if form.slash { "" } else { "." })
    };
    all.into_iter().map(word).collect::<Vec<_>>().join(" ").into_bytes()
}

/// Reads them; `None`: they are none, and every form has to be asked.
pub(crate) fn read_forms(text: &[u8]) -> Option<Vec<Form>> {
    let words = str::from_utf8(text).ok()?.split_ascii_whitespace();
    let form = |word: &str| {
        let (family, bits) = word.split_once('/')?;
        let (bits, slash) = bits.strip_suffix('.').map_or((bits, true), |bits| (bits, false));
        Some(Form::new(family == "6", bits.parse().ok()?, slash))
    };
    words.map(form).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_asked_under_every_network_that_holds_it_and_no_other() {
        let of = |ip: &str| keys(ip.parse().unwrap(), None);
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
    fn only_the_forms_that_a_table_has_are_asked() {
        let table: [&[u8]; 5] = [b"10.1.2.3", b"10.1.", b"10.0.0.0/8", b"2001:db8::/32", b"garbage"];
        let kept = forms(table.into_iter());
        assert_eq!(kept, b"4/32. 4/16. 4/8 6/32");
        let read = read_forms(&kept).unwrap();
        let keys = |ip: &str| keys(ip.parse().unwrap(), Some(&read));
        assert_eq!(keys("10.1.2.9"), ["10.1.2.9", "10.1.", "10.0.0.0/8"]);
        assert_eq!(keys("2001:db8::1"), ["2001:db8::/32"]);
        assert!(read_forms(b"x").is_none() && read_forms(b"").is_some_and(|forms| forms.is_empty()));
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
