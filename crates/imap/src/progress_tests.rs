use std::cell::Cell;

use super::*;
use crate::memory::Memory;
use crate::session::{Options, Session};

thread_local! {
    static TICKS: Cell<u64> = const { Cell::new(0) };
}

/// Each look at it takes a second.
fn ticking() -> Duration {
    TICKS.with(|ticks| ticks.replace(ticks.get() + 1));
    Duration::from_secs(TICKS.with(Cell::get))
}

fn every(seconds: u64) -> Option<Pace> {
    Some(Pace { clock: ticking, step: Duration::from_secs(seconds), takes: Rc::new(|| true) })
}

/// A session on `count` messages, each a line of text.
fn session(count: usize, pace: Option<Pace>) -> Session<Memory> {
    let memory = Memory::new('/');
    memory.deliver("Other", b"Subject: x\n\nx\n");
    for number in 0..count {
        memory.deliver("INBOX", format!("Subject: number {number}\n\nAlike.\n").as_bytes());
    }
    let mut session = Session::new(memory, Options { pace, ..Options::default() });
    session.feed(b"s SELECT INBOX\r\n", &mut Vec::new()).unwrap();
    session
}

/// The lines that answer a command, those of progress apart.
fn said(session: &mut Session<Memory>, command: &str) -> (Vec<String>, Vec<String>) {
    let mut out = Vec::new();
    session.feed(format!("{command}\r\n").as_bytes(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines = text.split_terminator("\r\n").map(str::to_owned);
    lines.partition(|line| line.contains("INPROGRESS"))
}

/// What is done and what the whole is, of each word.
fn numbers(words: &[String], tag: &str) -> Vec<(usize, usize)> {
    let number = |word: &String| {
        let rest = word.strip_prefix(&format!("* OK [INPROGRESS ({tag} ")).unwrap();
        let (done, goal) = rest.split_once(")] ").unwrap().0.split_once(' ').unwrap();
        (done.parse().unwrap(), goal.parse().unwrap())
    };
    words.iter().map(number).collect()
}

const LONG: &[&str] = &[
    "a SEARCH BODY alike",
    "a SORT (SUBJECT) UTF-8 TEXT alike",
    "a THREAD REFERENCES UTF-8 BODY alike",
    "a FETCH 1:* (ENVELOPE FLAGS)",
    "a FETCH 1:* BODY[]",
    "a STORE 1:* +FLAGS (\\Deleted)",
    "a COPY 1:* Other",
    "a MOVE 1:20 Other",
    "a EXPUNGE",
];

#[test]
fn whoever_waits_long_is_told_how_far_his_command_is_and_gets_the_same_answer() {
    let (mut told, mut untold) = (session(40, every(5)), session(40, None));
    for command in LONG {
        let (words, answer) = said(&mut told, command);
        let (none, same) = said(&mut untold, command);
        assert_eq!(answer, same, "{command}");
        assert!(none.is_empty() && !words.is_empty(), "{command}: {words:?}");
        let numbers = numbers(&words, "\"a\"");
        assert!(numbers.windows(2).all(|two| two[0].0 <= two[1].0 && two[0].1 == two[1].1), "{numbers:?}");
        assert!(numbers.iter().all(|(done, goal)| done < goal && *goal <= 40), "{command}: {numbers:?}");
    }
}

#[test]
fn what_is_done_at_once_has_no_word_of_progress() {
    let mut session = session(40, every(10_000));
    for command in LONG {
        assert!(said(&mut session, command).0.is_empty(), "{command}");
    }
}

#[test]
fn who_does_not_read_what_he_is_told_is_not_waited_for() {
    let takes = Rc::new(Cell::new(false));
    let told = Rc::clone(&takes);
    let pace = every(5).map(|pace| Pace { takes: Rc::new(move || told.get()), ..pace });
    let mut session = session(40, pace);
    assert!(said(&mut session, "a SEARCH BODY alike").0.is_empty());
    takes.set(true);
    assert!(!said(&mut session, "a SEARCH BODY alike").0.is_empty());
}

#[test]
fn a_tag_that_would_end_the_code_is_not_in_it() {
    let mut session = session(20, every(5));
    let (words, _) = said(&mut session, "a]b SEARCH BODY alike");
    assert!(!numbers(&words, "NIL").is_empty());
    // Nor one that is so long that the word might not fit.
    let (words, _) = said(&mut session, &format!("{} SEARCH BODY alike", "a".repeat(65)));
    assert!(!numbers(&words, "NIL").is_empty());
}

/// What goes out at one time.
#[derive(Default)]
struct Parcels(Vec<String>, Vec<u8>);

impl Write for Parcels {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.1.extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.push(String::from_utf8(std::mem::take(&mut self.1)).unwrap());
        Ok(())
    }
}

#[test]
fn whoever_holds_a_lock_sends_nothing_but_the_word() {
    let mut session = session(40, every(5));
    for command in ["a COPY 1:* Other", "a UID COPY 1:* Other", "a MOVE 1:20 Other", "a UID MOVE 21:* Other"]
    {
        let mut out = Parcels::default();
        // Said before, and waiting to be sent together with what comes.
        session.feed(format!("b FETCH 1:* FLAGS\r\n{command}\r\n").as_bytes(), &mut out).unwrap();
        let mut sent = out.0.iter().skip_while(|parcel| !parcel.contains("b OK"));
        assert!(sent.next().unwrap().ends_with("b OK Done.\r\n"), "{command}");
        let words: Vec<_> = sent.collect();
        assert!(!words.is_empty(), "{command}");
        for word in words {
            let ends = word.starts_with("* OK [INPROGRESS (\"a\"") && word.matches("\r\n").count() == 1;
            assert!(ends, "{command}: {word}");
        }
    }
}

#[test]
fn no_word_of_progress_comes_into_the_middle_of_a_line() {
    let memory = Memory::new('/');
    // Larger than what is taken apart, so it is poured out piece by piece, while the digest behind it is still to be made.
    let large = [b"Subject: x\n\n".to_vec(), vec![b'x'; 70 << 20]].concat();
    memory.deliver("INBOX", &large);
    memory.deliver("INBOX", b"Subject: y\n\ny\n");
    let mut session = Session::new(memory, Options { pace: every(1), ..Options::default() });
    session.feed(b"s SELECT INBOX\r\n", &mut Vec::new()).unwrap();
    let mut out = Vec::new();
    session.feed(b"a FETCH 1:2 (BODY.PEEK[] ENVELOPE)\r\n", &mut out).unwrap();
    let (mut rest, mut words) = (&out[..], 0);
    while !rest.is_empty() {
        let end = memchr::memmem::find(rest, b"\r\n").unwrap() + 2;
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        words += usize::from(line.starts_with("* OK [INPROGRESS"));
        assert!(
            line.starts_with("* ") || line.starts_with("a OK") || line.starts_with(" ENVELOPE"),
            "{line}"
        );
        rest = &rest[end..];
        if let Some(octets) = line.trim_end().strip_suffix('}').and_then(|head| head.rsplit_once('{')) {
            let octets: usize = octets.1.parse().unwrap();
            assert!(!rest[..octets].windows(10).take(100).any(|octets| octets == b"INPROGRESS"));
            rest = &rest[octets..];
        }
    }
    assert!(words > 0);
}

/// A connection of which the other end is gone.
struct Gone(Vec<u8>);

impl Write for Gone {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

#[test]
fn work_for_a_client_who_is_gone_ends_but_what_he_wanted_changed_is_changed() {
    let mut session = session(40, every(5));
    for command in LONG {
        let mut out = Gone(Vec::new());
        let broken = session.feed(format!("{command}\r\n").as_bytes(), &mut out).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::BrokenPipe, "{command}");
        let words = String::from_utf8_lossy(&out.0).matches("INPROGRESS").count();
        assert_eq!(words, 1, "{command}");
    }
    let (_, answer) = said(&mut session, "b STATUS Other (MESSAGES)");
    assert_eq!(answer[0], "* STATUS Other (MESSAGES 61)", "1, 40 copied, 20 moved");
    assert_eq!(said(&mut session, "b STATUS INBOX (MESSAGES)").1[0], "* STATUS INBOX (MESSAGES 0)");
}
