//! Messages of the mechanisms: what is understood is one name and no more, and nothing proves what nobody knows.

use sasl::scram::{Exchange, First, Hash, Keys};
use sasl::{cram, pass, plain};

pub(crate) fn run(data: &[u8]) {
    let purpose = pass::Purpose { service: "imap", user: "ann@x.test", host: "b.test" };
    assert_eq!(pass::check(&[7; 32], purpose, data, 1000), None);
    if let Some(claim) = plain::parse(data) {
        assert!(!claim.user.contains(char::is_control) && !claim.password.is_empty());
    }
    if let Some((user, digest)) = cram::parse(data) {
        assert!(!user.is_empty() && digest.len() == 32);
    }
    let keys = Keys::parse(Hash::Sha1, data).inspect(|keys| {
        assert_eq!(Keys::parse(Hash::Sha1, keys.to_string().as_bytes()).as_ref(), Some(keys));
    });
    let (first, last) = data.split_at(data.len() / 2);
    if let (Some(first), Some(keys)) =
        (First::parse(first).or_else(|| First::parse(data)), keys.or_else(known))
    {
        assert!(!first.user.is_empty() && !first.user.contains(char::is_control));
        let exchange = Exchange::new(first, &keys, [7; 16], b"");
        assert!(exchange.challenge().is_ascii());
        assert_eq!(exchange.check(&keys, last), None);
    }
}

fn known() -> Option<Keys> {
    Keys::parse(Hash::Sha1, b"1,AA==,AAAAAAAAAAAAAAAAAAAAAAAAAAA=,AAAAAAAAAAAAAAAAAAAAAAAAAAA=")
}
