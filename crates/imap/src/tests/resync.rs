//! A client that keeps what it is told, goes and comes again by QRESYNC (RFC 7162), and must know all in the end.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::Server;
use crate::memory::Memory;

/// What it keeps: the flags of each UID, and up to which change it knows everything.
struct Keeper {
    server: Server,
    flags: BTreeMap<u32, String>,
    uid_validity: String,
    highest: u64,
}

impl Keeper {
    fn new(store: &Memory) -> Keeper {
        let server = Server::logged_in(store.share());
        let mut keeper = Keeper { server, flags: BTreeMap::new(), uid_validity: String::new(), highest: 0 };
        keeper.say("e ENABLE QRESYNC IMAP4rev2");
        keeper.say("s SELECT INBOX");
        keeper.say("f UID FETCH 1:* (FLAGS)");
        keeper
    }

    fn say(&mut self, line: &str) {
        let answer = self.server.say(line);
        for said in answer.lines() {
            self.hear(said);
        }
        if line == "c CLOSE" && answer.contains("HIGHESTMODSEQ") {
            // All has been told, so what it has seen marked is what went.
            self.flags.retain(|_, flags| !flags.contains("\\Deleted"));
        }
        if line.contains(".SILENT") {
            self.say("f UID FETCH 1:* (FLAGS)");
        }
        if answer.contains(" EXISTS\r\n") {
            let last = self.flags.keys().last().copied().unwrap_or(0);
            self.say(&format!("n UID FETCH {}:* (FLAGS)", last + 1));
        }
    }

    fn hear(&mut self, said: &str) {
        let between = |from: &str, to: &str| Some(said.split_once(from)?.1.split_once(to)?.0);
        if let Some(code) = between("[HIGHESTMODSEQ ", "]") {
            self.highest = self.highest.max(code.parse().unwrap());
        }
        if let Some(code) = between("[UIDVALIDITY ", "]") {
            self.uid_validity = code.to_owned();
        }
        if let Some(set) = said.strip_prefix("* VANISHED ") {
            let set = set.trim_start_matches("(EARLIER) ");
            for range in set.split(',') {
                let (first, last) = range.split_once(':').unwrap_or((range, range));
                let gone = first.parse().unwrap()..=last.parse().unwrap();
                self.flags.retain(|uid, _| !gone.contains(uid));
            }
        }
        if let (Some(uid), Some(flags)) = (between("FETCH (UID ", " "), between("FLAGS (", ")")) {
            self.flags.insert(uid.parse().unwrap(), flags.to_owned());
        }
    }

    fn come_again(&mut self, how: &str) {
        self.say(how);
        let last = self.flags.keys().last().copied().unwrap_or(0);
        let known = if how.ends_with('E') && last > 0 { format!(" 1:{last}") } else { String::new() };
        let (uid_validity, highest) = (self.uid_validity.clone(), self.highest.max(1));
        self.say(&format!("q SELECT INBOX (QRESYNC ({uid_validity} {highest}{known}))"));
    }
}

const COMMANDS: &[&str] = &[
    "x NOOP",
    "x FETCH 1 (FLAGS MODSEQ BODY[])",
    "x UID FETCH 3:* (FLAGS MODSEQ BODY[TEXT])",
    "x STORE 1 +FLAGS (\\Deleted)",
    "x STORE 2 FLAGS.SILENT (\\Flagged $x)",
    "x UID STORE 1:* -FLAGS (\\Deleted)",
    "x UID STORE 2:5 +FLAGS.SILENT (\\Deleted)",
    "x EXPUNGE",
    "x UID EXPUNGE 3:4",
    "x UID SEARCH MODSEQ 1",
    "x COPY 1 INBOX",
    "x MOVE 2 INBOX",
    "x UID MOVE 1:2 Work",
    "x APPEND INBOX (\\Flagged) {1+}\r\nx",
    "x REPLACE 1 INBOX {1+}\r\ny",
    "x IDLE\r\nDONE",
];

proptest! {
    #[test]
    fn who_comes_again_knows_all_that_he_has_missed(
        steps in proptest::collection::vec((any::<bool>(), 0..COMMANDS.len() + 2), 1..60)
    ) {
        let store = Memory::new('.');
        for name in ["INBOX", "INBOX", "INBOX", "INBOX", "Work"] {
            store.deliver(name, b"a: b\n\nc\n");
        }
        let mut keeper = Keeper::new(&store);
        let mut other = Server::logged_in(store.share());
        other.say("s SELECT INBOX");
        for (keeps, what) in steps {
            match (COMMANDS.get(what), keeps) {
                (Some(command), true) => keeper.say(command),
                (Some(command), false) => drop(other.say(command)),
                (None, true) => keeper.come_again("c CLOSE"),
                (None, false) => keeper.come_again("c UNSELECT"),
            }
        }
        keeper.come_again("c UNSELECT");
        let truth = Keeper::new(&store);
        prop_assert_eq!(keeper.flags, truth.flags);
    }
}
