//! The proof that a name is ours, given to whoever asks: at port 80 (RFC 8555 §8.3) or by TLS at port 443 (RFC 8737).

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use instant_acme::ChallengeType;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection};

/// How long one who asks may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request that is read.
const LONGEST: u64 = 8 << 10;
/// Where the proof is asked for by HTTP.
const FOLDER: &str = "/.well-known/acme-challenge/";
/// RFC 8737 §3.
const PROTOCOL: &[u8] = b"acme-tls/1";

/// A way of proving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Http,
    TlsAlpn,
}

impl Way {
    pub(crate) fn of(name: &str) -> Option<Way> {
        match name.trim() {
            "http-01" => Some(Way::Http),
            "tls-alpn-01" => Some(Way::TlsAlpn),
            _ => None,
        }
    }

    pub(crate) fn kind(self) -> ChallengeType {
        match self {
            Way::Http => ChallengeType::Http01,
            Way::TlsAlpn => ChallengeType::TlsAlpn01,
        }
    }

    pub(crate) fn port(self) -> u16 {
        match self {
            Way::Http => 80,
            Way::TlsAlpn => 443,
        }
    }

    /// What to do where another server has the port.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Way::Http => "the web server there has to show acme/challenges/ as /.well-known/acme-challenge/",
            Way::TlsAlpn => "write http-01 into control/acmechallenge, or free the port",
        }
    }
}

/// What is answered now.
#[derive(Debug)]
pub(crate) struct Answers {
    way: Way,
    folder: PathBuf,
    /// By token, the proof; by name, the certificate that is one.
    texts: Mutex<HashMap<String, String>>,
    certificates: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Answers {
    pub(crate) fn new(way: Way, folder: PathBuf) -> Arc<Answers> {
        Arc::new(Answers { way, folder, texts: Mutex::default(), certificates: Mutex::default() })
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// From now on `name` is proved by `proof`, whose SHA-256 is `digest`, under `token`.
    pub(crate) fn add(&self, name: &str, token: &str, proof: &str, digest: &[u8]) -> Result<(), String> {
        if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            return Err("the authority's token is none".into());
        }
        match self.way {
            Way::Http => {
                // For a web server that has the port.
                let written = sys::durable::replace(&self.folder.join(token), proof.as_bytes(), 0o644);
                written.map_err(|error| format!("{}: {error}", self.folder.display()))?;
                lock(&self.texts).insert(token.to_owned(), proof.to_owned());
            }
            Way::TlsAlpn => {
                let made = certificate(name, digest).map_err(|error| error.to_string())?;
                lock(&self.certificates).insert(name.to_ascii_lowercase(), Arc::new(made));
            }
        }
        Ok(())
    }

    /// It is proved, or not.
    pub(crate) fn remove(&self, name: &str, token: &str) {
        lock(&self.certificates).remove(name);
        if lock(&self.texts).remove(token).is_some() {
            // What stays is of no use to anybody.
            let _ = std::fs::remove_file(self.folder.join(token));
        }
    }

    /// Answers at `listener` until the program ends.
    pub(crate) fn serve(self: &Arc<Answers>, listener: TcpListener) {
        let answers = self.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let answers = answers.clone();
                // Whoever goes away in between asks again.
                thread::spawn(move || drop(answers.answer(client)));
            }
        });
    }

    fn answer(self: &Arc<Answers>, client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        match self.way {
            Way::Http => self.http(client),
            Way::TlsAlpn => self.tls(client),
        }
    }

    fn http(&self, mut client: TcpStream) -> io::Result<()> {
        let mut lines = BufReader::new(client.try_clone()?.take(LONGEST)).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let mut words = first.split(' ');
        let token = (words.next() == Some("GET")).then(|| words.next()?.strip_prefix(FOLDER)).flatten();
        let found = token.and_then(|token| lock(&self.texts).get(token).cloned());
        let (status, body) = match found {
            Some(proof) => ("200 OK", proof),
            None => ("404 Not Found", String::new()),
        };
        let length = body.len();
        write!(
            client,
            "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
    }

    fn tls(self: &Arc<Answers>, mut client: TcpStream) -> io::Result<()> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(io::Error::other)?.with_no_client_auth();
        let mut config = config.with_cert_resolver(self.clone());
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut session = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut client)?;
        }
        session.send_close_notify();
        session.complete_io(&mut client).map(drop)
    }
}

impl ResolvesServerCert for Answers {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        lock(&self.certificates).get(&hello.server_name()?.to_ascii_lowercase()).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signed by itself; its one use is to hold the digest.
fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, Box<dyn std::error::Error>> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = params.self_signed(&key)?;
    let der = PrivateKeyDer::try_from(key.serialize_der())?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // The library does not know the extension, which is critical, and need not.
    let key = provider.key_provider.load_private_key(der)?;
    Ok(CertifiedKey::new(vec![made.der().clone()], key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_shown_while_it_is_asked_for_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let answers = Answers::new(Way::Http, folder.path().to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        answers.serve(listener);
        let ask = |line: &str| {
            let mut client = TcpStream::connect(address).unwrap();
            write!(client, "{line}\r\nHost: x\r\n\r\n").unwrap();
            let mut said = String::new();
            client.read_to_string(&mut said).unwrap();
            said
        };
        answers.add("x.test", "tok-1", "tok-1.print", &[0; 32]).unwrap();
        assert!(ask("GET /.well-known/acme-challenge/tok-1 HTTP/1.1").ends_with("\r\n\r\ntok-1.print"));
        assert_eq!(std::fs::read(folder.path().join("tok-1")).unwrap(), b"tok-1.print");
        for other in ["GET / HTTP/1.1", "GET /.well-known/acme-challenge/../x HTTP/1.1", "POST x", ""] {
            assert!(ask(other).starts_with("HTTP/1.1 404"), "{other}");
        }
        answers.remove("x.test", "tok-1");
        assert!(ask("GET /.well-known/acme-challenge/tok-1 HTTP/1.1").starts_with("HTTP/1.1 404"));
        assert!(!folder.path().join("tok-1").exists());
        assert!(answers.add("x.test", "../../x", "proof", &[0; 32]).is_err());
    }
}
