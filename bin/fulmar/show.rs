//! How answers are printed: for people as columns, for scripts as JSON.

use std::io::Write;

use serde_json::{Map, Value};
use sys::Stop;

/// What the caller wants to see.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// JSON instead of columns.
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
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(text(&Value::from("a\x1b[2Jb\n")), "a?[2Jb?");
    }
}
