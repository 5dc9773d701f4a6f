//! Many sessions that idle in one mailbox are told of one message, those that the kernel wakes at once and those beyond its
//! limit (fs.inotify.max_user_instances) when they look.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tests::{House, Imap, PASSWORD, PATIENCE, message};

const ALICE: &str = "alice@example.test";

/// More than most systems have watches for; a thousand where time makes no difference (FULMAR_HEAVY).
fn crowd() -> usize {
    if std::env::var_os("FULMAR_HEAVY").is_some() { 1000 } else { 160 }
}

/// A session that waits, with the tag of its IDLE: of a client whose address others have too, but not too many.
fn waiting(house: &House, number: usize) -> (Imap, String) {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + (number / 100) as u32);
    let socket = sys::dial(Some(address.into()), house.imap(), PATIENCE).unwrap();
    let mut imap = Imap::over(socket.try_clone().unwrap(), socket).unwrap();
    imap.good(&format!("LOGIN {ALICE} \"{PASSWORD}\""));
    imap.good("SELECT INBOX");
    let (tag, _) = imap.try_idle().unwrap();
    (imap, tag)
}

/// Has a few threads do something with each session, beginning with the first.
fn all<T: Send>(sessions: Vec<T>, work: impl Fn(&mut T) + Sync) -> Vec<T> {
    let (left, done) = (Mutex::new(sessions.into_iter()), Mutex::new(Vec::new()));
    let next = || left.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(mut session) = next() {
                    work(&mut session);
                    done.lock().unwrap().push(session);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

#[test]
fn one_message_wakes_a_crowd_and_nobody_is_told_anything_else() {
    let house = House::start();
    let begun = Mutex::new(Vec::new());
    all((0..crowd()).collect(), |number| {
        let session = waiting(&house, *number);
        begun.lock().unwrap().push(session);
    });
    let sessions = begun.into_inner().unwrap();
    let sent = Instant::now();
    house.send("bob@example.test", ALICE, &message("for all of you"));
    let at_once = Mutex::new(0);
    let sessions = all(sessions, |(imap, _)| {
        let told = imap.await_news("EXISTS");
        assert!(
            told.iter().all(|line| line.starts_with(b"1 EXISTS") || line.starts_with(b"OK ")),
            "{told:?}"
        );
        *at_once.lock().unwrap() += usize::from(sent.elapsed() < Duration::from_secs(5));
    });
    let (at_once, took) = (at_once.into_inner().unwrap(), sent.elapsed());
    eprintln!("{} sessions were told within {took:?}, {at_once} of them within five seconds", sessions.len());
    // Whose sessions are not all watched is told so.
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap_or_default();
    if limit.trim().parse().is_ok_and(|limit: usize| limit < sessions.len()) {
        assert!(house.log().contains("no watch by inotify"), "{limit}");
    }
    assert!(sent.elapsed() < PATIENCE);
    // One changes something; all others hear of it, and all can end their IDLE and see the same.
    let mut imap = Imap::login(house.imap(), ALICE, PASSWORD);
    imap.good("SELECT INBOX");
    imap.good("STORE 1 +FLAGS (\\Flagged)");
    all(sessions, |(imap, tag)| {
        imap.await_news("\\Flagged");
        assert!(imap.try_done(tag).unwrap().is_ok());
        let (_, items) = imap.good("FETCH 1 (UID FLAGS)").fetches().remove(0);
        assert_eq!(items["UID"].number(), Some(1));
        assert!(items["FLAGS"].list().iter().any(|flag| flag.word() == "\\Flagged"));
    });
}
