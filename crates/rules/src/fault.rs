//! Why a line is no rule, and what to write instead.

use std::fmt;

/// A line that is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl Fault {
    /// A fault in a line whose number is not known yet.
    pub(crate) fn new(problem: impl Into<String>, cure: impl Into<String>) -> Fault {
        Fault { line: 0, problem: problem.into(), cure: cure.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}; {}", self.line, self.problem, self.cure)
    }
}

impl std::error::Error for Fault {}

/// Foreign octets as they may be shown inside a sentence.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let short: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(60).collect();
    format!("`{short}`")
}
