//! Three sessions do what they like with one mailbox; each client counts along, and must never be wrong.

use proptest::prelude::*;

use super::Server;
use crate::memory::Memory;

/// A client that believes what it is told: for each number the UID, as far as it has been told of it.
struct Client {
    server: Server,
    uids: Vec<Option<u32>>,
    by_uid: bool,
}

impl Client {
    fn new(store: &Memory, by_uid: bool) -> Client {
        let mut client = Client { server: Server::logged_in(store.share()), uids: Vec::new(), by_uid };
        if by_uid {
            client.say("e ENABLE QRESYNC");
        }
        client.say("s SELECT INBOX");
        client
    }

    fn say(&mut self, line: &str) {
        if self.server.session.idling() {
            let answer = self.server.say("DONE");
            self.hear(&answer, "DONE");
        }
        let answer = self.server.say(line);
        self.hear(&answer, line);
    }

    /// Hears what is told without being asked: nothing at all unless it idles, or has asked for it by NOTIFY.
    fn listen(&mut self) {
        let answer = self.server.news();
        assert!(self.server.session.listening() || answer.is_empty(), "{answer}");
        let delayed = if self.server.session.idling() { "IDLE" } else { "x FETCH, perhaps" };
        self.hear(&answer, delayed);
    }

    fn hear(&mut self, answer: &str, line: &str) {
        let keeps_numbers =
            ["FETCH", "STORE", "SEARCH"].iter().any(|verb| line.starts_with(&format!("x {verb}")));
        for said in answer.lines() {
            let words: Vec<&str> = said.split([' ', '(', ')']).collect();
            match words[..] {
                ["*", number, "EXISTS", ..] => {
                    let count = number.parse().unwrap();
                    assert!(count >= self.uids.len(), "{line}: {answer}");
                    self.uids.resize(count, None);
                }
                ["*", number, "EXPUNGE", ..] => {
                    assert!(!keeps_numbers && !self.by_uid, "{line}: {answer}");
                    self.uids.remove(number.parse::<usize>().unwrap() - 1);
                }
                ["*", "VANISHED", set, ..] if self.by_uid && !set.is_empty() => {
                    assert!(!keeps_numbers, "{line}: {answer}");
                    for range in set.split(',') {
                        let (first, last) = range.split_once(':').unwrap_or((range, range));
                        let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
                        self.uids.retain(|uid| uid.is_none_or(|uid| uid < first || uid > last));
                    }
                }
                ["*", number, "FETCH", "", "UID", uid, ..] => self.learn(number, uid, answer),
                _ => {}
            }
        }
    }

    fn learn(&mut self, number: &str, uid: &str, answer: &str) {
        let (number, uid): (usize, u32) = (number.parse().unwrap(), uid.parse().unwrap());
        let known = &mut self.uids[number - 1];
        assert!(known.is_none_or(|known| known == uid), "{number} was {known:?}: {answer}");
        *known = Some(uid);
    }

    /// In the end everybody knows the same.
    fn settle(&mut self, store: &Memory) {
        self.say("x NOOP");
        self.say("x UID FETCH 1:* (FLAGS)");
        assert_eq!(self.uids.len(), store.texts("INBOX").len());
        assert!(self.uids.iter().all(Option::is_some) && self.uids.is_sorted());
    }
}

const COMMANDS: &[&str] = &[
    "x NOOP",
    "x FETCH 1:* (UID)",
    "x FETCH 2 (UID FLAGS)",
    "x UID FETCH 1:* (FLAGS)",
    "x STORE 1 +FLAGS (\\Deleted)",
    "x STORE 2:3 +FLAGS.SILENT (\\Deleted $x)",
    "x UID STORE 1:* -FLAGS.SILENT (\\Deleted)",
    "x UID STORE 2:5 FLAGS (\\Deleted)",
    "x EXPUNGE",
    "x UID EXPUNGE 3:4",
    "x SEARCH ALL",
    "x UID SEARCH DELETED",
    "x COPY 1 INBOX",
    "x MOVE 2 INBOX",
    "x UID MOVE 1:2 Work",
    "x APPEND INBOX {1+}\r\nx",
    "x REPLACE 1 INBOX {1+}\r\ny",
    "x IDLE\r\nDONE",
    IDLE,
    "x NOTIFY SET (selected-delayed (MessageNew (UID) MessageExpunge FlagChange))",
];

/// Only a client that goes by numbers stays idle: under QRESYNC it would have to ask for the UIDs of what is new.
const IDLE: &str = "x IDLE";

proptest! {
    #[test]
    fn no_client_ever_takes_one_message_for_another(
        steps in proptest::collection::vec((0..3_usize, 0..COMMANDS.len()), 1..60)
    ) {
        let store = Memory::new('.');
        for _ in 0..4 {
            store.deliver("INBOX", b"a: b\n\nc\n");
        }
        store.deliver("Work", b"a: b\n\nc\n");
        let mut clients = [Client::new(&store, false), Client::new(&store, false), Client::new(&store, true)];
        // Under QRESYNC the client has to know all UIDs, as VANISHED names nothing else.
        clients.iter_mut().for_each(|client| client.say("x UID FETCH 1:* (FLAGS)"));
        for (who, what) in steps {
            if COMMANDS[what] == IDLE && clients[who].by_uid {
                continue;
            }
            clients[who].say(COMMANDS[what]);
            if clients[who].by_uid {
                clients[who].say("x UID FETCH 1:* (FLAGS)");
            }
            clients.iter_mut().for_each(Client::listen);
        }
        clients.iter_mut().for_each(|client| client.settle(&store));
    }
}
