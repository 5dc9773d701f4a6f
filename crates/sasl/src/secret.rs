//! A password as it is kept: `{SCHEME}rest`.
//!
//! What is locked, empty, malformed, too costly or of a scheme unknown here never matches anything.

use core::fmt;
use std::sync::LazyLock;

use data_encoding::BASE64;
use subtle::ConstantTimeEq;

use crate::argon::{Argon, Cost, Room};
use crate::crypt::Crypt;
use crate::salted::Salted;
use crate::scram::{Hash, Keys};

/// Longest password, in octets.
pub const LONGEST: usize = 1024;

/// A kept password that can be compared with.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// `{ARGON2ID}`: tells nothing of the password; serves mechanisms that send it whole.
    Argon(Argon),
    /// `{CRYPT}`, or as it stands in /etc/shadow: serves mechanisms that send the password whole.
    Crypt(Crypt),
    /// `{PLAIN}`: the password itself, which APOP and CRAM-MD5 need.
    Plain(Vec<u8>),
    /// `{SCRAM-SHA-1}`, `{SCRAM-SHA-256}`: serves SCRAM, and mechanisms that send the password whole.
    Scram(Keys),
    /// `{SALTED-SHA256}`: serves mechanisms that send the password whole.
    Salted(Salted),
}

/// Why a kept password is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Begins with `!` or `*`: somebody has locked it.
    Locked,
    /// There is nothing.
    Empty,
    /// `{SCHEME}` is not known here.
    UnknownScheme,
    /// Not what its scheme asks for.
    Malformed,
    /// To compare with it would take too long or too much memory.
    TooCostly,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unusable::Locked => "the password is locked",
            Unusable::Empty => "the password is empty",
            Unusable::UnknownScheme => "the password's scheme is unknown",
            Unusable::Malformed => "the password is garbled",
            Unusable::TooCostly => "the password's cost is out of bounds",
        })
    }
}

impl core::error::Error for Unusable {}

impl Secret {
    /// Reads the kept form. A text without `{SCHEME}` is taken by its `$argon2id$`, `$6$` and the
    /// like, or not at all.
    pub fn parse(text: &[u8]) -> Result<Secret, Unusable> {
        let text = text.trim_ascii();
        match text.first() {
            None => return Err(Unusable::Empty),
            Some(b'!' | b'*') => return Err(Unusable::Locked),
            Some(b'$') if text.starts_with(b"$argon2id$") => return Argon::parse(text).map(Secret::Argon),
            Some(b'$') => return Crypt::parse(text).map(Secret::Crypt),
            Some(_) => {}
        }
        let (scheme, rest) = scheme(text).ok_or(Unusable::UnknownScheme)?;
        match scheme.to_ascii_uppercase().as_slice() {
            b"ARGON2ID" => Argon::parse(rest).map(Secret::Argon),
            b"CRYPT" => Crypt::parse(rest).map(Secret::Crypt),
            b"SALTED-SHA256" => Salted::parse(rest).map(Secret::Salted).ok_or(Unusable::Malformed),
            b"SCRAM-SHA-1" => keys(Hash::Sha1, rest),
            b"SCRAM-SHA-256" => keys(Hash::Sha256, rest),
            b"PLAIN" => Secret::plain_of(rest.to_vec()),
            b"PLAIN.B64" => Secret::plain_of(BASE64.decode(rest).map_err(|_| Unusable::Malformed)?),
            _ => Err(Unusable::UnknownScheme),
        }
    }

    /// Hashes a new password; `salt` is fresh from the system's random generator.
    pub fn hash(password: &[u8], salt: [u8; 16], cost: Cost) -> Result<Secret, Unusable> {
        fit(password)?;
        Argon::new(password, &salt, cost).map(Secret::Argon)
    }

    /// Keeps a new password as it is.
    pub fn keep(password: &[u8]) -> Result<Secret, Unusable> {
        Secret::plain_of(password.to_vec())
    }

    /// Keeps the keys of a new password, for SCRAM; `salt` is fresh from the system's random generator.
    pub fn keys(password: &[u8], salt: [u8; 16]) -> Result<Secret, Unusable> {
        fit(password)?;
        Ok(Secret::Scram(Keys::new(Hash::Sha256, password, &salt)))
    }

    /// A row of the table eng_smtp_auth_users__raw_db_access: SHA-256, in hexadecimal digits, of salt and password.
    pub fn salted(digest: &str, salt: &[u8]) -> Result<Secret, Unusable> {
        match digest.trim() {
            "" => Err(Unusable::Empty),
            digest => Salted::new(digest, salt).map(Secret::Salted).ok_or(Unusable::Malformed),
        }
    }

    /// The keys that an exchange of SCRAM with `hash` is about; `None`: this password serves no such exchange.
    /// Takes the same time always; `salt` is the user's own for as long as he has no other.
    pub fn scram(stored: Option<&Secret>, hash: Hash, salt: &[u8]) -> Option<Keys> {
        let password = stored.and_then(Secret::plain);
        let derived = Keys::new(hash, password.unwrap_or(b"nobody"), salt);
        match stored {
            Some(Secret::Scram(keys)) if keys.hash() == hash => Some(keys.clone()),
            _ => password.is_some().then_some(derived),
        }
    }

    /// The password itself, where the scheme has it.
    pub fn plain(&self) -> Option<&[u8]> {
        match self {
            Secret::Plain(password) => Some(password),
            Secret::Argon(_) | Secret::Crypt(_) | Secret::Scram(_) | Secret::Salted(_) => None,
        }
    }

    /// The scheme's name, such as `ARGON2ID`.
    pub fn scheme(&self) -> &'static str {
        match self {
            Secret::Plain(_) => "PLAIN",
            Secret::Argon(_) => "ARGON2ID",
            Secret::Scram(keys) => keys.hash().mechanism(),
            Secret::Salted(_) => "SALTED-SHA256",
            Secret::Crypt(_) => "CRYPT",
        }
    }

    fn plain_of(password: Vec<u8>) -> Result<Secret, Unusable> {
        fit(&password)?;
        Ok(Secret::Plain(password))
    }

    fn matches(&self, password: &[u8], room: &mut Room) -> bool {
        match self {
            Secret::Argon(argon) => argon.matches(password, room),
            Secret::Crypt(crypt) => crypt.matches(password),
            Secret::Plain(kept) => kept.ct_eq(password).into(),
            Secret::Scram(keys) => keys.matches(password),
            Secret::Salted(salted) => salted.matches(password),
        }
    }

    fn work(&self) -> u64 {
        match self {
            Secret::Argon(argon) => argon.cost.work(),
            Secret::Crypt(_) | Secret::Plain(_) | Secret::Scram(_) | Secret::Salted(_) => 0,
        }
    }
}

impl fmt::Display for Secret {
    /// The kept form, on one line. It says all there is to know: for the password file only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Argon(argon) => write!(f, "{{ARGON2ID}}{argon}"),
            Secret::Crypt(crypt) => write!(f, "{{CRYPT}}{}", crypt.text()),
            Secret::Scram(keys) => write!(f, "{{{}}}{keys}", keys.hash().mechanism()),
            Secret::Salted(salted) => write!(f, "{{SALTED-SHA256}}{salted}"),
            Secret::Plain(password) => match text_as_it_is(password) {
                Some(text) => write!(f, "{{PLAIN}}{text}"),
                None => write!(f, "{{PLAIN.B64}}{}", BASE64.encode(password)),
            },
        }
    }
}

impl fmt::Debug for Secret {
    /// Only the scheme: this may end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.scheme())
    }
}

/// Does `password` prove to be the one whose kept form is `stored` (`None`: no such user)?
/// A "no" always takes at least the time of a usual hash, whoever was asked for.
pub fn check(stored: Option<&Secret>, password: &[u8], room: &mut Room) -> bool {
    if fit(password).is_ok() && stored.is_some_and(|secret| secret.matches(password, room)) {
        return true;
    }
    if stored.is_none_or(|secret| secret.work() < Cost::USUAL.work()) {
        waste_time(room);
    }
    false
}

/// Computes a usual hash for nothing.
fn waste_time(room: &mut Room) {
    static NOBODY: LazyLock<Option<Argon>> =
        LazyLock::new(|| Argon::new(b"nobody", b"nobody's own salt", Cost::USUAL).ok());
    let matched = NOBODY.as_ref().is_some_and(|nobody| nobody.matches(b"anybody", room));
    core::hint::black_box(matched);
}

/// `{SCHEME}rest`.
fn scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"{")?;
    let end = inside.iter().position(|b| *b == b'}')?;
    Some((&inside[..end], &inside[end + 1..]))
}

fn keys(hash: Hash, text: &[u8]) -> Result<Secret, Unusable> {
    Keys::parse(hash, text).map(Secret::Scram).ok_or(Unusable::Malformed)
}

fn fit(password: &[u8]) -> Result<(), Unusable> {
    match password.len() {
        0 => Err(Unusable::Empty),
        1..=LONGEST => Ok(()),
        _ => Err(Unusable::Malformed),
    }
}

/// A password that a line of a text file holds without loss.
fn text_as_it_is(password: &[u8]) -> Option<&str> {
    let text = str::from_utf8(password).ok()?;
    let plain = text.trim() == text && !text.chars().any(char::is_control);
    plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory: 64, passes: 1, lanes: 1 };

    fn right(stored: &str, password: &str) -> bool {
        Secret::parse(stored.as_bytes())
            .is_ok_and(|secret| secret.matches(password.as_bytes(), &mut Room::default()))
    }

    #[test]
    fn the_reference_implementation_s_hashes_match() {
        // From the test file of the reference implementation (P-H-C/phc-winner-argon2, test.c).
        let kept = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(right(kept, "password"));
        assert!(right(&format!("{{argon2id}}{kept}"), "password"));
        assert!(!right(kept, "Password"));
        assert!(!right(kept, ""));
    }

    #[test]
    fn what_was_kept_is_read_back_and_matches() {
        let hashed = Secret::hash(b"p\xc3\xa4ss", [7; 16], CHEAP).unwrap();
        let kept = hashed.to_string();
        assert!(kept.starts_with("{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$"), "{kept}");
        assert_eq!(Secret::parse(kept.as_bytes()), Ok(hashed.clone()));
        assert!(hashed.matches("päss".as_bytes(), &mut Room::default()));
        for password in [&b"secret"[..], b"{PLAIN}x", b" lead", b"trail ", b"a\nb", b"\xff\0", "ä".as_bytes()]
        {
            let kept = Secret::keep(password).unwrap().to_string();
            assert!(!kept.contains('\n'));
            assert_eq!(Secret::parse(kept.as_bytes()).unwrap().plain(), Some(password));
        }
    }

    // A05
    #[test]
    fn an_unknown_scheme_an_empty_a_locked_or_a_garbled_password_never_matches() {
        for (kept, why) in [
            ("", Unusable::Empty),
            ("  ", Unusable::Empty),
            ("!", Unusable::Locked),
            ("*", Unusable::Locked),
            ("!{PLAIN}x", Unusable::Locked),
            ("*LK*", Unusable::Locked),
            ("{PLAIN}", Unusable::Empty),
            ("{PLAIN.B64}", Unusable::Empty),
            ("{PLAIN.B64}%%", Unusable::Malformed),
            ("{ROT13}frperg", Unusable::UnknownScheme),
            ("{}x", Unusable::UnknownScheme),
            ("{PLAIN", Unusable::UnknownScheme),
            ("secret", Unusable::UnknownScheme),
            ("$3$abcdefgh$", Unusable::UnknownScheme),
            ("{ARGON2ID}", Unusable::Malformed),
            ("{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$", Unusable::Malformed),
            ("{ARGON2ID}$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA", Unusable::Malformed),
            ("{ARGON2ID}$argon2id$v=20$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", Unusable::Malformed),
            (
                "{ARGON2ID}$argon2id$v=19$m=+64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
                Unusable::Malformed,
            ),
        ] {
            assert_eq!(Secret::parse(kept.as_bytes()), Err(why), "{kept}");
        }
    }

    // A05
    #[test]
    fn a_cost_of_a_thousand_million_does_not_hang_or_eat_the_memory() {
        for costs in [
            "m=1000000000,t=1,p=1",
            "m=64,t=1000000000,p=1",
            "m=64,t=1,p=1000000000",
            "m=99999999999999999999,t=1,p=1",
            "m=262144,t=17,p=1",
        ] {
            let kept = format!("{{ARGON2ID}}$argon2id$v=19${costs}$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA");
            assert_eq!(Secret::parse(kept.as_bytes()), Err(Unusable::TooCostly), "{costs}");
        }
        let zero = "{ARGON2ID}$argon2id$v=19$m=0,t=0,p=0$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        assert!(!right(zero, "x"));
    }

    // A05
    #[test]
    fn an_unknown_user_takes_as_much_work_as_a_wrong_password() {
        let known = Secret::hash(b"secret", [1; 16], Cost::USUAL).unwrap();
        let plain = Secret::keep(b"secret").unwrap();
        let mut room = Room::default();
        check(None, b"the first one makes what the others are compared with", &mut room);
        let work = |stored: Option<&Secret>| {
            let before = crate::argon::WORK.get();
            assert!(!check(stored, b"guess", &mut Room::default()));
            crate::argon::WORK.get() - before
        };
        for stored in [None, Some(&known), Some(&plain)] {
            assert_eq!(work(stored), Cost::USUAL.work());
        }
        assert!(check(Some(&known), b"secret", &mut room) && check(Some(&plain), b"secret", &mut room));
    }

    #[test]
    fn an_empty_or_endless_password_is_refused_everywhere() {
        assert_eq!(Secret::keep(b""), Err(Unusable::Empty));
        assert_eq!(Secret::hash(&[b'x'; LONGEST + 1], [0; 16], CHEAP).unwrap_err(), Unusable::Malformed);
        assert!(!check(Some(&Secret::Plain(vec![])), b"", &mut Room::default()));
    }

    #[test]
    fn keys_for_scram_serve_a_whole_password_too_and_only_their_own_exchange() {
        let kept = Secret::keys(b"secret", [3; 16]).unwrap();
        assert!(right(&kept.to_string(), "secret") && !right(&kept.to_string(), "other"));
        let plain = Secret::keep(b"secret").unwrap();
        let has = |kept: Option<&Secret>, hash| Secret::scram(kept, hash, b"salt").is_some();
        assert!(has(Some(&kept), Hash::Sha256) && !has(Some(&kept), Hash::Sha1));
        assert!(has(Some(&plain), Hash::Sha256) && has(Some(&plain), Hash::Sha1));
        assert!(!has(None, Hash::Sha256));
    }

    #[test]
    fn a_password_does_not_show_where_values_are_printed_for_programmers() {
        assert_eq!(format!("{:?}", Secret::keep(b"secret")), "Ok(Secret(PLAIN))");
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_reading_fail_otherwise_than_by_saying_so(text: Vec<u8>) {
            let _ = Secret::parse(&text);
        }

        #[test]
        fn any_password_survives_being_kept(password in proptest::collection::vec(0u8.., 1..80)) {
            let kept = Secret::keep(&password).unwrap().to_string();
            let read = Secret::parse(kept.as_bytes()).unwrap();
            proptest::prop_assert_eq!(read.plain(), Some(&password[..]));
        }
    }
}
