//! A session on an account in memory, for the tests of the commands.

use crate::memory::Memory;
use crate::session::{Options, Session};

/// A client that talks to a session.
pub(super) struct Trial {
    pub(super) memory: Memory,
    pub(super) session: Session<Memory>,
    count: u32,
}

impl Trial {
    /// An account with these messages in its inbox, which is selected.
    pub(super) fn with(letters: &[&[u8]]) -> Trial {
        let memory = Memory::new('/');
        memory.set_clock(1_000_000_000);
        for letter in letters {
            memory.deliver("INBOX", letter);
        }
        let mut trial = Trial::another(&memory);
        trial.say("SELECT INBOX");
        trial
    }

    /// Another session on the account.
    pub(super) fn another(memory: &Memory) -> Trial {
        let session = Session::new(memory.share(), Options::default());
        Trial { memory: memory.share(), session, count: 0 }
    }

    /// Says a command and gives all that comes back; the tag is `t`.
    pub(super) fn octets(&mut self, command: &str) -> Vec<u8> {
        self.count += 1;
        let mut out = Vec::new();
        self.session.feed(format!("t {command}\r\n").as_bytes(), &mut out).unwrap();
        out
    }

    /// The lines that come back, the tagged one too.
    pub(super) fn lines(&mut self, command: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.octets(command)).into_owned();
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    /// The untagged lines, without their stars; the command has to go well.
    pub(super) fn say(&mut self, command: &str) -> Vec<String> {
        let mut lines = self.lines(command);
        let last = lines.pop().unwrap_or_default();
        assert!(last.starts_with("t OK"), "{command}: {last}");
        lines.into_iter().map(|line| line.strip_prefix("* ").map(str::to_owned).unwrap_or(line)).collect()
    }

    /// The tagged line alone, without the tag.
    pub(super) fn ending(&mut self, command: &str) -> String {
        self.lines(command).pop().unwrap_or_default().split_off(2)
    }
}
