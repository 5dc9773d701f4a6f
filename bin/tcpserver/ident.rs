//! The ident protocol (RFC 1413): what the client's own host calls the client.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
use sys::Timed;
use sys::wait::{self, Interest};

const PORT: u16 = 113;
/// Longest answer and longest name that are taken, in octets.
const LONGEST_ANSWER: usize = 1000;
const LONGEST_NAME: usize = 256;

/// Asks the host of `remote` who has the connection to `local`; nothing if it has no ident server or
/// does not answer with a whole line within `patience`. An answer that names nobody is the empty string.
pub(crate) fn ask(remote: SocketAddr, local: SocketAddr, patience: Duration) -> Option<String> {
    exchange(remote, local, patience).ok()
}

fn exchange(remote: SocketAddr, local: SocketAddr, patience: Duration) -> io::Result<String> {
    let start = sys::monotonic();
    let stream = open(SocketAddr::new(remote.ip(), PORT), SocketAddr::new(local.ip(), 0), patience)?;
    let mut timed = Timed::new(stream.try_clone()?.into(), stream.into(), patience);
    timed.set_deadline(Some(patience.saturating_sub(sys::monotonic().saturating_sub(start))));
    timed.write_all(format!("{} , {}\r\n", remote.port(), local.port()).as_bytes())?;
    let mut answer = Vec::new();
    let mut octet = [0];
    while answer.len() < LONGEST_ANSWER {
        timed.read_exact(&mut octet)?;
        if octet[0] == b'\n' {
            break;
        }
        answer.push(octet[0]);
    }
    Ok(name(&answer))
}

/// Connects from the address that the client knows us by.
fn open(server: SocketAddr, from: SocketAddr, patience: Duration) -> io::Result<TcpStream> {
    let family = if server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family, SockType::Stream, flags, None)?;
    bind(fd.as_raw_fd(), &SockaddrStorage::from(from))?;
    match connect(fd.as_raw_fd(), &SockaddrStorage::from(server)) {
        Ok(()) | Err(nix::errno::Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let stream = TcpStream::from(fd);
    if !wait::until(std::os::fd::AsFd::as_fd(&stream), Interest::Write, Some(patience))? {
        return Err(io::ErrorKind::TimedOut.into());
    }
    match stream.take_error()? {
        Some(error) => Err(error),
        None => stream.set_nonblocking(false).map(|()| stream),
    }
}

/// The part after the third colon, without blanks; what is not printable ASCII becomes `?`.
fn name(answer: &[u8]) -> String {
    let last = answer.splitn(4, |b| *b == b':').nth(3).unwrap_or_default();
    let kept = last.iter().filter(|b| !matches!(b, b' ' | b'\t' | b'\r')).take(LONGEST_NAME);
    kept.map(|b| if b.is_ascii_graphic() { *b as char } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_follows_the_third_colon() {
        assert_eq!(name(b"6193, 23 : USERID : UNIX : st johns\r"), "stjohns");
        assert_eq!(name(b"6195, 23 : ERROR : NO-USER\r"), "");
        assert_eq!(name(b"1,2:USERID:UNIX:a:b\x1b[2J"), "a:b?[2J");
        assert_eq!(name(&[&b"1,2:U:U:"[..], &[b'x'; 900]].concat()).len(), 256);
    }
}
