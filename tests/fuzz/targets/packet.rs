//! Packets between programs: fields, the three answers, an account's owner.

use wire::Fate;

pub(crate) fn run(data: &[u8]) {
    assert_eq!(wire::packet(&wire::fields(data)), data);
    if let Some(fate) = Fate::parse(data) {
        let bytes = fate.to_bytes();
        assert!(bytes.iter().all(|byte| *byte >= b' '), "one line");
        assert_eq!(Fate::parse(&bytes), Some(fate));
    }
    if let Ok(owner) = owner::Owner::from_packet(data) {
        assert_ne!(owner.identity.uid, 0);
        assert_eq!(owner::Owner::from_packet(&owner.to_packet()), Ok(owner));
    }
    if let Ok(owner::Opened::There(there)) = owner::Opened::from_packet(data) {
        assert_eq!(owner::Opened::from_packet(&there.to_packet()), Ok(owner::Opened::There(there)));
    }
}
