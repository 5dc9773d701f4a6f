//! The date of a header: RFC 5322 §3.3 and §4.3, and what else is seen, such as `Sat Nov 21 08:00:00 2026`.

const DAY: i64 = 86_400;
const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// When something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Seconds since 1970-01-01 00:00 UTC.
    pub seconds: i64,
    /// The day as written, whatever its zone: days since 1970-01-01.
    pub local_day: i64,
}

/// Reads a date, its time and zone if they are there.
pub fn date(value: &[u8]) -> Option<Date> {
    let mut found = Found::default();
    let mut rest = value;
    let mut words = 0;
    while let Some(word) = next_word(&mut rest) {
        found.take(word);
        words += 1;
        if words == 12 || (found.zone.is_some() && found.year.is_some()) {
            break;
        }
    }
    found.date()
}

#[derive(Default)]
struct Found {
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
    time: Option<i64>,
    zone: Option<i64>,
}

impl Found {
    fn take(&mut self, word: &[u8]) {
        if let Some(time) = time(word) {
            self.time = self.time.or(Some(time));
        } else if let Some(zone) = offset(word) {
            self.zone = self.zone.or(Some(zone).filter(|_| self.time.is_some()));
        } else if let Some(number) = number(word) {
            self.number(number, word.len());
        } else if let Some(month) = month(word) {
            self.month = self.month.or(Some(month));
        } else if self.time.is_some() {
            self.zone = zone(word);
        }
    }

    fn number(&mut self, number: i64, digits: usize) {
        if self.day.is_none() && digits <= 2 {
            self.day = Some(number);
        } else if self.year.is_none() {
            self.year = match (digits, number) {
                (4, year) => Some(year),
                // RFC 5322 §4.3.
                (2, year) if year < 50 => Some(year + 2000),
                (2 | 3, year) => Some(year + 1900),
                _ => None,
            };
        }
    }

    fn date(&self) -> Option<Date> {
        let (day, month, year) = (self.day?, self.month?, self.year?);
        let good = (1..=month_length(year, month)).contains(&day) && (1..=9999).contains(&year);
        let local_day = good.then(|| days(year, month, day))?;
        let seconds = local_day * DAY + self.time.unwrap_or(0) - self.zone.unwrap_or(0);
        Some(Date { seconds, local_day })
    }
}

/// Words end at blanks, commas and comments; `21-Nov-2026` is three.
fn next_word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut depth = 0_usize;
    let start = rest.iter().position(|byte| {
        let parts = matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',');
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => return depth == 0 && !parts,
        }
        false
    })?;
    let text = &rest[start..];
    let ends = |(at, byte): (usize, &u8)| match byte {
        b' ' | b'\t' | b'\r' | b'\n' | b',' | b'(' => true,
        b'-' => at > 0 && text[0] != b'+' && text[0] != b'-',
        _ => false,
    };
    let end = text.iter().enumerate().position(ends).unwrap_or(text.len());
    let after = &text[end..];
    // The dash of a date is no sign of a zone: a letter or digit stands before it.
    *rest = if after.first() == Some(&b'-') { &after[1..] } else { after };
    Some(&text[..end])
}

fn number(word: &[u8]) -> Option<i64> {
    let digits = !word.is_empty() && word.len() <= 4 && word.iter().all(u8::is_ascii_digit);
    digits.then(|| word.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

fn month(word: &[u8]) -> Option<i64> {
    let three = word.first_chunk::<3>()?.to_ascii_lowercase();
    let at = MONTHS.iter().position(|month| three == **month)?;
    word.iter().all(u8::is_ascii_alphabetic).then_some(at as i64 + 1)
}

fn time(word: &[u8]) -> Option<i64> {
    let mut parts = word.split(|byte| matches!(byte, b':' | b'.'));
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    // 60: a leap second.
    let good = word.contains(&b':') && hour < 24 && minute < 60 && second <= 60;
    good.then_some(hour * 3600 + minute * 60 + second)
}

/// `+0100`, `-03:30`.
fn offset(word: &[u8]) -> Option<i64> {
    let (sign, digits) = match word.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        _ => return None,
    };
    let digits: Vec<u8> = digits.iter().copied().filter(|byte| *byte != b':').collect();
    let number = number(&digits).filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// RFC 5322 §4.3: the letters of the military mean nothing.
fn zone(word: &[u8]) -> Option<i64> {
    let hours = match word.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        b"BST" | b"CET" | b"MET" => 1,
        b"CEST" | b"MEST" | b"EET" => 2,
        b"JST" => 9,
        b"UT" | b"GMT" | b"UTC" | b"Z" => 0,
        _ => return None,
    };
    Some(hours * 3600)
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written_in_the_wild() {
        for (value, seconds) in [
            ("Sat, 21 Nov 2026 08:00:00 +0000", 1_795_248_000),
            ("Sat, 21 Nov 2026 09:00:00 +0100 (CET)", 1_795_248_000),
            ("21 Nov 2026 03:00 EST", 1_795_248_000),
            ("Sat Nov 21 08:00:00 2026", 1_795_248_000),
            ("Sat,21-Nov-26 08:00:00 GMT", 1_795_248_000),
            ("(a (b) c) 21 (x) nOVEMBER\n 2026 08:00:00 Z", 1_795_248_000),
            ("21 Nov 126 08:00:00 -0000", 1_795_248_000),
            ("Thu, 1 Jan 1970 00:00:00 GMT", 0),
            ("01 Mar 2100 00:00:00 +0000", 4_107_542_400),
            ("29 Feb 2000 00:00:00", 951_782_400),
            ("31 Dec 1969 20:30:00 -03:30", 0),
            ("Sat Nov 21 08:00:00 UTC 2026", 1_795_248_000),
        ] {
            assert_eq!(date(value.as_bytes()).map(|it| it.seconds), Some(seconds), "{value}");
        }
        let late = date(b"Fri, 20 Nov 2026 23:30:00 -0800").unwrap();
        assert_eq!((late.seconds, late.local_day), (1_795_246_200, 1_795_248_000 / DAY - 1));
    }

    #[test]
    fn what_is_no_date_gives_none() {
        for value in
            ["", "yesterday", "30 Feb 2000 00:00:00", "0 Jan 2000", "1 Foo 2000", "1 Jan", "Jan 2000", "((("]
        {
            assert_eq!(date(value.as_bytes()), None, "{value}");
        }
        assert_eq!(date("1 ".repeat(100_000).as_bytes()), None);
    }
}
