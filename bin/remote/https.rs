//! A small text by HTTPS, from a host that is found by our own name servers and has a valid certificate.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dns::Resolver;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver as Finds};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use crate::authorities;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The body. Redirections are not followed (RFC 8461 §3.3).
pub(crate) fn get(url: &str, resolver: &Resolver) -> Result<impl Read + use<>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(ROOTS.clone()))
        .unversioned_rustls_crypto_provider(provider)
        .build();
    let config = Agent::config_builder()
        .https_only(true)
        .max_redirects(0)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .user_agent("fulmar")
        .tls_config(tls)
        .build();
    let agent = Agent::with_parts(config, DefaultConnector::default(), Ours(resolver.clone()));
    let response = agent.get(url).call().map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("{url}: status {}", response.status()));
    }
    Ok(response.into_body().into_reader())
}

static ROOTS: LazyLock<Arc<Vec<Certificate<'static>>>> = LazyLock::new(|| {
    Arc::new(authorities::all().iter().map(|one| Certificate::from_der(one).to_owned()).collect())
});

#[derive(Debug)]
struct Ours(Resolver);

impl Finds for Ours {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(443);
        let mut found: ResolvedSocketAddrs = ArrayVec::from_fn(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        // IPv4 first: its library tries one after the other, and IPv6 fails slowly where there is none.
        let mut ips = self.0.addresses(host).map_err(|_| Error::HostNotFound)?;
        ips.sort_by_key(std::net::IpAddr::is_ipv6);
        ips.into_iter().take(8).for_each(|ip| found.push(SocketAddr::new(ip, port)));
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}
