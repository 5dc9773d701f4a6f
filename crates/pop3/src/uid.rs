//! Unique ids of messages for UIDL. RFC 1939 §7.

use sha2::{Digest, Sha256};

/// RFC 1939 §7: 1 to 70 characters from `!` to `~`.
const LONGEST: usize = 70;

/// The unique id of the message in a Maildir file `name`: the name up to the colon, which no
/// reader changes, so it stays when the message moves from `new` to `cur`; it is what other
/// Maildir servers give. A name that is no legal id is replaced by a hash of it.
pub fn uid(name: &[u8]) -> String {
    let base = name.split(|b| *b == b':').next().unwrap_or_default();
    match str::from_utf8(base) {
        Ok(text) if legal(base) => text.to_owned(),
        _ => hex::encode(&Sha256::digest(base)[..20]),
    }
}

fn legal(base: &[u8]) -> bool {
    (1..=LONGEST).contains(&base.len()) && base.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_keeps_its_id_when_it_is_read() {
        let id = uid(b"1700000000.M1P2.host,S=5");
        assert_eq!(id, "1700000000.M1P2.host,S=5");
        assert_eq!(uid(b"1700000000.M1P2.host,S=5:2,"), id);
        assert_eq!(uid(b"1700000000.M1P2.host,S=5:2,RS"), id);
    }

    proptest! {
        #[test]
        fn every_name_has_a_legal_id_and_no_two_have_the_same(
            one in prop::collection::vec(any::<u8>().prop_filter("colon", |b| *b != b':'), 0..90),
            two in prop::collection::vec(any::<u8>().prop_filter("colon", |b| *b != b':'), 0..90),
        ) {
            prop_assert!(legal(uid(&one).as_bytes()));
            prop_assert_eq!(one == two, uid(&one) == uid(&two));
        }
    }
}
