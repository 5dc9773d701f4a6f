//! TLS from the first octet: handshakes per second, and sessions that do nothing.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

type Session = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Whole handshakes, a greeting and QUIT, again and again: per second.
pub(crate) fn handshakes(address: SocketAddr, sessions: usize, limit: Duration) -> String {
    let (count, end, config) = (AtomicUsize::new(0), Instant::now() + limit, config());
    thread::scope(|scope| {
        for _ in 0..sessions {
            scope.spawn(|| {
                while Instant::now() < end {
                    let mut session = open(address, &config).expect("a session");
                    session.get_mut().write_all(b"QUIT\r\n").expect("a word");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    format!("{:.0}", count.load(Ordering::Relaxed) as f64 / limit.as_secs_f64())
}

/// Opens so many sessions, says `open`, and keeps them until standard input ends.
pub(crate) fn idle(address: SocketAddr, sessions: usize) -> String {
    let config = config();
    let all: Vec<Session> = (0..sessions).map(|_| open(address, &config).expect("a session")).collect();
    println!("open");
    let _ = std::io::stdin().lines().count();
    format!("{} were kept", all.len())
}

/// An IMAP session in TLS.
pub(crate) fn imap(address: SocketAddr) -> std::io::Result<tests::Imap> {
    let stream = TcpStream::connect(address)?;
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(config(), name).map_err(std::io::Error::other)?;
    tests::Imap::over(StreamOwned::new(session, stream.try_clone()?), stream)
}

fn open(address: SocketAddr, config: &Arc<ClientConfig>) -> std::io::Result<Session> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(config.clone(), name).map_err(std::io::Error::other)?;
    let mut session = BufReader::new(StreamOwned::new(session, stream));
    session.read_line(&mut String::new())?;
    Ok(session)
}

fn config() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().expect("versions");
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The client's work is not what is measured.
#[derive(Debug)]
struct Anybody;

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
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
