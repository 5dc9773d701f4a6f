//! Unique ids of messages for UIDL. RFC 1939 §7.

use std::collections::HashSet;

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
        _ => hashed(base),
    }
}

/// The unique ids of all messages of a mailbox. Should two have one name (in different folders), the later
/// gets another id, since a client would take them for one message.
pub(crate) fn uids(names: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut free = |mut name: Vec<u8>| {
        let mut id = uid(&name);
        while !taken.insert(id.clone()) {
            name.retain(|b| *b != b':');
            name.push(b'+');
            id = hashed(&name);
        }
        id
    };
    names.map(&mut free).collect()
}

fn hashed(base: &[u8]) -> String {
    hex::encode(&Sha256::digest(base)[..20])
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

    #[test]
    fn two_messages_of_one_name_are_never_taken_for_one() {
        let names = [&b"1.a:2,S"[..], b"1.a", b"2.b", b"1.a:2,"].map(<[u8]>::to_vec);
        let ids = uids(names.into_iter());
        assert_eq!((&ids[0][..], &ids[2][..]), ("1.a", "2.b"));
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 4);
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
