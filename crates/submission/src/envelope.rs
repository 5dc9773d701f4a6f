//! The envelope as qmail-queue takes it: `F` sender NUL, `T` recipient NUL ..., NUL.
//!
//! Checked while it streams through, so that a list of any length takes no memory.

/// Octets of the longest address, its letter and NUL not counted: qmail-queue's limit.
const ADDRESS_MAX: usize = 1003;

/// What is wrong with an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It does not have the form, or ends too early.
    Format,
    /// An address is too long.
    Long,
}

/// How far an envelope has been read.
#[derive(Debug, Default)]
pub struct Envelope {
    at: At,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Sender,
    Recipient,
    /// Inside an address, after so many octets of it.
    Address(usize),
    End,
}

impl Envelope {
    /// Stands before the `F`.
    pub fn new() -> Envelope {
        Envelope::default()
    }

    /// Reads on; gives how much belongs to the envelope, its last NUL not counted. What follows
    /// that is ignored, as qmail-queue does.
    pub fn feed(&mut self, piece: &[u8]) -> Result<usize, Cut> {
        for (place, byte) in piece.iter().enumerate() {
            self.at = match (self.at, byte) {
                (At::Sender, b'F') | (At::Recipient, b'T') => At::Address(0),
                (At::Recipient, 0) => At::End,
                (At::Sender | At::Recipient, _) => return Err(Cut::Format),
                (At::Address(_), 0) => At::Recipient,
                (At::Address(ADDRESS_MAX), _) => return Err(Cut::Long),
                (At::Address(length), _) => At::Address(length + 1),
                (At::End, _) => At::End,
            };
            if self.at == At::End {
                return Ok(place);
            }
        }
        Ok(piece.len())
    }

    /// No more comes: was it all there?
    pub fn end(&self) -> Result<(), Cut> {
        if self.at == At::End { Ok(()) } else { Err(Cut::Format) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<u8>, Cut> {
        let (mut envelope, mut kept) = (Envelope::new(), Vec::new());
        for piece in pieces {
            let used = envelope.feed(piece)?;
            kept.extend_from_slice(&piece[..used]);
        }
        envelope.end().map(|()| kept)
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        for input in [&b"Fa@b\0Tc@d\0T\0\0rest"[..], b"F\0\0", b"Fa\0Tb\0", b"Ta\0\0", b"Fa\0Fb\0\0", b""] {
            let whole = read(&[input]);
            for cut in 0..=input.len() {
                assert_eq!(read(&[&input[..cut], &input[cut..]]), whole);
            }
        }
        assert_eq!(read(&[b"Fa@b\0Tc@d\0\0rest"]).unwrap(), b"Fa@b\0Tc@d\0");
        assert_eq!(read(&[b"Fa@b\0Tc@d\0"]), Err(Cut::Format));
    }

    #[test]
    fn an_address_at_the_limit_passes_and_one_over_it_does_not() {
        for (length, fine) in [(1003, true), (1004, false)] {
            let input = [b"F", &vec![b'x'; length][..], b"\0\0"].concat();
            assert_eq!(read(&[&input]).is_ok(), fine);
        }
    }
}
