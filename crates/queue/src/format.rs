//! What a message's file holds, octet by octet.
//!
//! First the message, then the envelope, then the end record. The envelope is records, each a letter,
//! a text and a NUL: `V1` (version), `A`(arrival, µs since 1970), `U`(uid of who handed it in),
//! `P`(its process id), perhaps `L`(what it calls the message in its log), perhaps `R`(it may leave by TLS only),
//! `F`(sender), then for
//! each recipient `T`(to do) or `D`(done). The end record is [`END`] octets, numbers little-endian:
//! magic, length of message, length of envelope, CRC-32 of message, CRC-32 of the envelope with each
//! `D` read as `T`. Nothing but `T` to `D` is ever changed.

use crate::Trouble;

/// Octets of the end record.
pub const END: usize = 32;
/// Longest record without its NUL; what is longer was not written by us.
pub const RECORD_MAX: usize = 1 + crate::ADDRESS_MAX;
const MAGIC: [u8; 8] = *b"fulmarQ1";

/// The end record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Octets of the message.
    pub message: u64,
    /// Octets of the envelope.
    pub envelope: u64,
    /// Check sum of the message.
    pub message_sum: u32,
    /// Check sum of the envelope as it was written first.
    pub envelope_sum: u32,
}

impl End {
    /// As it stands in the file.
    pub fn to_bytes(self) -> [u8; END] {
        let mut bytes = [0; END];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.message.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.envelope.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.message_sum.to_le_bytes());
        bytes[28..].copy_from_slice(&self.envelope_sum.to_le_bytes());
        bytes
    }

    /// Reads the last [`END`] octets of a file of `size` octets.
    pub fn parse(bytes: &[u8], size: u64) -> Result<End, Trouble> {
        let Some((magic, rest)) = bytes.split_first_chunk::<8>().filter(|_| bytes.len() == END) else {
            return Err(Trouble::Damaged("no end record"));
        };
        let number = |at: usize| u64::from_le_bytes(rest[at..at + 8].try_into().unwrap_or_default());
        let sum = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap_or_default());
        let end =
            End { message: number(0), envelope: number(8), message_sum: sum(16), envelope_sum: sum(20) };
        let length = end.message.checked_add(end.envelope).and_then(|length| length.checked_add(END as u64));
        match (*magic == MAGIC, length == Some(size)) {
            (false, _) => Err(Trouble::Damaged("no end record")),
            (true, false) => Err(Trouble::Damaged("lengths do not agree")),
            (true, true) => Ok(end),
        }
    }
}

/// The envelope but for its recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Arrival, in µs since 1970.
    pub arrival: u64,
    /// User id of who handed it in.
    pub uid: u32,
    /// Process id of who handed it in.
    pub pid: u32,
    /// What the one who handed it in calls it in its log; may be empty.
    pub token: Vec<u8>,
    /// It may leave this host by TLS only (RFC 8689).
    pub requiretls: bool,
    /// Envelope sender; may be empty.
    pub sender: Vec<u8>,
}

impl Head {
    /// The records up to and with the sender.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("V1\0A{}\0U{}\0P{}\0", self.arrival, self.uid, self.pid).into_bytes();
        if !self.token.is_empty() {
            record(&mut bytes, b'L', &self.token);
        }
        if self.requiretls {
            record(&mut bytes, b'R', b"");
        }
        record(&mut bytes, b'F', &self.sender);
        bytes
    }
}

/// Appends a record. NULs in `text`, which can't be, would end it.
pub fn record(bytes: &mut Vec<u8>, letter: u8, text: &[u8]) {
    bytes.push(letter);
    bytes.extend(text.iter().take(RECORD_MAX - 1).filter(|b| **b != 0));
    bytes.push(0);
}

/// Reads a [`Head`] record by record.
#[derive(Debug, Default)]
pub struct HeadReader {
    head: Head,
    next: usize,
}

impl HeadReader {
    /// Takes the next record, without its NUL. The head, once the sender has come.
    pub fn take(&mut self, record: &[u8]) -> Result<Option<Head>, Trouble> {
        const ORDER: &[u8] = b"VAUPLRF";
        let Some((letter, text)) = record.split_first() else { return Err(DAMAGED) };
        // Two of them need not be there.
        while matches!(ORDER.get(self.next), Some(b'L' | b'R')) && ORDER.get(self.next) != Some(letter) {
            self.next += 1;
        }
        if ORDER.get(self.next) != Some(letter) {
            return Err(DAMAGED);
        }
        self.next += 1;
        match letter {
            b'V' if text == b"1" => {}
            b'V' => return Err(Trouble::Damaged("of another version")),
            b'A' => self.head.arrival = number(text)?,
            b'U' => self.head.uid = number(text)?,
            b'P' => self.head.pid = number(text)?,
            b'L' => self.head.token = text.to_vec(),
            b'R' if text.is_empty() => self.head.requiretls = true,
            b'R' => return Err(DAMAGED),
            _ => {
                self.head.sender = text.to_vec();
                return Ok(Some(std::mem::take(&mut self.head)));
            }
        }
        Ok(None)
    }
}

const DAMAGED: Trouble = Trouble::Damaged("envelope garbled");

fn number<T: std::str::FromStr>(text: &[u8]) -> Result<T, Trouble> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok()).ok_or(DAMAGED)
}
