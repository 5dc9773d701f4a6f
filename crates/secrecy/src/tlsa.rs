//! TLSA records: which certificate a server has, by its domain's signed DNS. RFC 6698, RFC 7671, RFC 7672.

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256, Sha512};

use crate::public_key;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tlsa {
    /// 2: an authority of the server's own (DANE-TA); 3: the server's certificate itself (DANE-EE).
    pub usage: u8,
    /// 0: the whole certificate; 1: its public key.
    pub selector: u8,
    /// 0: as it is; 1: its SHA-256; 2: its SHA-512.
    pub matching: u8,
    /// What it has to be.
    pub data: Vec<u8>,
}

impl Tlsa {
    /// Can it be used with SMTP? RFC 7672 §3.1.3: usages 0 and 1 are not.
    pub fn is_usable(&self) -> bool {
        let length = match self.matching {
            0 => !self.data.is_empty(),
            1 => self.data.len() == 32,
            2 => self.data.len() == 64,
            _ => false,
        };
        matches!(self.usage, 2 | 3) && matches!(self.selector, 0 | 1) && length
    }

    /// Is this the certificate it means?
    pub fn means(&self, certificate: &CertificateDer<'_>) -> bool {
        let chosen = match self.selector {
            0 => Some(certificate.to_vec()),
            1 => public_key(certificate),
            _ => None,
        };
        let Some(chosen) = chosen else { return false };
        match self.matching {
            0 => chosen == self.data,
            1 => Sha256::digest(&chosen)[..] == self.data[..],
            2 => Sha512::digest(&chosen)[..] == self.data[..],
            _ => false,
        }
    }
}
