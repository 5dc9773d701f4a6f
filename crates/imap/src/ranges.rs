//! Ascending ranges of UIDs that neither touch nor overlap: what RFC 7162 tells of the vanished.

use crate::store::Uid;

type Ranges = Vec<(Uid, Uid)>;

/// Ascending numbers as ranges.
pub(crate) fn joined(uids: impl IntoIterator<Item = Uid>) -> Ranges {
    let mut ranges: Ranges = Vec::new();
    for uid in uids {
        match ranges.last_mut() {
            Some(range) if range.1.saturating_add(1) == uid => range.1 = uid,
            _ => ranges.push((uid, uid)),
        }
    }
    ranges
}

/// What is in both.
pub(crate) fn both(one: &[(Uid, Uid)], other: &[(Uid, Uid)]) -> Ranges {
    let (mut ranges, mut a, mut b) = (Vec::new(), 0, 0);
    while let (Some(x), Some(y)) = (one.get(a), other.get(b)) {
        let (first, last) = (x.0.max(y.0), x.1.min(y.1));
        if first <= last {
            ranges.push((first, last));
        }
        if x.1 < y.1 { a += 1 } else { b += 1 }
    }
    ranges
}

/// `ranges` without `uids`, which ascend.
pub(crate) fn without(ranges: &[(Uid, Uid)], uids: impl IntoIterator<Item = Uid>) -> Ranges {
    let mut uids = uids.into_iter().peekable();
    let mut left = Vec::new();
    for (first, last) in ranges {
        let mut first = *first;
        while uids.next_if(|uid| *uid < first).is_some() {}
        while let Some(uid) = uids.next_if(|uid| uid <= last) {
            if first < uid {
                left.push((first, uid - 1));
            }
            first = uid.saturating_add(1);
            if uid == Uid::MAX {
                return left;
            }
        }
        if first <= *last {
            left.push((first, *last));
        }
    }
    left
}

/// Is `uid` in one of them?
pub(crate) fn holds(ranges: &[(Uid, Uid)], uid: Uid) -> bool {
    let place = ranges.partition_point(|(_, last)| *last < uid);
    ranges.get(place).is_some_and(|(first, _)| *first <= uid)
}

/// As a set: `1:3,7`.
pub(crate) fn written(ranges: &[(Uid, Uid)]) -> String {
    let one = |(first, last): &(Uid, Uid)| match first == last {
        true => first.to_string(),
        false => format!("{first}:{last}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_by_ranges_and_by_single_uids() {
        assert_eq!(both(&[(1, 5), (8, 20)], &[(4, 9), (15, 15), (30, 40)]), [(4, 5), (8, 9), (15, 15)]);
        assert_eq!(without(&[(1, 5), (8, 10)], [1, 3, 6, 8, 9, 10, 11]), [(2, 2), (4, 5)]);
        assert_eq!(without(&[(1, u32::MAX)], [u32::MAX]), [(1, u32::MAX - 1)]);
        assert_eq!(written(&joined([1, 2, 3, 7])), "1:3,7");
        assert!(holds(&[(1, 3), (7, 7)], 7) && !holds(&[(1, 3), (7, 7)], 6));
    }
}
