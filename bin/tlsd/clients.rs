//! Certificates of clients: who may be one is said by the authorities in `control/tls/clients.pem`.
//!
//! Without that file nobody is asked for one. One that will not do is as good as none: other servers show theirs to
//! everybody. The file is looked at as those of our own certificates are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// Most names that are taken from one certificate.
const MOST_NAMES: usize = 10;

/// The authorities, and what the handshake asks.
#[derive(Debug)]
pub(crate) struct Clients {
    file: PathBuf,
    provider: Arc<CryptoProvider>,
    /// The text that was read last, and what it says.
    known: RwLock<(Vec<u8>, Option<Arc<RootCertStore>>)>,
    /// What was complained of last.
    told: Mutex<String>,
}

impl Clients {
    /// Those of `folder`.
    pub(crate) fn new(folder: &Path, provider: Arc<CryptoProvider>) -> Clients {
        let clients = Clients {
            file: folder.join("clients.pem"),
            provider,
            known: RwLock::default(),
            told: Mutex::default(),
        };
        clients.look();
        clients
    }

    /// Reads what has changed. What can't be read leaves the old authorities in force.
    pub(crate) fn look(&self) {
        if std::fs::metadata(&self.file).is_ok_and(|seen| !seen.is_file()) {
            return self.complain(&"not a regular file");
        }
        let text = match std::fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return self.complain(&error),
        };
        if text == self.known.read().unwrap_or_else(PoisonError::into_inner).0 {
            return;
        }
        let found = read(&text);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.0 = text;
        match found {
            Ok(roots) => known.1 = roots.map(Arc::new),
            Err(cause) => self.complain(&cause),
        }
    }

    /// Once for each cause: it is looked at every few seconds.
    fn complain(&self, cause: &dyn std::fmt::Display) {
        let cause = cause.to_string();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told == cause {
            return;
        }
        told.clone_from(&cause);
        sys::log!(
            "tlsd: warning: control/tls/clients.pem: {cause}; write the authorities of clients into it in PEM, or remove it; \
             those of before stay: {}",
            self.file.display()
        );
    }

    fn roots(&self) -> Option<Arc<RootCertStore>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// The mail addresses that are proved by what a client has shown, its own certificate first.
    pub(crate) fn names(&self, chain: &[CertificateDer<'_>]) -> Vec<String> {
        let (Some(roots), [own, others @ ..]) = (self.roots(), chain) else { return Vec::new() };
        let algorithms = self.provider.signature_verification_algorithms.all;
        let proved = EndEntityCert::try_from(own).is_ok_and(|parsed| {
            let (now, usage) = (UnixTime::now(), KeyUsage::client_auth());
            parsed.verify_for_usage(algorithms, &roots.roots, others, now, usage, None, None).is_ok()
        });
        if proved { addresses(own) } else { Vec::new() }
    }
}

fn read(text: &[u8]) -> Result<Option<RootCertStore>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    match (roots.is_empty(), text.trim_ascii().is_empty()) {
        (true, false) => Err("there is no certificate in it".into()),
        (true, true) => Ok(None),
        (false, _) => Ok(Some(roots)),
    }
}

/// RFC 5280 §4.2.1.6; where there is none, the subject's emailAddress.
fn addresses(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(certificate) else { return Vec::new() };
    let mut found: Vec<&str> = Vec::new();
    for extension in parsed.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            found.extend(names.general_names.iter().filter_map(|name| match name {
                GeneralName::RFC822Name(address) => Some(*address),
                _ => None,
            }));
        }
    }
    if found.is_empty() {
        found.extend(parsed.subject().iter_email().filter_map(|address| address.as_str().ok()));
    }
    let good =
        |address: &&str| address.contains('@') && address.bytes().all(|b| b.is_ascii_graphic() && b != b',');
    found.into_iter().filter(good).take(MOST_NAMES).map(str::to_lowercase).collect()
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        self.roots().is_some()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

    /// An authority, and a client's certificate by it.
    fn made(mail: &[&str]) -> (rcgen::Certificate, CertificateDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.subject_alt_names =
            mail.iter().map(|one| SanType::Rfc822Name((*one).try_into().unwrap())).collect();
        let client = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        (authority, client.into())
    }

    #[test]
    fn a_client_is_who_its_certificate_says_if_a_known_authority_vouches_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = Clients::new(folder.path(), provider);
        let (authority, client) = made(&["Ann@x.test", "ann@y.test"]);
        let client = std::slice::from_ref(&client);
        let (_, stranger) = made(&["ann@x.test"]);
        assert!(!clients.offer_client_auth() && clients.names(client).is_empty());
        std::fs::write(folder.path().join("clients.pem"), authority.pem()).unwrap();
        clients.look();
        assert!(clients.offer_client_auth());
        assert_eq!(clients.names(client), ["ann@x.test", "ann@y.test"]);
        assert!(clients.names(&[stranger]).is_empty() && clients.names(&[]).is_empty());
        for garbage in ["garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(folder.path().join("clients.pem"), garbage).unwrap();
            clients.look();
            assert_eq!(clients.names(client).len(), 2, "the old ones stay");
        }
        std::fs::remove_file(folder.path().join("clients.pem")).unwrap();
        clients.look();
        assert!(!clients.offer_client_auth());
    }
}
