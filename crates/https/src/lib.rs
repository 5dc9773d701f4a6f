//! A small text by HTTPS: asked for or handed over, at a host that our own name servers find and a known authority
//! vouches for.
//!
//! Knows which authorities those are ([`authorities`]), and which name servers ([`servers`]). Follows no redirection, keeps no connection, knows nothing of what
//! the texts mean.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use control::{Broken, Control};
use dns::Resolver;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::config::Config;
use ureq::http::Uri;
pub use ureq::http::{Request, Response};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ArrayVec, ResolvedSocketAddrs, Resolver as Finds};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client.
#[derive(Debug)]
pub struct Https(Agent);

impl Https {
    /// One that finds hosts by `resolver` and believes `authorities`.
    pub fn new(resolver: Resolver, authorities: &[CertificateDer<'_>]) -> Https {
        let roots = authorities.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .build();
        let config = Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .proxy(None)
            .user_agent("fulmar")
            .tls_config(tls)
            .build();
        Https(Agent::with_parts(config, DefaultConnector::default(), Ours(resolver)))
    }

    /// The text at `url`, of `longest` octets at most. The error says what is wrong.
    pub fn get(&self, url: &str, longest: usize) -> Result<String, String> {
        let response = self.0.get(url).call().map_err(|error| error.to_string())?;
        if response.status() != 200 {
            return Err(format!("{url}: status {}", response.status()));
        }
        let mut text = String::new();
        let mut body = response.into_body().into_reader().take(longest as u64 + 1);
        body.read_to_string(&mut text).map_err(|error| error.to_string())?;
        if text.len() > longest { Err(format!("{url}: longer than {longest} octets")) } else { Ok(text) }
    }

    /// Whatever request; gives the answer whatever its status, with `longest` octets of its body at most.
    pub fn request(&self, request: Request<Vec<u8>>, longest: usize) -> Result<Response<Vec<u8>>, String> {
        let response = self.0.configure_request(request).http_status_as_error(false).build();
        let response = self.0.run(response).map_err(|error| error.to_string())?;
        let (head, body) = response.into_parts();
        let mut bytes = Vec::new();
        body.into_reader().take(longest as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Response::from_parts(head, bytes))
    }

    /// Hands `body` over. Whatever is answered with a 2xx will do.
    pub fn post(&self, url: &str, kind: &str, body: &[u8]) -> Result<(), String> {
        let response = self.0.post(url).content_type(kind).send(body).map_err(|error| error.to_string())?;
        if response.status().is_success() {
            Ok(())
        } else {
            Err(format!("{url}: status {}", response.status()))
        }
    }
}

/// Which name servers are asked: DNSCACHEIP as everywhere in the suite, else control/resolvers, else those of
/// /etc/resolv.conf.
pub fn servers(control: &Control) -> Result<dns::Config, Broken> {
    let named = std::env::var("DNSCACHEIP").unwrap_or_default();
    if !named.is_empty() {
        return Ok(dns::Config::find(&named));
    }
    Ok(dns::Config::find(&control.list("resolvers")?.unwrap_or_default().join(" ")))
}

/// Who may vouch for a host: the authorities that this system knows (SSL_CERT_FILE and SSL_CERT_DIR name others), and
/// those of control/tlsauthorities. What can't be read is told, and vouches for nobody.
pub fn authorities(control: &Control) -> Vec<CertificateDer<'static>> {
    let mut found = rustls_native_certs::load_native_certs().certs;
    match own_authorities(control) {
        Ok(own) => found.extend(own),
        Err(broken) => sys::log!("warning: {broken}; the authorities of the system count alone"),
    }
    if found.is_empty() {
        sys::log!("warning: no authorities for certificates are known here: install ca-certificates");
    }
    found
}

fn own_authorities(control: &Control) -> Result<Vec<CertificateDer<'static>>, Broken> {
    let text = control.whole("tlsauthorities")?.unwrap_or_default();
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    all.map_err(|error| {
        let cure = "write certificates in PEM into it, or remove it";
        Broken::new("control/tlsauthorities", error.to_string(), cure)
    })
}

#[derive(Debug)]
struct Ours(Resolver);

impl Finds for Ours {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(443);
        let mut found: ResolvedSocketAddrs = ArrayVec::from_fn(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        let mut ips = match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => self.0.addresses(host).map_err(|_| Error::HostNotFound)?,
        };
        // IPv4 first: one is tried after the other, and IPv6 fails slowly where there is none.
        ips.sort_by_key(IpAddr::is_ipv6);
        ips.into_iter().take(8).for_each(|ip| found.push(SocketAddr::new(ip, port)));
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}
