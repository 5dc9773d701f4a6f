//! Both sessions against a fake house: the dialogs of `tests/dialogs/pop3`, and what must not happen.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Cursor, ErrorKind};
use std::path::PathBuf;
use std::rc::Rc;

use proptest::prelude::*;
use wire::{Flow, Session};

use crate::{Door, Login, Mailbox, Store, Verdict};

mod mailbox;

const STAMP: &str = "<1896.697170952@dbc.mtview.ca.us>";

/// Lets alice in by password and mrose by the digest of RFC 1939's example.
struct FakeDoor {
    apop: bool,
}

impl Door for FakeDoor {
    fn reserve_tls(&mut self) -> bool {
        true
    }
    fn timestamp(&mut self) -> Option<String> {
        self.apop.then(|| STAMP.to_owned())
    }
    fn password(&mut self, user: &str, password: &[u8]) -> Verdict {
        match (user, password) {
            ("alice@example.test", b"wonderland") => Verdict::Welcome,
            ("later", _) => Verdict::Later,
            _ => Verdict::Refused,
        }
    }
    fn digest(&mut self, user: &str, digest: &str) -> Verdict {
        let right = (user, digest) == ("mrose", "c4c9334bac560ecc979e58001b3e22fb");
        if right { Verdict::Welcome } else { Verdict::Refused }
    }
}

#[derive(Debug, Default)]
struct Shelf {
    messages: Vec<(String, Option<Vec<u8>>)>,
    commits: Vec<(Vec<usize>, Vec<usize>)>,
    stuck: bool,
}

#[derive(Clone, Default)]
struct FakeStore(Rc<RefCell<Shelf>>);

impl FakeStore {
    fn with(texts: &[&[u8]]) -> FakeStore {
        let store = FakeStore::default();
        let named = texts.iter().enumerate().map(|(n, text)| (format!("{n}.x"), Some(text.to_vec())));
        store.0.borrow_mut().messages = named.collect();
        store
    }

    fn take_away(&self, place: usize) {
        self.0.borrow_mut().messages[place].1 = None;
    }

    fn commits(&self) -> Vec<(Vec<usize>, Vec<usize>)> {
        self.0.borrow().commits.clone()
    }
}

impl Store for FakeStore {
    type Text = Cursor<Vec<u8>>;
    fn count(&self) -> usize {
        self.0.borrow().messages.len()
    }
    fn size(&mut self, place: usize) -> io::Result<u64> {
        let text = self.open(place)?.into_inner();
        let sizes = message::Sizes::of(&text);
        Ok(sizes.wire + if sizes.finished() { 0 } else { 2 })
    }
    fn name(&self, place: usize) -> Vec<u8> {
        self.0.borrow().messages[place].0.clone().into_bytes()
    }
    fn open(&mut self, place: usize) -> io::Result<Cursor<Vec<u8>>> {
        let text = self.0.borrow().messages[place].1.clone();
        text.map(Cursor::new).ok_or_else(|| ErrorKind::NotFound.into())
    }
    fn commit(&mut self, deleted: &[usize], retrieved: &[usize]) -> usize {
        let mut shelf = self.0.borrow_mut();
        shelf.commits.push((deleted.to_vec(), retrieved.to_vec()));
        usize::from(shelf.stuck && !deleted.is_empty())
    }
}

fn dialogs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/pop3")
}

/// The mailbox that the dialogs are about.
fn mailbox() -> FakeStore {
    let mut messages: Vec<(String, Option<Vec<u8>>)> = fs::read_dir(dialogs().join("messages"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), Some(fs::read(entry.path()).unwrap())))
        .collect();
    messages.sort();
    let store = FakeStore::default();
    store.0.borrow_mut().messages = messages;
    store
}

/// A client's view: first the login session, after it the mailbox session.
struct Server {
    login: Option<Login<FakeDoor>>,
    mailbox: Mailbox<FakeStore>,
    out: Vec<u8>,
    closed: bool,
}

impl Server {
    fn start(apop: bool, store: FakeStore) -> Server {
        let (login, mailbox) = (Some(Login::new(FakeDoor { apop })), Mailbox::new(store));
        let mut server = Server { login, mailbox, out: Vec::new(), closed: false };
        server.login.as_mut().unwrap().greet(&mut server.out).unwrap();
        server
    }

    fn logged_in(store: FakeStore) -> Server {
        let mut server = Server::start(false, store);
        server.say("USER alice@example.test\r\nPASS wonderland\r\n");
        server
    }

    fn feed(&mut self, input: &[u8]) {
        if self.closed {
            return;
        }
        let Some(login) = &mut self.login else {
            self.closed = self.mailbox.feed(input, &mut self.out).unwrap() == Flow::Close;
            return;
        };
        match login.feed(input, &mut self.out).unwrap() {
            Flow::Handover => {
                let unread = login.unread().to_vec();
                self.login = None;
                self.mailbox.greet(&mut self.out).unwrap();
                self.feed(&unread);
            }
            flow => self.closed = flow == Flow::Close,
        }
    }

    /// What the server has written since the last call.
    fn heard(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn say(&mut self, text: &str) -> String {
        self.heard();
        self.feed(text.as_bytes());
        String::from_utf8_lossy(&self.heard()).into_owned()
    }
}

/// One line of a dialog file.
enum Step {
    Client(Vec<u8>),
    Server(Vec<u8>),
    End,
}

fn steps(text: &str) -> Vec<Step> {
    let step = |line: &str| match line.split_at_checked(3) {
        Some(("C: ", said)) => Some(Step::Client(unescape(said))),
        Some(("S: ", said)) => Some(Step::Server(unescape(said))),
        Some(("E:", _)) => Some(Step::End),
        _ if line == "E:" => Some(Step::End),
        _ => None,
    };
    text.lines().filter(|line| !line.starts_with('#')).map(|line| step(line).expect(line)).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut octets = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        octets.push(u8::from_str_radix(&part[..2], 16).unwrap());
        octets.extend_from_slice(&part.as_bytes()[2..]);
    }
    octets
}

fn play(name: &str, steps: &[Step]) {
    let mut server = Server::start(false, mailbox());
    let mut heard = server.heard();
    for step in steps {
        match step {
            Step::Client(line) => {
                assert_eq!(heard, b"", "{name}: more was said before {:?}", String::from_utf8_lossy(line));
                server.feed(&[line, &b"\r\n"[..]].concat());
                heard = server.heard();
            }
            Step::Server(line) => {
                let end = heard.windows(2).position(|two| two == b"\r\n").expect(name);
                let rest = heard.split_off(end + 2);
                let fits = match line.strip_suffix(b"*") {
                    Some(start) => heard.starts_with(start),
                    None => heard[..end] == line[..],
                };
                assert!(
                    fits,
                    "{name}: {:?}, not {:?}",
                    String::from_utf8_lossy(&heard),
                    String::from_utf8_lossy(line)
                );
                heard = rest;
            }
            Step::End => assert!(server.closed, "{name}: still open"),
        }
    }
    assert_eq!(heard, b"", "{name}");
}

fn all_dialogs() -> Vec<(String, Vec<Step>)> {
    let files = fs::read_dir(dialogs()).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .map(|path| (path.display().to_string(), steps(&fs::read_to_string(&path).unwrap())))
        .collect()
}

#[test]
fn every_dialog_goes_as_it_is_written() {
    let dialogs = all_dialogs();
    assert!(dialogs.len() >= 10);
    for (name, steps) in dialogs {
        play(&name, &steps);
    }
}

fn spoken(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut server = Server::start(true, mailbox());
    for piece in pieces {
        server.feed(piece);
    }
    (server.heard(), server.closed)
}

#[test]
fn cutting_the_input_anywhere_changes_nothing() {
    for (name, steps) in all_dialogs() {
        let said = steps.iter().filter_map(|step| match step {
            Step::Client(line) => Some([line, &b"\r\n"[..]].concat()),
            _ => None,
        });
        let input: Vec<u8> = said.flatten().collect();
        let whole = spoken(&[&input]);
        assert_eq!(spoken(&input.chunks(1).collect::<Vec<_>>()), whole, "{name}");
        for cut in 0..=input.len() {
            assert_eq!(spoken(&[&input[..cut], &input[cut..]]), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn the_digest_of_the_standards_example_lets_in() {
    // RFC 1939 §7
    let mut server = Server::start(true, mailbox());
    assert_eq!(server.heard(), format!("+OK POP3 ready {STAMP}\r\n").as_bytes());
    let wrong = "APOP mrose c4c9334bac560ecc979e58001b3e22fc\r\n";
    assert_eq!(server.say(wrong), "-ERR [AUTH] Wrong user name or password\r\n");
    assert_eq!(server.say("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n"), "+OK 3 messages\r\n");
}

#[test]
fn a_broken_digest_stops_no_later_login() {
    // P09
    let mut server = Server::start(true, mailbox());
    for bad in [
        "APOP",
        "APOP mrose",
        "APOP mrose c4c9",
        "APOP mrose =",
        "APOP *",
        "APOP  ",
        "AUTH APOP =",
        "APOP mrose g4c9334bac560ecc979e58001b3e22fb",
    ] {
        let heard = server.say(&format!("{bad}\r\n"));
        assert!(heard.starts_with("-ERR ") && heard.lines().count() == 1, "{bad}: {heard}");
    }
    assert_eq!(server.say(&format!("APOP {}\r\n", "x".repeat(20_000))), "-ERR Line too long\r\n");
    server.say("USER alice@example.test\r\n");
    assert_eq!(server.say("PASS wonderland\r\n"), "+OK 3 messages\r\n");
}

#[test]
fn apop_is_refused_where_no_timestamp_was_given() {
    let mut server = Server::start(false, mailbox());
    let heard = server.say("APOP mrose c4c9334bac560ecc979e58001b3e22fb\r\n");
    assert_eq!(heard, "-ERR APOP is not offered here\r\n");
}

#[test]
fn a_long_line_is_no_command_and_an_endless_one_ends_the_session() {
    // P01
    for verb in ["USER ", "PASS "] {
        let mut server = Server::start(false, mailbox());
        let heard = server.say(&format!("{verb}{}\r\nUSER x\r\n", "x".repeat(249)));
        assert_eq!(heard, "-ERR Line too long\r\n+OK Password, please\r\n");
        assert_eq!(server.say(&"x".repeat(100_000)), "-ERR Line far too long, good bye\r\n");
        assert!(server.closed);
    }
    let mut server = Server::logged_in(mailbox());
    assert_eq!(server.say(&"x".repeat(100_000)), "-ERR Line far too long, good bye\r\n");
    assert!(server.closed);
}

#[test]
fn a_name_at_the_limit_passes() {
    let mut server = Server::start(false, mailbox());
    assert_eq!(server.say(&format!("USER {}\r\n", "x".repeat(248))), "+OK Password, please\r\n");
}

#[test]
fn a_house_that_cannot_tell_is_not_a_wrong_password() {
    // RFC 3206 §4
    let mut server = Server::start(false, mailbox());
    let heard = server.say("USER later\r\nPASS x\r\n");
    assert!(heard.ends_with("-ERR [SYS/TEMP] Logins cannot be checked now, try again later\r\n"));
    assert!(!server.closed);
}

#[test]
fn ten_thousand_commands_in_one_go_are_answered_in_order() {
    // P18
    let mut server = Server::logged_in(mailbox());
    let heard = server.say(&format!("{}LIST 1\r\nQUIT\r\n", "NOOP\r\n".repeat(10_000)));
    let expected = format!("{}+OK 1 57\r\n+OK Good bye\r\n", "+OK Nothing done\r\n".repeat(10_000));
    assert_eq!(heard, expected);
}

#[test]
fn a_proven_client_may_have_sent_more_already() {
    let mut server = Server::start(false, mailbox());
    let heard = server.say("USER alice@example.test\r\nPASS wonderland\r\nSTAT\r\nQU");
    assert_eq!(heard, "+OK Password, please\r\n+OK 3 messages\r\n+OK 3 160\r\n");
    assert_eq!(server.say("IT\r\n"), "+OK Good bye\r\n");
}

#[test]
fn a_login_that_nobody_takes_over_is_told_so() {
    let mut login = Login::new(FakeDoor { apop: false });
    let mut out = Vec::new();
    let flow = login.feed(b"USER alice@example.test\nPASS wonderland\nSTAT\n", &mut out).unwrap();
    login.stranded(&mut out).unwrap();
    assert_eq!((flow, login.unread()), (Flow::Handover, &b"STAT\n"[..]));
    assert!(out.ends_with(b"-ERR [SYS/TEMP] The mailbox cannot be reached now, try again later\r\n"));
}

/// Undoes what RETR does to a message; also sees to it that the terminator stands only at the end.
fn unstuffed(reply: &[u8]) -> Vec<u8> {
    let start = reply.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
    let mut text = Vec::new();
    let (used, state) =
        wire::dot::Undot::new().feed(&reply[start..], &mut |part| text.extend_from_slice(part));
    assert_eq!((used, state), (reply.len() - start, wire::dot::Dotted::End));
    text
}

proptest! {
    #[test]
    fn a_message_arrives_exactly_and_as_large_as_was_said(text in "([.\na-c]|[^\r]){0,40}") {
        // P07
        let mut server = Server::logged_in(FakeStore::with(&[text.as_bytes()]));
        server.heard();
        server.feed(b"RETR 1\r\n");
        let reply = server.heard();
        let mut expected = text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            expected.push('\n');
        }
        prop_assert_eq!(unstuffed(&reply), expected.as_bytes());
        let octets = expected.len() + expected.matches('\n').count();
        let said = format!("+OK {octets} octets\r\n");
        prop_assert!(reply.starts_with(said.as_bytes()));
        prop_assert_eq!(server.say("STAT\r\n"), format!("+OK 1 {octets}\r\n"));
    }

    #[test]
    fn random_lines_get_one_status_line_each_and_change_nothing(
        lines in prop::collection::vec(
            "(USER|PASS|APOP|RETR|TOP|LIST|UIDL|STAT|NOOP|RSET|UTF8|AUTH|STLS|XTND)?[ ]?[ -~]{0,9}", 1..15),
        logged_in: bool,
    ) {
        // P19
        let store = FakeStore::with(&[b"a\n", b".\n.b"]);
        let mut server = if logged_in { Server::logged_in(store.clone()) } else { Server::start(true, store.clone()) };
        for line in lines {
            if server.closed || line.eq_ignore_ascii_case("quit") {
                break;
            }
            let heard = server.say(&format!("{line}\r\n"));
            let status = heard.lines().next().unwrap();
            prop_assert!(status.starts_with("+OK") || status.starts_with("-ERR "), "{}: {}", line, heard);
            let several = heard.lines().count() > 1;
            prop_assert!(!several || (status.starts_with("+OK ") && heard.ends_with("\r\n.\r\n")), "{}", heard);
        }
        prop_assert_eq!(store.commits(), []);
    }
}

// P10
#[test]
fn tls_comes_before_passwords_where_it_must_and_nothing_is_taken_over_from_before_it() {
    let encryption = crate::Encryption { offered: true, before_login: true };
    let door = || Login::new(FakeDoor { apop: true }).with(encryption);
    let talk = |login: &mut Login<FakeDoor>, text: &str| {
        let mut out = Vec::new();
        let flow = login.feed(text.as_bytes(), &mut out).unwrap();
        (String::from_utf8(out).unwrap(), flow)
    };
    let mut login = door();
    login.greet(&mut Vec::new()).unwrap();
    let (said, _) = talk(
        &mut login,
        "CAPA\r\nUSER alice\r\nPASS secret\r\nAPOP alice 0123456789abcdef0123456789abcdef\r\n",
    );
    assert!(said.contains("\r\nSTLS\r\n"), "{said}");
    assert_eq!(said.matches("-ERR").count(), 3, "{said}");
    assert_eq!(talk(&mut login, "STLS\r\n"), ("+OK Begin TLS now\r\n".into(), Flow::Secure));
    login.secured();
    let (said, _) = talk(&mut login, "CAPA\r\nSTLS\r\nUSER alice\r\n");
    assert!(
        !said.contains("\r\nSTLS\r\n") && said.contains("begun already") && said.contains("+OK Password"),
        "{said}"
    );
    let (said, flow) = talk(&mut door(), "STLS\r\nUSER alice\r\n");
    assert!(said.starts_with("-ERR") && flow == Flow::Close, "{said}");
    let (said, _) = talk(&mut Login::new(FakeDoor { apop: false }), "STLS\r\nCAPA\r\n");
    assert!(said.starts_with("-ERR") && !said.contains("\r\nSTLS"), "{said}");
}
