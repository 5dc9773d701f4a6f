//! Numbers, dates and flags as responses have them, put straight into a buffer: what is written a hundred thousand times
//! in one answer. RFC 9051 §9.

use crate::flags::Flags;
use crate::store::Message;

/// A number in decimal.
pub(crate) fn number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut place = digits.len();
    loop {
        place -= 1;
        digits[place] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[place..]);
}

/// A message's flags in their brackets: `(\Seen $Forwarded)`.
pub(crate) fn flags(out: &mut Vec<u8>, message: &Message, keywords: &[String], recent: bool) {
    let system = Flags::NAMES.iter().filter(|(flag, _)| message.flags.has(*flag)).map(|(_, name)| *name);
    let named = keywords.iter().take(64).enumerate();
    let named = named.filter(|(bit, _)| message.keywords >> bit & 1 == 1).map(|(_, name)| name.as_str());
    out.push(b'(');
    let from = out.len();
    for name in system.chain(named).chain(recent.then_some("\\Recent")) {
        if out.len() > from {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b')');
}

/// `MODSEQ (624140003)`
pub(crate) fn modseq(out: &mut Vec<u8>, modseq: u64) {
    out.extend_from_slice(b"MODSEQ (");
    number(out, modseq);
    out.push(b')');
}

/// What comes before the octets of a literal.
pub(crate) fn literal_head(out: &mut Vec<u8>, octets: u64) {
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A date and time in quotes, in UTC: `"17-Jul-1996 02:44:25 +0000"`.
pub(crate) fn date_time(out: &mut Vec<u8>, seconds: i64) {
    let seconds = seconds.clamp(MOST_PAST, MOST_FUTURE);
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400) as u64;
    out.push(b'"');
    out.push(if day < 10 { b' ' } else { b'0' + (day / 10) as u8 });
    out.push(b'0' + (day % 10) as u8);
    out.push(b'-');
    out.extend_from_slice(MONTHS[(month - 1) as usize % 12]);
    out.push(b'-');
    two(out, year / 100);
    two(out, year % 100);
    for (sign, count) in [(b' ', second / 3600), (b':', second / 60 % 60), (b':', second % 60)] {
        out.push(sign);
        two(out, count);
    }
    out.extend_from_slice(b" +0000\"");
}

/// The years 0 and 9999: four digits.
const MOST_PAST: i64 = -62_167_219_200;
const MOST_FUTURE: i64 = 253_402_300_799;

fn two(out: &mut Vec<u8>, count: u64) {
    out.push(b'0' + (count / 10 % 10) as u8);
    out.push(b'0' + (count % 10) as u8);
}

/// Year, month and day of a day since 1970, in the proleptic Gregorian calendar. The year begins in March here, so
/// that the leap day is its last.
fn civil(day: i64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    ((era * 400 + year + carry).max(0) as u64, month as u64, day as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_are_decimal() {
        for value in [0, 7, 10, 4_294_967_296, u64::MAX] {
            assert_eq!(written(|out| number(out, value)), value.to_string());
        }
    }

    #[test]
    fn dates_have_a_fixed_width() {
        assert_eq!(written(|out| date_time(out, 837_571_465)), "\"17-Jul-1996 02:44:25 +0000\"");
        assert_eq!(written(|out| date_time(out, 0)), "\" 1-Jan-1970 00:00:00 +0000\"");
        assert_eq!(written(|out| date_time(out, -1)), "\"31-Dec-1969 23:59:59 +0000\"");
        assert_eq!(written(|out| date_time(out, 951_782_400)), "\"29-Feb-2000 00:00:00 +0000\"");
        assert_eq!(written(|out| date_time(out, i64::MAX)), "\"31-Dec-9999 23:59:59 +0000\"");
        assert_eq!(written(|out| date_time(out, i64::MIN)).len(), 28);
    }
}
