//! The certificate that there is before anybody has got one: signed by itself, for localhost and this host's name.

use std::fmt;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

/// Makes `default.crt` and `default.key` in `folder`, unless one of them is there.
pub(crate) fn make_default(folder: &Path, me: &str) -> Result<(), Failed> {
    let (certificate, key) = (folder.join("default.crt"), folder.join("default.key"));
    if certificate.exists() || key.exists() {
        return Ok(());
    }
    let pair = KeyPair::generate().map_err(Failed::new)?;
    let mut names = vec![me.to_owned(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.dedup();
    let mut params = CertificateParams::new(names).map_err(Failed::new)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, me);
    let made = params.self_signed(&pair).map_err(Failed::new)?;
    // The key first: a certificate without one would be no use.
    sys::durable::replace(&key, pair.serialize_pem().as_bytes(), 0o600).map_err(Failed::new)?;
    sys::durable::replace(&certificate, made.pem().as_bytes(), 0o644).map_err(Failed::new)?;
    sys::log!("tlsd: made {} for {me}, signed by itself", certificate.display());
    Ok(())
}

/// Why it could not be made.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    fn new(error: impl fmt::Display) -> Failed {
        Failed(format!("cannot make a first certificate in control/tls: {error}"))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
