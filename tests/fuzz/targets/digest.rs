//! The record of a message that is kept with the index.

use imap::{Digest, digest};

pub(crate) fn run(data: &[u8]) {
    let _ = Digest::read(data).map(|it| (it.body().len(), it.subject().len(), it.references().count()));
    let record = digest(data, data.len() as u64);
    let read = Digest::read(&record).expect("what was written is read");
    assert_eq!(read.size(), mime::wire_octets(data));
    for (list, items) in [(read.envelope(), Some(10)), (read.structure(), None), (&read.body(), None)] {
        let (rest, count) = item(list).expect("well-formed");
        assert!(rest.is_empty() && items.is_none_or(|items| items == count));
    }
    assert!(read.base_subject().len() <= read.subject().len());
    for text in [read.from(), read.subject(), read.display_to(), read.sort_cc()] {
        assert_eq!(mime::fold(text), text, "folded");
    }
    let cut = data.len() / 2;
    let half = digest(&data[..cut], data.len() as u64);
    assert!(Digest::read(&half).is_some() && Digest::read(&record[..record.len() - 1]).is_none());
}

/// What follows the list or string at the front, and how many things are in the list.
fn item(text: &[u8]) -> Option<(&[u8], usize)> {
    let (first, mut rest) = text.split_first()?;
    match first {
        b'(' => {
            let mut count = 0;
            while rest.first()? != &b')' {
                rest = rest.strip_prefix(b" ").unwrap_or(rest);
                (rest, count) = (item(rest)?.0, count + 1);
            }
            Some((&rest[1..], count))
        }
        b'{' => {
            let (octets, after) = rest.split_at(rest.windows(3).position(|three| three == b"}\r\n")?);
            let octets: usize = std::str::from_utf8(octets).ok()?.parse().ok()?;
            assert!(!after[3..].get(..octets)?.contains(&0));
            Some((&after[3 + octets..], 0))
        }
        b'"' => {
            let escaped =
                |at: usize| rest[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
            let end = (0..rest.len()).find(|at| rest[*at] == b'"' && !escaped(*at))?;
            assert!(rest[..end].iter().all(|byte| byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0)));
            Some((&rest[end + 1..], 0))
        }
        _ => Some((&rest[rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()..], 0)),
    }
}
