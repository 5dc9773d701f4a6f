//! The announcement of a literal at the end of a line: `{n}`, `{n+}`, `~{n}`.

/// A literal that is about to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Where in the line the announcement begins.
    pub at: usize,
    /// How long it is; a number beyond all bounds is `u64::MAX`.
    pub octets: u64,
    /// The client waits for `+`. RFC 7888.
    pub synchronizing: bool,
    /// `~{n}`: it may hold any octet. RFC 3516.
    pub binary: bool,
}

impl Announced {
    /// The one at the end of `line`, but not before `from`.
    pub(super) fn at_end(line: &[u8], from: usize) -> Option<Announced> {
        let inner = line.get(from..)?.strip_suffix(b"}")?;
        let (inner, synchronizing) = match inner.strip_suffix(b"+") {
            Some(inner) => (inner, false),
            None => (inner, true),
        };
        let digits = inner.iter().rev().take_while(|octet| octet.is_ascii_digit()).count();
        let (before, number) = inner.split_at(inner.len() - digits);
        let before = before.strip_suffix(b"{").filter(|_| digits > 0)?;
        let binary = before.last() == Some(&b'~');
        let at = from + before.len() - usize::from(binary);
        Some(Announced { at, octets: value(number), synchronizing, binary })
    }
}

/// RFC 9051 §9, `number64`: 63 bits.
fn value(digits: &[u8]) -> u64 {
    let add = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let sum = digits.iter().try_fold(0, add);
    sum.filter(|sum| i64::try_from(*sum).is_ok()).unwrap_or(u64::MAX)
}
