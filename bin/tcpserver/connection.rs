//! One accepted connection: who is at its ends, and how that is told to programs and to the log.

use std::fmt::Write;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::socket::{getsockopt, sockopt};
use sys::Env;

/// Variables that describe a connection. What a parent's environment has of them is another's.
const VARIABLES: &[&str] = &[
    "PROTO",
    "TCPLOCALIP",
    "TCPLOCALPORT",
    "TCPLOCALHOST",
    "TCPREMOTEIP",
    "TCPREMOTEPORT",
    "TCPREMOTEHOST",
    "TCPREMOTEINFO",
    CHECKED,
    "UNIXLOCALPATH",
    "UNIXREMOTEEUID",
    "UNIXREMOTEEGID",
    "UNIXREMOTEPID",
];

/// Set when the address leads to the name and the name back to the address.
const CHECKED: &str = "REMOTEHOSTCHECKED";

/// The ends of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    /// An IPv4 address is never written as an IPv6 one.
    Tcp { remote: SocketAddr, local: SocketAddr },
    /// Who connected, by the kernel's word.
    Unix { path: String, uid: u32, gid: u32, pid: i32 },
}

/// A connection, and what has been found out about it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) fd: OwnedFd,
    pub(crate) ends: Ends,
    pub(crate) local_host: Option<String>,
    pub(crate) remote_host: Option<String>,
    /// The name leads back to the address.
    pub(crate) host_checked: bool,
    pub(crate) remote_info: Option<String>,
}

impl Connection {
    pub(crate) fn tcp(fd: OwnedFd, remote: SocketAddr, local: SocketAddr) -> Connection {
        Connection::new(fd, Ends::tcp(remote, local))
    }

    pub(crate) fn unix(fd: OwnedFd, path: &Path) -> io::Result<Connection> {
        let peer = getsockopt(&fd, sockopt::PeerCredentials)?;
        let path = path.display().to_string();
        Ok(Connection::new(fd, Ends::Unix { path, uid: peer.uid(), gid: peer.gid(), pid: peer.pid() }))
    }

    fn new(fd: OwnedFd, ends: Ends) -> Connection {
        Connection { fd, ends, local_host: None, remote_host: None, host_checked: false, remote_info: None }
    }

    /// `base` (see [`without_connection`]) with this connection's variables.
    pub(crate) fn env(&self, base: &Env) -> Env {
        let mut env = base.clone();
        match &self.ends {
            Ends::Tcp { remote, local } => {
                env.set("PROTO", if remote.is_ipv4() { "TCP" } else { "TCP6" });
                env.set("TCPLOCALIP", local.ip().to_string());
                env.set("TCPLOCALPORT", local.port().to_string());
                env.set("TCPREMOTEIP", remote.ip().to_string());
                env.set("TCPREMOTEPORT", remote.port().to_string());
            }
            Ends::Unix { path, uid, gid, pid } => {
                env.set("PROTO", "UNIX");
                env.set("UNIXLOCALPATH", path);
                env.set("UNIXREMOTEEUID", uid.to_string());
                env.set("UNIXREMOTEEGID", gid.to_string());
                env.set("UNIXREMOTEPID", pid.to_string());
            }
        }
        let names = [
            ("TCPLOCALHOST", &self.local_host),
            ("TCPREMOTEHOST", &self.remote_host),
            ("TCPREMOTEINFO", &self.remote_info),
        ];
        for (name, value) in names {
            if let Some(value) = value {
                env.set(name, value);
            }
        }
        if self.host_checked && self.remote_host.is_some() {
            env.set(CHECKED, "yes");
        }
        env
    }

    /// The line of the log that tells what is done with this connection.
    pub(crate) fn line(&self, verdict: &str, pid: u32) -> String {
        let mut line = format!("tcpserver: {verdict} {pid} ");
        let name = |name: &Option<String>| safe(name.as_deref().unwrap_or_default());
        let (local, remote) = (name(&self.local_host), name(&self.remote_host));
        let info = name(&self.remote_info);
        // Writing to a string does not fail.
        let _ = match &self.ends {
            Ends::Tcp { remote: from, local: to } => {
                let (to_ip, to_port, ip, port) = (to.ip(), to.port(), from.ip(), from.port());
                write!(line, "{local}:{to_ip}:{to_port} {remote}:{ip}:{info}:{port}")
            }
            Ends::Unix { path, uid, pid, .. } => {
                write!(line, "{local}:{}: {remote}:unix:{uid}:{pid}", safe(path))
            }
        };
        line
    }
}

impl Ends {
    /// The ends of a TCP connection; IPv4 addresses in IPv6 clothes lose them.
    pub(crate) fn tcp(remote: SocketAddr, local: SocketAddr) -> Ends {
        Ends::Tcp { remote: plain(remote), local: plain(local) }
    }

    /// The remote address as rules and the log name it.
    pub(crate) fn remote(&self) -> String {
        match self {
            Ends::Tcp { remote, .. } => remote.ip().to_string(),
            Ends::Unix { .. } => "unix".to_owned(),
        }
    }

    /// What connections are counted by: an IPv4 address, an IPv6 network of 64 bits, no unix socket.
    pub(crate) fn neighbourhood(&self) -> Option<IpAddr> {
        match self {
            Ends::Tcp { remote, .. } => Some(match remote.ip() {
                IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
                v4 => v4,
            }),
            Ends::Unix { .. } => None,
        }
    }
}

fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// `env` without what it says of some connection, or of being a worker.
pub(crate) fn without_connection(mut env: Env) -> Env {
    for name in VARIABLES {
        env.remove(name);
    }
    env.remove(sys::worker::VARIABLE);
    env
}

/// A foreign word for the log: at most 100 octets, with `?` for what would break the line's fields.
fn safe(word: &str) -> String {
    let keep = |byte: u8| if byte.is_ascii_graphic() && byte != b':' { byte as char } else { '?' };
    let mut text: String = word.bytes().take(100).map(keep).collect();
    if word.len() > 100 {
        text.push_str("...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(remote: &str, local: &str) -> Connection {
        let (read, _) = io::pipe().unwrap();
        Connection::tcp(read.into(), remote.parse().unwrap(), local.parse().unwrap())
    }

    #[test]
    fn an_ipv4_client_on_a_socket_for_both_families_is_an_ipv4_client() {
        let connection = connection("[::ffff:192.0.2.1]:4000", "[::ffff:192.0.2.2]:25");
        let env = connection.env(&Env::new());
        assert_eq!((env.text("PROTO"), env.text("TCPREMOTEIP")), (Some("TCP"), Some("192.0.2.1")));
        assert_eq!(connection.line("ok", 7), "tcpserver: ok 7 :192.0.2.2:25 :192.0.2.1::4000");
    }

    #[test]
    fn names_from_outside_never_break_a_line_of_the_log() {
        // R10
        let mut connection = connection("192.0.2.1:4000", "192.0.2.2:25");
        connection.remote_host = Some("a:b\r\nc".into());
        connection.remote_info = Some("x".repeat(300));
        let line = connection.line("deny", 7);
        assert!(line.contains(" a?b??c:192.0.2.1:xxx") && line.contains("x...:4000"), "{line}");
    }

    #[test]
    fn what_a_parent_says_of_its_own_connection_is_forgotten() {
        let mut env = Env::new();
        for name in VARIABLES {
            env.set(name, "old");
        }
        env.set("RELAYCLIENT", "");
        env.set("FULMAR_WORKER", "3");
        assert_eq!(without_connection(env).to_packet(), b"RELAYCLIENT=");
    }

    #[test]
    fn neighbours_in_ipv6_are_counted_together() {
        let one = connection("[2001:db8::1]:1", "[::1]:25").ends.neighbourhood();
        let two = connection("[2001:db8::f:2]:2", "[::1]:25").ends.neighbourhood();
        assert_eq!(one, two);
    }
}
