//! What was last answered for recipients that are tried again: a file `defer/ID`, for the admin to read.
//!
//! A memory, no more: not synced, and begun anew when it has become long.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};

use wire::Fate;

use crate::Queue;
use crate::note::{Failure, Notes, write_line};

/// Octets after which the file is begun anew.
const LENGTH_MAX: u64 = 1 << 20;

impl Queue {
    /// Remembers what was answered for some recipients of message `id`.
    pub fn remember_answers(&self, id: u64, answers: &[Failure]) -> io::Result<()> {
        let mut file = self.defer.append(id.to_string(), 0o600)?;
        if file.metadata()?.len() > LENGTH_MAX {
            file.set_len(0)?;
        }
        let mut lines = Vec::new();
        answers.iter().for_each(|answer| write_line(&mut lines, answer));
        file.write_all(&lines)
    }

    /// The last answer for each recipient of message `id`, as far as it is remembered.
    pub fn last_answers(&self, id: u64) -> HashMap<Vec<u8>, Fate> {
        let Ok(file) = self.defer.read(id.to_string()) else { return HashMap::new() };
        Notes(BufReader::new(file)).map_while(Result::ok).map(|said| (said.address, said.fate)).collect()
    }

    /// Forgets the answers for message `id`.
    pub fn forget_answers(&self, id: u64) {
        let _ = self.defer.remove(id.to_string());
    }

    /// Calls `each` with every ID that has answers.
    pub fn each_answered(&self, mut each: impl FnMut(u64)) -> io::Result<()> {
        self.defer.each_name(|name| {
            if let Some(id) = crate::store::id(name) {
                each(id);
            }
        })
    }
}
