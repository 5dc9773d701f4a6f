//! One session: the handshake, and octets both ways until one side ends.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnix;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncWriteExt, copy};
use tokio::net::UnixStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Keys;
use crate::desk::Seat;
use crate::tickets::Tickets;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a client may take to hang up after the server program has.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all sessions share.
pub(crate) struct Tunnels {
    acceptor: TlsAcceptor,
}

impl Tunnels {
    /// TLS 1.2 and 1.3, as the library thinks best; no client is asked for a certificate.
    pub(crate) fn new(keys: Arc<Keys>, tickets: Arc<Tickets>) -> Result<Tunnels, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth();
        let mut config = config.with_cert_resolver(keys);
        config.ticketer = tickets;
        Ok(Tunnels { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }
}

/// What comes out: the plain socket, and `version=`, `cipher=`, `sni=`.
type Opened = (OwnedFd, [String; 3]);

/// Does the handshake on `socket` and pumps from then on. The error is a word for the log.
pub(crate) async fn open(tunnels: &Arc<Tunnels>, socket: OwnedFd, seat: Seat) -> Result<Opened, String> {
    // Any stream socket will do: nothing but reading and writing is asked of it.
    let stream = StdUnix::from(socket);
    let stream = stream.set_nonblocking(true).and_then(|()| UnixStream::from_std(stream));
    let opened = match stream {
        Ok(stream) => begin(tunnels, stream, seat).await,
        Err(error) => Err(error),
    };
    opened.map_err(|error| error.to_string())
}

async fn begin(tunnels: &Arc<Tunnels>, client: UnixStream, seat: Seat) -> io::Result<Opened> {
    let handshake = tokio::time::timeout(HANDSHAKE, tunnels.acceptor.accept(client));
    let secret =
        handshake.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no handshake in time"))??;
    let facts = facts(&secret);
    let (ours, theirs) = StdUnix::pair()?;
    ours.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    tokio::spawn(async move {
        let _seat = seat;
        pump(secret, ours).await;
    });
    Ok((theirs.into(), facts))
}

fn facts(secret: &TlsStream<UnixStream>) -> [String; 3] {
    let (_, session) = secret.get_ref();
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "TLS",
    };
    let cipher =
        session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    // The library has a name of its own for what IANA calls TLS_AES_256_GCM_SHA384.
    let cipher = cipher.replacen("TLS13_", "TLS_", 1);
    // What a client wrote becomes one word.
    let sni: String =
        session.server_name().unwrap_or_default().chars().filter(char::is_ascii_graphic).collect();
    [format!("version={version}"), format!("cipher={cipher}"), format!("sni={sni}")]
}

/// The client's end is told to the server program, which may have more to say; when that has hung up, the client gets
/// a moment to do likewise.
async fn pump(secret: TlsStream<UnixStream>, plain: UnixStream) {
    let (mut from_client, mut to_client) = tokio::io::split(secret);
    let (mut from_server, mut to_server) = tokio::io::split(plain);
    let up = async {
        let _ = copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let _ = copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut up => down.await,
        () = &mut down => {
            let _ = tokio::time::timeout(FAREWELL, up).await;
        }
    }
}
