//! Wishes, decisions and last answers, as files.

use std::os::unix::fs::PermissionsExt;

use wire::Fate;

use crate::{Failure, Queue, Steering, Wish};

fn queue() -> (tempfile::TempDir, Queue) {
    let home = tempfile::tempdir().unwrap();
    let queue = Queue::make(&home.path().join("queue")).unwrap();
    (home, queue)
}

#[test]
fn every_wish_is_read_as_it_was_written_until_it_is_fulfilled() {
    let (_home, queue) = queue();
    let wishes = [
        Wish::Bounce,
        Wish::Delete,
        Wish::Drop(vec![b"a@x".to_vec(), b"b\n@x".to_vec()]),
        Wish::Hold,
        Wish::Retry,
        Wish::Route(Some("relay.test:26".into())),
    ];
    for wish in &wishes {
        queue.wish(7, wish).unwrap();
        assert!(queue.is_wished(7, wish));
    }
    let read = queue.wishes().unwrap();
    assert_eq!(read, wishes.clone().map(|wish| (7, wish)));
    for (id, wish) in read {
        queue.fulfilled(id, &wish).unwrap();
    }
    assert!(queue.wishes().unwrap().is_empty());
    queue.wish(8, &Wish::Route(None)).unwrap();
    assert_eq!(queue.wishes().unwrap(), [(8, Wish::Route(None))]);
}

#[test]
fn release_takes_back_hold_and_the_other_way_round() {
    let (_home, queue) = queue();
    queue.wish(7, &Wish::Hold).unwrap();
    queue.wish(7, &Wish::Release).unwrap();
    assert_eq!(queue.wishes().unwrap(), [(7, Wish::Release)]);
    queue.wish(7, &Wish::Hold).unwrap();
    assert_eq!(queue.wishes().unwrap(), [(7, Wish::Hold)]);
}

#[test]
fn what_is_no_wish_is_removed_and_hinders_nobody() {
    let (home, queue) = queue();
    let ask = home.path().join("queue/ask");
    for name in ["x.retry", "7.explode", "7", "07.retry"] {
        std::fs::write(ask.join(name), "x").unwrap();
    }
    std::fs::write(ask.join("9.route"), "two words\n").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", ask.join("9.drop")).unwrap();
    queue.wish(7, &Wish::Retry).unwrap();
    assert_eq!(queue.wishes().unwrap(), [(7, Wish::Retry)]);
    assert_eq!(std::fs::read_dir(&ask).unwrap().count(), 1);
}

#[test]
fn a_wish_of_anybody_can_be_read_by_the_queue() {
    let (home, queue) = queue();
    queue.wish(7, &Wish::Retry).unwrap();
    let mode = std::fs::metadata(home.path().join("queue/ask/7.retry")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn decisions_last_and_end() {
    let (home, queue) = queue();
    assert_eq!(queue.steering(7).unwrap(), Steering::default());
    let both = Steering { held: true, route: Some("[192.0.2.1]:26".into()) };
    for steering in [both.clone(), Steering { held: true, route: None }, Steering { held: false, ..both }] {
        queue.steer(7, &steering).unwrap();
        assert_eq!(queue.steering(7).unwrap(), steering);
    }
    queue.steer(7, &Steering::default()).unwrap();
    queue.steer(7, &Steering::default()).unwrap();
    assert!(!home.path().join("queue/steer/7").exists());
}

#[test]
fn a_garbled_decision_holds_the_message() {
    let (home, queue) = queue();
    for text in ["rout x\n", "route \n", "route a b\n"] {
        std::fs::write(home.path().join("queue/steer/7"), text).unwrap();
        assert_eq!(queue.steering(7).unwrap(), Steering { held: true, route: None }, "{text}");
    }
}

#[test]
fn the_last_answer_for_each_recipient_is_remembered_in_bounded_space() {
    let (home, queue) = queue();
    let said = |address: &str, text: &str| Failure {
        address: address.as_bytes().to_vec(),
        fate: Fate::later(4, 2, text.to_owned()),
    };
    queue.remember_answers(7, &[said("a@x", "first"), said("b@x", "other")]).unwrap();
    queue.remember_answers(7, &[said("a@x", "last")]).unwrap();
    let answers = queue.last_answers(7);
    assert_eq!(answers[&b"a@x"[..]], Fate::later(4, 2, "last"));
    assert_eq!(answers[&b"b@x"[..]], Fate::later(4, 2, "other"));
    for _ in 0..500 {
        queue.remember_answers(7, &[said("c@x", &"long ".repeat(700))]).unwrap();
    }
    assert!(std::fs::metadata(home.path().join("queue/defer/7")).unwrap().len() < 2 << 20);
    assert!(queue.last_answers(7).contains_key(&b"c@x"[..]));
    queue.forget_answers(7);
    assert!(queue.last_answers(7).is_empty());
}
