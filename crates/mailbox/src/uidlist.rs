//! The list of UIDs: which message has which, for as long as the mailbox lives. Octets to values and back.
//!
//! The file `fulmar-uidlist` is in the format of dovecot-uidlist, version 3: a head and a line for each message,
//! `uid fields :base`. A field is a letter and its value: `C`, a checksum of the line, so that one which was
//! damaged never gives a UID to another message; `G`, what the EMAILID is made of, where it is not the base.
//! Lines are appended without a sync. So that all the same no UID is ever given twice, `N` in the head is
//! not the next UID but one that no message has reached yet, and synced before any comes near it. The exact next
//! UID is in the index, which may be believed only while the machine has not been started anew; whoever has no
//! such index goes on at `N`.
//!
//! The lists of Dovecot (versions 1 and 3) and of Courier (as version 1) are read as well.

use imap::Uid;

use crate::state::fingerprint;

/// A number as high as this is nonsense: after it there would be none left before long.
const HIGHEST: u32 = u32::MAX - (1 << 24);

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: u32,
    /// All UIDs that were given are below this.
    pub next: Uid,
    /// The mailbox's id, 32 hexadecimal digits; empty when the list has none.
    pub id: String,
    /// By ascending UID; a base only once.
    pub lines: Vec<Line>,
    /// Lines that could not be read.
    pub damaged: usize,
}

/// A message in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its UID.
    pub uid: Uid,
    /// What its EMAILID is made of.
    pub email: u64,
    /// Its file's name without flags.
    pub base: Vec<u8>,
}

impl List {
    /// Reads our own. `None`: the head is damaged.
    pub fn read(text: &[u8]) -> Option<List> {
        let mut lines = text.split(|octet| *octet == b'\n');
        let head = std::str::from_utf8(lines.next()?).ok()?;
        let (fields, check) = head.rsplit_once(" C")?;
        if u32::from_str_radix(check, 16).ok()? != crc32fast::hash(fields.as_bytes()) {
            return None;
        }
        let mut list = List::head(fields)?;
        for line in lines.filter(|line| !line.is_empty()) {
            match own_line(line) {
                Some(line) => list.lines.push(line),
                None => list.damaged += 1,
            }
        }
        list.put_in_order();
        Some(list)
    }

    /// The UIDVALIDITY that a damaged head seems to have had, unless it is so great that there are few above it.
    pub fn likely_uid_validity(text: &[u8]) -> Option<u32> {
        let digits = text.strip_prefix(b"3 V")?.iter().take_while(|octet| octet.is_ascii_digit());
        let value = digits.take(11).fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        u32::try_from(value).ok().filter(|value| *value < HIGHEST)
    }

    /// Reads the list of another program. `None`: it is none.
    pub fn read_foreign(text: &[u8]) -> Option<List> {
        let mut lines = text.split(|octet| *octet == b'\n');
        let head = std::str::from_utf8(lines.next()?).ok()?;
        let mut list = match head.strip_prefix("1 ") {
            Some(numbers) => {
                let (validity, next) = numbers.trim().split_once(' ')?;
                List {
                    uid_validity: validity.parse().ok()?,
                    next: next.trim().parse().ok()?,
                    ..List::default()
                }
            }
            None => List::head(head)?,
        };
        let first = head.starts_with("1 ");
        for line in lines.filter(|line| !line.is_empty()) {
            match foreign_line(line, first) {
                Some(line) => list.lines.push(line),
                None => list.damaged += 1,
            }
        }
        list.put_in_order();
        (list.uid_validity > 0 && list.uid_validity < HIGHEST && list.next < HIGHEST).then_some(list)
    }

    fn head(head: &str) -> Option<List> {
        let mut list = List::default();
        for field in head.strip_prefix("3 ")?.split(' ') {
            match field.split_at_checked(1) {
                Some(("V", value)) => list.uid_validity = value.parse().ok()?,
                Some(("N", value)) => list.next = value.parse().ok()?,
                Some(("G", value)) if is_id(value) => value.clone_into(&mut list.id),
                _ => {}
            }
        }
        (list.uid_validity > 0 && list.next > 0).then_some(list)
    }

    /// Of two lines with one UID the last one counts, and so of two with one base.
    fn put_in_order(&mut self) {
        self.lines.reverse();
        self.lines.sort_by_key(|line| line.uid);
        self.lines.dedup_by_key(|line| line.uid);
        let mut by_base: Vec<u32> = (0..self.lines.len() as u32).collect();
        let base = |at: &u32| &self.lines[*at as usize].base;
        by_base.sort_by(|a, b| base(a).cmp(base(b)).then(b.cmp(a)));
        let twice: Vec<u32> =
            by_base.windows(2).filter(|two| base(&two[0]) == base(&two[1])).map(|two| two[1]).collect();
        twice.iter().for_each(|at| self.lines[*at as usize].base.clear());
        self.lines.retain(|line| !line.base.is_empty());
        let above = self.lines.last().map_or(1, |last| last.uid.saturating_add(1));
        self.next = self.next.max(above);
    }

    /// The whole file.
    pub fn write(&self) -> Vec<u8> {
        let mut text = self.write_head().into_bytes();
        self.lines.iter().for_each(|line| write_line(&mut text, line.uid, line.email, &line.base));
        text
    }

    /// The first line of the file.
    pub fn write_head(&self) -> String {
        let head = format!("3 V{} N{} G{}", self.uid_validity, self.next, self.id);
        format!("{head} C{:08x}\n", crc32fast::hash(head.as_bytes()))
    }
}

fn is_id(value: &str) -> bool {
    value.len() == 32 && value.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Adds a line to `text`.
pub(crate) fn write_line(text: &mut Vec<u8>, uid: Uid, email: u64, base: &[u8]) {
    put_decimal(text, uid);
    text.extend_from_slice(b" C");
    put_hex(text, line_check(uid, email, base).into(), 8);
    if email != fingerprint(base) {
        text.extend_from_slice(b" G");
        put_hex(text, email, 16);
    }
    text.extend_from_slice(b" :");
    text.extend_from_slice(base);
    text.push(b'\n');
}

fn put_decimal(text: &mut Vec<u8>, number: u32) {
    let start = text.len();
    let mut rest = number;
    while rest >= 10 || text.len() == start {
        text.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if rest > 0 {
        text.push(b'0' + rest as u8);
    }
    text[start..].reverse();
}

fn put_hex(text: &mut Vec<u8>, number: u64, digits: u32) {
    text.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(number >> (4 * digit) & 15) as usize]));
}

fn line_check(uid: Uid, email: u64, base: &[u8]) -> u32 {
    let mut check = crc32fast::Hasher::new();
    check.update(&uid.to_le_bytes());
    check.update(&email.to_le_bytes());
    check.update(base);
    check.finalize()
}

fn own_line(line: &[u8]) -> Option<Line> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let base = &line[colon + 1..];
    let mut fields = std::str::from_utf8(&line[..colon]).ok()?.split_ascii_whitespace();
    let uid = fields.next()?.parse().ok().filter(|uid| *uid > 0)?;
    let check = u32::from_str_radix(fields.next()?.strip_prefix('C')?, 16).ok()?;
    let email = match fields.next() {
        Some(field) => u64::from_str_radix(field.strip_prefix('G')?, 16).ok()?,
        None => fingerprint(base),
    };
    let sound = !base.is_empty() && check == line_check(uid, email, base);
    sound.then(|| Line { uid, email, base: base.to_vec() })
}

fn foreign_line(line: &[u8], first_version: bool) -> Option<Line> {
    let blank = line.iter().position(|octet| *octet == b' ')?;
    let uid = std::str::from_utf8(&line[..blank]).ok()?.parse().ok().filter(|uid| *uid > 0)?;
    let rest = &line[blank + 1..];
    let (fields, name) = match first_version {
        true => (&b""[..], rest),
        false => {
            let colon = rest.iter().position(|octet| *octet == b':')?;
            (&rest[..colon], &rest[colon + 1..])
        }
    };
    let base = maildir::Name::read(name).base;
    let id = fields.split(|octet| *octet == b' ').find_map(|field| field.strip_prefix(b"G"));
    let email = fingerprint(id.unwrap_or(base));
    (!base.is_empty()).then(|| Line { uid, email, base: base.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(uid: Uid, base: &str) -> Line {
        Line { uid, email: fingerprint(base.as_bytes()), base: base.into() }
    }

    #[test]
    fn a_list_is_read_as_it_was_written_and_a_damaged_line_gives_no_uid_to_anybody() {
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        let lines = vec![line(1, "a,S=1"), Line { email: 5, ..line(3, "b :x") }, line(9, "c")];
        let list = List { uid_validity: 77, next: 10_010, id, lines, damaged: 0 };
        let text = list.write();
        assert_eq!(List::read(&text).unwrap(), list);
        for at in 0..text.len() {
            let mut bad = text.clone();
            bad[at] ^= 1;
            match List::read(&bad) {
                None => assert!(at < list.write_head().len()),
                Some(read) => {
                    assert!(read.lines.iter().all(|line| list.lines.contains(line)), "{at}");
                    assert_eq!((read.uid_validity, read.next), (77, 10_010));
                }
            }
        }
        for cut in 0..text.len() {
            let read = List::read(&text[..cut]);
            assert!(read.is_none_or(|read| read.lines.iter().all(|line| list.lines.contains(line))));
        }
    }

    #[test]
    fn numbers_are_written_as_ever() {
        for number in [0, 1, 9, 10, 11, 99, 100, 1_000_000, 1_000_001, u32::MAX] {
            let (mut decimal, mut hex) = (Vec::new(), Vec::new());
            put_decimal(&mut decimal, number);
            put_hex(&mut hex, number.into(), 8);
            assert_eq!(decimal, number.to_string().as_bytes());
            assert_eq!(hex, format!("{number:08x}").as_bytes());
        }
    }

    #[test]
    fn of_two_lines_for_one_message_the_later_counts_and_the_next_uid_is_above_all() {
        let lines = vec![line(5, "a"), line(7, "a"), line(6, "b"), line(6, "c")];
        let list = List { uid_validity: 1, next: 2, id: String::new(), lines, damaged: 0 };
        let read = List::read(&list.write()).unwrap();
        assert_eq!((read.lines, read.next), (vec![line(6, "c"), line(7, "a")], 8));
    }

    #[test]
    fn the_lists_of_dovecot_and_courier_are_understood() {
        let old = List::read_foreign(b"1 1173189136 20221\n13 a.b:2,S\n14 b\nx y\n").unwrap();
        assert_eq!((old.uid_validity, old.next, old.damaged), (1_173_189_136, 20_221, 1));
        assert_eq!(old.lines, [line(13, "a.b"), line(14, "b")]);
        let new =
            b"3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n25006 :a,S=3\n25017 W2481 Gxyz :b\n";
        let new = List::read_foreign(new).unwrap();
        assert_eq!((new.uid_validity, new.next, new.id.len()), (1_275_660_208, 25_022, 32));
        assert_eq!((&new.lines[0], new.lines[1].email), (&line(25_006, "a,S=3"), fingerprint(b"xyz")));
        for none in [
            &b""[..],
            b"1 5 4294967290\n",
            b"1 4294967295 5\n",
            b"1 5 5\n4294967294 a\n",
            b"1 0 5\n",
            b"2 V1 N2\n",
            b"3 V0 N0",
            b"\xff\xff",
            b"1 5",
        ] {
            assert_eq!(List::read_foreign(none), None);
        }
    }
}
