//! `VANISHED (EARLIER)`: which of the UIDs that a client asks about are no more. RFC 7162 §3.2.6.

use std::io;

use crate::open::Open;
use crate::sequence::Set;
use crate::session::Out;
use crate::store::{Folder, Uid};
use crate::write;

/// Writes the line, if there is anything in it.
pub(super) fn write<F: Folder>(open: &Open<F>, set: &Set, since: u64, out: Out<'_>) -> io::Result<()> {
    let last = open.folder.status().uid_next.saturating_sub(1);
    let asked = match set {
        Set::Saved => open.saved.iter().map(|uid| (*uid, *uid)).collect(),
        Set::Ranges(_) => set.ranges(last),
    };
    let gone = match open.folder.vanished_since(since) {
        Some(gone) => gone,
        None => gaps(open.folder.messages().iter().map(|message| message.uid), last),
    };
    let told = common(&asked, &gone);
    if told.is_empty() {
        return Ok(());
    }
    let mut line = b"* VANISHED (EARLIER) ".to_vec();
    for (place, (first, last)) in told.iter().enumerate() {
        if place > 0 {
            line.push(b',');
        }
        write::number(&mut line, (*first).into());
        if last > first {
            line.push(b':');
            write::number(&mut line, (*last).into());
        }
    }
    line.extend_from_slice(b"\r\n");
    out.write_all(&line)
}

/// What lies between ascending UIDs, from 1 up to `last`.
fn gaps(uids: impl Iterator<Item = Uid>, last: Uid) -> Vec<(Uid, Uid)> {
    let mut gaps = Vec::new();
    let mut next = 1;
    for uid in uids.chain(last.checked_add(1)) {
        if uid > next {
            gaps.push((next, uid - 1));
        }
        next = uid.saturating_add(1);
    }
    gaps
}

/// What is in both of two lists of ascending ranges.
fn common(one: &[(Uid, Uid)], other: &[(Uid, Uid)]) -> Vec<(Uid, Uid)> {
    let mut both = Vec::new();
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        let (first, last) = (a.0.max(b.0), a.1.min(b.1));
        if first <= last {
            both.push((first, last));
        }
        if a.1 <= b.1 { one.next() } else { other.next() };
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_lie_between_the_uids_and_at_both_ends() {
        assert_eq!(gaps([3, 4, 7].into_iter(), 9), [(1, 2), (5, 6), (8, 9)]);
        assert_eq!(gaps([1, 2].into_iter(), 2), []);
        assert_eq!(gaps([].into_iter(), 0), []);
        assert_eq!(gaps([].into_iter(), 5), [(1, 5)]);
    }

    #[test]
    fn what_is_in_both_is_found_in_one_pass() {
        assert_eq!(common(&[(1, 5), (8, 20)], &[(3, 9), (15, 16), (20, 30)]), [(3, 5), (8, 9), (15, 16), (20, 20)]);
        assert_eq!(common(&[(1, 2)], &[(3, 4)]), []);
    }
}
