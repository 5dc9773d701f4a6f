//! The envelope as it is handed in: `F`sender NUL, then `T`recipient NUL for each, then perhaps
//! one more NUL. qmail-queue's form; may come in pieces cut anywhere.

/// Longest envelope address, in octets, as in qmail-queue.
pub const ADDRESS_MAX: usize = 1003;

/// One address of an envelope.
#[derive(Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The sender; comes first, once.
    Sender(&'a [u8]),
    /// A recipient.
    Recipient(&'a [u8]),
}

/// Why an envelope can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// An address is longer than [`ADDRESS_MAX`].
    TooLong,
    /// It is not of the form.
    Malformed,
}

/// Reads an envelope in pieces, holding no more than one address.
#[derive(Debug, Default)]
pub struct Intake {
    part: Vec<u8>,
    begun: bool,
    over: bool,
}

impl Intake {
    /// Stands before the sender.
    pub fn new() -> Intake {
        Intake::default()
    }

    /// Eats `input`; `each` gets the addresses as they become complete, and may refuse to go on.
    pub fn feed<E: From<Bad>>(
        &mut self,
        mut input: &[u8],
        mut each: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = input.iter().position(|b| *b == 0) {
            self.keep(&input[..end])?;
            input = &input[end + 1..];
            self.complete(&mut each)?;
            self.part.clear();
        }
        self.keep(input).map_err(E::from)
    }

    /// The end has come. An error when an address is not complete or the sender is missing.
    pub fn end(&self) -> Result<(), Bad> {
        if self.begun && self.part.is_empty() { Ok(()) } else { Err(Bad::Malformed) }
    }

    /// The closing NUL has come: nothing may follow.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), Bad> {
        if self.over && !piece.is_empty() {
            return Err(Bad::Malformed);
        }
        if self.part.len() + piece.len() > 1 + ADDRESS_MAX {
            return Err(Bad::TooLong);
        }
        self.part.extend_from_slice(piece);
        Ok(())
    }

    fn complete<E: From<Bad>>(
        &mut self,
        each: &mut impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        match (self.part.split_first(), self.begun) {
            _ if self.over => Err(Bad::Malformed.into()),
            (Some((b'F', sender)), false) => {
                self.begun = true;
                each(Record::Sender(sender))
            }
            (Some((b'T', recipient)), true) => each(Record::Recipient(recipient)),
            (None, true) => {
                self.over = true;
                Ok(())
            }
            _ => Err(Bad::Malformed.into()),
        }
    }
}
