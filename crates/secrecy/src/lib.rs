//! How secret mail to another host has to be, and whether its certificate will do.
//!
//! The admin's word for a domain ([`Level`]), the domain's own (MTA-STS: [`sts`]; DANE: [`Tlsa`]), what follows
//! from them for one server ([`Demand`]), and what happened ([`Failure`]; told to the domain by [`report`]). Knows no socket, no
//! file, no clock and no name server: what those say comes in as parameters.

mod judge;
mod level;
pub mod report;
pub mod sts;
mod tlsa;

pub use judge::{Demand, Failure, Proof, Roots};
pub use level::Level;
pub use tlsa::Tlsa;

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

/// SHA-256 of a certificate, and of its public key: the fingerprints by which one may be known.
pub fn fingerprints(certificate: &CertificateDer<'_>) -> Vec<[u8; 32]> {
    let whole = Sha256::digest(certificate).into();
    let key = public_key(certificate).map(|key| Sha256::digest(key).into());
    std::iter::once(whole).chain(key).collect()
}

/// The SubjectPublicKeyInfo of a certificate.
fn public_key(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(parsed.subject_public_key_info().as_ref().to_vec())
}

/// Does `pattern` mean the host `name`? A pattern is a name, `*.name` or `.name`: one level, or any, below it.
pub fn fits(pattern: &str, name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let below = |end: &str| {
        let at = name.len().checked_sub(end.len())?;
        let (label, rest) = name.split_at_checked(at)?;
        rest.eq_ignore_ascii_case(end).then_some(label)
    };
    match pattern.strip_prefix('*') {
        Some(end) if end.starts_with('.') => {
            below(end).is_some_and(|label| !label.is_empty() && !label.contains('.'))
        }
        Some(_) => false,
        None if pattern.starts_with('.') => below(pattern).is_some_and(|label| !label.is_empty()),
        None => pattern.trim_end_matches('.').eq_ignore_ascii_case(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_label_and_a_dot_is_any_number_of_them() {
        for (pattern, name, expect) in [
            ("mx.x.test", "MX.x.test.", true),
            ("mx.x.test", "amx.x.test", false),
            ("*.x.test", "a.x.test", true),
            ("*.x.test", "x.test", false),
            ("*.x.test", "a.b.x.test", false),
            ("*", "x", false),
            ("*x.test", "ax.test", false),
            (".x.test", "a.b.x.test", true),
            (".x.test", ".x.test", false),
            (".x.test", "x.test", false),
        ] {
            assert_eq!(fits(pattern, name), expect, "{pattern} {name}");
        }
    }
}
