//! Addresses on the wire and in envelopes.

use message::address::{Address, Letters};

pub(crate) fn run(data: &[u8]) {
    for letters in [Letters::Ascii, Letters::Utf8] {
        if let Ok(address) = Address::parse(data, letters) {
            assert_eq!(Address::parse(address.to_string().as_bytes(), letters).as_ref(), Ok(&address));
            check(&address);
        }
        if let Ok(address) = Address::parse_or_complete(data, letters, "example.test") {
            check(&address);
        }
    }
    if let Ok(address) = Address::from_envelope(&String::from_utf8_lossy(data)) {
        assert_eq!(Address::from_envelope(&address.envelope()), Ok(address));
    }
}

fn check(address: &Address) {
    let envelope = address.envelope();
    assert!(!envelope.chars().any(char::is_control), "{envelope:?}");
    assert!(!address.local().is_empty() && !address.domain().is_empty());
    let again = Address::from_envelope(&envelope).unwrap();
    assert_eq!((again.local(), again.literal()), (address.local(), address.literal()));
    assert!(again.domain().eq_ignore_ascii_case(address.domain()));
}
