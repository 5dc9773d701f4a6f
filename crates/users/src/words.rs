//! What stands behind the colon of an account and in a domain's settings: words, sizes, numbers.

/// Splits `a b=c d="e f"` into `(a, None) (b, c) (d, "e f")`. The error is a sentence.
pub(crate) fn split(text: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(after) => value(after).map(|(value, after)| (Some(value), after))?,
            None => (None, after),
        };
        if name.is_empty() {
            return Err("a `=` without a word before it".into());
        }
        words.push((name.to_ascii_lowercase(), value));
        rest = after.trim_start();
    }
    Ok(words)
}

/// A value up to the next blank, or in double quotes (there is no way to write a quote inside).
fn value(text: &str) -> Result<(String, &str), String> {
    let Some(inside) = text.strip_prefix('"') else {
        let (value, after) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        return match value.contains('"') {
            true => Err("a quote inside a word".into()),
            false => Ok((value.to_owned(), after)),
        };
    };
    let (value, after) = inside.split_once('"').ok_or("a quote is not closed")?;
    match after.chars().next() {
        None => Ok((value.to_owned(), after)),
        Some(c) if c.is_whitespace() => Ok((value.to_owned(), after)),
        Some(_) => Err("there is something right behind a closing quote".into()),
    }
}

/// A value as [`split`] reads it back. Control characters and quotes, which it cannot hold, become blanks.
pub(crate) fn quoted(value: &str) -> String {
    let value = value.replace(|c: char| c.is_control() || c == '"', " ");
    if value.is_empty() || value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value }
}

/// Octets: digits and perhaps `K`, `M`, `G` or `T` (powers of 1024, `MB` and `MiB` are the same).
/// `none` is 0: no limit.
pub fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; write it like 500M, 2G or none");
    if text.eq_ignore_ascii_case("none") {
        return Ok(0);
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(wrong()),
    };
    let number = digits.parse::<u64>().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|size| *size <= i64::MAX as u64).ok_or_else(wrong)
}

/// A size as [`size`] reads it back, in the largest unit that is exact.
pub fn show_size(size: u64) -> String {
    if size == 0 {
        return "none".into();
    }
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let unit = units.iter().find(|(shift, _)| size.is_multiple_of(1 << shift));
    unit.map_or_else(|| size.to_string(), |(shift, name)| format!("{}{name}", size >> shift))
}

/// A number of days; `never` is 0.
pub(crate) fn days(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no number of days");
    match text {
        "never" => Ok(0),
        _ if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// `yes` or `no`.
pub(crate) fn on(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "on" | "1" => Ok(true),
        "no" | "off" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither yes nor no")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_blanks_and_quotes_hold_blanks() {
        let words = split(" quota=5M wildcard\tdisabled=\"moved away\" forward=").unwrap();
        let shown: Vec<_> = words.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let want = [
            ("quota", Some("5M")),
            ("wildcard", None),
            ("disabled", Some("moved away")),
            ("forward", Some("")),
        ];
        assert_eq!(shown, want);
        for text in ["=x", "a=\"b", "a=\"b\"c", "a=b\"c"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown_exactly() {
        for (text, octets) in
            [("0", 0), ("none", 0), ("1000", 1000), ("100M", 100 << 20), ("2g", 2 << 30), ("5MiB", 5 << 20)]
        {
            assert_eq!(size(text), Ok(octets));
            assert_eq!(size(&show_size(octets)), Ok(octets));
        }
        for text in ["", "M", "-1", "+1", "1.5G", "1X", "99999999999999999999", "9000000000G", "1 M"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_read_back_on_one_line(text in "[^\"\\p{Cc}]*") {
            let line = format!("x={}", quoted(&text));
            proptest::prop_assert_eq!(split(&line).unwrap(), [("x".to_owned(), Some(text))]);
        }
    }
}
