use std::collections::BTreeSet;

use imap::{Change, Folder, Uid};

use super::*;
use crate::index;
use crate::mailbox::tests::{Home, add, age, seen, uids};

/// A mailbox of five in which nothing has happened for a while; the first two are seen.
fn settled() -> Home {
    let home = Home::new();
    let mut mailbox = home.open();
    add(&home, &mut mailbox, &["a", "b", "c", "d", "e"]);
    mailbox.store(&[1, 2], Change::Add, &seen(), None).unwrap();
    settle(&home, mailbox);
    home
}

fn settle(home: &Home, mut mailbox: Mailbox) {
    age();
    mailbox.refresh().unwrap();
    drop(mailbox);
    drop(home.open());
}

#[test]
fn what_select_tells_is_known_before_any_message_is_read() {
    let home = settled();
    let mut mailbox = home.open_asleep();
    let status = mailbox.status();
    assert!(mailbox.asleep && mailbox.messages().is_empty());
    assert_eq!((status.messages, status.unseen, status.recent, status.uid_next), (5, 3, 0, 6));
    assert_eq!((mailbox.first_unseen(), mailbox.recent_from()), (Some(3), 6));
    assert!(!mailbox.refresh().unwrap() && !mailbox.wake(false).unwrap() && mailbox.asleep);
    assert!(mailbox.wake(true).unwrap());
    assert_eq!((uids(&mailbox), mailbox.status()), (vec![1, 2, 3, 4, 5], status));
    assert_eq!((mailbox.first_unseen(), mailbox.refresh().unwrap()), (Some(3), false));
}

#[test]
fn whoever_wakes_sees_first_what_he_was_told_and_then_what_has_happened() {
    let home = settled();
    let mut sleeper = home.open_asleep();
    let mut other = home.open();
    other.store(&[3], Change::Add, &seen(), None).unwrap();
    other.expunge(&[1]).unwrap();
    add(&home, &mut other, &["f"]);
    assert!(sleeper.asleep && sleeper.wake(false).unwrap());
    assert_eq!((uids(&sleeper), sleeper.first_unseen()), (vec![1, 2, 3, 4, 5], Some(3)));
    assert!(sleeper.refresh().unwrap());
    assert_eq!((uids(&sleeper), sleeper.first_unseen()), (vec![2, 3, 4, 5, 6], Some(3)));
}

#[test]
fn nobody_sleeps_where_something_has_happened() {
    for happens in [
        |home: &Home| home.put("new/99.x", "new"),
        |home: &Home| home.put("cur/98.x:2,S", "new"),
        |home: &Home| std::fs::write(home.path().join(index::NAME), "garbage").unwrap(),
        |home: &Home| std::fs::remove_file(home.path().join(index::NAME)).unwrap(),
    ] {
        let home = settled();
        happens(&home);
        let mailbox = home.open_asleep();
        assert!(!mailbox.asleep && mailbox.messages().len() >= 5);
        drop(mailbox);
        let home = settled();
        let mut sleeper = home.open_asleep();
        happens(&home);
        assert!(sleeper.wake(false).unwrap());
        assert_eq!(uids(&sleeper), [1, 2, 3, 4, 5]);
    }
}

#[test]
fn an_index_whose_damage_shows_later_is_made_anew_and_no_uid_names_another_message() {
    let path = |home: &Home| home.path().join(index::NAME);
    let size = std::fs::metadata(path(&settled())).unwrap().len() as usize;
    for at in (0..size).step_by(23) {
        let home = settled();
        let sleeper = home.open_asleep();
        let mut octets = std::fs::read(path(&home)).unwrap();
        let at = at.min(octets.len() - 1);
        octets[at] ^= 1;
        // Under its eyes, and before somebody comes.
        std::fs::write(path(&home), &octets).unwrap();
        for mut mailbox in [sleeper, home.open_asleep()] {
            mailbox.wake(true).unwrap();
            mailbox.refresh().unwrap();
            let names: BTreeSet<Vec<u8>> =
                uids(&mailbox).iter().map(|uid| mailbox.name_of(*uid).unwrap()).collect();
            assert_eq!((names.len(), mailbox.status().messages), (5, 5), "{at}");
            let same = uids(&mailbox) == [1, 2, 3, 4, 5];
            assert!(same || uids(&mailbox).iter().all(|uid| *uid > 5), "{at} {:?}", uids(&mailbox));
        }
    }
}

#[test]
fn the_first_that_is_unseen_is_right_after_each_change() {
    let home = Home::new();
    let mut mailbox = home.open();
    let all: Vec<Uid> = add(&home, &mut mailbox, &["x"; 12]);
    let mut dice: usize = 7;
    for _ in 0..300 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let uid = [all[(dice >> 33) % 12]];
        match (dice >> 40) % 12 {
            0 => mailbox.expunge(&uid).unwrap(),
            1 => drop(add(&home, &mut mailbox, &["y"])),
            2..6 => drop(mailbox.store(&uid, Change::Remove, &seen(), None).unwrap()),
            _ => drop(mailbox.store(&uid, Change::Add, &seen(), None).unwrap()),
        }
        assert_eq!(mailbox.first_unseen(), imap::first_unseen(mailbox.messages()));
    }
}
