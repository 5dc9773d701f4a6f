//! Who may vouch for a certificate: the authorities that this system knows, and those of control/tlsauthorities.

use std::sync::{LazyLock, OnceLock};

use control::{Broken, Control};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::Roots;

static ALL: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

static ROOTS: LazyLock<Roots> = LazyLock::new(|| {
    let mut roots = Roots::empty();
    roots.add_parsable_certificates(all().to_vec());
    roots
});

/// Reads them, while we may read the system's files. SSL_CERT_FILE and SSL_CERT_DIR name others than the system's.
pub(crate) fn read(control: &Control) -> Result<(), Broken> {
    let mut found = rustls_native_certs::load_native_certs().certs;
    let own = control.whole("tlsauthorities")?.unwrap_or_default();
    let own: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(own.as_bytes()).collect();
    found.extend(own.map_err(|error| {
        Broken::new(
            "control/tlsauthorities",
            error.to_string(),
            "write certificates in PEM into it, or remove it",
        )
    })?);
    if found.is_empty() {
        sys::log!("remote: warning: no authorities for certificates are known here: install ca-certificates");
    }
    let _ = ALL.set(found);
    LazyLock::force(&ROOTS);
    Ok(())
}

/// Their certificates.
pub(crate) fn all() -> &'static [CertificateDer<'static>] {
    ALL.get().map_or(&[], Vec::as_slice)
}

/// The same, ready to judge by.
pub(crate) fn roots() -> &'static Roots {
    &ROOTS
}
