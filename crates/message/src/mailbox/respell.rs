//! A list with some of its addresses spelled anew: names, comments and folding stay as they are.

use super::Mailbox;

/// A line that has come so far is folded before the next address that changes. RFC 5322 §2.1.1.
const LONG: usize = 900;

/// `text` with `spell`'s word in place of every address of `list` for which it has one, and with the
/// commas that were missing.
pub fn respell(text: &[u8], list: &[Mailbox], mut spell: impl FnMut(&Mailbox) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut new = New { bytes: Vec::with_capacity(text.len() + 16), line: 0, changed: false };
    let mut at = 0;
    for mailbox in list {
        let before = &text[at..mailbox.start];
        if mailbox.no_comma {
            let end = before.trim_ascii_end().len();
            new.put(&before[..end]);
            new.put(b",");
            new.put(if end == before.len() { b" " } else { &before[end..] });
            new.changed = true;
        } else {
            new.put(before);
        }
        let spelled = spell(mailbox);
        new.changed |= spelled.is_some();
        if new.changed && new.line > LONG {
            new.put(b"\n ");
        }
        new.put(&text[mailbox.start..mailbox.place.start]);
        match spelled {
            Some(word) => new.put(&word),
            None => new.put(&text[mailbox.place.clone()]),
        }
        at = mailbox.place.end;
    }
    new.put(&text[at..]);
    new.bytes
}

struct New {
    bytes: Vec<u8>,
    /// Octets of the line so far.
    line: usize,
    changed: bool,
}

impl New {
    fn put(&mut self, piece: &[u8]) {
        self.line = match piece.iter().rposition(|b| *b == b'\n') {
            Some(end) => piece.len() - end - 1,
            None => self.line + piece.len(),
        };
        self.bytes.extend_from_slice(piece);
    }
}
