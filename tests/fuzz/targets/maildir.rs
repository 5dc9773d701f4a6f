//! Names in a Maildir: two with a blank between them.

use maildir::Name;

pub(crate) fn run(data: &[u8]) {
    let (one, two) = data.split_at(data.iter().position(|byte| *byte == b' ').unwrap_or(data.len()));
    let (a, b) = (Name::read(one), Name::read(two.get(1..).unwrap_or_default()));
    assert_eq!(a.order(&b), b.order(&a).reverse());
    let flagged = a.and(b"SF");
    let name = Name::read(&flagged);
    assert!(name.has(b'S') && name.has(b'F') && name.base == a.base);
    assert!(name.flags.is_sorted());
    assert_eq!((name.octets(), name.wire()), (a.octets(), a.wire()));
    assert_eq!(Name::read(&name.with(b"")).flags, b"");
}
