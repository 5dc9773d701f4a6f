//! A message's header, size and top.

use message::{HeaderLines, Sizes, Top};

pub(crate) fn run(data: &[u8]) {
    super::cut_anywhere(data, |pieces| {
        let (mut header, mut sizes, mut top) = (HeaderLines::new(), Sizes::new(), Top::new(2));
        let (mut lines, mut over, mut shown) = (Vec::new(), false, Vec::new());
        for piece in pieces {
            over = header.feed(piece, &mut |line| lines.push((line.to_vec(), message::hop(line))));
            sizes.feed(piece);
            shown.extend_from_slice(&piece[..top.feed(piece)]);
        }
        (lines, over, sizes.octets, sizes.wire, shown)
    });
    let (header, body) = message::split(data);
    let fields: Vec<_> = message::fields(data).collect();
    assert_eq!(fields.iter().map(|field| field.raw).collect::<Vec<_>>().concat(), header);
    assert!(header.len() + body.len() + 1 >= data.len());
    assert!(fields.iter().all(|field| !field.name.contains(&b'\n')));
}
