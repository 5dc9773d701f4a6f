//! How answers are printed: for people as columns, for scripts as JSON.

use std::io::Write;

use clap::Args;
use serde_json::{Map, Value};
use sys::Stop;

/// What the caller wants to see.
#[derive(Args, Clone, Copy)]
pub(crate) struct Shape {
    /// Print lists as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Shape {
    /// Prints `rows` under `heads`; in JSON an array of objects with the heads as names.
    pub(crate) fn table(self, heads: &[&str], rows: &[Vec<Value>]) -> Result<(), Stop> {
        if self.json {
            return print(&format!(
                "{:#}\n",
                Value::Array(rows.iter().map(|row| object(heads, row)).collect())
            ));
        }
        print(&columns(heads, rows))
    }

    /// Prints one thing, a fact a line; in JSON one object.
    pub(crate) fn facts(self, facts: &[(&str, Value)]) -> Result<(), Stop> {
        if self.json {
            let (heads, row): (Vec<&str>, Vec<Value>) = facts.iter().cloned().unzip();
            return print(&format!("{:#}\n", object(&heads, &row)));
        }
        let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines = facts.iter().map(|(name, value)| format!("{name:width$}  {}\n", text(value)));
        print(&lines.collect::<String>())
    }
}

/// Prints to standard output; a reader that has gone away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Stop> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::temporary(format_args!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Help and version go to standard output and are no failure; wrong usage is never worth a retry.
pub(crate) fn usage(error: &clap::Error) -> Result<(), Stop> {
    let _ = error.print();
    if error.use_stderr() { Err(Stop(100)) } else { Ok(()) }
}

/// Seconds since 1970 as `2026-08-01T12:00:00Z` (RFC 3339).
pub(crate) fn time(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 1 March of year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn object(heads: &[&str], row: &[Value]) -> Value {
    let pairs = heads.iter().map(|head| head.replace(' ', "_")).zip(row.iter().cloned());
    Value::Object(pairs.collect::<Map<String, Value>>())
}

fn columns(heads: &[&str], rows: &[Vec<Value>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut lines: Vec<Vec<String>> = vec![heads.iter().map(|head| head.to_uppercase()).collect()];
    lines.extend(rows.iter().map(|row| row.iter().map(text).collect()));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A value as a person reads it; control characters never reach the terminal.
fn text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(parts) => parts.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_prints_nothing() {
        let rows = [vec![Value::from("alice"), Value::from(3)], vec![Value::from("bo"), Value::Null]];
        assert_eq!(columns(&["name", "mails"], &rows), "NAME   MAILS\nalice  3\nbo\n");
        assert_eq!(columns(&["name"], &[]), "");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(seconds), wanted);
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(text(&Value::from("a\x1b[2Jb\n")), "a?[2Jb?");
    }
}
