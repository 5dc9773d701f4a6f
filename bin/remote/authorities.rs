//! Who may vouch for a certificate, read once: later we may not read the system's files.

use std::sync::{LazyLock, OnceLock};

use control::Control;
use rustls::pki_types::CertificateDer;
use secrecy::Roots;

static ALL: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

static ROOTS: LazyLock<Roots> = LazyLock::new(|| {
    let mut roots = Roots::empty();
    roots.add_parsable_certificates(all().to_vec());
    roots
});

/// Reads them.
pub(crate) fn read(control: &Control) {
    let _ = ALL.set(https::authorities(control));
    LazyLock::force(&ROOTS);
}

/// Their certificates.
pub(crate) fn all() -> &'static [CertificateDer<'static>] {
    ALL.get().map_or(&[], Vec::as_slice)
}

/// The same, ready to judge by.
pub(crate) fn roots() -> &'static Roots {
    &ROOTS
}
