//! What `init` has made: told from what an admin has changed since, which is never written over.
//!
//! `etc/made/` holds a copy of each file as it was made, and the choices that it was made by.

use std::fs;
use std::path::PathBuf;

use control::Home;
use sys::Stop;

use super::folders::failed;
use crate::show::print;

/// Choices that are remembered from one `init` to the next: `address`, `ports`.
pub(super) fn remembered(home: &Home, choice: &str) -> Option<String> {
    fs::read_to_string(record(home, choice)).ok().map(|text| text.trim_end().to_owned())
}

/// Remembers a choice.
pub(super) fn remember(home: &Home, choice: &str, value: &str) -> Result<(), Stop> {
    put(&record(home, choice), &format!("{value}\n"), 0o644)
}

/// Writes the file `name` of the home, unless it was changed by hand: then the text is put beside it, as
/// `NAME.new`.
pub(super) fn write(home: &Home, name: &str, text: &str, mode: u32) -> Result<(), Stop> {
    let (path, record) = (home.join(name), record(home, name));
    let there = fs::read_to_string(&path).ok();
    let before = fs::read_to_string(&record).ok();
    if there.as_deref().is_some_and(|there| there != text && Some(there) != before.as_deref()) {
        if before.as_deref() != Some(text) {
            print(&format!("{name} was changed by hand and is kept; {name}.new is what it would be\n"))?;
            put(&home.join(format!("{name}.new")), text, mode)?;
        }
        return Ok(());
    }
    if there.as_deref() != Some(text) {
        put(&path, text, mode)?;
    }
    put(&record, text, 0o644)
}

fn record(home: &Home, name: &str) -> PathBuf {
    home.join("etc/made").join(name.trim_start_matches("etc/").replace('/', "."))
}

fn put(path: &std::path::Path, text: &str, mode: u32) -> Result<(), Stop> {
    sys::durable::replace(path, text.as_bytes(), mode).map_err(|error| failed(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_by_hand_is_kept_and_what_was_not_follows() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path());
        fs::create_dir_all(home.join("etc/made")).unwrap();
        let read = |name: &str| fs::read_to_string(home.join(name)).ok();
        write(&home, "etc/a", "1", 0o644).unwrap();
        write(&home, "etc/a", "2", 0o644).unwrap();
        assert_eq!((read("etc/a").as_deref(), read("etc/a.new")), (Some("2"), None));
        fs::write(home.join("etc/a"), "mine").unwrap();
        write(&home, "etc/a", "2", 0o644).unwrap();
        assert_eq!(read("etc/a.new"), None, "nothing new to tell");
        write(&home, "etc/a", "3", 0o644).unwrap();
        assert_eq!((read("etc/a").as_deref(), read("etc/a.new").as_deref()), (Some("mine"), Some("3")));
        assert_eq!(remembered(&home, "ports"), None);
        remember(&home, "ports", "20000").unwrap();
        assert_eq!(remembered(&home, "ports").as_deref(), Some("20000"));
    }
}
