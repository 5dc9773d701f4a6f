//! A client that is often away, as on a telephone: it keeps what it knows of a mailbox, and with QRESYNC (RFC 7162)
//! learns in one command what has happened meanwhile.

use std::collections::BTreeMap;

use tests::imap::{Answer, fetched, numbered, numbers};
use tests::{Imap, ImapServer, message};

/// What the client keeps between sessions.
#[derive(Default)]
struct Kept {
    validity: u64,
    modseq: u64,
    /// Flags by UID.
    mail: BTreeMap<u32, Vec<String>>,
}

type Picture = BTreeMap<u32, Vec<String>>;

fn flags(value: &tests::imap::Value) -> Vec<String> {
    let all = value.list().iter().map(tests::imap::Value::word);
    let mut all: Vec<_> = all.filter(|flag| flag != "\\Recent").collect();
    all.sort();
    all
}

/// Everything, by a session that knows nothing.
fn truth(server: &ImapServer) -> Picture {
    let mut imap = server.login("alice");
    if imap.good("EXAMINE INBOX").told("EXISTS") == Some(0) {
        return Picture::new();
    }
    let answer = imap.good("FETCH 1:* (UID FLAGS)");
    let one = |(_, items): (u32, tests::imap::Items)| {
        (items["UID"].number().unwrap() as u32, flags(&items["FLAGS"]))
    };
    answer.fetches().into_iter().map(one).collect()
}

impl Kept {
    /// Comes back, asks what is new, fetches what it has not seen, and leaves again.
    fn resync(&mut self, server: &ImapServer) {
        let mut imap = server.login("alice");
        imap.good("ENABLE QRESYNC");
        let answer = imap.good(&self.select());
        let validity = answer.number("UIDVALIDITY").unwrap();
        if validity != self.validity {
            *self = Kept { validity, ..Kept::default() };
            self.all(&mut imap, &answer);
        }
        self.take(&answer);
        self.newer(&mut imap);
        self.modseq = answer.number("HIGHESTMODSEQ").unwrap();
        assert_eq!(answer.told("EXISTS").unwrap() as usize, self.mail.len(), "{answer:?}");
        imap.good("LOGOUT");
    }

    fn all(&mut self, imap: &mut Imap, selected: &Answer) {
        if selected.told("EXISTS") > Some(0) {
            let answer = imap.good("UID FETCH 1:* (FLAGS)");
            self.take(&answer);
        }
    }

    /// With a list of UIDs it is told of these alone; those that have come since it asks for.
    fn newer(&mut self, imap: &mut Imap) {
        let next = self.mail.keys().last().map_or(1, |last| last + 1);
        let answer = imap.good(&format!("UID FETCH {next}:* (FLAGS)"));
        self.take(&answer);
    }

    fn select(&self) -> String {
        let known: Vec<String> = self.mail.keys().map(u32::to_string).collect();
        match self.validity {
            0 => "SELECT INBOX (CONDSTORE)".into(),
            // Whoever names no list is told of all.
            _ if known.is_empty() || known.len().is_multiple_of(2) => {
                format!("SELECT INBOX (QRESYNC ({} {}))", self.validity, self.modseq)
            }
            _ => format!("SELECT INBOX (QRESYNC ({} {} {}))", self.validity, self.modseq, known.join(",")),
        }
    }

    fn take(&mut self, answer: &Answer) {
        for line in &answer.untagged {
            if let Some((_, items)) = fetched(line) {
                let uid = items["UID"].number().unwrap() as u32;
                self.mail.insert(uid, flags(&items["FLAGS"]));
            }
            let text = String::from_utf8_lossy(line);
            if let Some(set) = text.strip_prefix("VANISHED ") {
                let gone = numbers(set.trim_start_matches("(EARLIER) "));
                gone.iter().for_each(|uid| drop(self.mail.remove(uid)));
            }
            assert_ne!(numbered(line).map(|(_, word)| word), Some("EXPUNGE"), "VANISHED takes its place");
        }
    }
}

fn append(imap: &mut Imap, subject: &str) {
    let text = message(subject).replace('\n', "\r\n");
    assert!(imap.try_append("INBOX", "", text.as_bytes()).unwrap().is_ok());
}

/// What others do while it is away.
type Deed = fn(&ImapServer, &mut Imap);

const DEEDS: &[(&str, Deed)] = &[
    ("nothing", |_, _| {}),
    ("ten messages come", |_, imap| (0..10).for_each(|n| append(imap, &format!("number {n}")))),
    ("flags are set", |_, imap| drop(imap.good("STORE 2:4 +FLAGS (\\Seen $Label)"))),
    ("some are removed", |_, imap| {
        imap.good("STORE 1,3,10 +FLAGS (\\Deleted)");
        imap.good("EXPUNGE");
    }),
    ("one is moved away and one copied back", |_, imap| {
        imap.good("MOVE 2 Archive");
        imap.good("COPY 1 INBOX");
    }),
    ("flags are taken away, and one comes and goes again", |_, imap| {
        imap.good("STORE 1:* -FLAGS (\\Seen $Label)");
        append(imap, "short life");
        imap.good("STORE * +FLAGS (\\Deleted)");
        imap.good("EXPUNGE");
    }),
    ("another program removes, marks and adds files", |server, imap| {
        let cur = tests::files(&server.maildir("alice").join("cur"));
        std::fs::remove_file(&cur[0]).unwrap();
        let name = cur[1].to_str().unwrap().to_owned();
        std::fs::rename(&cur[1], format!("{}:2,F", name.split_once(":2,").map_or(&*name, |(base, _)| base)))
            .unwrap();
        server.drop_file("new/77.other.host", message("by file").as_bytes());
        imap.good("NOOP");
    }),
    ("all is removed", |_, imap| {
        imap.good("STORE 1:* +FLAGS.SILENT (\\Deleted)");
        imap.good("CLOSE");
    }),
    ("one comes", |_, imap| append(imap, "after all")),
];

#[test]
fn a_client_that_was_away_learns_in_one_command_what_has_happened() {
    let Some(server) = ImapServer::start() else { return };
    let mut kept = Kept::default();
    kept.resync(&server);
    for (what, deed) in DEEDS {
        let mut other = server.inbox("alice");
        deed(&server, &mut other);
        other.command("LOGOUT");
        kept.resync(&server);
        assert_eq!(kept.mail, truth(&server), "after: {what}");
    }
}

#[test]
fn a_client_that_was_away_while_many_worked_has_the_true_picture() {
    let Some(server) = ImapServer::start() else { return };
    let mut kept = Kept::default();
    for round in 0..6 {
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let server = &server;
                scope.spawn(move || {
                    let mut imap = server.inbox("alice");
                    append(&mut imap, &format!("{round} {worker}"));
                    imap.command("UID STORE 1:* +FLAGS (k)");
                    imap.command(&format!("UID STORE {}:* -FLAGS (k)", round + worker));
                    imap.command(&format!("STORE {} +FLAGS (\\Deleted)", worker + 1));
                    imap.command("EXPUNGE");
                    append(&mut imap, &format!("{round} {worker} again"));
                });
            }
        });
        kept.resync(&server);
        assert_eq!(kept.mail, truth(&server), "round {round}");
    }
}

#[test]
fn idle_tells_at_once_what_others_do() {
    let Some(server) = ImapServer::start() else { return };
    let mut idle = server.inbox("alice");
    let mut other = server.inbox("alice");
    let (tag, _) = idle.try_idle().unwrap();
    append(&mut other, "one");
    idle.await_news("1 EXISTS");
    server.drop_file("new/5.other.host", message("two").as_bytes());
    idle.await_news("2 EXISTS");
    other.good("NOOP");
    other.good("STORE 1 +FLAGS (\\Flagged)");
    idle.await_news("\\Flagged");
    other.good("STORE 1 +FLAGS (\\Deleted)");
    other.good("EXPUNGE");
    idle.await_news("1 EXPUNGE");
    assert!(idle.try_done(&tag).unwrap().is_ok());
    assert!(idle.good("FETCH 1 (UID)").fetches().len() == 1);
}

#[test]
fn what_was_delivered_a_moment_ago_is_there() {
    let Some(server) = ImapServer::start() else { return };
    let mut kept = server.inbox("alice");
    for number in 1..=60 {
        let part = if number % 2 == 0 { "new" } else { "cur" };
        server.drop_file(&format!("{part}/{number}.now.host"), message("now").as_bytes());
        // By a session that comes now, one that was there, and STATUS.
        match number % 3 {
            0 => assert_eq!(server.login("alice").good("SELECT INBOX").told("EXISTS"), Some(number)),
            1 => assert_eq!(kept.good("NOOP").told("EXISTS"), Some(number)),
            _ => {
                let said = server.login("alice").good("STATUS INBOX (MESSAGES)").lines().join("");
                assert!(said.contains(&format!("MESSAGES {number})")), "{said} of {number}");
            }
        }
    }
}
