//! CRAM-MD5: a keyed digest of a challenge. RFC 2195.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use subtle::ConstantTimeEq;

use crate::{Secret, plain};

/// Reads the client's answer: a name, a blank, 32 hexadecimal digits.
pub fn parse(answer: &[u8]) -> Option<(&str, &[u8])> {
    let blank = answer.iter().rposition(|octet| *octet == b' ')?;
    let digest = &answer[blank + 1..];
    let fit = digest.len() == 32 && digest.iter().all(u8::is_ascii_hexdigit);
    fit.then(|| Some((plain::name(&answer[..blank])?, digest)))?
}

/// Is `digest` the one of `challenge` (made by [`crate::apop::timestamp`]) under the kept password (`None`: no
/// such user)? A scheme that does not have the password itself never matches. Takes the same time always.
pub fn check(stored: Option<&Secret>, challenge: &str, digest: &[u8]) -> bool {
    let password = stored.and_then(Secret::plain);
    let Ok(mut mac) = Hmac::<Md5>::new_from_slice(password.unwrap_or(b"nobody")) else { return false };
    mac.update(challenge.as_bytes());
    let right = HEXLOWER.encode(&mac.finalize().into_bytes());
    let same: bool = right.as_bytes().ct_eq(&digest.to_ascii_lowercase()).into();
    same && password.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: &str = "<1896.697170952@postoffice.reston.mci.net>";
    const DIGEST: &[u8] = b"b913a602c7eda7a495b4e6e7334d3890";

    #[test]
    fn the_example_of_rfc_2195_is_right() {
        let (user, digest) = parse(b"tim b913a602c7eda7a495b4e6e7334d3890").unwrap();
        let secret = Secret::keep(b"tanstaaftanstaaf").unwrap();
        assert_eq!(user, "tim");
        assert!(check(Some(&secret), CHALLENGE, digest));
        assert!(check(Some(&secret), CHALLENGE, &digest.to_ascii_uppercase()));
    }

    // S41
    #[test]
    fn another_challenge_another_password_or_no_user_never_matches() {
        let secret = |text: &[u8]| Secret::keep(text).unwrap();
        assert!(!check(Some(&secret(b"tanstaaftanstaaf")), "<2@x>", DIGEST));
        assert!(!check(Some(&secret(b"wrong")), CHALLENGE, DIGEST));
        assert!(!check(None, CHALLENGE, DIGEST));
        let mut mac = Hmac::<Md5>::new_from_slice(b"nobody").unwrap();
        mac.update(CHALLENGE.as_bytes());
        let nobody = HEXLOWER.encode(&mac.finalize().into_bytes());
        assert!(!check(None, CHALLENGE, nobody.as_bytes()));
    }

    #[test]
    fn what_is_no_answer_is_none() {
        for bad in [&b""[..], b"tim", b"tim ", b" b913a602c7eda7a495b4e6e7334d3890", b"tim b913", b"tim \xff"]
        {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
