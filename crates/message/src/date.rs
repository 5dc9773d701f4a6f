//! The date of RFC 5322 §3.3, written from seconds since 1970. No time zones, no clock.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: i64 = 86_400;

/// The date in trace lines, `Sat, 21 Nov 2026 08:00:00 -0000`: UTC, and nothing is said about
/// the zone this host is in (RFC 5322 §3.3). `unix`: seconds since 1970-01-01 00:00 UTC.
pub fn date(unix: i64) -> String {
    write(unix, "-0000")
}

/// The date of a person's letter, `Sat, 21 Nov 2026 08:00:00 +0000`. `unix` as in [`date`].
pub fn date_utc(unix: i64) -> String {
    write(unix, "+0000")
}

/// The date where clocks are `east` seconds before UTC, `Sat, 21 Nov 2026 09:00:00 +0100`.
pub fn date_local(unix: i64, east: i64) -> String {
    let minutes = east.clamp(-DAY, DAY) / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let zone = format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60);
    write(unix.saturating_add(minutes * 60), &zone)
}

/// `YYYYMMDDhhmmss` in UTC, as message ids have it.
pub fn stamp(unix: i64) -> String {
    let unix = unix.clamp(-62_135_596_800, 253_402_300_799);
    let (days, second) = (unix.div_euclid(DAY), unix.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{:02}{day:02}{hour:02}{minute:02}{second:02}", month + 1)
}

/// The date in mbox separators, as asctime(3) writes it: `Sat Nov 21 08:00:00 2026`. `unix` as in [`date`].
pub fn asctime(unix: i64) -> String {
    let Moment { weekday, year, month, day, hour, minute, second } = Moment::of(unix);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} {year:04}")
}

fn write(unix: i64, zone: &str) -> String {
    let Moment { weekday, year, month, day, hour, minute, second } = Moment::of(unix);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} {zone}")
}

struct Moment {
    weekday: &'static str,
    year: i64,
    month: &'static str,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Moment {
    fn of(unix: i64) -> Moment {
        // Years 1 to 9999: what lies outside cannot be written with four digits.
        let unix = unix.clamp(-62_135_596_800, 253_402_300_799);
        let (days, second) = (unix.div_euclid(DAY), unix.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        Moment {
            weekday: DAYS[days.rem_euclid(7) as usize],
            year,
            month: MONTHS[month],
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

/// Year, month (0 to 11) and day (1 to 31) of a day counted from 1970-01-01. Counts in years
/// that begin in March, so that the leap day is the last one of its year.
fn civil(days: i64) -> (i64, usize, i64) {
    const ERA: i64 = 146_097; // days in 400 years
    let since_march_0 = days + 719_468;
    let era = since_march_0.div_euclid(ERA);
    let day = since_march_0.rem_euclid(ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12;
    (era * 400 + year + i64::from(month < 2), month as usize, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_written_as_rfc_5322_dates() {
        for (unix, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 -0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 -0000"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 -0000"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 -0000"),
            (1_000_000_000, "Sun, 09 Sep 2001 01:46:40 -0000"),
            (2_147_483_647, "Tue, 19 Jan 2038 03:14:07 -0000"),
            (1_795_248_000, "Sat, 21 Nov 2026 08:00:00 -0000"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 -0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 -0000"),
            (-2_208_988_800, "Mon, 01 Jan 1900 00:00:00 -0000"),
        ] {
            assert_eq!(date(unix), text);
        }
        assert_eq!(date_utc(1_795_248_000), "Sat, 21 Nov 2026 08:00:00 +0000");
    }

    #[test]
    fn days_follow_each_other_without_gap_for_a_thousand_years() {
        let (mut year, mut month, mut day) = civil(-200_000);
        for days in -199_999..200_000 {
            let next = civil(days);
            let same_month = next == (year, month, day + 1);
            let next_month = next == (year + i64::from(month == 11), (month + 1) % 12, 1);
            assert!(same_month || (next_month && day >= 28), "{days}: {next:?}");
            (year, month, day) = next;
        }
    }

    #[test]
    fn local_time_names_its_zone_and_a_stamp_is_fourteen_digits() {
        assert_eq!(date_local(0, 3600), "Thu, 01 Jan 1970 01:00:00 +0100");
        assert_eq!(date_local(0, -12_600), "Wed, 31 Dec 1969 20:30:00 -0330");
        assert_eq!(date_local(0, 0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(stamp(1_795_247_999), "20261121075959");
        assert_eq!(stamp(i64::MAX), "99991231235959");
    }

    #[test]
    fn a_clock_gone_mad_still_gives_a_date() {
        assert_eq!(date(i64::MAX), "Fri, 31 Dec 9999 23:59:59 -0000");
        assert_eq!(date(i64::MIN), "Mon, 01 Jan 0001 00:00:00 -0000");
    }
}
