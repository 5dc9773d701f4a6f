//! APOP: the MD5 digest of a timestamp and the password. RFC 1939 §7.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use crate::Secret;

/// A timestamp for the greeting: `<random@host>`. `random` is fresh from the system's generator, so
/// that no digest can be used a second time.
pub fn timestamp(random: [u8; 16], host: &str) -> String {
    // What stands between the brackets is a message id: RFC 5322 §3.6.4.
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let host = if !host.is_empty() && host.chars().all(fit) { host } else { "localhost" };
    format!("<{}@{host}>", HEXLOWER.encode(&random))
}

/// Is `digest` (32 hexadecimal digits) the one of `timestamp` and the kept password (`None`: no such
/// user)? A scheme that does not have the password itself never matches. Takes the same time always.
pub fn check(stored: Option<&Secret>, timestamp: &str, digest: &[u8]) -> bool {
    let password = stored.and_then(Secret::plain);
    let mut hash = Md5::new();
    hash.update(timestamp.as_bytes());
    hash.update(password.unwrap_or(b"nobody"));
    let right = HEXLOWER.encode(&hash.finalize());
    let same: bool = right.as_bytes().ct_eq(&digest.to_ascii_lowercase()).into();
    same && password.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cost;

    const STAMP: &str = "<1896.697170952@dbc.mtview.ca.us>";

    #[test]
    fn the_example_of_rfc_1939_is_right() {
        let secret = Secret::keep(b"tanstaaf").unwrap();
        assert!(check(Some(&secret), STAMP, b"c4c9334bac560ecc979e58001b3e22fb"));
        assert!(check(Some(&secret), STAMP, b"C4C9334BAC560ECC979E58001B3E22FB"));
        assert!(!check(
            Some(&secret),
            "<1896.697170953@dbc.mtview.ca.us>",
            b"c4c9334bac560ecc979e58001b3e22fb"
        ));
    }

    // P09
    #[test]
    fn garbage_and_cut_digests_and_unknown_users_never_match() {
        let secret = Secret::keep(b"tanstaaf").unwrap();
        for digest in [&b""[..], b"c4", b"c4c9334bac560ecc979e58001b3e22f", b"*", &[b'a'; 20_000]] {
            assert!(!check(Some(&secret), STAMP, digest));
        }
        let nobody = HEXLOWER.encode(&Md5::digest([STAMP.as_bytes(), b"nobody"].concat()));
        assert!(!check(None, STAMP, nobody.as_bytes()));
        let hashed = Secret::hash(b"tanstaaf", [0; 16], Cost { memory: 64, passes: 1, lanes: 1 }).unwrap();
        assert!(!check(Some(&hashed), STAMP, b"c4c9334bac560ecc979e58001b3e22fb"));
        assert!(!check(Some(&hashed), STAMP, nobody.as_bytes()));
    }

    #[test]
    fn a_timestamp_is_a_message_id_whatever_the_host_calls_itself() {
        assert_eq!(timestamp([0xab; 16], "mx.example.org"), format!("<{}@mx.example.org>", "ab".repeat(16)));
        for host in ["", "a b", "x>\r\n", "ä"] {
            assert!(timestamp([0; 16], host).ends_with("@localhost>"));
        }
    }
}
