//! The session against a fake house: dialogs, the cutting property, what must not happen.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::path::Path;
use std::rc::Rc;

use message::address::Address;
use proptest::prelude::*;
use wire::{Code, Flow, Session as _};

use crate::{Envelope, Fault, House, MailParameters, Reply, Session, Settings, Step};

#[path = "../../../tests/dialog.rs"]
mod dialog;
mod limits;
mod lmtp;
mod logins;

/// What happened in a house, seen from outside.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    accepted: Vec<(Envelope, Vec<u8>)>,
    opened: u32,
    aborted: u32,
    faults: Vec<(Fault, u32)>,
    open: Option<Vec<u8>>,
    most_written: usize,
}

/// A house with the users alice and bob that takes mail for nobody else.
#[derive(Clone, Default)]
struct Desk {
    seen: Rc<RefCell<Seen>>,
    queue_down: bool,
    logged_in: bool,
    /// LOGIN's name, once it is said.
    name: Option<Vec<u8>>,
    /// Messages that can't be opened before the first that can.
    closed: Rc<RefCell<u32>>,
}

impl House for Desk {
    fn now(&mut self) -> i64 {
        1_795_248_000
    }
    fn sender(&mut self, _: Option<&Address>, _: &MailParameters) -> Result<(), Reply> {
        Ok(())
    }
    fn recipient(&mut self, recipient: &Address) -> Result<String, Reply> {
        match (recipient.local(), recipient.domain()) {
            ("alice" | "bob", "example.test") => Ok(recipient.envelope()),
            ("later", _) => Err(Reply::new(451, Code(4, 3, 0), "Ask again")),
            (_, "example.test") => Err(Reply::new(550, Code(5, 1, 1), "No such user")),
            _ if self.logged_in => Ok(recipient.envelope()),
            _ => Err(Reply::new(553, Code(5, 7, 1), "No relaying")),
        }
    }
    fn reserve_tls(&mut self) -> bool {
        !self.queue_down
    }
    fn authenticate(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Step {
        self.name = None;
        match (mechanism, initial) {
            ("LOGIN", None) => Step::Challenge(b"Username:".to_vec()),
            (_, None) => Step::Challenge(Vec::new()),
            ("PLAIN", Some(message)) if !message.contains(&0) => Step::Malformed,
            (_, Some(message)) => self.answer(message),
        }
    }
    fn answer(&mut self, message: &[u8]) -> Step {
        let parts: Vec<_> = message.split(|octet| *octet == 0).collect();
        let right = match (parts.as_slice(), self.name.take()) {
            ([b"", user, password], None) => *user == b"alice@example.test" && *password == b"secret",
            ([password], Some(user)) => user == b"alice@example.test" && *password == b"secret",
            ([name], None) if !name.is_empty() => {
                self.name = Some(name.to_vec());
                return Step::Challenge(b"Password:".to_vec());
            }
            _ => return Step::Malformed,
        };
        self.logged_in = right;
        if right { Step::Welcome } else { Step::Refused }
    }
    fn open(&mut self) -> Result<(), Reply> {
        if *self.closed.borrow() > 0 {
            *self.closed.borrow_mut() -= 1;
            return Err(Reply::new(451, Code(4, 3, 0), "The queue is down"));
        }
        let mut seen = self.seen.borrow_mut();
        assert_eq!(seen.open.replace(Vec::new()), None);
        seen.opened += 1;
        Ok(())
    }
    fn write(&mut self, part: &[u8]) {
        let mut seen = self.seen.borrow_mut();
        let open = seen.open.as_mut().expect("a message must have been opened");
        open.extend_from_slice(part);
        let length = open.len();
        seen.most_written = seen.most_written.max(length);
    }
    fn commit(&mut self, envelope: &Envelope) -> Result<String, Reply> {
        let mut seen = self.seen.borrow_mut();
        let message = seen.open.take().expect("a message must have been opened");
        if self.queue_down {
            return Err(Reply::new(451, Code(4, 3, 0), "The queue is down"));
        }
        seen.accepted.push((envelope.clone(), message));
        Ok(format!("100{}", seen.accepted.len()))
    }
    fn abort(&mut self) {
        let mut seen = self.seen.borrow_mut();
        seen.aborted += u32::from(seen.open.take().is_some());
    }
    fn fault(&mut self, fault: Fault, count: u32, _: &Reply) {
        self.seen.borrow_mut().faults.push((fault, count));
    }
}

fn settings() -> Settings {
    let host = "mail.example.test".to_owned();
    let mechanisms = vec!["PLAIN".to_owned(), "LOGIN".to_owned()];
    Settings {
        greeting: host.clone(),
        host,
        domain: "example.test".to_owned(),
        mechanisms,
        ..Settings::default()
    }
}

/// Runs a session over `pieces`; gives its replies, how it ended and what happened in the house.
fn run(settings: Settings, pieces: &[&[u8]]) -> (String, Flow, Seen) {
    let desk = Desk::default();
    let seen = desk.seen.clone();
    let mut session = Session::new(desk, settings);
    let (mut out, mut flow) = (Vec::new(), Flow::More);
    for piece in pieces {
        flow = session.feed(piece, &mut out).unwrap();
    }
    session.end();
    let seen = seen.borrow().clone();
    (String::from_utf8(out).unwrap(), flow, seen)
}

fn codes(replies: &str) -> Vec<u16> {
    replies.lines().filter(|l| l.as_bytes()[3] == b' ').map(|l| l[..3].parse().unwrap()).collect()
}

const ENVELOPE: &str = "MAIL FROM:<carol@example.org>\r\nRCPT TO:<alice@example.test>\r\n";

/// The one message that `text` (dot-stuffed, without its end) makes, less its trace line.
fn sent(text: &[u8]) -> Vec<u8> {
    let input = [ENVELOPE.as_bytes(), b"DATA\r\n", text, b"\r\n.\r\n"].concat();
    let (replies, _, mut seen) = run(settings(), &[&input]);
    assert_eq!(codes(&replies), [250, 250, 354, 250], "{replies}");
    let message = seen.accepted.remove(0).1;
    let end = message.windows(7).position(|w| w == b" -0000\n").unwrap() + 7;
    message[end..].to_vec()
}

/// A session dressed up as a connection.
struct Played {
    session: Session<Desk>,
    out: Vec<u8>,
    flow: Flow,
}

impl Read for Played {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.out.is_empty() && self.flow == Flow::More {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(self.out.len());
        buffer[..count].copy_from_slice(&self.out[..count]);
        self.out.drain(..count);
        Ok(count)
    }
}

impl Write for Played {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flow = self.session.feed(bytes, &mut self.out)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn dialogs() -> Vec<std::path::PathBuf> {
    dialog::dialogs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/dialogs/smtp"))
}

#[test]
fn every_dialog_goes_as_it_is_written() {
    for path in dialogs() {
        let mut settings = settings();
        for (name, value) in dialog::world(&path) {
            assert_eq!(name, "databytes", "{}: the fake house knows no other", path.display());
            settings.max_size = value.parse().unwrap();
        }
        let desk = Desk::default();
        let seen = desk.seen.clone();
        let mut played = Played { session: Session::new(desk, settings), out: Vec::new(), flow: Flow::More };
        played.flow = played.session.greet(&mut played.out).unwrap();
        let accepted = dialog::run_dialog(&path, &mut played);
        assert_eq!(seen.borrow().accepted.len(), accepted, "{}", path.display());
    }
}

/// Everything a session can be in the middle of.
const BUSY: &[u8] = b"EHLO a.b\r\nMAIL FROM:<carol@example.org> SIZE=9\r\nRCPT TO:<alice@example.test>\r\n\
    RCPT TO:<no@example.test>\r\nDATA\r\nReceived: x\r\n..a\r\n.b\r\n\r\nbody\r\n.\r\nNOOP\nRSET\r\n\
    MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\na\nb\rc\r\n.\r\nBDAT 3\r\nNO\r\
    MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nBDAT 5\r\na\r\nb\rBDAT 1\r\n\nBDAT 2 LAST\r\nx\nHELP\r\n\
    MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n0123456789012345678901234567890123456789\r\n\r.\r\n.\r\n\
    XYZZY \x01\r\nVRFY a\r\nQUIT\r\nNOOP\r\n";

#[test]
fn cutting_the_input_anywhere_changes_nothing() {
    let small = || Settings { max_size: 50, max_hops: 2, ..settings() };
    let whole = run(small(), &[BUSY]);
    let same = |pieces: &[&[u8]], place: usize| {
        let cut = run(small(), pieces);
        assert_eq!(
            (&cut.0, cut.1, &cut.2.accepted, &cut.2.faults),
            (&whole.0, whole.1, &whole.2.accepted, &whole.2.faults),
            "{place}"
        );
    };
    for cut in 0..=BUSY.len() {
        same(&[&BUSY[..cut], &BUSY[cut..]], cut);
    }
    same(&BUSY.chunks(1).collect::<Vec<_>>(), 1);
    assert_eq!(whole.1, Flow::Close);
    assert_eq!(whole.2.accepted.len(), 1);
}

#[test]
fn an_endless_line_ends_the_session_wherever_it_is_cut() {
    // S11
    let input = vec![b'x'; 70_000];
    let whole = run(settings(), &[&input]);
    assert_eq!((codes(&whole.0), whole.1), (vec![421], Flow::Close));
    for size in [1, 1000, 65_535, 65_536, 65_537] {
        let cut = run(settings(), &input.chunks(size).collect::<Vec<_>>());
        assert_eq!((cut.0, cut.1), (whole.0.clone(), Flow::Close));
    }
}

#[test]
fn a_message_is_stored_octet_by_octet_below_its_trace_line() {
    // S09, S52, S53
    for (wire, stored) in [
        (&b"Subject: a\r\n\r\nbody"[..], &b"Subject: a\n\nbody\n"[..]),
        (b"", b"\n"),
        (b"no header at all", b"no header at all\n"),
        (b" leads with a blank\r\nno colon\r\n\r\n", b" leads with a blank\nno colon\n\n\n"),
        (b"\r\n..\r\n...x\r\n.x", b"\n.\n..x\nx\n"),
        (b"\xff\xfe\0\x01\x7f\x1b[2J\0", b"\xff\xfe\0\x01\x7f\x1b[2J\0\n"),
    ] {
        assert_eq!(sent(wire), stored);
    }
    let (_, _, seen) = run(settings(), &[ENVELOPE.as_bytes(), b"DATA\r\n.\r\n"]);
    let message = String::from_utf8(seen.accepted[0].1.clone()).unwrap();
    assert!(message.starts_with(
        "Received: from unknown (unknown)\n  by mail.example.test with SMTP id 0; Sat, 21 Nov 2026"
    ));
    assert_eq!(message.lines().count(), 2);
}

#[test]
fn a_line_of_two_million_octets_is_never_cut() {
    // S13
    let line = vec![b'x'; 2_000_000];
    assert_eq!(sent(&line).len(), 2_000_001);
}

#[test]
fn a_header_of_a_megabyte_and_one_of_ten_thousand_lines_are_taken() {
    // S51
    let long = [b"To: ".as_slice(), &b"a@example.test,\r\n ".repeat(60_000)].concat();
    assert_eq!(sent(&long).len(), long.len() + 1 - 60_000);
    assert_eq!(sent(&b"X-A: b\r\n".repeat(10_000)).len(), 70_001);
}

#[test]
fn the_rest_of_a_message_whose_first_chunk_was_refused_is_never_taken_for_a_message() {
    // S58
    let desk = Desk { closed: Rc::new(RefCell::new(1)), ..Desk::default() };
    let seen = desk.seen.clone();
    let mut session = Session::new(desk, settings());
    let mut out = Vec::new();
    session.feed(format!("{ENVELOPE}BDAT 5\r\nfirstBDAT 4 LAST\r\nlast").as_bytes(), &mut out).unwrap();
    assert_eq!(codes(&String::from_utf8(out).unwrap()), [250, 250, 451, 503]);
    assert!(seen.borrow().accepted.is_empty());
}

#[test]
fn a_silent_client_loses_its_half_message() {
    // S46
    let desk = Desk::default();
    let seen = desk.seen.clone();
    let mut session = Session::new(desk, settings());
    let mut out = Vec::new();
    session.feed(format!("{ENVELOPE}DATA\r\nhalf").as_bytes(), &mut out).unwrap();
    session.timed_out(&mut out).unwrap();
    assert!(out.ends_with(b"421 4.4.2 Timeout, closing connection\r\n"));
    assert_eq!((seen.borrow().aborted, seen.borrow().accepted.len()), (1, 0));
}

#[test]
fn one_connection_has_its_number_of_messages() {
    let input = format!("{ENVELOPE}DATA\r\n.\r\n").repeat(3);
    let two = Settings { max_messages: 2, ..settings() };
    let (replies, flow, seen) = run(two, &[input.as_bytes()]);
    assert_eq!((codes(&replies).last(), flow, seen.accepted.len()), (Some(&421), Flow::Close, 2));
}

#[test]
fn smtputf8_mail_is_traced_as_such_and_only_it() {
    let input = "EHLO a\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n.\r\n\
                 MAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n.\r\n";
    let (_, _, seen) = run(settings(), &[input.as_bytes()]);
    let has = |n: usize, word: &str| String::from_utf8(seen.accepted[n].1.clone()).unwrap().contains(word);
    assert!(has(0, " with UTF8SMTP id ") && has(1, " with ESMTP id "));
}

fn well_formed(replies: &str) {
    for line in replies.split_inclusive("\r\n") {
        let text = line.strip_suffix("\r\n").expect("every reply line is complete");
        assert!(line.len() <= 512 && text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        assert!(
            text.as_bytes()[..3].iter().all(u8::is_ascii_digit) && matches!(text.as_bytes()[3], b' ' | b'-')
        );
    }
}

#[test]
fn twenty_thousand_noops_are_answered_in_order() {
    // S61
    let (replies, flow, _) = run(settings(), &["NOOP\r\n".repeat(20_000).as_bytes(), b"QUIT\r\n"]);
    assert_eq!((codes(&replies).len(), flow), (20_001, Flow::Close));
    assert!(replies.ends_with("221 2.0.0 Goodbye\r\n"));
}

proptest! {
    /// S62: no line but BDAT and DATA leaves its answer open, and every answer is one reply.
    #[test]
    fn every_random_line_gets_one_well_formed_reply(words in prop::collection::vec(token(), 0..8)) {
        let line = words.concat().replace(['\r', '\n'], "");
        let open = ["BDAT", "DATA"].iter().any(|v| line.to_ascii_uppercase().starts_with(v));
        prop_assume!(!open);
        for before in ["", "EHLO a\r\n", "MAIL FROM:<>\r\n", ENVELOPE] {
            let (first, _, _) = run(settings(), &[before.as_bytes()]);
            let (replies, _, _) = run(settings(), &[before.as_bytes(), line.as_bytes(), b"\r\n"]);
            well_formed(&replies);
            prop_assert_eq!(codes(&replies).len(), codes(&first).len() + 1, "{:?}", line);
        }
    }

    /// S62: whatever comes, the session neither panics nor says a malformed word, however it is cut.
    #[test]
    fn random_input_is_withstood_and_may_be_cut(
        words in prop::collection::vec(token(), 0..60), size in 1_usize..40,
    ) {
        let input = words.concat().into_bytes();
        let whole = run(settings(), &[&input]);
        well_formed(&whole.0);
        let cut = run(settings(), &input.chunks(size).collect::<Vec<_>>());
        prop_assert_eq!((whole.0, whole.1, whole.2.accepted, whole.2.faults), (cut.0, cut.1, cut.2.accepted, cut.2.faults));
    }
}

/// The alphabet of the fuzz: what SMTP is made of, and what breaks it.
fn token() -> impl Strategy<Value = String> {
    let words = vec![
        "EHLO",
        "HELO",
        "MAIL",
        "RCPT",
        "DATA",
        "BDAT",
        "RSET",
        "NOOP",
        "VRFY",
        "HELP",
        "QUIT",
        " ",
        " ",
        " ",
        "FROM:",
        "TO:",
        "<",
        ">",
        "<>",
        "@",
        "alice",
        "example.test",
        "<alice@example.test>",
        "\"",
        "\\",
        ":",
        "=",
        "SIZE=",
        "BODY=8BITMIME",
        "SMTPUTF8",
        "LAST",
        "0",
        "1",
        "7",
        "99999999999999999999",
        "-",
        ".",
        "\r\n",
        "\r\n",
        "\r\n",
        "\r",
        "\n",
        ".\r\n",
        "\0",
        "é",
        "\t",
        "MAIL FROM:<>\r\n",
        "RCPT TO:<bob@example.test>\r\n",
        "DATA\r\n",
        "\r\n.\r\n",
        "BDAT 3\r\n",
        "Received: x\r\n",
    ];
    prop::sample::select(words).prop_map(str::to_owned)
}
