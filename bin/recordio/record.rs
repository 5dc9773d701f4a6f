//! The lines of the record, as ucspi-tcp's recordio writes them.

/// Octets of text in one line of the record.
const LONGEST: usize = 1024;

/// Which way octets went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The program read them.
    Read,
    /// The program wrote them.
    Written,
}

/// `pid`, `<` or `>`, a blank, the text, and at its end a blank where the line ended there, `+` where
/// it goes on, `[EOF]` where nothing more comes (`piece` is empty).
pub(crate) fn lines(pid: &str, side: Side, piece: &[u8], mut each: impl FnMut(String)) {
    let sign = if side == Side::Read { '<' } else { '>' };
    if piece.is_empty() {
        return each(format!("{pid} {sign} [EOF]"));
    }
    for line in piece.split_inclusive(|b| *b == b'\n') {
        let (text, end) = match line.strip_suffix(b"\n") {
            Some(text) => (text, ' '),
            None => (line, '+'),
        };
        let mut parts = text.chunks(LONGEST).peekable();
        if parts.peek().is_none() {
            each(format!("{pid} {sign}  "));
        }
        while let Some(part) = parts.next() {
            let end = if parts.peek().is_some() { '+' } else { end };
            let text: String = part.iter().map(|b| printable(*b)).collect();
            each(format!("{pid} {sign} {text}{end}"));
        }
    }
}

fn printable(byte: u8) -> char {
    if matches!(byte, b' '..=b'~') { byte.into() } else { '?' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(side: Side, piece: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        lines("17", side, piece, |line| all.push(line));
        all
    }

    #[test]
    fn lines_end_in_a_blank_a_plus_or_eof() {
        assert_eq!(record(Side::Read, b"EHLO x\r\nMAIL"), ["17 < EHLO x? ", "17 < MAIL+"]);
        assert_eq!(record(Side::Written, b"250 ok\n"), ["17 > 250 ok "]);
        assert_eq!(record(Side::Written, b""), ["17 > [EOF]"]);
        assert_eq!(record(Side::Read, b"\n\n"), ["17 <  ", "17 <  "]);
    }

    #[test]
    fn nothing_foreign_makes_a_line_of_its_own_or_a_long_one() {
        let record = record(Side::Read, &[&[b'x'; 2000][..], b"\x1b[2J\0\xff\n"].concat());
        assert_eq!(record.len(), 2);
        assert!(record[0].ends_with("x+") && record[1].ends_with("x?[2J?? "));
        assert!(record.iter().all(|line| line.len() < 1100));
    }
}
