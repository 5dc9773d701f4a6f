//! One session: the handshake, and octets both ways until one side ends.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnix;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::UnixStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Keys;
use crate::clients::Clients;
use crate::desk::Seat;
use crate::tickets::Tickets;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long a client may take to hang up after the server program has.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long a client may take for one piece of what the server program says. The program's own limit ends with the
/// program: without this one, who stops reading would keep his seat for ever.
const TAKE: Duration = Duration::from_secs(300);
/// Octets of a piece.
const PIECE: usize = 8 << 10;

/// What all sessions share.
pub(crate) struct Tunnels {
    acceptor: TlsAcceptor,
    keys: Arc<Keys>,
    clients: Arc<Clients>,
}

impl Tunnels {
    /// TLS 1.2 and 1.3, as the library thinks best.
    pub(crate) fn new(
        keys: Arc<Keys>,
        clients: Arc<Clients>,
        tickets: Arc<Tickets>,
    ) -> Result<Tunnels, rustls::Error> {
        let config = ServerConfig::builder_with_provider(keys.provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients.clone());
        let mut config = config.with_cert_resolver(keys.clone());
        config.ticketer = tickets;
        Ok(Tunnels { acceptor: TlsAcceptor::from(Arc::new(config)), keys, clients })
    }
}

/// What comes out: the plain socket, and what is known of the connection, `version=` and so on.
type Opened = (OwnedFd, Vec<String>);

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
    let facts = facts(tunnels, &secret);
    let (ours, theirs) = StdUnix::pair()?;
    ours.set_nonblocking(true)?;
    let ours = UnixStream::from_std(ours)?;
    tokio::spawn(async move {
        let _seat = seat;
        pump(secret, ours).await;
    });
    Ok((theirs.into(), facts))
}

fn facts(tunnels: &Tunnels, secret: &TlsStream<UnixStream>) -> Vec<String> {
    let (_, session) = secret.get_ref();
    let third = session.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
    let version = if third { "TLSv1.3" } else { "TLSv1.2" };
    let cipher =
        session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    // The library has a name of its own for what IANA calls TLS_AES_256_GCM_SHA384.
    let cipher = cipher.replacen("TLS13_", "TLS_", 1);
    // What a client wrote becomes one word.
    let sni: String =
        session.server_name().unwrap_or_default().chars().filter(char::is_ascii_graphic).collect();
    let mut facts = vec![format!("version={version}"), format!("cipher={cipher}"), format!("sni={sni}")];
    // RFC 9266 §2: with TLS 1.2 it is not safe everywhere.
    if third
        && let Ok(value) = session.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
    {
        facts.push(format!("tls-exporter={}", HEXLOWER.encode(&value)));
    }
    if let Some(digest) = tunnels.keys.endpoint(session.server_name()) {
        facts.push(format!("tls-server-end-point={}", HEXLOWER.encode(&digest)));
    }
    let clients = tunnels.clients.names(session.peer_certificates().unwrap_or_default());
    facts.extend(clients.into_iter().map(|name| format!("client={name}")));
    facts
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
        let _ = carry(&mut from_server, &mut to_client).await;
    };
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut up => down.await,
        () = &mut down => {
            let _ = tokio::time::timeout(FAREWELL, up).await;
        }
    }
}

/// Copies piece by piece to the end, and says good bye; who does not take a piece in time is given up.
async fn carry(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let length = from.read(&mut piece).await?;
        let hand_over = async {
            to.write_all(&piece[..length]).await?;
            if length == 0 { to.shutdown().await } else { to.flush().await }
        };
        tokio::time::timeout(TAKE, hand_over).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if length == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{DuplexStream, duplex};

    async fn said(client: &mut DuplexStream) -> Vec<u8> {
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        all
    }

    #[tokio::test(start_paused = true)]
    async fn all_that_the_server_program_has_said_comes_out_after_it_has_hung_up() {
        let ((mut server, mut ours), (mut outer, mut client)) = (duplex(1 << 20), duplex(100));
        let text = vec![b'x'; 100_000];
        server.write_all(&text).await.unwrap();
        drop(server);
        let (carried, came) = tokio::join!(
            async {
                let carried = carry(&mut ours, &mut outer).await;
                drop(outer);
                carried
            },
            said(&mut client)
        );
        assert!(carried.is_ok() && came == text);
    }

    // A seat that nobody gives back is one less for all others.
    #[tokio::test(start_paused = true)]
    async fn who_stops_reading_does_not_keep_his_seat() {
        let ((mut server, mut ours), (mut outer, _client)) = (duplex(1 << 20), duplex(100));
        server.write_all(&[b'x'; 1000]).await.unwrap();
        drop(server);
        let given_up = carry(&mut ours, &mut outer).await.unwrap_err();
        assert_eq!(given_up.kind(), io::ErrorKind::TimedOut);
    }
}
