//! SHA-256 of salt and password: how strangers' programs keep it in the table
//! `eng_smtp_auth_users__raw_db_access`. One round: for their sake only, nothing new is kept so.

use core::fmt;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A digest and the salt, any text, that was put in front of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Salted {
    digest: [u8; 32],
    salt: Vec<u8>,
}

impl Salted {
    /// From 64 hexadecimal digits.
    pub(crate) fn new(digest: &str, salt: &[u8]) -> Option<Salted> {
        let digest = HEXLOWER_PERMISSIVE.decode(digest.as_bytes()).ok()?.try_into().ok()?;
        Some(Salted { digest, salt: salt.to_vec() })
    }

    /// Reads `DIGEST:SALT`, the salt in base64.
    pub(crate) fn parse(text: &[u8]) -> Option<Salted> {
        let (digest, salt) = str::from_utf8(text).ok()?.split_once(':')?;
        Salted::new(digest, &BASE64.decode(salt.as_bytes()).ok()?)
    }

    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        let tried = Sha256::new().chain_update(&self.salt).chain_update(password).finalize();
        tried.as_slice().ct_eq(&self.digest).into()
    }
}

impl fmt::Display for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", HEXLOWER.encode(&self.digest), BASE64.encode(&self.salt))
    }
}

impl fmt::Debug for Salted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What PHP gives for hash('sha256', 'salty' . 'password').
    const DIGEST: &str = "d878e396b94b44c85f258f0c744b829bb4e4ac617714cdb510bb4ee7c0238267";

    #[test]
    fn the_formula_of_the_table_is_sha_256_of_salt_and_password() {
        let row = Salted::new(DIGEST, b"salty").unwrap();
        assert!(row.matches(b"password") && !row.matches(b"Password") && !row.matches(b""));
        assert!(Salted::new(&DIGEST.to_ascii_uppercase(), b"salty").unwrap().matches(b"password"));
        assert_eq!(Salted::parse(row.to_string().as_bytes()), Some(row));
    }

    #[test]
    fn a_digest_of_another_length_is_none() {
        for bad in ["", "00", &"0".repeat(63), &"0".repeat(66), &"x".repeat(64)] {
            assert_eq!(Salted::new(bad, b""), None, "{bad}");
        }
        assert_eq!(Salted::parse(b"no colon"), None);
    }
}
