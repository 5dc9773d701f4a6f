//! Certificates and keys: each `control/tls/NAME.crt`, or `acme/certificates/NAME.crt`, with `control/tls/NAME.key`, chosen by
//! the name that a client asks for.
//!
//! The folder is looked at every few seconds; what has changed is read, and what cannot be used leaves the old ones in
//! force, with a line in the log. Sessions that are open go on.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use aws_lc_rs::digest;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sys::Seen;

use crate::clients::Clients;

/// Most octets of a chain of certificates.
const LARGEST: u64 = 1 << 20;

/// When a file was written last, its size, its inode.
type Stamp = Option<Seen>;

/// All that is in use.
#[derive(Debug)]
pub(crate) struct Keys {
    folder: PathBuf,
    /// Where `acme` lays down what it has got; the keys are in `folder`.
    got: PathBuf,
    chosen: RwLock<Arc<Chosen>>,
    seen: RwLock<Vec<(PathBuf, Stamp)>>,
}

#[derive(Debug, Default)]
struct Chosen {
    by_path: HashMap<PathBuf, Arc<CertifiedKey>>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

/// Why certificates can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    file: String,
    problem: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Broken { file, problem } = self;
        write!(
            f,
            "control/tls/{file}: {problem}; each NAME.crt (PEM, the whole chain) needs its NAME.key, readable by fulmar-tls"
        )
    }
}

fn broken(path: &Path, problem: impl fmt::Display) -> Broken {
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Broken { file, problem: problem.to_string() }
}

impl Keys {
    /// The cryptography that all of it is for.
    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        Arc::new(rustls::crypto::aws_lc_rs::default_provider())
    }

    /// Who may be a client by certificate: that stands in the same folder.
    pub(crate) fn clients(&self) -> Clients {
        Clients::new(&self.folder, self.provider())
    }

    /// The digest by which a client may know the certificate that it was shown. RFC 5929 §4.1.
    pub(crate) fn endpoint(&self, name: Option<&str>) -> Option<Vec<u8>> {
        let key = self.for_name(name)?;
        let certificate = key.cert.first()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let algorithm = match parsed.signature_algorithm.algorithm.to_id_string().as_str() {
            // RSA, and ECDSA, with SHA-384 and SHA-512; Ed25519 has none.
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => &digest::SHA384,
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => &digest::SHA512,
            "1.3.101.112" | "1.3.101.113" => return None,
            _ => &digest::SHA256,
        };
        Some(digest::digest(algorithm, certificate).as_ref().to_vec())
    }

    /// Reads the folder. There has to be one certificate at least.
    pub(crate) fn new(folder: &Path, got: &Path) -> Result<Keys, Broken> {
        let seen = stamps(&[folder, got]).map_err(|error| broken(folder, error))?;
        let chosen = RwLock::new(Arc::new(read(folder, got, &Chosen::default())?));
        Ok(Keys { folder: folder.to_owned(), got: got.to_owned(), chosen, seen: RwLock::new(seen) })
    }

    /// Reads what has changed. Called now and then.
    pub(crate) fn look(&self) {
        let now = match stamps(&[&self.folder, &self.got]) {
            Ok(now) => now,
            Err(error) => {
                return sys::log!(
                    "tlsd: warning: {}; the old certificates stay",
                    broken(&self.folder, error)
                );
            }
        };
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return;
        }
        *seen = now;
        let old = self.chosen.read().unwrap_or_else(PoisonError::into_inner).clone();
        match read(&self.folder, &self.got, &old) {
            Ok(chosen) => {
                sys::log!("tlsd: certificates read anew: {} names", chosen.by_name.len());
                *self.chosen.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(chosen);
            }
            Err(broken) => sys::log!("tlsd: warning: {broken}; the old certificates stay"),
        }
    }

    fn for_name(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.chosen.read().unwrap_or_else(PoisonError::into_inner).clone();
        let name = name.map(str::to_ascii_lowercase);
        let found = name.as_deref().and_then(|name| {
            // RFC 6125 §6.4.3: a star stands for the first label.
            let wild = || name.split_once('.').and_then(|(_, rest)| chosen.by_name.get(&format!("*.{rest}")));
            chosen.by_name.get(name).or_else(wild)
        });
        found.or(chosen.default.as_ref()).cloned()
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.for_name(hello.server_name())
    }
}

fn stamps(folders: &[&Path]) -> io::Result<Vec<(PathBuf, Stamp)>> {
    let mut all = Vec::new();
    let (first, others) = folders.split_first().ok_or(io::ErrorKind::NotFound)?;
    // The second is there only where acme is.
    let others = others.iter().filter_map(|folder| fs::read_dir(folder).ok());
    for entry in std::iter::once(fs::read_dir(first)?).chain(others).flatten() {
        let path = entry?.path();
        if !path.extension().is_some_and(|end| end == "crt" || end == "key") {
            continue;
        }
        // A link that leads nowhere is told when it is read, and then once.
        let seen = Seen::at(&path);
        all.push((path, seen));
    }
    all.sort();
    Ok(all)
}

fn read(folder: &Path, got: &Path, old: &Chosen) -> Result<Chosen, Broken> {
    let entries = fs::read_dir(folder).map_err(|error| broken(folder, error))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.extend(fs::read_dir(got).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()));
    paths.retain(|path| path.extension().is_some_and(|end| end == "crt"));
    // `default` comes last, so that it takes no name from a better one.
    paths.sort_by_key(|path| (path.file_stem().is_some_and(|stem| stem == "default"), path.clone()));
    let mut chosen = Chosen::default();
    for path in paths {
        let Some((key, names)) = pair(&path, folder, old) else { continue };
        for name in names {
            chosen.by_name.entry(name).or_insert_with(|| key.clone());
        }
        chosen.by_path.insert(path, key.clone());
        chosen.default = Some(key);
    }
    match chosen.default {
        Some(_) => Ok(chosen),
        None => Err(broken(folder, "there is no certificate that can be used")),
    }
}

/// A pair and its names; of one that can't be used, the one of before, if there was one.
fn pair(path: &Path, folder: &Path, old: &Chosen) -> Option<(Arc<CertifiedKey>, Vec<String>)> {
    let read = |path: &Path| {
        let key = one(path, folder)?;
        let names = names(path, &key)?;
        Ok((Arc::new(key), names))
    };
    read(path)
        .or_else(|broken: Broken| {
            sys::log!("tlsd: warning: {broken}; of this pair the old certificates stay, if there are any");
            let key = old.by_path.get(path).cloned().ok_or(())?;
            let names = names(path, &key).unwrap_or_default();
            Ok::<_, ()>((key, names))
        })
        .ok()
}

/// A certificate with its chain and its key, which have to fit.
fn one(path: &Path, folder: &Path) -> Result<CertifiedKey, Broken> {
    // One folder belongs to another uid: what is no file could keep us waiting for ever.
    let seen = fs::metadata(path).map_err(|error| broken(path, error))?;
    if !seen.is_file() || seen.len() > LARGEST {
        return Err(broken(path, "not a regular file, or too large"));
    }
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| broken(path, error))?.collect();
    let chain = chain.map_err(|error| broken(path, error))?;
    if chain.is_empty() {
        return Err(broken(path, "there is no certificate in it"));
    }
    let key = folder.join(path.file_name().unwrap_or_default()).with_extension("key");
    let der = PrivateKeyDer::from_pem_file(&key).map_err(|error| broken(&key, error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let made = CertifiedKey::from_der(chain, der, &provider).map_err(|error| broken(path, error))?;
    made.keys_match()
        .map_err(|error| broken(path, format_args!("{error}: is it the key of this certificate?")))?;
    Ok(made)
}

/// The names it is for. One that has run out, or is not good yet, is used all the same, and told.
fn names(path: &Path, key: &CertifiedKey) -> Result<Vec<String>, Broken> {
    let der = key.cert.first().ok_or_else(|| broken(path, "there is no certificate in it"))?;
    let certificate =
        webpki::EndEntityCert::try_from(der).map_err(|error| broken(path, format_args!("{error:?}")))?;
    if let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let validity = parsed.validity();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if now > validity.not_after.timestamp() || now < validity.not_before.timestamp() {
            sys::log!(
                "tlsd: warning: {}; it is used all the same, and clients may refuse it",
                broken(path, format_args!("good from {} to {}", validity.not_before, validity.not_after))
            );
        }
    }
    Ok(certificate.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(folder: &Path, file: &str, names: &[&str]) {
        let pair = rcgen::KeyPair::generate().unwrap();
        let params =
            rcgen::CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        fs::write(folder.join(format!("{file}.key")), pair.serialize_pem()).unwrap();
        fs::write(folder.join(format!("{file}.crt")), params.self_signed(&pair).unwrap().pem()).unwrap();
    }

    #[test]
    fn a_certificate_is_chosen_by_name_by_star_or_else_the_default() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "default", &["mail.x.test", "a.y.test"]);
        make(folder.path(), "other", &["a.y.test", "*.z.test"]);
        let keys = Keys::new(folder.path(), &folder.path().join("got")).unwrap();
        let chosen = |name: Option<&str>| keys.for_name(name).unwrap().cert[0].to_vec();
        let (default, other) = (chosen(Some("mail.x.test")), chosen(Some("A.Y.test")));
        assert_ne!(default, other);
        assert_eq!(chosen(Some("b.z.test")), other);
        assert!(
            [None, Some("z.test"), Some("c.b.z.test"), Some("")]
                .into_iter()
                .all(|name| chosen(name) == default)
        );
    }

    #[test]
    fn what_cannot_be_used_leaves_the_old_one_in_force() {
        let folder = tempfile::tempdir().unwrap();
        make(folder.path(), "default", &["mail.x.test"]);
        let keys = Keys::new(folder.path(), &folder.path().join("got")).unwrap();
        let chosen = || keys.for_name(Some("mail.x.test")).unwrap().cert[0].to_vec();
        let old = chosen();
        let path = folder.path().join("default.crt");
        let whole = fs::read(&path).unwrap();
        for bad in [&b""[..], b"garbage", &whole[..whole.len() / 2]] {
            fs::write(&path, bad).unwrap();
            keys.look();
            assert_eq!(chosen(), old);
        }
        let aside = tempfile::tempdir().unwrap();
        make(aside.path(), "new", &["mail.x.test"]);
        fs::write(&path, &whole).unwrap();
        fs::copy(aside.path().join("new.key"), folder.path().join("default.key")).unwrap();
        keys.look();
        assert_eq!(chosen(), old, "a key of another certificate");
        fs::copy(aside.path().join("new.crt"), &path).unwrap();
        keys.look();
        assert_ne!(chosen(), old);
        assert!(Keys::new(&folder.path().join("nowhere"), folder.path()).is_err());
        // At the start one that can't be used keeps the others from nothing.
        fs::write(folder.path().join("bad.crt"), "garbage").unwrap();
        fs::create_dir_all(folder.path().join("got")).unwrap();
        sys::durable::make_fifo(&folder.path().join("got/fifo.crt"), 0o600).unwrap();
        assert_eq!(
            Keys::new(folder.path(), &folder.path().join("got"))
                .unwrap()
                .for_name(Some("mail.x.test"))
                .unwrap()
                .cert[0]
                .to_vec(),
            chosen()
        );
        fs::remove_file(&path).unwrap();
        assert!(Keys::new(folder.path(), &folder.path().join("got")).is_err(), "there is none at all");
    }
}
