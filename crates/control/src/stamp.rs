//! What a compiled file remembers of its text: size and time, so that a forgotten compile is seen.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The key in a cdb under which the stamp of its text stands. Begins with NUL, which no line can hold.
pub(crate) const KEY: &[u8] = b"\0source";

/// The stamp of a text: its size in octets and its time of change in nanoseconds since 1970.
pub(crate) fn of(text: &Metadata) -> Vec<u8> {
    let nanoseconds = i128::from(text.mtime()) * 1_000_000_000 + i128::from(text.mtime_nsec());
    format!("{} {nanoseconds}", text.len()).into_bytes()
}

/// Does `text` say something newer than what was compiled? A cdb that bears no stamp (another
/// program made it) is judged by the times of the two files; without a text none is stale.
pub(crate) fn is_stale(compiled: &cdb::Cdb, text: &Path) -> Result<bool, cdb::Error> {
    let Ok(text) = text.metadata() else { return Ok(false) };
    Ok(match compiled.get(KEY)? {
        Some(stamp) => stamp != of(&text),
        None => text.modified()? > compiled.source().metadata()?.modified()?,
    })
}
