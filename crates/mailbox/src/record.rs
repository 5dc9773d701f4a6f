//! What the index file is made of: records in frames. Octets to values and back; no file is touched.
//!
//! A frame is `length, CRC, facts, records, length`: the length at its end lets a reader of STATUS find the last
//! frame, whose facts hold all that STATUS tells. All numbers are little endian.

/// When a folder was last changed: seconds and nanoseconds of its mtime or ctime, whichever is later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
}

/// What is true of the mailbox after a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Of the last change that a client can see.
    pub(crate) modseq: u64,
    pub(crate) messages: u32,
    pub(crate) unseen: u32,
    pub(crate) deleted: u32,
    pub(crate) recent: u32,
    /// The number of the first message that is unseen; 0: there is none.
    pub(crate) first_unseen: u32,
    /// Keywords that have names.
    pub(crate) keywords: u32,
    /// The next message's UID.
    pub(crate) next: u32,
    /// Messages from this UID on have been recent to no session yet.
    pub(crate) seen: u32,
    /// All UIDs that were ever given are below; the list of UIDs promises so, synced.
    pub(crate) ceiling: u32,
    /// Octets of the list of UIDs.
    pub(crate) list: u64,
    /// Fingerprint of the boot in which `next` was written.
    pub(crate) boot: u64,
    /// Of what is below, the expunged are not known any more.
    pub(crate) floor: u64,
    /// Which cache the pointers lead into.
    pub(crate) cache: u64,
    /// What of the two folders is in here for certain.
    pub(crate) cur: Stamp,
    pub(crate) new: Stamp,
}

/// A change, or a part of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    New(New<'a>),
    /// What follows the base in the file's name.
    Tail {
        uid: u32,
        tail: &'a [u8],
    },
    /// Keywords that have no letter.
    Keywords {
        uid: u32,
        keywords: u64,
    },
    /// The next keyword's name.
    Keyword(&'a [u8]),
    /// All messages of these UIDs are gone.
    Gone {
        first: u32,
        last: u32,
        modseq: u64,
    },
    /// Where in the cache its record is.
    Kept {
        uid: u32,
        at: u64,
    },
    /// The file's mtime.
    Date {
        uid: u32,
        date: i64,
    },
}

/// A message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct New<'a> {
    pub(crate) uid: u32,
    pub(crate) modseq: u64,
    pub(crate) saved: i64,
    pub(crate) date: Option<i64>,
    /// 0: nothing is kept.
    pub(crate) kept: u64,
    pub(crate) email: u64,
    pub(crate) keywords: u64,
    pub(crate) base: &'a [u8],
    pub(crate) tail: &'a [u8],
}

/// Octets of [`Facts`] in a frame.
const FACTS: usize = 8 + 9 * 4 + 4 * 8 + 2 * 12;
/// Octets of a frame beside its body.
pub(crate) const AROUND: usize = 12;

impl Facts {
    fn put(&self, to: &mut Vec<u8>) {
        to.extend(self.modseq.to_le_bytes());
        let counts =
            [self.messages, self.unseen, self.deleted, self.recent, self.first_unseen, self.keywords];
        for number in counts.into_iter().chain([self.next, self.seen, self.ceiling]) {
            to.extend(number.to_le_bytes());
        }
        for number in [self.list, self.boot, self.floor, self.cache] {
            to.extend(number.to_le_bytes());
        }
        for stamp in [self.cur, self.new] {
            to.extend(stamp.seconds.to_le_bytes());
            to.extend(stamp.nanos.to_le_bytes());
        }
    }

    fn take(from: &mut Octets<'_>) -> Option<Facts> {
        Some(Facts {
            modseq: from.u64()?,
            messages: from.u32()?,
            unseen: from.u32()?,
            deleted: from.u32()?,
            recent: from.u32()?,
            first_unseen: from.u32()?,
            keywords: from.u32()?,
            next: from.u32()?,
            seen: from.u32()?,
            ceiling: from.u32()?,
            list: from.u64()?,
            boot: from.u64()?,
            floor: from.u64()?,
            cache: from.u64()?,
            cur: Stamp { seconds: from.i64()?, nanos: from.u32()? },
            new: Stamp { seconds: from.i64()?, nanos: from.u32()? },
        })
    }
}

impl Record<'_> {
    /// Adds it to a frame's records.
    pub(crate) fn put(&self, to: &mut Vec<u8>) {
        match self {
            Record::New(new) => new.put(to),
            Record::Tail { uid, tail } => {
                head(to, 2, *uid);
                short(to, tail);
            }
            Record::Keywords { uid, keywords } => {
                head(to, 3, *uid);
                to.extend(keywords.to_le_bytes());
            }
            Record::Keyword(name) => {
                to.push(4);
                short(to, name);
            }
            Record::Gone { first, last, modseq } => {
                head(to, 5, *first);
                to.extend(last.to_le_bytes());
                to.extend(modseq.to_le_bytes());
            }
            Record::Kept { uid, at } => {
                head(to, 6, *uid);
                to.extend(at.to_le_bytes());
            }
            Record::Date { uid, date } => {
                head(to, 7, *uid);
                to.extend(date.to_le_bytes());
            }
        }
    }
}

impl New<'_> {
    fn put(&self, to: &mut Vec<u8>) {
        head(to, 1, self.uid);
        to.extend(self.modseq.to_le_bytes());
        to.extend(self.saved.to_le_bytes());
        to.extend(self.date.unwrap_or(i64::MIN).to_le_bytes());
        for number in [self.kept, self.email, self.keywords] {
            to.extend(number.to_le_bytes());
        }
        short(to, self.base);
        short(to, self.tail);
    }
}

fn head(to: &mut Vec<u8>, kind: u8, uid: u32) {
    to.push(kind);
    to.extend(uid.to_le_bytes());
}

/// File names have at most 255 octets.
fn short(to: &mut Vec<u8>, octets: &[u8]) {
    let octets = &octets[..octets.len().min(255)];
    to.push(octets.len() as u8);
    to.extend(octets);
}

/// Octets that are being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn short(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.take(length.into())
    }

    /// The next record; `None`: these octets are no record.
    pub(crate) fn record(&mut self) -> Option<Record<'a>> {
        let [kind] = self.array()?;
        Some(match kind {
            1 => Record::New(self.new_message()?),
            2 => Record::Tail { uid: self.u32()?, tail: self.short()? },
            3 => Record::Keywords { uid: self.u32()?, keywords: self.u64()? },
            4 => Record::Keyword(self.short()?),
            5 => Record::Gone { first: self.u32()?, last: self.u32()?, modseq: self.u64()? },
            6 => Record::Kept { uid: self.u32()?, at: self.u64()? },
            7 => Record::Date { uid: self.u32()?, date: self.i64()? },
            _ => return None,
        })
    }

    fn new_message(&mut self) -> Option<New<'a>> {
        Some(New {
            uid: self.u32()?,
            modseq: self.u64()?,
            saved: self.i64()?,
            date: Some(self.i64()?).filter(|date| *date != i64::MIN),
            kept: self.u64()?,
            email: self.u64()?,
            keywords: self.u64()?,
            base: self.short()?,
            tail: self.short()?,
        })
    }
}

/// Writes a frame.
pub(crate) fn frame(facts: &Facts, records: &[u8]) -> Vec<u8> {
    let length = (FACTS + records.len()) as u32;
    let mut frame = Vec::with_capacity(records.len() + FACTS + AROUND);
    frame.extend(length.to_le_bytes());
    frame.extend([0; 4]);
    facts.put(&mut frame);
    frame.extend(records);
    let crc = crc32fast::hash(&frame[8..]);
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    frame.extend(length.to_le_bytes());
    frame
}

/// A frame at the beginning of some octets.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    /// Facts, records, and the octets it has in all.
    Whole(Facts, Octets<'a>, usize),
    /// It goes on beyond these octets: so many are needed, at least.
    Short(usize),
    /// This is none.
    Damaged,
}

/// The frame that begins `octets`.
pub(crate) fn read_frame(octets: &[u8]) -> Frame<'_> {
    let mut head = Octets(octets);
    let (Some(length), Some(crc)) = (head.u32(), head.u32()) else { return Frame::Short(AROUND + FACTS) };
    let whole = length as usize + AROUND;
    if (length as usize) < FACTS {
        return Frame::Damaged;
    }
    let (Some(body), Some(again)) = (head.take(length as usize), head.u32()) else {
        return Frame::Short(whole);
    };
    let mut records = Octets(body);
    match Facts::take(&mut records) {
        Some(facts) if again == length && crc32fast::hash(body) == crc => Frame::Whole(facts, records, whole),
        _ => Frame::Damaged,
    }
}

/// The octets of the frame that ends `octets`, by the length at its end.
pub(crate) fn last_frame(octets: &[u8]) -> Option<&[u8]> {
    let length = Octets(octets.get(octets.len().checked_sub(4)?..)?).u32()?;
    octets.get(octets.len().checked_sub(length as usize + AROUND)?..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_no_other_octet_will_do() {
        let new = New {
            uid: 7,
            modseq: 9,
            saved: -1,
            date: Some(5),
            kept: 1,
            email: 2,
            keywords: 3,
            base: b"b",
            tail: b":2,S",
        };
        let records = [
            Record::New(new),
            Record::New(New { date: None, ..new }),
            Record::Tail { uid: 7, tail: b":2," },
            Record::Keywords { uid: 7, keywords: u64::MAX },
            Record::Keyword(b"$Junk"),
            Record::Gone { first: 1, last: 6, modseq: 8 },
            Record::Kept { uid: 7, at: 88 },
            Record::Date { uid: 7, date: i64::MAX },
        ];
        let mut octets = Vec::new();
        records.iter().for_each(|record| record.put(&mut octets));
        let facts = Facts { modseq: 9, next: 8, cur: Stamp { seconds: -1, nanos: 5 }, ..Facts::default() };
        let mut written = frame(&facts, &octets);
        let Frame::Whole(read, mut rest, whole) = read_frame(&written) else { panic!() };
        assert_eq!((read, whole), (facts, written.len()));
        let mut again = Vec::new();
        while !rest.0.is_empty() {
            again.push(rest.record().unwrap());
        }
        assert_eq!(again, records);
        assert_eq!(last_frame(&[b"xx", &written[..]].concat()), Some(&written[..]));
        for cut in 0..written.len() {
            assert!(matches!(read_frame(&written[..cut]), Frame::Short(needed) if needed > cut));
        }
        for at in 4..written.len() {
            written[at] ^= 4;
            assert!(matches!(read_frame(&written), Frame::Damaged), "{at}");
            written[at] ^= 4;
        }
    }
}
