//! Is a server's certificate what it has to be?

use std::fmt;

use rustls::RootCertStore;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use crate::{Tlsa, fingerprints, fits};

/// What is asked of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Demand {
    /// No mail without TLS, or if the proof fails. Otherwise what fails is only told.
    pub must: bool,
    /// What its certificate has to be.
    pub proof: Proof,
}

/// What a certificate has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Any.
    #[default]
    Nothing,
    /// For one of these names (`.name`: any below it), by an authority that is known here, and not run out.
    Names(Vec<String>),
    /// One that these records mean; where they mean an authority, for one of these names.
    Dane(Vec<Tlsa>, Vec<String>),
    /// One of these (SHA-256 of the certificate or its public key).
    Fingerprints(Vec<[u8; 32]>),
}

/// The authorities that are known here.
pub type Roots = RootCertStore;

/// Why a certificate will not do. RFC 8460 §4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is for another host.
    WrongName,
    /// It has run out, or is not good yet.
    Expired,
    /// Nobody known here vouches for it.
    NotTrusted,
    /// It is none of those that the domain's DNS names.
    NotTlsa,
    /// It is none of those that the admin has named.
    NotPinned,
    /// It is garbled, or of a kind that is not understood.
    Invalid,
}

impl Failure {
    /// TLS-RPT's word for it.
    pub fn kind(self) -> &'static str {
        match self {
            Failure::WrongName => "certificate-host-mismatch",
            Failure::Expired => "certificate-expired",
            Failure::NotTrusted => "certificate-not-trusted",
            Failure::NotTlsa | Failure::NotPinned | Failure::Invalid => "validation-failure",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::WrongName => "its certificate is for another host",
            Failure::Expired => "its certificate has run out or is not good yet",
            Failure::NotTrusted => "its certificate is vouched for by nobody known here",
            Failure::NotTlsa => "its certificate is none of those that its DNS names (TLSA)",
            Failure::NotPinned => "its certificate has none of the fingerprints of control/tlspolicy",
            Failure::Invalid => "its certificate is not understood",
        })
    }
}

impl Proof {
    /// Does the chain that a server has shown, its own certificate first, prove it at `now`?
    pub fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        roots: &Roots,
        algorithms: WebPkiSupportedAlgorithms,
        now: UnixTime,
    ) -> Result<(), Failure> {
        let [own, others @ ..] = chain else { return Err(Failure::Invalid) };
        let vouched = |anchors: &[TrustAnchor<'_>]| vouched(own, others, anchors, algorithms, now);
        match self {
            Proof::Nothing => Ok(()),
            Proof::Fingerprints(known) => {
                let fits = fingerprints(own).iter().any(|print| known.contains(print));
                fits.then_some(()).ok_or(Failure::NotPinned)
            }
            Proof::Names(names) => vouched(&roots.roots).and_then(|()| is_for(own, names)),
            Proof::Dane(records, names) => {
                // RFC 7672 §3.1.1: neither the name nor the dates in it matter.
                if records.iter().any(|record| record.usage == 3 && record.means(own)) {
                    return Ok(());
                }
                let anchors: Vec<CertificateDer<'_>> = authorities(records, others);
                let anchors: Vec<TrustAnchor<'_>> =
                    anchors.iter().filter_map(|anchor| anchor_from_trusted_cert(anchor).ok()).collect();
                if anchors.is_empty() {
                    return Err(Failure::NotTlsa);
                }
                vouched(&anchors).and_then(|()| is_for(own, names))
            }
        }
    }
}

/// The authorities that the records mean: shown by the server, or whole in the record. RFC 7672 §3.1.2.
fn authorities<'a>(records: &'a [Tlsa], shown: &'a [CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    let of_records = records
        .iter()
        .filter(|record| (record.usage, record.selector, record.matching) == (2, 0, 0))
        .map(|record| CertificateDer::from(record.data.as_slice()));
    let meant = |certificate: &&CertificateDer<'_>| {
        records.iter().any(|record| record.usage == 2 && record.means(certificate))
    };
    shown.iter().filter(meant).cloned().chain(of_records).collect()
}

fn vouched(
    own: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    anchors: &[TrustAnchor<'_>],
    algorithms: WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Result<(), Failure> {
    let parsed = EndEntityCert::try_from(own).map_err(|_| Failure::Invalid)?;
    let usage = KeyUsage::server_auth();
    match parsed.verify_for_usage(algorithms.all, anchors, others, now, usage, None, None) {
        Ok(_) => Ok(()),
        Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => Err(Failure::Expired),
        Err(Error::UnknownIssuer | Error::InvalidSignatureForPublicKey | Error::CaUsedAsEndEntity) => {
            Err(Failure::NotTrusted)
        }
        Err(_) => Err(Failure::Invalid),
    }
}

fn is_for(own: &CertificateDer<'_>, names: &[String]) -> Result<(), Failure> {
    let parsed = EndEntityCert::try_from(own).map_err(|_| Failure::Invalid)?;
    let one = |name: &String| match name.strip_prefix('.') {
        // Any host below the name, at whatever depth; a star of the certificate is below it too.
        Some(_) => parsed.valid_dns_names().any(|found| {
            fits(name, found.trim_start_matches("*."))
                || (found.starts_with("*.") && found[1..].eq_ignore_ascii_case(name))
        }),
        None => ServerName::try_from(name.trim_end_matches('.'))
            .is_ok_and(|name| parsed.verify_is_valid_for_subject_name(&name).is_ok()),
    };
    names.iter().any(one).then_some(()).ok_or(Failure::WrongName)
}

#[cfg(test)]
mod tests;
