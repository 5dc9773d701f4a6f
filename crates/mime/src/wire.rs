//! Line ends: LF on disk, CR LF on the wire. An LF that follows a CR is on the wire as it is.

use memchr::{memchr, memchr_iter};

/// Octets of `text` on the wire.
pub fn wire_octets(text: &[u8]) -> u64 {
    (text.len() as u64).saturating_add(Ends::of(text).bare())
}

/// Appends `text` to `out` as it goes over the wire.
pub fn to_wire(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + text.len() / 32);
    let mut from = 0;
    for at in memchr_iter(b'\n', text) {
        let cr = at > 0 && text[at - 1] == b'\r';
        if !cr {
            out.extend_from_slice(&text[from..at]);
            out.extend_from_slice(b"\r\n");
            from = at + 1;
        }
    }
    out.extend_from_slice(&text[from..]);
}

/// How many line ends.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    lf: u64,
    cr_lf: u64,
}

impl Ends {
    fn of(text: &[u8]) -> Ends {
        let lf = memchr_iter(b'\n', text).count() as u64;
        let cr_lf = memchr_iter(b'\r', text).filter(|at| text.get(at + 1) == Some(&b'\n')).count();
        Ends { lf, cr_lf: cr_lf as u64 }
    }

    fn bare(self) -> u64 {
        self.lf.saturating_sub(self.cr_lf)
    }

    fn plus(self, other: Ends) -> Ends {
        Ends { lf: self.lf + other.lf, cr_lf: self.cr_lf + other.cr_lf }
    }
}

const BLOCK: usize = 2048;

/// Counts line ends in any stretch of a text after one pass over it: parts that lie in parts are not counted again.
#[derive(Debug)]
pub(crate) struct Ruler<'a> {
    text: &'a [u8],
    /// Before each block.
    before: Vec<Ends>,
    any_cr: bool,
}

impl<'a> Ruler<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Ruler<'a> {
        let any_cr = memchr(b'\r', text).is_some();
        let mut ruler = Ruler { text, before: Vec::with_capacity(text.len() / BLOCK + 1), any_cr };
        let mut sum = Ends::default();
        for start in (0..=text.len()).step_by(BLOCK) {
            ruler.before.push(sum);
            sum = sum.plus(ruler.count(start, (start + BLOCK).min(text.len())));
        }
        ruler
    }

    fn count(&self, start: usize, end: usize) -> Ends {
        let part = &self.text[start..end];
        let lf = memchr_iter(b'\n', part).count() as u64;
        let follows = |at: &usize| self.text.get(start + at + 1) == Some(&b'\n');
        let cr_lf = if self.any_cr { memchr_iter(b'\r', part).filter(follows).count() as u64 } else { 0 };
        Ends { lf, cr_lf }
    }

    fn until(&self, at: usize) -> Ends {
        let block = at / BLOCK;
        let before = self.before.get(block).copied().unwrap_or_default();
        before.plus(self.count(block * BLOCK, at))
    }

    /// Octets on the wire, and line ends, from `start` to `end`.
    pub(crate) fn measure(&self, start: usize, end: usize) -> (u64, u64) {
        let (before, after) = (self.until(start), self.until(end));
        let bare = after.bare().saturating_sub(before.bare());
        ((end - start) as u64 + bare, after.lf - before.lf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bare_line_end_becomes_two_octets_and_others_stay() {
        for (text, wire) in
            [("", ""), ("\n", "\r\n"), ("a\nb\r\nc\n", "a\r\nb\r\nc\r\n"), ("\r\r\n\n\r", "\r\r\n\r\n\r")]
        {
            let mut out = Vec::new();
            to_wire(text.as_bytes(), &mut out);
            assert_eq!(out, wire.as_bytes());
            assert_eq!(wire_octets(text.as_bytes()), wire.len() as u64);
        }
    }

    #[test]
    fn a_stretch_is_measured_like_a_text_of_its_own() {
        let text: Vec<u8> = b"line\n\r\nlonger line\r\n".repeat(1000);
        let ruler = Ruler::new(&text);
        for (start, end) in [(0, text.len()), (5, 7), (0, 0), (2048, 4096), (4095, 9000)] {
            if text[..end].ends_with(b"\r") || text[..start].ends_with(b"\r") {
                continue;
            }
            assert_eq!(ruler.measure(start, end).0, wire_octets(&text[start..end]), "{start}..{end}");
        }
    }
}
