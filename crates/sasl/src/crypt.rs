//! Passwords as /etc/shadow keeps them: MD5, SHA-256 and SHA-512 crypt, bcrypt, yescrypt. Only compared with.

use sha_crypt::PasswordVerifier;

use crate::{Unusable, md5_crypt};

/// Most rounds of SHA crypt that a stored password may ask for; a second or so.
const ROUNDS_MAX: u32 = 2_000_000;
/// Highest cost of bcrypt; a second or so.
const BCRYPT_MAX: u32 = 14;
/// The letters of yescrypt's numbers, in their order.
const LETTERS: &[u8] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// The letter of the highest logarithm of yescrypt's N that is computed: 2¹⁶, which takes 256 MiB.
const YESCRYPT_MAX: usize = 15;

/// How it was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Md5,
    Sha,
    Bcrypt,
    Yescrypt,
}

/// A stored hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Crypt {
    way: Way,
    text: String,
}

impl Crypt {
    /// Reads `$1$`, `$5$`, `$6$`, `$2a$`, `$2b$`, `$2y$` or `$y$` and what belongs to it.
    pub(crate) fn parse(text: &[u8]) -> Result<Crypt, Unusable> {
        let text = str::from_utf8(text).map_err(|_| Unusable::Malformed)?;
        // crypt(5): printable, no blanks. A line end would make two lines of a file of users out of one.
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(Unusable::Malformed);
        }
        let mut parts = text.split('$').skip(1);
        let (scheme, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let way = match scheme {
            "1" => Way::Md5,
            "5" | "6" => rounds(second)?,
            "2a" | "2b" | "2y" => bcrypt_cost(second)?,
            "y" => yescrypt_cost(second)?,
            _ => return Err(Unusable::UnknownScheme),
        };
        if parts.next().is_none_or(str::is_empty) {
            return Err(Unusable::Malformed);
        }
        Ok(Crypt { way, text: text.to_owned() })
    }

    pub(crate) fn matches(&self, password: &[u8]) -> bool {
        match self.way {
            Way::Md5 => {
                let mut parts = self.text.splitn(4, '$').skip(2).map(str::as_bytes);
                let (salt, hash) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                md5_crypt::matches(password, salt, hash)
            }
            Way::Sha => sha_crypt::ShaCrypt::default().verify_password(password, self.text.as_str()).is_ok(),
            Way::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Way::Yescrypt => {
                yescrypt::Yescrypt::default().verify_password(password, self.text.as_str()).is_ok()
            }
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

fn rounds(field: &str) -> Result<Way, Unusable> {
    match field.strip_prefix("rounds=").map(str::parse::<u32>) {
        Some(Ok(rounds)) if rounds > ROUNDS_MAX => Err(Unusable::TooCostly),
        Some(Err(_)) => Err(Unusable::TooCostly),
        _ => Ok(Way::Sha),
    }
}

fn bcrypt_cost(field: &str) -> Result<Way, Unusable> {
    match field.parse::<u32>() {
        Ok(cost) if cost > BCRYPT_MAX => Err(Unusable::TooCostly),
        Ok(_) => Ok(Way::Bcrypt),
        Err(_) => Err(Unusable::Malformed),
    }
}

/// `jNT`: the usual flags, the logarithm of N, blocks of 4 KiB. Nothing else is made by passwd(1).
fn yescrypt_cost(field: &str) -> Result<Way, Unusable> {
    let &[b'j', n, b'T'] = field.as_bytes() else { return Err(Unusable::TooCostly) };
    match LETTERS.iter().position(|letter| *letter == n) {
        Some(n) if n <= YESCRYPT_MAX => Ok(Way::Yescrypt),
        Some(_) => Err(Unusable::TooCostly),
        None => Err(Unusable::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_has_hashed_matches() {
        // Made by Debian's libcrypt of the password `secret`.
        for kept in KEPT {
            let crypt = Crypt::parse(kept.as_bytes()).unwrap();
            assert!(crypt.matches(b"secret"), "{kept}");
            assert!(!crypt.matches(b"Secret") && !crypt.matches(b""), "{kept}");
        }
    }

    // A05
    #[test]
    fn what_is_unknown_garbled_or_would_take_for_ever_is_refused() {
        for (kept, why) in [
            ("$3$abcdefgh$aaaaaaaaaaaaaaaaaaaaaa", Unusable::UnknownScheme),
            ("$1$abcdefgh$", Unusable::Malformed),
            ("$6$", Unusable::Malformed),
            ("$6$salt", Unusable::Malformed),
            ("$6$rounds=999999999$salt$x", Unusable::TooCostly),
            ("$6$rounds=99999999999999$salt$x", Unusable::TooCostly),
            ("$2b$31$abcdefghijklmnopqrstuu$x", Unusable::TooCostly),
            ("$2b$xx$abc$x", Unusable::Malformed),
            ("$y$jzT$salt$hash", Unusable::TooCostly),
            ("$y$j9T/.$salt$hash", Unusable::TooCostly),
            ("$y$j9T$", Unusable::Malformed),
            ("$1$a\nb$hash", Unusable::Malformed),
            ("$6$salt$a b", Unusable::Malformed),
        ] {
            assert_eq!(Crypt::parse(kept.as_bytes()).err(), Some(why), "{kept}");
        }
        let garbled = Crypt::parse(b"$6$salt$x").unwrap();
        assert!(!garbled.matches(b"secret"));
    }

    const KEPT: &[&str] = &[
        "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1",
        "$5$saltstring$C3o4O1TC6aRHF4FI.QSZMXtHbaj2gSXr4sUc/3NcUi.",
        "$6$rounds=5000$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.",
        "$6$anothersalt$kjqAClHMqaQiOnAnzhgxuhxfIHhrGd8t0/fYomIe6fwLgzE6CRIFnBDIbgWQj2labEw1gJCr0BQmQhzD49MS2/",
        "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$GmcwIgvdUC9qLWcKCi6gklUa1dM3ziD43YxYNURLKy0",
    ];
}
