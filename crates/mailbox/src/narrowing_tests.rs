use std::time::{Duration, Instant};

use maildir::Maildir;
use proptest::prelude::*;

use super::*;
use crate::place::{Options, Place};

fn mailbox(path: &Path, messages: &[String]) -> Mailbox {
    Maildir::create(path).unwrap();
    for (n, text) in messages.iter().enumerate() {
        std::fs::write(path.join(format!("cur/{n:05}.host:2,")), text).unwrap();
    }
    let place = Place { maildir: path.to_owned(), index: path.to_owned(), temporary: path.join("tmp") };
    Mailbox::open(place, Options::default()).unwrap()
}

fn search(narrowing: &mut Narrowing, mailbox: &mut Mailbox, needle: &str) -> Option<Vec<Uid>> {
    let may = narrowing.narrow(mailbox, Needle::Text(needle));
    let all = may.clone().unwrap_or_else(|| uids(mailbox));
    narrowing.fill(mailbox, &all, &|_, _| (), &mut |_, ()| ()).unwrap();
    narrowing.settle(mailbox);
    may
}

#[test]
fn what_a_search_does_not_fill_in_comes_after_it() {
    let home = tempfile::tempdir().unwrap();
    let messages: Vec<String> = (0..50).map(|n| format!("Subject: word{n}\n\ncommon\n")).collect();
    let mut mailbox = mailbox(&home.path().join("m"), &messages);
    let mut narrowing = Narrowing::new(&home.path().join("m"));
    narrowing.with_search = 10;
    assert_eq!(search(&mut narrowing, &mut mailbox, "word3").unwrap().len(), 50);
    let until = Instant::now() + Duration::from_secs(20);
    // While the thread runs, messages are missing or known, never wrong.
    loop {
        let found = search(&mut narrowing, &mut mailbox, "word49").unwrap();
        assert!(found.contains(&50));
        if found.len() == 1 {
            break;
        }
        assert!(Instant::now() < until, "{found:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn only_one_session_fills_the_index_and_the_others_find_all_the_same() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    let mut mailbox = mailbox(&path, &["Subject: apple\n\n".to_owned(), "Subject: pear\n\n".to_owned()]);
    let (mut one, mut other) = (Narrowing::new(&path), Narrowing::new(&path));
    assert_eq!(one.narrow(&mailbox, Needle::Text("apple")).unwrap().len(), 2);
    assert_eq!(search(&mut other, &mut mailbox, "pear").unwrap().len(), 2);
    assert!(!other.is_filling() && one.is_filling());
    one.settle(&mailbox);
    assert_eq!(search(&mut other, &mut mailbox, "pear").unwrap().len(), 2);
    assert_eq!(search(&mut other, &mut mailbox, "pear").unwrap(), [2]);
}

#[test]
fn without_a_place_for_the_index_any_message_may_hold_the_text() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("m");
    let mut mailbox = mailbox(&path, &["Subject: apple\n\n".to_owned()]);
    std::fs::write(path.join(FOLDER), "no folder").unwrap();
    assert_eq!(search(&mut Narrowing::new(&path), &mut mailbox, "apple"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_message_in_which_the_search_finds_the_text_is_never_ruled_out(
        texts in proptest::collection::vec("[a-c ÜüßΣς台\\-\n]{0,30}", 1..6),
        needle in "[a-c üßσ台\\-]{1,4}",
    ) {
        let home = tempfile::tempdir().unwrap();
        let message = |text: &String| format!(
            "Subject: =?utf-8?q?=C3=9C?= {}\nContent-Type: text/plain; charset=utf-8\n\n{text}\n",
            text.replace('\n', " ")
        );
        let messages: Vec<String> = texts.iter().map(message).collect();
        let mut mailbox = mailbox(&home.path().join("m"), &messages);
        let mut narrowing = Narrowing::new(&home.path().join("m"));
        let needle = mime::fold(&needle);
        search(&mut narrowing, &mut mailbox, &needle);
        if let Some(may) = search(&mut narrowing, &mut mailbox, &needle) {
            for (message, uid) in messages.iter().zip(1..) {
                let part = mime::scan(message.as_bytes());
                let mut holds = mime::fold(&mime::header_text(message.as_bytes(), &part)).contains(&needle);
                mime::search_text(message.as_bytes(), &part, &mut |text| holds |= mime::fold(text).contains(&needle));
                prop_assert!(!holds || may.contains(&uid), "{message:?}");
            }
        }
    }
}
