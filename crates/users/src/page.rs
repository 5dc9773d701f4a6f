//! One text file under an edit: lines of `name: rest`, comments and order kept as they are.

use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;

use sys::Seen;
use sys::durable::Folder;

/// The lines of a file, their ends included.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    folder: &'a Folder,
    file: &'a str,
    lines: Vec<Vec<u8>>,
    /// As it was when it was read.
    seen: Option<Seen>,
    mode: u32,
}

impl<'a> Page<'a> {
    /// Reads `file`; a missing one is empty and will be made with `mode`.
    pub(crate) fn read(folder: &'a Folder, file: &'a str, mode: u32) -> io::Result<Page<'a>> {
        let mut page = Page { folder, file, lines: Vec::new(), seen: None, mode };
        let mut text = match folder.read(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(page),
            other => other?,
        };
        let seen = text.metadata()?;
        page.seen = Some(Seen::of(&seen));
        // What was closed to others stays so.
        page.mode = seen.mode() & mode | 0o600;
        let mut bytes = Vec::new();
        text.read_to_end(&mut bytes)?;
        page.lines = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        Ok(page)
    }

    /// Writes `name: rest` in the place of the line of this name, or at the end.
    pub(crate) fn set(&mut self, name: &str, rest: &str) {
        let line = format!("{name}: {rest}").trim_end().to_owned() + "\n";
        match self.lines.iter().position(|line| is_of(line, name)) {
            Some(at) => self.lines[at] = line.into_bytes(),
            None => self.push(line),
        }
    }

    /// Adds a line at the end.
    fn push(&mut self, line: String) {
        if let Some(last) = self.lines.last_mut().filter(|last| !last.ends_with(b"\n")) {
            last.push(b'\n');
        }
        self.lines.push(line.into_bytes());
    }

    /// Removes the lines of this name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.lines.retain(|line| !is_of(line, name));
    }

    /// Writes it back, durably. An editor that has saved the file meanwhile is not overwritten.
    pub(crate) fn save(self) -> io::Result<()> {
        let now = match self.folder.read(self.file) {
            Ok(now) => Some(Seen::of(&now.metadata()?)),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if now != self.seen {
            return Err(io::Error::new(ErrorKind::ResourceBusy, "somebody else has just changed the file"));
        }
        crate::compile::write(self.folder, self.file, &self.lines.concat(), self.mode)
    }
}

/// Is this a line `name: ...`, the name in whatever case?
fn is_of(line: &[u8], name: &str) -> bool {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let Some(end) = line.iter().position(|byte| *byte == b':') else { return false };
    line[..end].trim_ascii().eq_ignore_ascii_case(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(before: &str, edit: impl Fn(&mut Page<'_>)) -> String {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("accounts"), before).unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let mut page = Page::read(&folder, "accounts", 0o640).unwrap();
        edit(&mut page);
        page.save().unwrap();
        std::fs::read_to_string(home.path().join("accounts")).unwrap()
    }

    #[test]
    fn comments_order_and_other_lines_survive_an_edit() {
        let before =
            "# staff\nalice: quota=1G\n\n  # bob: not this one\nBob : wildcard\r\n#alice: old\ncarol:";
        assert_eq!(
            edited(before, |page| page.set("bob", "disabled")),
            "# staff\nalice: quota=1G\n\n  # bob: not this one\nbob: disabled\n#alice: old\ncarol:"
        );
        assert_eq!(edited(before, |page| page.set("dave", "")), format!("{before}\ndave:\n"));
        assert_eq!(
            edited(before, |page| page.remove("alice")),
            "# staff\n\n  # bob: not this one\nBob : wildcard\r\n#alice: old\ncarol:"
        );
    }

    #[test]
    fn an_editor_that_saved_meanwhile_is_not_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::open(home.path()).unwrap();
        let mut page = Page::read(&folder, "accounts", 0o640).unwrap();
        page.set("alice", "");
        std::fs::write(home.path().join("accounts"), "bob:\n").unwrap();
        assert!(page.save().is_err());
        assert_eq!(std::fs::read(home.path().join("accounts")).unwrap(), b"bob:\n");
    }
}
