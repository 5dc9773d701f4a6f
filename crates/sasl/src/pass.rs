//! A pass: what one host of ours gives another that somebody has proved there who he is.
//!
//! A word that goes where a password goes: `fulmar1.MADE.NONCE.CLIENT.PROOF`, good for a minute, for one user, one
//! service and one host; the proof is the HMAC-SHA256 of all that by a key that the hosts share. Whoever reads it on
//! its way cannot make another; that none is used twice its taker has to see to.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Seconds that a pass is good, either way: clocks differ.
pub const LIFE: u64 = 60;
/// Octets of the shortest key.
pub const SHORTEST_KEY: usize = 32;

const WORD: &str = "fulmar1";

/// What a pass is for.
#[derive(Clone, Copy, Debug)]
pub struct Purpose<'a> {
    /// `imap` or `pop3`.
    pub service: &'a str,
    /// Who comes.
    pub user: &'a str,
    /// To which host.
    pub host: &'a str,
}

/// A pass that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// When it was made, in seconds since 1970.
    pub made: u64,
    /// In no other pass.
    pub nonce: String,
    /// The client's address; may be empty.
    pub client: String,
}

/// Makes a pass; `nonce` is fresh from the system's generator. `None`: the key is too short.
pub fn make(key: &[u8], purpose: Purpose<'_>, client: &str, made: u64, nonce: [u8; 16]) -> Option<String> {
    let text = format!("{WORD}.{made}.{}.{client}", HEXLOWER.encode(&nonce));
    let proof = HEXLOWER.encode(&proof(key, purpose, &text)?.finalize().into_bytes());
    Some(format!("{text}.{proof}"))
}

/// Is `word` meant to be a pass, good or not?
pub fn is_meant(word: &[u8]) -> bool {
    word.strip_prefix(WORD.as_bytes()).is_some_and(|rest| rest.starts_with(b"."))
}

/// Reads a pass. `None`: it is none, or for something else, or no longer good at `now`.
pub fn check(key: &[u8], purpose: Purpose<'_>, word: &[u8], now: u64) -> Option<Pass> {
    let word = str::from_utf8(word).ok()?;
    let (text, said) = word.rsplit_once('.')?;
    let said = HEXLOWER.decode(said.as_bytes()).ok()?;
    let mut parts = text.splitn(4, '.');
    let (WORD, Some(made), Some(nonce), Some(client)) =
        (parts.next()?, parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let made: u64 = made.parse().ok()?;
    // In constant time.
    proof(key, purpose, text)?.verify_slice(&said).ok()?;
    (made.abs_diff(now) <= LIFE).then(|| Pass { made, nonce: nonce.to_owned(), client: client.to_owned() })
}

fn proof(key: &[u8], purpose: Purpose<'_>, text: &str) -> Option<Hmac<Sha256>> {
    let Purpose { service, user, host } = purpose;
    if key.len() < SHORTEST_KEY {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in [service, user, host, text] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
    const PURPOSE: Purpose<'_> =
        Purpose { service: "imap", user: "ann@example.test", host: "b.example.test" };

    fn good(key: &[u8], purpose: Purpose<'_>, word: &str, now: u64) -> bool {
        check(key, purpose, word.as_bytes(), now).is_some()
    }

    #[test]
    fn a_pass_is_good_for_its_purpose_and_its_minute_alone() {
        for client in ["192.0.2.1", "2001:db8::1", ""] {
            let word = make(KEY, PURPOSE, client, 1000, [7; 16]).unwrap();
            let pass = check(KEY, PURPOSE, word.as_bytes(), 1060).unwrap();
            assert_eq!((pass.made, pass.client.as_str(), pass.nonce), (1000, client, "07".repeat(16)));
        }
        let word = make(KEY, PURPOSE, "192.0.2.1", 1000, [7; 16]).unwrap();
        assert!(
            good(KEY, PURPOSE, &word, 940)
                && !good(KEY, PURPOSE, &word, 1061)
                && !good(KEY, PURPOSE, &word, 939)
        );
        for other in [
            Purpose { service: "pop3", ..PURPOSE },
            Purpose { user: "bob@example.test", ..PURPOSE },
            Purpose { host: "c.example.test", ..PURPOSE },
            Purpose { service: "imapann@example.test", user: "", ..PURPOSE },
        ] {
            assert!(!good(KEY, other, &word, 1000), "{other:?}");
        }
        assert!(!good(b"another key that is long enough...", PURPOSE, &word, 1000));
        assert_eq!(make(b"short", PURPOSE, "", 1000, [7; 16]), None, "a key that can be guessed is none");
    }

    #[test]
    fn no_octet_of_a_pass_can_be_changed_or_left_out() {
        let word = make(KEY, PURPOSE, "192.0.2.1", 1000, [7; 16]).unwrap();
        for at in 0..word.len() {
            assert!(!good(KEY, PURPOSE, &word[..at], 1000), "cut at {at}");
            let mut changed = word.clone().into_bytes();
            changed[at] ^= 1;
            assert!(check(KEY, PURPOSE, &changed, 1000).is_none(), "changed at {at}");
        }
        for text in ["", ".", "....", "fulmar1", "fulmar1.x.y.z.aa", "\u{e9}"] {
            assert!(!good(KEY, PURPOSE, text, 1000), "{text}");
        }
    }
}
