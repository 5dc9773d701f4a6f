//! MD5 crypt, `$1$`: how passwords were kept for long, by vpopmail too. Only compared with; new ones are
//! hashed by argon2id.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

const MAGIC: &[u8] = b"$1$";
const SALT_MAX: usize = 8;
const ROUNDS: usize = 1000;
/// The letters that six bits are written in.
const LETTERS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Which octets of the digest are written together, the highest first.
const GROUPS: [[usize; 3]; 5] = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]];

/// Is `hash` (22 letters) that of `password` with `salt`?
pub(crate) fn matches(password: &[u8], salt: &[u8], hash: &[u8]) -> bool {
    let salt = &salt[..salt.len().min(SALT_MAX)];
    letters(&digest(password, salt)).ct_eq(hash).into()
}

fn digest(password: &[u8], salt: &[u8]) -> [u8; 16] {
    let other = md5(&[password, salt, password]);
    let mut first = [password, MAGIC, salt].concat();
    first.extend(other.iter().cycle().take(password.len()));
    let mut bits = password.len();
    while bits > 0 {
        first.push(if bits & 1 == 1 { 0 } else { password[0] });
        bits >>= 1;
    }
    let mut digest = md5(&[&first]);
    for round in 0..ROUNDS {
        let odd = round % 2 == 1;
        let (one, two): (&[u8], &[u8]) = if odd { (password, &digest) } else { (&digest, password) };
        let salt = if round % 3 == 0 { b"" } else { salt };
        let again = if round % 7 == 0 { b"" } else { password };
        digest = md5(&[one, salt, again, two]);
    }
    digest
}

fn md5(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn letters(digest: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(22);
    let mut write = |mut bits: u32, count: usize| {
        for _ in 0..count {
            out.push(LETTERS[(bits & 63) as usize]);
            bits >>= 6;
        }
    };
    for group in GROUPS {
        write(group.iter().fold(0, |bits, at| bits << 8 | u32::from(digest[*at])), 4);
    }
    write(u32::from(digest[11]), 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_has_hashed_matches_and_nothing_else() {
        for (password, hash) in [
            ("secret", "cHJi5PXp/ki/ktXzqlk6I1"),
            ("", "M55TzYaaccxVGbptZWaxX/"),
            ("a much longer password than sixteen octets", "xYgzCeAep4jRR7g1m7ysq."),
            ("ünï", "P/Bbp4nmFvuss19s.OpgK0"),
        ] {
            assert!(matches(password.as_bytes(), b"abcdefgh", hash.as_bytes()), "{password}");
            assert!(!matches(b"other", b"abcdefgh", hash.as_bytes()));
            assert!(!matches(password.as_bytes(), b"abcdefgH", hash.as_bytes()));
            assert!(!matches(password.as_bytes(), b"abcdefgh", &hash.as_bytes()[1..]));
        }
        assert!(matches(b"secret", b"ab", b"dslkcXxVH.x8LwW1W/oAB/"));
    }
}
