//! Values that several commands share: mailboxes, sets, flags, dates.

use super::scan::{Scan, is_atom, utf8};
use super::{FaultKind, Parsed, bad};
use crate::flags::{FlagWord, Flags};
use crate::sequence::Set;
use crate::utf7::decode_mailbox;

/// Octets of a mailbox name, as it was sent.
const MOST_NAME: usize = 2000;
/// Ranges of one set.
const MOST_RANGES: usize = 20_000;
/// Flags of one list.
const MOST_FLAGS: usize = 256;
/// Octets of a keyword.
const MOST_KEYWORD: usize = 128;

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

impl<'a> Scan<'a> {
    /// `mailbox`. The inbox in any case is `INBOX`.
    pub(super) fn mailbox(&mut self) -> Parsed<String> {
        let octets = self.astring()?;
        let name = self.mailbox_name(&octets)?;
        Ok(if name.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { name })
    }

    /// `list-mailbox`: a name with wildcards.
    pub(super) fn pattern(&mut self) -> Parsed<String> {
        let octets = self.string_or(|octet| is_atom(octet) || b"]%*".contains(&octet))?;
        self.mailbox_name(&octets)
    }

    fn mailbox_name(&self, octets: &[u8]) -> Parsed<String> {
        if octets.len() > MOST_NAME {
            return Err((FaultKind::Cannot, "A mailbox name is too long"));
        }
        let text = utf8(octets)?;
        if self.utf8 {
            return Ok(text);
        }
        decode_mailbox(&text).ok_or(bad("A mailbox name is not in modified UTF-7"))
    }

    /// `sequence-set`.
    pub(super) fn set(&mut self) -> Parsed<Set> {
        if self.eat(b'$') {
            return Ok(Set::Saved);
        }
        let mut ranges = Vec::new();
        loop {
            if ranges.len() == MOST_RANGES {
                return Err((FaultKind::Limit, "A set has too many ranges"));
            }
            let one = self.seq_number()?;
            let other = if self.eat(b':') { self.seq_number()? } else { one };
            ranges.push((one, other));
            if !self.eat(b',') {
                return Ok(Set::Ranges(ranges));
            }
        }
    }

    /// `seq-number`: `None` is `*`.
    fn seq_number(&mut self) -> Parsed<Option<u32>> {
        if self.eat(b'*') { Ok(None) } else { self.nz_number().map(Some) }
    }

    /// A set without `*` and `$`.
    pub(super) fn known_set(&mut self) -> Parsed<Set> {
        let set = self.set()?;
        let known = match &set {
            Set::Saved => false,
            Set::Ranges(ranges) => ranges.iter().all(|(one, other)| one.is_some() && other.is_some()),
        };
        if known { Ok(set) } else { Err(bad("This set must name its numbers")) }
    }

    /// PARTIAL's range: both ends from the first, or both from the last. RFC 9394.
    pub(super) fn range(&mut self) -> Parsed<(i64, i64)> {
        let from_end = self.eat(b'-');
        let first = i64::from(self.nz_number()?);
        self.expect(b':', "A range was expected")?;
        if self.eat(b'-') != from_end {
            return Err(bad("Both ends of a range are counted from the same end"));
        }
        let last = i64::from(self.nz_number()?);
        Ok(if from_end { (-first, -last) } else { (first, last) })
    }

    /// `flag-list`.
    pub(super) fn flags(&mut self) -> Parsed<Vec<FlagWord>> {
        let mut count = 0;
        self.list(true, |scan| scan.counted_flag(&mut count))
    }

    pub(super) fn counted_flag(&mut self, count: &mut usize) -> Parsed<FlagWord> {
        *count += 1;
        if *count > MOST_FLAGS {
            return Err((FaultKind::Limit, "Too many flags"));
        }
        self.flag()
    }

    /// `flag`: but `\Recent`, which clients can't set, and system flags that nobody knows.
    fn flag(&mut self) -> Parsed<FlagWord> {
        if !self.eat(b'\\') {
            return self.keyword();
        }
        let name = self.atom()?;
        let known = Flags::NAMES.iter().find(|(_, known)| known[1..].eq_ignore_ascii_case(name));
        known.map(|(flag, _)| FlagWord::System(*flag)).ok_or(bad("There is no such system flag"))
    }

    /// `flag-keyword`.
    pub(super) fn keyword(&mut self) -> Parsed<FlagWord> {
        let name = self.atom()?;
        if name.len() > MOST_KEYWORD {
            return Err((FaultKind::Limit, "A keyword is too long"));
        }
        Ok(FlagWord::Keyword(name.to_owned()))
    }

    /// `date`: days since 1970.
    pub(super) fn date(&mut self) -> Parsed<i64> {
        let quoted = self.eat(b'"');
        let day = self.day_month_year()?;
        if quoted {
            self.expect(b'"', "A date has no closing quotation mark")?;
        }
        Ok(day)
    }

    /// `date-time`: seconds since 1970.
    pub(super) fn date_time(&mut self) -> Parsed<i64> {
        self.expect(b'"', "A date was expected")?;
        self.eat(b' ');
        let day = self.day_month_year()?;
        self.blank()?;
        let hour = self.digits(2, 23)?;
        self.expect(b':', BAD_DATE)?;
        let minute = self.digits(2, 59)?;
        self.expect(b':', BAD_DATE)?;
        let second = self.digits(2, 60)?;
        self.blank()?;
        let west = self.eat(b'-');
        if !west {
            self.expect(b'+', BAD_DATE)?;
        }
        let zone = self.digits(2, 99)? * 3600 + self.digits(2, 59)? * 60;
        self.expect(b'"', BAD_DATE)?;
        let local = day * 86_400 + hour * 3600 + minute * 60 + second;
        Ok(if west { local + zone } else { local - zone })
    }

    fn day_month_year(&mut self) -> Parsed<i64> {
        let digits = self.rest().iter().take(2).take_while(|octet| octet.is_ascii_digit()).count();
        let day = self.digits(digits, 31)?;
        self.expect(b'-', BAD_DATE)?;
        let name = self.take_while(|octet| octet.is_ascii_alphabetic()).to_ascii_uppercase();
        let month = MONTHS.iter().position(|month| *month == name).ok_or(bad(BAD_DATE))?;
        self.expect(b'-', BAD_DATE)?;
        let year = self.digits(4, 9999)?;
        if day == 0 || day > length(month, year) {
            return Err(bad(BAD_DATE));
        }
        Ok(days(year, month, day))
    }

    fn digits(&mut self, count: usize, most: i64) -> Parsed<i64> {
        let mut value = 0;
        for _ in 0..count {
            let digit = self.peek().filter(u8::is_ascii_digit).ok_or(bad(BAD_DATE))?;
            self.eat(digit);
            value = value * 10 + i64::from(digit - b'0');
        }
        if count > 0 && value <= most { Ok(value) } else { Err(bad(BAD_DATE)) }
    }
}

const BAD_DATE: &str = "That is no date";

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month; January is 0.
fn length(month: usize, year: i64) -> i64 {
    match month {
        1 => 28 + i64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days since 1970, in the calendar that is used today.
fn days(year: i64, month: usize, day: i64) -> i64 {
    let before = year - 1;
    let years = 365 * before + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let months: i64 = (0..month).map(|month| length(month, year)).sum();
    years + months + day - 719_163
}
