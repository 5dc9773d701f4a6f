//! What a server keeps in place of a password: enough to judge a proof, not enough to make one.

use core::fmt;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Iterations for new keys. RFC 7677 §4 asks for 4096 at least.
const ITERATIONS: u32 = 4096;
/// More would let a login take seconds.
const MOST_ITERATIONS: u32 = 1_000_000;

/// The function that SCRAM is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SCRAM-SHA-1
    Sha1,
    /// SCRAM-SHA-256
    Sha256,
}

impl Hash {
    /// The mechanism's name.
    pub fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha1 => "SCRAM-SHA-1",
            Hash::Sha256 => "SCRAM-SHA-256",
        }
    }

    /// The function of a mechanism.
    pub fn of(mechanism: &str) -> Option<Hash> {
        [Hash::Sha1, Hash::Sha256].into_iter().find(|hash| hash.mechanism() == mechanism)
    }

    fn octets(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
        }
    }

    pub(super) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    pub(super) fn mac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, data),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, data),
        }
    }

    fn stretched(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut key = vec![0; self.octets()];
        match self {
            Hash::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut key),
            Hash::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut key),
        }
        key
    }
}

/// What is no text, or is a text that may not be, is taken as it is.
fn prepared(password: &[u8]) -> Vec<u8> {
    let text = str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok());
    text.map_or(password.to_vec(), |text| text.into_owned().into_bytes())
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// The keys of one password. RFC 5802 §3.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub(super) hash: Hash,
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored: Vec<u8>,
    pub(super) server: Vec<u8>,
}

impl Keys {
    /// The keys of `password`.
    pub fn new(hash: Hash, password: &[u8], salt: &[u8]) -> Keys {
        Keys::derived(hash, password, salt, ITERATIONS)
    }

    /// What a client answers, and the signature that the server then has to give. `None`: so many iterations are
    /// an attack.
    pub(crate) fn prove(
        hash: Hash,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        heard: &[u8],
    ) -> Option<(Vec<u8>, Vec<u8>)> {
        if !(1..=MOST_ITERATIONS).contains(&iterations) {
            return None;
        }
        let salted = hash.stretched(&prepared(password), salt, iterations);
        let key = hash.mac(&salted, b"Client Key");
        let mask = hash.mac(&hash.digest(&key), heard);
        let proof = key.iter().zip(mask).map(|(a, b)| a ^ b).collect();
        Some((proof, hash.mac(&hash.mac(&salted, b"Server Key"), heard)))
    }

    fn derived(hash: Hash, password: &[u8], salt: &[u8], iterations: u32) -> Keys {
        let salted = hash.stretched(&prepared(password), salt, iterations);
        let stored = hash.digest(&hash.mac(&salted, b"Client Key"));
        let server = hash.mac(&salted, b"Server Key");
        Keys { hash, iterations, salt: salt.to_vec(), stored, server }
    }

    /// Reads the kept form, `ITERATIONS,SALT,STOREDKEY,SERVERKEY`.
    pub fn parse(hash: Hash, text: &[u8]) -> Option<Keys> {
        let mut fields = str::from_utf8(text).ok()?.split(',');
        let iterations = fields.next()?;
        let digits = iterations.bytes().all(|octet| octet.is_ascii_digit());
        let iterations = iterations.parse().ok().filter(|n| digits && (1..=MOST_ITERATIONS).contains(n))?;
        let mut next = || BASE64.decode(fields.next()?.as_bytes()).ok();
        let (salt, stored, server) = (next()?, next()?, next()?);
        let fit = fields.next().is_none()
            && !salt.is_empty()
            && [&stored, &server].iter().all(|key| key.len() == hash.octets());
        fit.then_some(Keys { hash, iterations, salt, stored, server })
    }

    /// The function they are for.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Are they the keys of `password`?
    pub fn matches(&self, password: &[u8]) -> bool {
        let tried = Keys::derived(self.hash, password, &self.salt, self.iterations);
        tried.stored.ct_eq(&self.stored).into()
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored, server] = [&self.salt, &self.stored, &self.server].map(|key| BASE64.encode(key));
        write!(f, "{},{salt},{stored},{server}", self.iterations)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.hash.mechanism())
    }
}
