//! relayers.db: a Berkeley hash whose keys are addresses and whose values are seconds since 1970, in digits.
//!
//! Its format is known to the library's own programs alone: `db_dump` and `db_load` (Debian: db-util).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use sys::Stop;

use super::{Row, is_row};

/// The rows of the file. What is no row of such a file is told, and is none.
pub(super) fn read(file: &Path) -> Result<Vec<Row>, Stop> {
    let output = Command::new("db_dump").arg("-p").arg(file).stdin(Stdio::null()).output();
    let output = output.map_err(|error| missing("db_dump", &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Stop::permanent(format_args!("{} can't be read: {said}", file.display())));
    }
    Ok(dumped(&String::from_utf8_lossy(&output.stdout)))
}

/// `db_dump -p`: a header, then key and value by turns, a blank before each.
fn dumped(text: &str) -> Vec<Row> {
    let mut lines = text.lines().skip_while(|line| *line != "HEADER=END").skip(1);
    let mut rows = Vec::new();
    while let (Some(key), Some(value)) = (
        lines.next().and_then(|line| line.strip_prefix(' ')),
        lines.next().and_then(|line| line.strip_prefix(' ')),
    ) {
        // Some programs store the NUL at the end of a C string too.
        let [ip, time] = [key, value].map(|text| text.trim_end_matches("\\00").trim());
        match is_row(ip, time) {
            true => rows.push((ip.to_owned(), time.to_owned(), String::new())),
            false => sys::log!("fulmar: warning: passed over: `{key}`, `{value}` is no address and time"),
        }
    }
    rows
}

/// Makes the file anew: of each address its latest time.
pub(super) fn write(file: &Path, rows: &[Row]) -> Result<(), Stop> {
    let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
    for (ip, time, _) in rows {
        let ip = ip.strip_suffix("/64").unwrap_or(ip);
        let kept = latest.entry(ip).or_default();
        *kept = (*kept).max(time.parse().unwrap_or_default());
    }
    let new = file.with_extension("new");
    let _ = fs::remove_file(&new);
    let failed = |error: std::io::Error| Stop::temporary(format_args!("{}: {error}", file.display()));
    let mut child = Command::new("db_load")
        .args(["-T", "-t", "hash"])
        .arg(&new)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| missing("db_load", &error))?;
    let text: String = latest.iter().map(|(ip, time)| format!("{ip}\n{time}\n")).collect();
    let written = child.stdin.take().map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
    let status = child.wait().map_err(failed)?;
    match status.success() && written.is_ok() {
        true => fs::rename(&new, file).map_err(failed),
        false => Err(Stop::temporary(format_args!("db_load could not make {}", new.display()))),
    }
}

fn missing(program: &str, error: &std::io::Error) -> Stop {
    Stop::temporary(format_args!(
        "{program} does not run: {error}; install Berkeley DB's programs (Debian: db-util)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_by_pairs_and_what_is_no_row_is_passed_over() {
        let text = "VERSION=3\nformat=print\ntype=hash\nHEADER=END\n 192.0.2.1\n 5\n 192.0.2.2\\00\n 7\\00\n x\n y\n\
                    DATA=END\n";
        let rows = dumped(text);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1], ("192.0.2.2".into(), "7".into(), String::new()));
        assert!(dumped("").is_empty() && dumped("HEADER=END\n 1.2.3.4\n").is_empty());
    }
}
