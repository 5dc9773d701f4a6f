//! Failure notes: which recipients of a message will never get it, and why.
//!
//! One line a failure: LF, address, NUL, answer, NUL, LF. A line that is cut lacks its last NUL and
//! is passed over: its recipient has not been marked as done and will be noted again.

use std::io::{self, BufRead, BufReader, Read, Write};

use wire::Fate;

use crate::Queue;

/// Longest line that is read back; longer ones are passed over.
const LINE_MAX: u64 = 16 * 1024;
/// Longest answer that is kept.
const ANSWER_MAX: usize = 4096;

/// One recipient's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The address as it was handed in.
    pub address: Vec<u8>,
    /// What was answered: never, or later once too often.
    pub fate: Fate,
}

/// Reads the notes of a message one by one.
#[derive(Debug)]
pub struct Notes(pub(crate) BufReader<std::fs::File>);

impl Queue {
    /// Notes failures of message `id`, durably.
    pub fn note(&self, id: u64, failures: &[Failure]) -> io::Result<()> {
        let name = id.to_string();
        let new = self.bounce.stat(&name).is_err();
        let mut file = self.bounce.append(&name, 0o600)?;
        let mut lines = Vec::new();
        failures.iter().for_each(|failure| write_line(&mut lines, failure));
        file.write_all(&lines)?;
        file.sync_all()?;
        if new { self.bounce.sync() } else { Ok(()) }
    }

    /// The notes of message `id`; `None`: there are none.
    pub fn notes(&self, id: u64) -> io::Result<Option<Notes>> {
        match self.bounce.read(id.to_string()) {
            Ok(file) => Ok(Some(Notes(BufReader::new(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Has message `id` notes?
    pub fn has_notes(&self, id: u64) -> bool {
        self.bounce.stat(id.to_string()).is_ok()
    }

    /// Gives the notes of message `id` to the queue's user, when root has written them.
    pub fn give_notes(&self, id: u64, owner: Option<(u32, u32)>) -> io::Result<()> {
        match owner {
            Some((uid, gid)) => self.bounce.give(id.to_string(), uid, gid),
            None => Ok(()),
        }
    }

    /// Removes the notes of message `id`.
    pub fn remove_notes(&self, id: u64) -> io::Result<()> {
        self.bounce.remove(id.to_string())
    }

    /// Calls `each` with every ID that has notes.
    pub fn each_noted(&self, mut each: impl FnMut(u64)) -> io::Result<()> {
        self.bounce.each_name(|name| {
            if let Some(id) = crate::store::id(name) {
                each(id);
            }
        })
    }
}

impl Iterator for Notes {
    type Item = io::Result<Failure>;

    fn next(&mut self) -> Option<io::Result<Failure>> {
        loop {
            let mut line = Vec::new();
            match self.0.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            if let Some(failure) = read_line(line.strip_suffix(b"\n").unwrap_or_default()) {
                return Some(Ok(failure));
            }
        }
    }
}

pub(crate) fn write_line(lines: &mut Vec<u8>, failure: &Failure) {
    let answer = failure.fate.to_bytes();
    lines.push(b'\n');
    lines.extend(failure.address.iter().flat_map(|byte| match byte {
        b'%' => b"%25".to_vec(),
        b'\n' => b"%0A".to_vec(),
        byte => vec![*byte],
    }));
    lines.push(0);
    lines.extend(answer.iter().take(ANSWER_MAX).filter(|b| **b != b'\n' && **b != 0));
    lines.extend_from_slice(b"\0\n");
}

fn read_line(line: &[u8]) -> Option<Failure> {
    let mut parts = line.split(|b| *b == 0);
    let (address, answer, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if !rest.is_empty() || parts.next().is_some() {
        return None;
    }
    let fate = Fate::parse(answer)?;
    let mut plain = Vec::with_capacity(address.len());
    let mut left = address;
    while let Some((first, rest)) = left.split_first() {
        (left, plain) = match (first, rest) {
            (b'%', [b'0', b'A', rest @ ..]) => (rest, [plain, b"\n".to_vec()].concat()),
            (b'%', [b'2', b'5', rest @ ..]) => (rest, [plain, b"%".to_vec()].concat()),
            _ => {
                plain.push(*first);
                (rest, plain)
            }
        };
    }
    Some(Failure { address: plain, fate })
}
