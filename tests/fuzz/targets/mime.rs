//! A message taken apart.

use mime::{Children, Part};

pub(crate) fn run(data: &[u8]) {
    let whole = mime::scan(data);
    assert_eq!((whole.header.start, whole.body.end), (0, data.len()));
    check(data, &whole);
    mime::search_text(data, &whole, &mut |text| assert_eq!(mime::fold(text), mime::fold(&mime::fold(text))));
    assert!(mime::preview(data, &whole).chars().count() <= 200);
    for encoding in ["base64", "quoted-printable"] {
        assert!(mime::decode(data, encoding).unwrap().len() <= data.len() + 1);
        let (once, wire) =
            (mime::decode(data, encoding).unwrap(), mime::decode_wire(data, encoding).unwrap());
        assert!(wire.len() >= once.len());
    }
    let mut wire = Vec::new();
    mime::to_wire(data, &mut wire);
    assert_eq!(wire.len() as u64, mime::wire_octets(data));
    assert_eq!(mime::wire_octets(&wire), wire.len() as u64, "once more changes nothing");
}

fn check(data: &[u8], part: &Part) {
    assert!(part.header.start <= part.header.end && part.header.end <= part.body.start);
    assert!(part.body.start <= part.body.end && part.body.end <= data.len());
    assert_eq!(part.octets, mime::wire_octets(&data[part.body.clone()]));
    let inside: &[Part] = match &part.children {
        Children::None => &[],
        Children::Multipart(parts) => parts,
        Children::Message(inner) => std::slice::from_ref(inner),
    };
    let mut at = part.body.start;
    for inner in inside {
        assert!(at <= inner.header.start && inner.body.end <= part.body.end, "one after the other, inside");
        at = inner.body.end;
        check(data, inner);
    }
}
