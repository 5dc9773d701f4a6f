//! Dot-stuffing: decoding, and that encoding is its inverse.

use wire::dot::{Dot, Dotted, Undot};

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, decode);
    let text: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\r').collect();
    let mut stuffed = Vec::new();
    let mut dot = Dot::new(&mut stuffed);
    dot.write(&text).unwrap();
    dot.end().unwrap();
    let (decoded, used, how) = decode(&[&stuffed]);
    assert_eq!((used, how), (stuffed.len(), Dotted::End));
    assert_eq!(decoded.strip_suffix(b"\n").unwrap_or(&decoded), text.strip_suffix(b"\n").unwrap_or(&text));
}

fn decode(pieces: &[&[u8]]) -> (Vec<u8>, usize, Dotted) {
    let (mut undot, mut text, mut eaten) = (Undot::new(), Vec::new(), 0);
    for piece in pieces {
        let (used, how) = undot.feed(piece, &mut |part| text.extend_from_slice(part));
        eaten += used;
        if how != Dotted::More {
            assert!(how == Dotted::Stray || !text.contains(&b'\r'));
            return (text, eaten, how);
        }
        assert_eq!(used, piece.len());
    }
    (text, eaten, Dotted::More)
}
