//! The socket that is listened on: IPv4, IPv6, both, or a unix socket.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind as kernel_bind, listen, setsockopt,
    socket, sockopt,
};
use sys::Stop;

use crate::connection::Connection;
use crate::options::{Family, Options};

/// A socket that takes connections without waiting.
#[derive(Debug)]
pub(crate) enum Listener {
    /// With the address that all its connections come to, if it is bound to one.
    Tcp(TcpListener, Option<SocketAddr>),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// The next connection; `WouldBlock` when there is none.
    pub(crate) fn accept(&self) -> io::Result<Connection> {
        match self {
            Listener::Tcp(listener, local) => {
                let (stream, remote) = listener.accept()?;
                let local = local.map_or_else(|| stream.local_addr(), Ok)?;
                Ok(Connection::tcp(stream.into(), remote, local))
            }
            Listener::Unix(listener, path) => Connection::unix(listener.accept()?.0.into(), path),
        }
    }

    /// Takes the name of a unix socket away.
    pub(crate) fn remove(&self) {
        if let Listener::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener, _) => listener.as_fd(),
            Listener::Unix(listener, _) => listener.as_fd(),
        }
    }
}

/// Listens where the options say; gives the port (a unix socket's path) as it is to be printed.
pub(crate) fn bind(options: &Options) -> Result<(Listener, String), Stop> {
    let listener = match options.unix_path() {
        Some(path) => bind_unix(Path::new(path), options),
        None => bind_tcp(options)?,
    };
    let listener = listener.map_err(|error| options.fatal(format_args!("unable to bind: {error}")))?;
    match &listener {
        Listener::Unix(_, path) => {
            let path = path.display().to_string();
            Ok((listener, path))
        }
        Listener::Tcp(tcp, _) => {
            let local = tcp.local_addr();
            let local =
                local.map_err(|error| options.fatal(format_args!("unable to get local address: {error}")))?;
            Ok((listener, local.port().to_string()))
        }
    }
}

fn bind_tcp(options: &Options) -> Result<io::Result<Listener>, Stop> {
    let port = port(&options.port).ok_or_else(|| {
        options.fatal(format_args!("unable to figure out port number for {}", options.port))
    })?;
    if matches!(&*options.host, "" | "0") {
        return Ok(bind_all(port, options));
    }
    let ip = address(options)?;
    Ok(open(SocketAddr::new(ip, port), ip.is_ipv6(), options))
}

/// All addresses: one socket for both families where the kernel has IPv6.
fn bind_all(port: u16, options: &Options) -> io::Result<Listener> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match options.family {
        Family::V4 => open(v4, false, options),
        Family::V6 => open(v6, true, options),
        Family::Any => open(v6, false, options).or_else(|error| match error.kind() {
            ErrorKind::AddrInUse | ErrorKind::PermissionDenied => Err(error),
            _ => open(v4, false, options),
        }),
    }
}

/// The address that `host` is or has.
fn address(options: &Options) -> Result<IpAddr, Stop> {
    let host = &options.host;
    if let Ok(ip) = host.trim_matches(['[', ']']).parse() {
        return Ok(ip);
    }
    let wanted = |ip: &IpAddr| match options.family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    if let Some(ip) = dns::in_hosts_file(host).into_iter().find(wanted) {
        return Ok(ip);
    }
    let resolver = dns::Resolver::new(crate::inquiry::dns_config());
    match resolver.addresses(host) {
        Ok(mut found) => {
            found.sort(); // IPv4 first, as ever
            found.into_iter().find(wanted).ok_or(dns::Error::NotFound)
        }
        Err(error) => Err(error),
    }
    .map_err(|error| match error {
        dns::Error::NotFound => options.fatal(format_args!("no IP address for {host}")),
        later => {
            options.fatal(format_args!("temporarily unable to figure out IP address for {host}: {later}"))
        }
    })
}

fn open(address: SocketAddr, only_v6: bool, options: &Options) -> io::Result<Listener> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &only_v6)?;
    }
    kernel_bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    // Its connections have these from it.
    sys::keep_alive(fd.as_fd());
    if !options.delay {
        sys::no_delay(fd.as_fd());
    }
    listen(&fd, Backlog::new(options.backlog.min(65_535)).unwrap_or(Backlog::MAXCONN))?;
    let listener = TcpListener::from(fd);
    let local = listener.local_addr()?;
    Ok(Listener::Tcp(listener, Some(local).filter(|local| !local.ip().is_unspecified())))
}

/// A port by number or by its name in /etc/services.
fn port(name: &str) -> Option<u16> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    services.lines().find_map(|line| service(line, name))
}

fn service(line: &str, name: &str) -> Option<u16> {
    let mut words = line.split('#').next()?.split_ascii_whitespace();
    let (official, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
    (official == name || words.any(|alias| alias == name)).then(|| port.parse().ok())?
}

fn bind_unix(path: &Path, options: &Options) -> io::Result<Listener> {
    remove_left_over(path)?;
    let listener = within(path, |path| UnixListener::bind(path))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(options.mode))?;
    if sys::is_root() {
        let identity = options.identity().ok().flatten().filter(|identity| identity.uid != 0);
        if let Some(identity) = identity {
            std::os::unix::fs::lchown(path, Some(identity.uid), Some(identity.gid))?;
        }
    }
    listener.set_nonblocking(true)?;
    Ok(Listener::Unix(listener, path.to_owned()))
}

/// A socket that nobody listens on any more may go; nothing else.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let file = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !file.file_type().is_socket() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    match within(path, |path| UnixStream::connect(path)) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

/// Calls `with` with `path`, or, if that is too long for a socket address, with a short name for it.
fn within<T>(path: &Path, with: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() < 108 {
        return with(path);
    }
    let folder = File::open(folder)?;
    with(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_names() {
        assert_eq!(service("smtp\t\t25/tcp\t\tmail # x", "mail"), Some(25));
        assert_eq!(service("tftp 69/udp", "tftp"), None);
        assert_eq!(service("#smtp 25/tcp", "smtp"), None);
        assert_eq!(port("65535"), Some(65535));
        assert_eq!(port("65536"), None);
    }
}
