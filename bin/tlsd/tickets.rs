//! Tickets, by which clients resume their sessions: sealed with keys that change every twelve hours and survive a
//! restart, in the file `control/tls/tickets`. RFC 5077, RFC 8446 §4.6.1.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;

/// How long new tickets are sealed with one key; they are good for as long again.
const LIFE: Duration = Duration::from_secs(12 * 3600);
/// How far the clock may be set back without new keys.
const SKEW: Duration = Duration::from_secs(3600);
/// Octets of a key's name, which stands in front of each ticket.
const NAME: usize = 16;

/// A key, when it was made in seconds since 1970, and its name.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    made: u64,
    name: [u8; NAME],
    secret: [u8; 32],
}

impl Key {
    fn new(now: u64) -> io::Result<Key> {
        let halves: [[u8; 16]; 2] = [sys::random()?, sys::random()?];
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&halves[0]);
        secret[16..].copy_from_slice(&halves[1]);
        Ok(Key { made: now, name: sys::random()?, secret })
    }

    fn line(&self) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        format!("{} {} {}\n", self.made, hex(&self.name), hex(&self.secret))
    }

    fn parse(line: &str) -> Option<Key> {
        let mut words = line.split(' ');
        let (made, name, secret) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        Some(Key { made, name: unhex(name)?, secret: unhex(secret)? })
    }

    fn sealing(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.secret).ok().map(LessSafeKey::new)
    }
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.len() == 2 * N && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    let mut bytes = [0; N];
    for (at, octet) in bytes.iter_mut().enumerate().filter(|_| digits) {
        *octet = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    digits.then_some(bytes)
}

/// The keys in use, the newest first.
pub(crate) struct Tickets {
    file: PathBuf,
    keys: RwLock<Vec<Key>>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    /// Those of `folder`. What is no key there is none; without any, tickets of before are not known.
    pub(crate) fn new(folder: &Path, now: u64) -> Tickets {
        let file = folder.join("tickets");
        let keys = fs::read_to_string(&file).unwrap_or_default();
        let keys = keys.lines().filter_map(Key::parse).collect();
        let tickets = Tickets { file, keys: RwLock::new(keys) };
        tickets.turn(now);
        tickets
    }

    /// Makes a new key when it is time, and forgets those whose tickets have run out.
    pub(crate) fn turn(&self, now: u64) {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not make a key good for years: one of the future is over.
        let ahead = |key: &Key| key.made > now.saturating_add(SKEW.as_secs());
        let age = |key: &Key| if ahead(key) { u64::MAX } else { now.saturating_sub(key.made) };
        if keys.first().is_some_and(|key| age(key) < LIFE.as_secs()) {
            return;
        }
        let Ok(new) = Key::new(now) else { return };
        keys.insert(0, new);
        keys.retain(|key| age(key) < 2 * LIFE.as_secs());
        let text: String = keys.iter().map(Key::line).collect();
        if let Err(error) = sys::durable::replace(&self.file, text.as_bytes(), 0o600) {
            sys::log!(
                "tlsd: warning: {}: {error}; sessions won't be resumed after a restart",
                self.file.display()
            );
        }
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        !self.keys.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFE.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.read().unwrap_or_else(PoisonError::into_inner).first()?.clone();
        let random: [u8; 16] = sys::random().ok()?;
        let nonce: [u8; NONCE_LEN] = random[..NONCE_LEN].try_into().ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(key.name);
        key.sealing()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        Some([&key.name[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.iter().find(|key| key.name == name)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.sealing()?.open_in_place(nonce, Aad::from(key.name), &mut sealed).ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn a_ticket_is_good_after_a_restart_and_a_change_of_keys_and_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let tickets = Tickets::new(folder.path(), DAY);
        let ticket = tickets.encrypt(b"session").unwrap();
        assert_eq!(tickets.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_ne!(tickets.encrypt(b"session").unwrap(), ticket);
        let again = Tickets::new(folder.path(), DAY + 60);
        assert_eq!(again.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        again.turn(DAY + 12 * 3600);
        assert_ne!(again.encrypt(b"x").unwrap()[..NAME], ticket[..NAME]);
        assert!(again.decrypt(&ticket).is_some());
        again.turn(2 * DAY + 60);
        assert!(again.decrypt(&ticket).is_none(), "its key is gone");
    }

    #[test]
    fn a_clock_that_is_set_back_neither_loses_tickets_nor_keeps_a_key_for_years() {
        let folder = tempfile::tempdir().unwrap();
        let tickets = Tickets::new(folder.path(), 9999 * DAY);
        let ticket = tickets.encrypt(b"session").unwrap();
        tickets.turn(9999 * DAY - 3600);
        assert!(tickets.decrypt(&ticket).is_some(), "an hour back");
        tickets.turn(DAY);
        assert!(tickets.decrypt(&ticket).is_none(), "years back");
        assert!(tickets.enabled());
        let again = Tickets::new(folder.path(), DAY);
        assert!(again.decrypt(&tickets.encrypt(b"session").unwrap()).is_some());
    }

    #[test]
    fn garbage_is_no_ticket_and_no_key() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "garbage", "5 00 00\n", "9999999999 x y"] {
            fs::write(folder.path().join("tickets"), text).unwrap();
            let tickets = Tickets::new(folder.path(), DAY);
            let ticket = tickets.encrypt(b"session").unwrap();
            for cut in 0..ticket.len() {
                assert_eq!(tickets.decrypt(&ticket[..cut]), None);
            }
            let mut bent = ticket.clone();
            let last = bent.len() - 1;
            bent[last] ^= 1;
            assert_eq!(tickets.decrypt(&bent), None);
        }
    }
}
