//! The boundaries of the multiparts that we are in. RFC 2046 §5.1.1.

use std::collections::HashMap;

/// Found by hash, so that a line costs the same however deep we are.
#[derive(Debug, Default)]
pub(crate) struct Boundaries {
    /// With their two dashes; the levels that have this one, outermost first.
    levels: HashMap<Vec<u8>, Vec<usize>>,
    /// One for each level; a level that has no boundary has an empty one, which is not among `levels`.
    stack: Vec<Vec<u8>>,
    longest: usize,
}

impl Boundaries {
    /// In how many parts we are.
    pub(crate) fn depth(&self) -> usize {
        self.stack.len()
    }

    /// No line can be a boundary.
    pub(crate) fn none(&self) -> bool {
        self.levels.is_empty()
    }

    /// Enters a part that has no boundary.
    pub(crate) fn enter_message(&mut self) {
        self.stack.push(Vec::new());
    }

    /// Enters a multipart.
    pub(crate) fn enter(&mut self, boundary: &str) {
        let boundary = [b"--", boundary.as_bytes()].concat();
        self.longest = self.longest.max(boundary.len());
        self.levels.entry(boundary.clone()).or_default().push(self.stack.len());
        self.stack.push(boundary);
    }

    /// Leaves the innermost part.
    pub(crate) fn leave(&mut self) {
        let Some(boundary) = self.stack.pop().filter(|it| !it.is_empty()) else { return };
        if let Some(levels) = self.levels.get_mut(&boundary) {
            levels.pop();
            if levels.is_empty() {
                self.levels.remove(&boundary);
            }
        }
    }

    /// The innermost level whose boundary this line is, and whether it closes it. Blanks may follow the boundary.
    pub(crate) fn find(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.trim_ascii_end();
        if line.len() > self.longest + 2 {
            return None;
        }
        let level = |text: &[u8]| self.levels.get(text).and_then(|levels| levels.last()).copied();
        let opens = level(line).map(|level| (level, false));
        opens.max(line.strip_suffix(b"--").and_then(level).map(|level| (level, true)))
    }
}
