//! Whom a rule is for, and the keys under which that is found.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Fault;
use crate::fault::shown;

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A key as it is: a host, `info@address`, one IP address, nothing.
    Key(Vec<u8>),
    /// IPv4 prefixes or addresses that someone wrote out or counted off, `10.2-3.`, and their length in bits.
    Keys(Vec<Vec<u8>>, u8),
    /// An IPv4 network with its length in bits.
    Network4(Ipv4Addr, u8),
    /// An IPv6 network with its length in bits, 0 to 127.
    Network6(Ipv6Addr, u8),
}

impl Address {
    /// Reads what stands before the colon of a rule.
    pub(crate) fn read(text: &[u8]) -> Result<Address, Fault> {
        if let Some(odd) = text.iter().find(|byte| !byte.is_ascii_graphic() || b"\"'*,".contains(byte)) {
            let problem = format!("{} in the address {}", shown(&[*odd]), shown(text));
            let cure = "write an address, a prefix with a dot at its end, =host or =.suffix";
            return Err(Fault::new(problem, cure));
        }
        let text = String::from_utf8_lossy(text);
        if text.contains('@') || text.contains('=') {
            return named(&text);
        }
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
        match bare.split_once('/') {
            _ if bare.is_empty() => Ok(Address::Key(Vec::new())),
            Some((network, length)) => cidr(network, length),
            None if bare.contains(':') => one(bare),
            None => dotted(bare),
        }
    }
}

/// `=host`, `=.suffix`, `=`, `info@ip`, `info@=host`. Host names have no case; what is before the `@` has.
fn named(text: &str) -> Result<Address, Fault> {
    let start = text.rfind('@').map_or(0, |at| at + 1);
    let (before, place) = text.split_at(start);
    let key = match (place.strip_prefix('='), place.parse::<IpAddr>()) {
        (Some(""), _) if start > 0 => None,
        (Some(host), _) if !host.contains(['=', '/', ':']) => Some(place.to_ascii_lowercase()),
        (None, Ok(ip)) if start > 0 => Some(plain(ip).to_string()),
        _ => None,
    };
    let problem = || format!("{} is neither =host nor an address", shown(place.as_bytes()));
    let key = key.ok_or_else(|| Fault::new(problem(), "write =host, info@address or info@=host"))?;
    Ok(Address::Key(format!("{before}{key}").into()))
}

/// An IPv4 address inside an IPv6 one is that IPv4 address.
pub(crate) fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn one(text: &str) -> Result<Address, Fault> {
    match text.parse::<Ipv6Addr>() {
        Ok(ip) => Ok(Address::Key(plain(ip.into()).to_string().into())),
        Err(_) => {
            let problem = format!("{} is no IPv6 address", shown(text.as_bytes()));
            Err(Fault::new(problem, "write the whole address, or a network such as 2001:db8::/32"))
        }
    }
}

fn cidr(network: &str, length: &str) -> Result<Address, Fault> {
    let Ok(ip) = network.parse::<IpAddr>() else {
        let problem = format!("{} is no address", shown(network.as_bytes()));
        return Err(Fault::new(problem, "write all of it before the slash: 10.0.0.0/8"));
    };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let Some(bits) = length.parse::<u8>().ok().filter(|bits| digits && *bits <= most) else {
        let problem = format!("{} is no length of a network", shown(length.as_bytes()));
        return Err(Fault::new(problem, format!("write the number of bits, 0 to {most}, after the slash")));
    };
    let first = first_address(ip, bits);
    if first != ip {
        let problem = format!("{ip}/{bits} has bits beyond its length");
        return Err(Fault::new(problem, format!("write {first}/{bits}, or {ip} for one address")));
    }
    Ok(match ip {
        IpAddr::V4(ip) => Address::Network4(ip, bits),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) if bits >= 96 => Address::Network4(ip, bits - 96),
            _ if bits == 128 => Address::Key(ip.to_string().into()),
            _ => Address::Network6(ip, bits),
        },
    })
}

/// The first address of the network of `bits` bits that `ip` is in.
pub(crate) fn first_address(ip: IpAddr, bits: u8) -> IpAddr {
    let bits = u32::from(bits);
    match ip {
        IpAddr::V4(ip) => {
            Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into()
        }
        IpAddr::V6(ip) => {
            Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into()
        }
    }
}

/// An IPv4 address, a prefix with a dot at its end, or either with one range in it.
fn dotted(text: &str) -> Result<Address, Fault> {
    let whole = !text.ends_with('.');
    let parts: Vec<&str> = text.strip_suffix('.').unwrap_or(text).split('.').collect();
    if parts.iter().any(|part| !part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')) {
        let problem = format!("{} is no address", shown(text.as_bytes()));
        return Err(Fault::new(problem, format!("write ={text} if it is the name of a host")));
    }
    match (parts.len(), whole) {
        (4, true) | (1..=3, false) => {}
        (1..=3, true) => {
            let problem = format!("{text} is not a whole address and would never match");
            return Err(Fault::new(
                problem,
                format!("write {text}. with a dot at its end for all that begins so"),
            ));
        }
        _ => {
            let problem = format!("{text} has too many parts");
            return Err(Fault::new(problem, "an IPv4 address has four"));
        }
    }
    let mut keys = vec![String::new()];
    for (number, part) in parts.iter().enumerate() {
        let (low, high) = octets(part)?;
        let dot = if whole && number + 1 == parts.len() { "" } else { "." };
        let extend =
            |key: &String| (low..=high).map(move |octet| format!("{key}{octet}{dot}")).collect::<Vec<_>>();
        if low != high && keys.len() > 1 {
            return Err(Fault::new(
                format!("two ranges in {text}"),
                "write one rule for each of the first range",
            ));
        }
        keys = keys.iter().flat_map(extend).collect();
    }
    let bits = 8 * parts.len() as u8;
    Ok(Address::Keys(keys.into_iter().map(String::into_bytes).collect(), bits))
}

/// `37` or `37-53`.
fn octets(part: &str) -> Result<(u8, u8), Fault> {
    let (low, high) = part.split_once('-').unwrap_or((part, part));
    let (low, high) = (octet(low)?, octet(high)?);
    if low > high {
        return Err(Fault::new(
            format!("the range {part} ends before it begins"),
            format!("write {high}-{low}"),
        ));
    }
    Ok((low, high))
}

fn octet(text: &str) -> Result<u8, Fault> {
    match text.parse::<u8>() {
        Ok(octet) if octet.to_string() == text => Ok(octet),
        Ok(octet) => Err(Fault::new(format!("{text} would never match"), format!("write {octet}"))),
        Err(_) => {
            let problem = format!("{} where a number must be", shown(text.as_bytes()));
            Err(Fault::new(problem, "each part of an address is a number from 0 to 255"))
        }
    }
}
