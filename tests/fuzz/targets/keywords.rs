//! The list of keywords and the ends of file names: what is written is read the same.

use imap::Flags;
use mailbox::examine;

pub(crate) fn run(data: &[u8]) {
    let (names, written) = examine::keywords(data);
    assert_eq!(examine::keywords(written.as_bytes()).0, names);
    let (flags, rest) = data.split_first().map_or((0, data), |(first, rest)| (first & 31, rest));
    let wanted = rest.iter().take(8).fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
    for known in [0, 3, 26, 64] {
        let wanted = if known == 64 { wanted } else { wanted & ((1 << known) - 1) };
        let (tail, read, keywords) = examine::tail(rest, Flags(flags), wanted, known);
        assert_eq!((read, keywords), (Flags(flags), wanted));
        assert_eq!(examine::tail(&tail, Flags(flags), wanted, known).0, tail);
    }
}
