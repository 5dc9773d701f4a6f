//! SCRAM: a proof that tells an eavesdropper nothing, from keys that are no password. RFC 5802, RFC 7677.
//!
//! The server's side, with channel binding where the caller has something to bind to (RFC 5929, RFC 9266). Keys are kept as `ITERATIONS,SALT,STOREDKEY,SERVERKEY`, the last
//! three in base64; from a password that is kept as it is they are computed at each login.

mod keys;

use data_encoding::BASE64;
use subtle::ConstantTimeEq;

pub use keys::{Hash, Keys};

use crate::plain;

/// Octets of the longest message of a client.
const LONGEST: usize = 4096;

/// The client's first message. RFC 5802 §7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First {
    /// Who it claims to be.
    pub user: String,
    /// `n,,` or `n,a=...,` or `y,,`: repeated in the last message.
    header: String,
    /// The rest of the message.
    bare: String,
    nonce: String,
    /// What the client binds to: the name after `p=`.
    pub binding: Option<String>,
    /// It could bind, and thinks that the server can't (`y`).
    pub would_bind: bool,
}

impl First {
    /// Reads it. To act for somebody else and extensions are not offered: then it is `None`.
    pub fn parse(message: &[u8]) -> Option<First> {
        let text = str::from_utf8(message).ok().filter(|text| text.len() <= LONGEST)?;
        let mut parts = text.splitn(3, ',');
        let (flag, authzid, bare) = (parts.next()?, parts.next()?, parts.next()?);
        let binding = flag.strip_prefix("p=").map(str::to_owned);
        let flag = (binding.is_some() || matches!(flag, "n" | "y")).then_some(flag)?;
        let mut fields = bare.split(',');
        let user = unescaped(fields.next()?.strip_prefix("n=")?)?;
        let nonce = fields.next()?.strip_prefix("r=").filter(|nonce| is_nonce(nonce))?;
        // GNU SASL sends an empty name for none.
        let same = matches!(authzid, "" | "a=") || unescaped(authzid.strip_prefix("a=")?)? == user;
        let header = format!("{flag},{authzid},");
        let prepared = stringprep::saslprep(&user).ok()?.into_owned();
        plain::name(prepared.as_bytes())?;
        let would_bind = flag == "y";
        let (bare, nonce) = (bare.to_owned(), nonce.to_owned());
        same.then_some(First { user: prepared, header, bare, nonce, binding, would_bind })
    }
}

/// `=2C` is a comma, `=3D` an equals sign, and there are no others. RFC 5802 §5.1.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (letter, rest) = match part {
            _ if part.starts_with("2C") => (',', &part[2..]),
            _ if part.starts_with("3D") => ('=', &part[2..]),
            _ => return None,
        };
        plain.push(letter);
        plain.push_str(rest);
    }
    Some(plain)
}

fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

/// An exchange after the first message.
#[derive(Clone, Debug)]
pub struct Exchange {
    hash: Hash,
    first: First,
    /// What the client's last message has to repeat: its header, and what it is bound to.
    bound: Vec<u8>,
    nonce: String,
    challenge: String,
}

impl Exchange {
    /// Answers the first message. The keys need not be anybody's: whoever asks can't tell before his proof is
    /// refused. `random` is fresh from the system's generator; `channel` is what the client's proof has to be bound to,
    /// if it binds.
    pub fn new(first: First, keys: &Keys, random: [u8; 16], channel: &[u8]) -> Exchange {
        let nonce = format!("{}{}", first.nonce, BASE64.encode(&random));
        let challenge = format!("r={nonce},s={},i={}", BASE64.encode(&keys.salt), keys.iterations);
        let bound = [first.header.as_bytes(), channel].concat();
        Exchange { hash: keys.hash, first, bound, nonce, challenge }
    }

    /// The function the exchange is based on.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Is its proof bound to the channel?
    pub fn is_bound(&self) -> bool {
        self.first.binding.is_some()
    }

    /// Who it is that the client claims to be.
    pub fn user(&self) -> &str {
        &self.first.user
    }

    /// The server's first message.
    pub fn challenge(&self) -> &[u8] {
        self.challenge.as_bytes()
    }

    /// Does the client's last message prove that it has the password behind `keys`? If so, the server's
    /// signature is the answer: `v=...`. RFC 5802 §3.
    pub fn check(&self, keys: &Keys, message: &[u8]) -> Option<Vec<u8>> {
        let text = str::from_utf8(message).ok().filter(|text| text.len() <= LONGEST)?;
        let (without, proof) = text.rsplit_once(",p=")?;
        let mut fields = without.split(',');
        let binding = BASE64.decode(fields.next()?.strip_prefix("c=")?.as_bytes()).ok()?;
        let nonce = fields.next()?.strip_prefix("r=")?;
        let proof = BASE64.decode(proof.as_bytes()).ok()?;
        let heard = format!("{},{},{without}", self.first.bare, self.challenge);
        let fit = binding == self.bound && nonce == self.nonce && keys.hash == self.hash;
        let proved = keys.proved(heard.as_bytes(), &proof);
        (fit && proved).then(|| keys.signature(heard.as_bytes()))
    }
}

/// A salt that is the same for the same name, and says nothing about it to whoever lacks `pepper`.
pub fn salt(pepper: &[u8; 16], name: &str) -> [u8; 16] {
    let mac = Hash::Sha256.mac(pepper, name.to_lowercase().as_bytes());
    core::array::from_fn(|at| mac.get(at).copied().unwrap_or_default())
}

impl Keys {
    /// `ClientProof XOR ClientSignature` is a key whose digest is kept.
    fn proved(&self, heard: &[u8], proof: &[u8]) -> bool {
        let signature = self.hash.mac(&self.stored, heard);
        if proof.len() != signature.len() {
            return false;
        }
        let key: Vec<u8> = signature.iter().zip(proof).map(|(a, b)| a ^ b).collect();
        self.hash.digest(&key).ct_eq(&self.stored).into()
    }

    fn signature(&self, heard: &[u8]) -> Vec<u8> {
        format!("v={}", BASE64.encode(&self.hash.mac(&self.server, heard))).into_bytes()
    }
}

#[cfg(test)]
mod tests;
