//! Sets of sequence numbers or UIDs: RFC 9051 §9, `sequence-set`.

/// A set as the client wrote it: `1:5,9,12:*`, or `$` (RFC 5182).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// First and last of each range, in any order; `None` is `*`.
    Ranges(Vec<(Option<u32>, Option<u32>)>),
    /// `$`: what the last SEARCH saved.
    Saved,
}

impl Set {
    /// Its numbers as ranges in ascending order that neither touch nor overlap; `*` is `largest`.
    /// `$` gives nothing: the session knows what it stands for.
    pub fn ranges(&self, largest: u32) -> Vec<(u32, u32)> {
        let Set::Ranges(ranges) = self else { return Vec::new() };
        let number = |it: Option<u32>| it.unwrap_or(largest);
        let mut ranges: Vec<(u32, u32)> = ranges
            .iter()
            .map(|(one, other)| (number(*one).min(number(*other)), number(*one).max(number(*other))))
            .collect();
        ranges.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        joined
    }
}

/// Writes ascending numbers as a set: `1:3,7`.
pub fn compact(numbers: impl IntoIterator<Item = u32>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut range: Option<(u32, u32)> = None;
    let mut put = |(first, last): (u32, u32)| {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = match first == last {
            true => write!(text, "{comma}{first}"),
            false => write!(text, "{comma}{first}:{last}"),
        };
    };
    for number in numbers {
        match range {
            Some((first, last)) if number == last.saturating_add(1) => range = Some((first, number)),
            Some(done) => {
                put(done);
                range = Some((number, number));
            }
            None => range = Some((number, number)),
        }
    }
    if let Some(last) = range {
        put(last);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_put_in_order_and_joined_and_a_star_is_the_largest() {
        let set = Set::Ranges(vec![(Some(9), Some(7)), (Some(1), Some(3)), (Some(4), None), (None, None)]);
        assert_eq!(set.ranges(5), [(1, 5), (7, 9)]);
        assert_eq!(Set::Ranges(vec![(Some(u32::MAX), None); 10_000]).ranges(1).len(), 1);
    }

    #[test]
    fn numbers_are_written_as_the_shortest_set() {
        assert_eq!(compact([1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(compact([]), "");
        assert_eq!(compact([u32::MAX]), "4294967295");
    }
}
