//! Whole sessions against a house that remembers.

use message::address::Address;
use wire::netstring;
use wire::{Fate, Flow, Session as _};

use crate::{Form, House, Limits, Session};

/// alice is here, zed can't be found out, all others are unknown.
#[derive(Debug, Default, PartialEq)]
struct Fake {
    open: Option<Vec<u8>>,
    taken: Vec<(Vec<u8>, String, Vec<String>)>,
    closed: bool,
}

impl House for Fake {
    fn open(&mut self) -> Result<(), Fate> {
        if self.closed {
            return Err(Fate::later(3, 0, "closed"));
        }
        self.open = Some(b"T\n".to_vec());
        Ok(())
    }
    fn write(&mut self, piece: &[u8]) {
        self.open.as_mut().unwrap().extend_from_slice(piece);
    }
    fn recipient(&mut self, sender: Option<&Address>, recipient: &Address) -> Result<String, Fate> {
        let _ = sender;
        match recipient.local() {
            "alice" | "bob" => Ok(recipient.envelope()),
            "zed" => Err(Fate::later(3, 0, "ask again")),
            _ => Err(Fate::never(1, 1, "No such user")),
        }
    }
    fn commit(&mut self, sender: &str, recipients: &[String]) -> Fate {
        self.taken.push((self.open.take().unwrap(), sender.to_owned(), recipients.to_vec()));
        Fate::done("ok 1 qp 2")
    }
    fn abort(&mut self) {
        self.open = None;
    }
}

const LIMITS: Limits = Limits { size: 1000, recipients: 3, hops: 3 };

fn run_in(house: Fake, form: Form, pieces: &[&[u8]]) -> (String, Fake, Flow) {
    let (mut session, mut out, mut flow) = (Session::new(house, form, LIMITS), Vec::new(), Flow::More);
    for piece in pieces {
        if flow == Flow::More {
            flow = session.feed(piece, &mut out).unwrap();
        }
    }
    (String::from_utf8(out).unwrap(), session.end(), flow)
}

fn run(form: Form, input: &[u8]) -> (String, Fake, Flow) {
    let whole = run_in(Fake::default(), form, &[input]);
    for cut in 0..=input.len() {
        let (head, tail) = input.split_at(cut);
        assert_eq!(run_in(Fake::default(), form, &[head, tail]), whole, "cut after {cut}");
    }
    let octets: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(run_in(Fake::default(), form, &octets), whole, "in octets");
    whole
}

fn strings(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    parts.iter().for_each(|part| netstring::write(&mut bytes, part.as_bytes()).unwrap());
    bytes
}

fn qmtp(text: &str, sender: &str, recipients: &[&str]) -> Vec<u8> {
    let recipients = String::from_utf8(strings(recipients)).unwrap();
    strings(&[text, sender, &recipients])
}

fn qmqp(text: &str, sender: &str, recipients: &[&str]) -> Vec<u8> {
    let inside = [strings(&[text, sender]), strings(recipients)].concat();
    strings(&[&String::from_utf8(inside).unwrap()])
}

#[test]
fn both_line_ends_of_qmtp_arrive_as_lf() {
    for text in ["\nSubject: a\n\nhi\n", "\rSubject: a\r\n\r\nhi\r\n"] {
        let (said, house, flow) = run(Form::Qmtp, &qmtp(text, "c@d.test", &["alice@example.test"]));
        assert_eq!((&said[..], flow), ("10:Kok 1 qp 2,", Flow::More));
        let taken =
            (b"T\nSubject: a\n\nhi\n".to_vec(), "c@d.test".to_owned(), vec!["alice@example.test".into()]);
        assert_eq!(house.taken, [taken]);
    }
}

#[test]
fn each_recipient_has_an_answer_in_order_and_only_good_ones_get_the_message() {
    let to = ["x@example.test", "alice@example.test", "zed@example.test", "no address", "bob@example.test"];
    let (said, house, _) = run(Form::Qmtp, &qmtp("\nhi\n", "", &to));
    let answers = [
        "DNo such user (#5.1.1)",
        "Kok 1 qp 2",
        "Zask again (#4.3.0)",
        "DSorry, that is no address that this server can handle (#5.1.3)",
        "Kok 1 qp 2",
    ];
    assert_eq!(said.as_bytes(), strings(&answers));
    assert_eq!(house.taken[0].2, ["alice@example.test", "bob@example.test"]);
    assert_eq!(house.taken[0].1, "");
}

#[test]
fn many_messages_come_over_one_connection() {
    let one = qmtp("\nhi\n", "c@d.test", &["alice@example.test"]);
    let (said, house, flow) = run(Form::Qmtp, &[&one[..], &one].concat());
    assert_eq!((&said[..], house.taken.len(), flow), ("10:Kok 1 qp 2,10:Kok 1 qp 2,", 2, Flow::More));
}

#[test]
fn a_message_that_is_refused_is_refused_to_all_and_the_next_one_taken() {
    let hops = "Received: x\n".repeat(3);
    for (text, told) in [
        ("\na\rb\n".to_owned(), "(#5.6.11)"),
        ("\ra\nb\r\n".to_owned(), "(#5.6.11)"),
        ("\ra\r".to_owned(), "(#5.6.11)"),
        (format!("\n{hops}\nhi\n"), "(#5.4.6)"),
        (format!("\n{}", "x".repeat(1001)), "(#5.3.4)"),
        // Which of two faults is told does not depend on the pieces.
        (format!("\n{}\r", "x".repeat(1001)), "(#5.6.11)"),
    ] {
        let good = qmtp("\nhi\n", "c@d.test", &["alice@example.test"]);
        let bad = qmtp(&text, "c@d.test", &["alice@example.test", "x@example.test"]);
        let (said, house, _) = run(Form::Qmtp, &[bad, good].concat());
        assert_eq!(said.matches(told).count(), 2, "{said}");
        assert!(said.ends_with("10:Kok 1 qp 2,") && house.taken.len() == 1);
    }
}

#[test]
fn what_is_garbled_ends_the_connection_and_delivers_nothing() {
    for input in [
        &b"GET / HTTP/1.0"[..],
        b"0:,",
        b"3:hi\n,",
        b"200000001:",
        b"3:\nhi,1:x,4:5:hi,,",
        b"3:\nhi;",
        b"99999999999999999999:",
    ] {
        let (said, house, flow) = run(Form::Qmtp, input);
        assert_eq!((&said[..], flow), ("", Flow::Close), "{}", input.escape_ascii());
        assert!(house.taken.is_empty() && house.open.is_none());
    }
}

#[test]
fn a_half_message_is_dropped() {
    let whole = qmtp("\nhi\n", "c@d.test", &["alice@example.test"]);
    let (said, house, _) = run(Form::Qmtp, &whole[..whole.len() - 1]);
    assert!(said.is_empty() && house.taken.is_empty() && house.open.is_none());
}

#[test]
fn too_many_recipients_are_put_off_and_a_closed_queue_puts_off_all() {
    let (said, house, _) = run(Form::Qmtp, &qmtp("\nhi\n", "", &["alice@example.test"; 5]));
    assert_eq!((said.matches("#4.5.3").count(), house.taken[0].2.len()), (2, 3));
    let closed = Fake { closed: true, ..Fake::default() };
    let (said, house, _) = run_in(closed, Form::Qmtp, &[&qmtp("\nhi\n", "", &["alice@example.test"; 2])]);
    assert_eq!((&said[..], house.taken.len()), ("16:Zclosed (#4.3.0),16:Zclosed (#4.3.0),", 0));
}

#[test]
fn qmqp_has_one_answer_for_all_and_then_ends() {
    let (said, house, flow) =
        run(Form::Qmqp, &qmqp("hi\n", "c@d.test", &["alice@example.test", "bob@x.test"]));
    assert_eq!((&said[..], flow), ("10:Kok 1 qp 2,", Flow::Close));
    assert_eq!(house.taken[0].0, b"T\nhi\n");
    assert_eq!(house.taken[0].2, ["alice@example.test", "bob@x.test"]);
    for (to, told) in [
        (&["alice@example.test", "x@example.test"][..], "22:DNo such user (#5.1.1),"),
        (&["x@example.test", "zed@example.test"], "19:Zask again (#4.3.0),"),
        (&[], "38:DThe message has no recipient (#5.5.4),"),
    ] {
        let (said, house, flow) = run(Form::Qmqp, &qmqp("hi\n", "c@d.test", to));
        assert_eq!((&said[..], flow, house.taken.len()), (told, Flow::Close, 0));
    }
}

#[test]
fn a_bad_sender_is_refused_with_the_message() {
    let (said, house, _) = run(Form::Qmqp, &qmqp("hi\n", "no address", &["alice@example.test"]));
    assert!(said.contains("#5.1.3") && house.taken.is_empty());
    let (said, _, _) = run(Form::Qmqp, &qmqp("hi\n", &"x".repeat(5000), &["alice@example.test"]));
    assert!(said.contains("#5.1.3"));
}
