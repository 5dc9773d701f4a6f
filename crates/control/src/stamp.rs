//! What a compiled file remembers of its text: size and time, so that a forgotten compile is seen.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::networks;

/// The key in a cdb under which the stamp of its text stands. Begins with NUL, which no line can hold.
pub(crate) const KEY: &[u8] = b"\0source";

/// The stamp of a text: its size in octets and its time of change in nanoseconds since 1970.
pub(crate) fn of(text: &Metadata) -> Vec<u8> {
    let nanoseconds = i128::from(text.mtime()) * 1_000_000_000 + i128::from(text.mtime_nsec());
    format!("{} {nanoseconds}", text.len()).into_bytes()
}

/// The stamp of a text that names networks: of each of them, its name and its own stamp follow.
pub(crate) fn with_networks(path: &Path, text: &Metadata, names: &[String]) -> Vec<u8> {
    let folder = networks::folder(path);
    let mut stamp = of(text);
    for name in names {
        let seen = folder.join(name).metadata().map(|seen| of(&seen)).unwrap_or_else(|_| b"- -".to_vec());
        stamp.extend_from_slice(format!(" {name} ").as_bytes());
        stamp.extend_from_slice(&seen);
    }
    stamp
}

/// The names of the networks in a stamp.
fn named(stamp: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stamp);
    text.split(' ').skip(2).step_by(3).map(str::to_owned).collect()
}

/// Does `text` say something newer than what was compiled? A cdb that bears no stamp (another
/// program made it) is judged by the times of the two files; without a text none is stale.
pub(crate) fn is_stale(compiled: &cdb::Cdb, text: &Path) -> Result<bool, cdb::Error> {
    let Ok(seen) = text.metadata() else { return Ok(false) };
    Ok(match compiled.get(KEY)? {
        Some(stamp) => stamp != with_networks(text, &seen, &named(&stamp)),
        None => seen.modified()? > compiled.source().metadata()?.modified()?,
    })
}
