//! A row: who has logged in, and when.

use std::fmt;

/// Octets of the longest name that is kept.
const LONGEST: usize = 255;

/// One row of an address. Its text is `SECONDS LOGIN`; nobody is `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Seconds since 1970. A time to come lasts until then, and as long after as any other.
    pub time: u64,
    /// Who; in lower case.
    pub login: String,
}

impl Row {
    /// A row. What can't be in a name becomes `?`.
    pub fn new(time: u64, login: &str) -> Row {
        let clean = |c: char| if c.is_control() || c.is_whitespace() { '?' } else { c };
        let mut login: String = login.chars().flat_map(char::to_lowercase).map(clean).collect();
        let end = (0..=LONGEST.min(login.len())).rev().find(|at| login.is_char_boundary(*at)).unwrap_or(0);
        login.truncate(end);
        Row { time, login: if login.is_empty() { "-".into() } else { login } }
    }

    /// Reads a line; a time alone is nobody's.
    pub fn parse(line: &str) -> Option<Row> {
        let mut words = line.split_ascii_whitespace();
        let (time, login) = (words.next()?, words.next().unwrap_or("-"));
        let digits = time.bytes().all(|octet| octet.is_ascii_digit());
        let time = time.parse().ok().filter(|_| digits)?;
        words.next().is_none().then(|| Row::new(time, login))
    }

    /// Has it been written after `limit`?
    pub fn is_after(&self, limit: u64) -> bool {
        self.time > limit
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.time, self.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_the_name() {
        let row = Row::new(5, "A B\nc\0@x");
        assert_eq!(row.to_string(), "5 a?b?c?@x");
        assert_eq!(Row::parse(&row.to_string()), Some(row));
        assert_eq!(Row::parse("7"), Some(Row { time: 7, login: "-".into() }));
        assert_eq!(Row::new(1, &"é".repeat(300)).login.len(), 254);
        for bad in ["", "x", "-1 a", "1 a b", "99999999999999999999 a", "+1 a"] {
            assert_eq!(Row::parse(bad), None, "{bad}");
        }
    }
}
