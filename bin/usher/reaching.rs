//! A connection to the other host, at whichever of its addresses takes one.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use dns::{Config, Resolver};

/// How long the other host may take to take the connection.
const CONNECT: Duration = Duration::from_secs(20);

/// Tries all addresses of the host.
pub(crate) fn connect(at: &str) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::other("it has no address");
    for address in addresses(at)? {
        match sys::dial(None, address, CONNECT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn addresses(at: &str) -> std::io::Result<Vec<SocketAddr>> {
    if let Ok(address) = at.parse() {
        return Ok(vec![address]);
    }
    let (host, port) = at.rsplit_once(':').ok_or(std::io::ErrorKind::InvalidInput)?;
    let port = port.parse::<u16>().map_err(std::io::Error::other)?;
    let found = Resolver::new(Config::find("")).addresses(host);
    let found: Vec<IpAddr> = found.map_err(|error| std::io::Error::other(format!("{error}")))?;
    Ok(found.into_iter().map(|ip| (ip, port).into()).collect())
}
