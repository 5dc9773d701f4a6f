//! Sessions that are killed at any moment (kill -9), two at a time: nothing that was said to be done is lost, and no
//! UID ever names two messages.

use super::tests::{Home, arrival_in};
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use imap::Flags;

/// Where a session of a process of its own works.
const PLACE: &str = "FULMAR_KILLED";

/// Not a test but the process that is killed. What it says on its standard output has been done.
#[test]
fn one_that_is_killed() {
    let Some(path) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    let place = Place { index: path.clone(), temporary: path.join("tmp"), maildir: path.clone() };
    let mut session = Mailbox::open(place, Options::default()).unwrap();
    let mut out = std::io::stdout();
    let mut say = |line: String| out.write_all(format!("\n+{line}\n").as_bytes()).unwrap();
    for step in 0.. {
        let uids: Vec<Uid> = session.messages().iter().map(|message| message.uid).collect();
        let some: Vec<Uid> = uids.iter().copied().filter(|uid| (uid + step) % 7 == 0).collect();
        match step % 5 {
            0 | 1 => {
                let texts = [maildir::unique(), maildir::unique()];
                let arrivals = texts.iter().map(|text| arrival_in(text, &path.join("tmp"))).collect();
                let uids = session.add(arrivals).unwrap();
                texts.iter().zip(uids).for_each(|(text, uid)| say(format!("added {uid} {text}")));
            }
            2 => {
                let marks =
                    Marks { flags: Flags((step % 32) as u8), keywords: vec![format!("W{}", step % 9)] };
                session.store(&some, Change::Replace, &marks, None).unwrap();
            }
            3 => {
                some.iter().take(2).for_each(|uid| say(format!("gone {uid}")));
                session.expunge(&some[..some.len().min(2)]).unwrap();
            }
            _ => drop(session.refresh().unwrap()),
        }
    }
}

fn spawn(home: &Home) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "mailbox::killed::one_that_is_killed", "--nocapture"]).env(PLACE, home.path());
    child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_session_that_is_killed_at_any_moment_loses_nothing_and_mistakes_nothing() {
    // I27
    let home = Home::new();
    let (mut named, mut gone) = (BTreeMap::<Uid, String>::new(), BTreeSet::<Uid>::new());
    let mut validity = None;
    for round in 0..12_u64 {
        let mut children = [spawn(&home), spawn(&home)];
        std::thread::sleep(Duration::from_millis(60 + round * 37 % 90));
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for child in &mut children {
            for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
                let words: Vec<&str> = line.split(' ').collect();
                match words[..] {
                    ["+added", uid, text] if text.ends_with(home_mark(text)) => {
                        let before = named.insert(uid.parse().unwrap(), text.to_owned());
                        assert!(before.is_none_or(|before| before == text), "{uid} was given twice");
                    }
                    ["+gone", uid] => _ = gone.insert(uid.parse().unwrap()),
                    _ => {}
                }
            }
        }
        let mut session = home.open();
        assert_eq!(*validity.get_or_insert(session.uid_validity), session.uid_validity);
        let mut there = BTreeSet::new();
        for message in session.messages().to_vec() {
            let mut text = String::new();
            session.open(message.uid).unwrap().read_to_string(&mut text).unwrap();
            let known = named.entry(message.uid).or_insert_with(|| text.clone());
            assert_eq!(*known, text, "{} names two messages", message.uid);
            there.insert(message.uid);
        }
        let lost: Vec<_> = named.keys().filter(|uid| !there.contains(uid) && !gone.contains(uid)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert_eq!(home.files("cur").len(), there.len());
    }
    assert!(named.len() > 20, "{}", named.len());
}

/// What a name ends in if its line was written whole.
fn home_mark(text: &str) -> &str {
    let host = text.rsplit('R').next().unwrap_or_default();
    if host.len() > 17 { host } else { "\0" }
}
