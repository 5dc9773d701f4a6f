//! PLAIN, which says all in one message (RFC 4616), and LOGIN, which asks for name and password one by one
//! (never a standard, spoken by many clients).

use crate::LONGEST;

/// LOGIN's two questions.
pub const ASK_NAME: &[u8] = b"Username:";
/// The second one.
pub const ASK_PASSWORD: &[u8] = b"Password:";

/// A claim and its proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose password it is.
    pub user: &'a str,
    /// The password.
    pub password: &'a [u8],
}

/// Reads PLAIN's message: `[authzid] NUL user NUL password`. To act for somebody else than oneself is not
/// offered: an authorization identity has to be the user. RFC 4616 §2.
pub fn parse(message: &[u8]) -> Option<Claim<'_>> {
    let mut parts = message.split(|octet| *octet == 0);
    let (authzid, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && !password.is_empty() && password.len() <= LONGEST;
    let user = name(user)?;
    (whole && (authzid.is_empty() || authzid == user.as_bytes())).then_some(Claim { user, password })
}

/// A user's name in a message of any mechanism: UTF-8 without control characters, at most 255 octets.
pub fn name(bytes: &[u8]) -> Option<&str> {
    let name = str::from_utf8(bytes).ok()?;
    let fit = !name.is_empty() && name.len() <= 255 && !name.chars().any(char::is_control);
    fit.then_some(name)
}

impl core::fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Claim({})", self.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Option<(&str, &[u8])> {
        parse(message).map(|claim| (claim.user, claim.password))
    }

    #[test]
    fn a_claim_is_a_name_and_a_password() {
        assert_eq!(read(b"\0tim\0tanstaaftanstaaf"), Some(("tim", &b"tanstaaftanstaaf"[..])));
        assert_eq!(read(b"a@b\0a@b\0x y"), Some(("a@b", &b"x y"[..])));
    }

    // S38
    #[test]
    fn what_is_no_claim_or_claims_to_be_somebody_else_is_none() {
        for bad in [
            &b""[..],
            b"tim",
            b"\0tim",
            b"tim\0secret",
            b"\0\0\0",
            b"\0tim\0",
            b"\0tim\0a\0b",
            b"root\0tim\0secret",
            b"\0\xff\0secret",
            b"\0a\nb\0secret",
            &[b'x'; 20_000],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
