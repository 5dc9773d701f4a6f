//! How large a message is: on disk with LF, and on the wire with CR LF.

/// Counts a message as it passes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Octets as they are.
    pub octets: u64,
    /// Octets when every LF is sent as CR LF (one that has its CR already, as in a file that some
    /// other program left, gets no second), without dots added and without an end added to
    /// an unfinished last line (IMAP's RFC822.SIZE; POP3's where [`Sizes::finished`]).
    pub wire: u64,
    last: u8,
}

impl Sizes {
    /// Nothing counted yet.
    pub fn new() -> Sizes {
        Sizes::default()
    }

    /// The sizes of a whole text.
    pub fn of(text: &[u8]) -> Sizes {
        let mut sizes = Sizes::new();
        sizes.feed(text);
        sizes
    }

    /// Counts a piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.octets += piece.len() as u64;
        self.wire += (piece.len() + newlines(piece) - complete(self.last, piece)) as u64;
        self.last = piece.last().copied().unwrap_or(self.last);
    }

    /// Does the last line end with a LF? An empty text is finished.
    pub fn finished(&self) -> bool {
        self.octets == 0 || self.last == b'\n'
    }
}

/// Counts in runs of 255, so that the sum fits an octet and the compiler can use wide registers.
fn newlines(piece: &[u8]) -> usize {
    let run = |run: &[u8]| run.iter().map(|b| u8::from(*b == b'\n')).sum::<u8>() as usize;
    piece.chunks(255).map(run).sum()
}

/// How many LFs have their CR already; `last`: the octet before `piece`.
fn complete(last: u8, piece: &[u8]) -> usize {
    let border = usize::from(last == b'\r' && piece.first() == Some(&b'\n'));
    // Hardly any message holds a CR.
    if !piece.contains(&b'\r') {
        return border;
    }
    border + piece.windows(2).filter(|two| two == b"\r\n").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_takes_one_octet_more_on_the_wire() {
        let sizes = Sizes::of(b"a\n\nb\n");
        assert_eq!((sizes.octets, sizes.wire, sizes.finished()), (5, 8, true));
        let sizes = Sizes::of(b"a\nb");
        assert_eq!((sizes.octets, sizes.wire, sizes.finished()), (3, 4, false));
        let sizes = Sizes::of(b"a\r\nb\r\n");
        assert_eq!((sizes.octets, sizes.wire, sizes.finished()), (6, 6, true));
        let sizes = Sizes::of(b"");
        assert_eq!((sizes.octets, sizes.wire, sizes.finished()), (0, 0, true));
    }

    #[test]
    fn a_thousand_empty_lines_are_counted() {
        let sizes = Sizes::of(&[b'\n'; 1000]);
        assert_eq!((sizes.octets, sizes.wire), (1000, 2000));
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let input = b"a\nbc\r\n\r\r\n\n\nd";
        for cut in 0..=input.len() {
            let mut sizes = Sizes::new();
            sizes.feed(&input[..cut]);
            sizes.feed(&input[cut..]);
            assert_eq!(sizes, Sizes::of(input), "cut at {cut}");
        }
    }
}
