//! The PROXY protocol, versions 1 and 2: what a balancer says of the client it speaks for.
//!
//! Reads exactly the header and not one octet more. Anything malformed is an error, and the
//! connection's end: who may send a header at all is decided elsewhere.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};

/// Longest header of version 1 with its line end (specification §2.1).
const LONGEST_LINE: usize = 107;
/// Most octets that follow the fixed part of a header of version 2.
const MOST_DATA: usize = 4096;
/// How a header of version 2 begins (specification §2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The client and the address that it spoke to.
pub(crate) type Claim = (SocketAddr, SocketAddr);

/// Reads a header; `None`: the peer speaks for itself (`UNKNOWN`, `LOCAL`, or no TCP behind it).
pub(crate) fn read(from: &mut impl Read) -> io::Result<Option<Claim>> {
    let mut start = [0; 12];
    from.read_exact(&mut start)?;
    if &start == SIGNATURE { binary(from) } else { line(start.to_vec(), from) }
}

fn malformed() -> io::Error {
    ErrorKind::InvalidData.into()
}

fn line(mut line: Vec<u8>, from: &mut impl Read) -> io::Result<Option<Claim>> {
    if !line.starts_with(b"PROXY ") {
        return Err(malformed());
    }
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_LINE || line.contains(&b'\n') {
            return Err(malformed());
        }
        let mut octet = [0];
        from.read_exact(&mut octet)?;
        line.push(octet[0]);
    }
    let text = std::str::from_utf8(&line[6..line.len() - 2]).map_err(|_| malformed())?;
    words(text).ok_or_else(malformed)
}

/// What a line of version 1 says after `PROXY `; nothing if it is malformed.
fn words(text: &str) -> Option<Option<Claim>> {
    let words: Vec<&str> = text.split(' ').collect();
    let v4 = match words.first() {
        Some(&"UNKNOWN") => return Some(None),
        Some(&"TCP4") => true,
        Some(&"TCP6") => false,
        _ => return None,
    };
    let [_, source, destination, source_port, destination_port] = words[..] else { return None };
    let ip = |word: &str| word.parse().ok().filter(|ip: &IpAddr| ip.is_ipv4() == v4);
    Some(Some((
        SocketAddr::new(ip(source)?, port(source_port)?),
        SocketAddr::new(ip(destination)?, port(destination_port)?),
    )))
}

fn port(word: &str) -> Option<u16> {
    word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok())?
}

fn binary(from: &mut impl Read) -> io::Result<Option<Claim>> {
    let mut fixed = [0; 4];
    from.read_exact(&mut fixed)?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_DATA {
        return Err(malformed());
    }
    let mut data = vec![0; length];
    from.read_exact(&mut data)?;
    match (command, family) {
        (0x20, _) => Ok(None),                                // LOCAL
        (0x21, 0x11) => addresses::<4>(&data).map(Some),      // PROXY, TCP over IPv4
        (0x21, 0x21) => addresses::<16>(&data).map(Some),     // PROXY, TCP over IPv6
        (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Ok(None), // nothing that we could use
        _ => Err(malformed()),
    }
}

/// Two addresses of `N` octets, two ports; more may follow and is skipped.
fn addresses<const N: usize>(data: &[u8]) -> io::Result<Claim>
where
    [u8; N]: Into<IpAddr>,
{
    let (source, rest) = data.split_first_chunk::<N>().ok_or_else(malformed)?;
    let (destination, rest) = rest.split_first_chunk::<N>().ok_or_else(malformed)?;
    let (ports, _) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
    let [a, b, c, d] = *ports;
    Ok((
        SocketAddr::new((*source).into(), u16::from_be_bytes([a, b])),
        SocketAddr::new((*destination).into(), u16::from_be_bytes([c, d])),
    ))
}
