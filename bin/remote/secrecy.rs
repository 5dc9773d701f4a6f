//! TLS with other servers, where they offer it: against those who listen. Who they are is not proved by it (RFC 7435),
//! so any certificate will do.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use control::Table;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use sys::Timed;

/// A connection by TLS.
pub(crate) type Secret = StreamOwned<ClientConnection, Timed>;

/// Is TLS tried with these: a recipient's domain, a host? A table that can't be asked keeps nobody from it.
pub(crate) fn is_tried(without: &Table, names: &[&str]) -> bool {
    !names.iter().any(|name| !name.is_empty() && without.domain(name).is_ok_and(|hit| hit.is_some()))
}

/// Does the handshake. The error is for the log.
pub(crate) fn secure(connection: Timed, (name, ip): (&str, IpAddr)) -> Result<Secret, String> {
    static CONFIG: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(config);
    let config = CONFIG.clone().ok_or("the TLS library does not start")?;
    let name = name.trim_end_matches('.').to_owned();
    let server = ServerName::try_from(name).unwrap_or_else(|_| ServerName::IpAddress(ip.into()));
    let session = ClientConnection::new(config, server).map_err(|error| error.to_string())?;
    let mut secret = StreamOwned::new(session, connection);
    while secret.conn.is_handshaking() {
        secret.conn.complete_io(&mut secret.sock).map_err(|error| error.to_string())?;
    }
    Ok(secret)
}

/// Says good bye by TLS too; who has hung up already does not hear it.
pub(crate) fn farewell(mut secret: Secret) {
    secret.conn.send_close_notify();
    let _ = secret.flush();
}

fn config() -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().ok()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    Some(Arc::new(builder.with_no_client_auth()))
}

/// Takes every certificate; that its owner has the key is proved all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
