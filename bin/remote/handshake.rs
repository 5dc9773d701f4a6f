//! TLS with other servers: the handshake, and a look at the certificate.
//!
//! Where nothing is asked of it, TLS is against those who listen, and any certificate will do (RFC 7435).

use std::io::Write;
use std::sync::{Arc, LazyLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use secrecy::{Demand, Failure};
use sys::Timed;

use crate::authorities;
use crate::hosts::Place;

/// A connection by TLS.
pub(crate) type Secret = StreamOwned<ClientConnection, Timed>;

/// Why TLS did not begin, or may not go on.
#[derive(Debug)]
pub(crate) enum NoTls {
    /// The handshake failed; the words are for the log.
    Handshake(String),
    /// The certificate will not do.
    Certificate(Failure),
}

impl std::fmt::Display for NoTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoTls::Handshake(cause) => f.write_str(cause),
            NoTls::Certificate(failure) => failure.fmt(f),
        }
    }
}

/// Does the handshake, and looks at the certificate before anything is said. With `Ok`: what is wrong with a
/// certificate that need not be right.
pub(crate) fn secure(
    connection: Timed,
    place: &Place,
    demand: &Demand,
) -> Result<(Secret, Option<Failure>), NoTls> {
    let failed = |error: &dyn std::fmt::Display| NoTls::Handshake(error.to_string());
    let config = CONFIG.clone().ok_or(NoTls::Handshake("the TLS library does not start".into()))?;
    let name = place.name.trim_end_matches('.').to_owned();
    let server =
        ServerName::try_from(name).unwrap_or_else(|_| ServerName::IpAddress(place.address.ip().into()));
    let session = ClientConnection::new(config, server).map_err(|error| failed(&error))?;
    let mut secret = StreamOwned::new(session, connection);
    while secret.conn.is_handshaking() {
        secret.conn.complete_io(&mut secret.sock).map_err(|error| failed(&error))?;
    }
    let chain = secret.conn.peer_certificates().unwrap_or_default();
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    match demand.proof.judge(chain, authorities::roots(), algorithms, UnixTime::now()) {
        Err(failure) if demand.must => Err(NoTls::Certificate(failure)),
        judged => Ok((secret, judged.err())),
    }
}

/// Says good bye by TLS too; who has hung up already does not hear it.
pub(crate) fn farewell(mut secret: Secret) {
    secret.conn.send_close_notify();
    let _ = secret.flush();
}

static CONFIG: LazyLock<Option<Arc<ClientConfig>>> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().ok()?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)));
    Some(Arc::new(builder.with_no_client_auth()))
});

/// Takes every certificate in the handshake; that its owner has the key is proved all the same. The certificate is
/// judged when the handshake is over.
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
