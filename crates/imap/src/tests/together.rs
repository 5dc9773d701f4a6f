//! Two sessions on one account.

use super::Server;
use crate::memory::Memory;

fn two(letters: usize) -> (Memory, Server, Server) {
    let store = Memory::new('.');
    for number in 1..=letters {
        store.deliver("INBOX", format!("Subject: {number}\n\ntext {number}\n").as_bytes());
    }
    let (mut one, mut other) = (Server::logged_in(store.share()), Server::logged_in(store.share()));
    one.say("s SELECT INBOX");
    other.say("s SELECT INBOX");
    (store, one, other)
}

#[test]
fn what_one_removes_keeps_its_number_for_the_other_until_he_is_told() {
    let (_, mut one, mut other) = two(3);
    one.say("a STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(one.say("b EXPUNGE"), "* 1 EXPUNGE\r\nb OK Done.\r\n");
    // FETCH by number is no place for EXPUNGE, and never gives another message.
    let answer = other.say("a FETCH 2 (UID)");
    assert!(answer.starts_with("* 2 FETCH (UID 2)\r\n") && !answer.contains("EXPUNGE"), "{answer}");
    let answer = other.say("b FETCH 1 BODY[]");
    assert!(answer.contains("b NO [EXPUNGEISSUED]") && !answer.contains("text"), "{answer}");
    assert_eq!(other.say("c NOOP"), "* 1 EXPUNGE\r\nc OK Done.\r\n");
    assert!(other.say("d FETCH 1 (UID)").starts_with("* 1 FETCH (UID 2)"));
}

#[test]
fn what_another_has_unmarked_meanwhile_is_not_removed() {
    let (store, mut one, mut other) = two(3);
    one.say("a STORE 1:3 +FLAGS.SILENT (\\Deleted)");
    other.say("a STORE 1 -FLAGS.SILENT (\\Deleted)");
    let answer = one.say("b EXPUNGE");
    assert!(answer.starts_with("* 3 EXPUNGE\r\n* 2 EXPUNGE\r\n* 1 FETCH (FLAGS ("), "{answer}");
    one.say("c STORE 1 +FLAGS.SILENT (\\Deleted)");
    other.say("c NOOP");
    other.say("d STORE 1 -FLAGS.SILENT (\\Deleted)");
    assert_eq!(one.say("d CLOSE"), "d OK Done.\r\n");
    assert_eq!(store.texts("INBOX").len(), 1);
}

#[test]
fn who_is_idle_is_told_at_once() {
    let (store, mut one, mut other) = two(2);
    assert!(other.say("i IDLE").starts_with("+ "));
    one.say("a STORE 2 +FLAGS (\\Seen \\Deleted)");
    assert_eq!(other.news(), "* 2 FETCH (FLAGS (\\Deleted \\Seen))\r\n");
    one.say("b EXPUNGE");
    store.deliver("INBOX", b"Subject: new\n\n");
    assert_eq!(other.news(), "* 2 EXPUNGE\r\n* 2 EXISTS\r\n* 1 RECENT\r\n");
    assert_eq!(other.news(), "");
    assert_eq!(other.say("DONE"), "i OK Done.\r\n");
}

#[test]
fn who_is_not_idle_is_told_nothing_between_commands() {
    let (store, _, mut other) = two(1);
    store.deliver("INBOX", b"Subject: new\n\n");
    assert_eq!(other.news(), "");
    assert_eq!(other.say("a CHECK"), "* 2 EXISTS\r\n* 1 RECENT\r\na OK Done.\r\n");
}

#[test]
fn idle_ends_by_done_and_by_nothing_else() {
    let (_, _, mut other) = two(1);
    other.say("i IDLE");
    assert_eq!(other.say("x NOOP"), "i BAD DONE was expected.\r\n");
    assert_eq!(other.say("y NOOP"), "y OK Done.\r\n");
    other.say("j IDLE");
    assert_eq!(other.say("a LOGIN {5}"), "j BAD DONE was expected.\r\n");
}

#[test]
fn a_mailbox_that_another_deletes_ends_the_session() {
    let store = Memory::new('.');
    store.deliver("Work", b"Subject: x\n\n");
    let (mut one, mut other) = (Server::logged_in(store.share()), Server::logged_in(store.share()));
    other.say("s SELECT Work");
    assert_eq!(one.say("a DELETE Work"), "a OK Done.\r\n");
    assert_eq!(other.say("b NOOP"), "* BYE The mailbox is gone.\r\n");
    assert!(other.closed);
}

#[test]
fn a_mailbox_that_another_renames_stays_open() {
    let store = Memory::new('.');
    store.deliver("Work", b"Subject: x\n\n");
    let (mut one, mut other) = (Server::logged_in(store.share()), Server::logged_in(store.share()));
    other.say("s SELECT Work");
    one.say("a RENAME Work Play");
    store.deliver("Play", b"Subject: y\n\n");
    assert!(other.say("b NOOP").starts_with("* 2 EXISTS\r\n"));
    assert!(other.say("c FETCH 1 (FLAGS)").contains("c OK"));
    assert!(other.say("d REPLACE 1 Play {3+}\r\nnew").ends_with("d OK Done.\r\n"));
}

#[test]
fn who_resynchronizes_is_told_what_vanished_and_what_changed() {
    let (_, mut one, mut other) = two(5);
    let selected = other.say("s SELECT INBOX (CONDSTORE)");
    let code = |name: &str| {
        let rest = selected.split(name).nth(1).unwrap();
        rest.split(']').next().unwrap().to_owned()
    };
    let (validity, modseq) = (code("[UIDVALIDITY "), code("[HIGHESTMODSEQ "));
    one.say("a STORE 1:2 +FLAGS.SILENT (\\Deleted)");
    one.say("b EXPUNGE");
    one.say("c UID STORE 4 +FLAGS.SILENT (\\Flagged)");
    other.say("u UNSELECT");
    other.say("e ENABLE QRESYNC");
    let answer = other.say(&format!("q SELECT INBOX (QRESYNC ({validity} {modseq}))"));
    assert!(answer.contains("* VANISHED (EARLIER) 1:2\r\n"), "{answer}");
    assert!(answer.contains("* 2 FETCH (UID 4 FLAGS (\\Flagged) MODSEQ ("), "{answer}");
    assert_eq!(answer.matches("FETCH").count(), 1, "{answer}");
    one.say("d UID STORE 5 +FLAGS.SILENT (\\Deleted)");
    one.say("e EXPUNGE");
    assert!(other.say("n NOOP").starts_with("* VANISHED 5\r\n"));
}

#[test]
fn a_connection_that_breaks_in_a_literal_stores_nothing() {
    let store = Memory::new('.');
    let mut one = Server::logged_in(store.share());
    one.feed(b"a APPEND INBOX {100+}\r\nSubject: half\r\n\r\n");
    drop(one);
    assert!(store.texts("INBOX").is_empty());
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() {
    let store = Memory::new('.');
    store.limit_appends(20);
    let mut one = Server::logged_in(store.share());
    assert_eq!(one.say("a APPEND INBOX {21}"), "a NO [TOOBIG] It is too large.\r\n");
    assert_eq!(one.say("b APPEND Nowhere {2}"), "b NO [TRYCREATE] There is no such mailbox yet.\r\n");
    let answer = one.say("x APPEND INBOX \"99-Xxx-9999\" {2+}\r\nab\r\ny NOOP");
    assert_eq!(answer, "x BAD That is no date.\r\ny OK Done.\r\n");
    let answer = one.say("c APPEND INBOX {21+}\r\nc LOGOUT\r\n01234567890\r\nd NOOP");
    assert_eq!(answer, "c NO [TOOBIG] It is too large.\r\nd OK Done.\r\n");
    store.limit_appends(u64::MAX);
    store.limit_room(10);
    assert!(one.say("x APPEND INBOX {100000}").starts_with("x NO [OVERQUOTA]"));
    let answer = one.say("e APPEND INBOX {12+}\r\nSubject: x\r\n\r\nf NOOP");
    assert_eq!(answer, "e NO [OVERQUOTA] There is no room left (quota).\r\nf OK Done.\r\n");
    assert!(store.texts("INBOX").is_empty());
}

#[test]
fn close_does_not_carry_a_client_past_what_it_has_not_been_told() {
    let (_, mut one, mut other) = two(4);
    other.say("e ENABLE QRESYNC");
    other.say("a STORE 4 +FLAGS.SILENT (\\Deleted)");
    one.say("a STORE 1 +FLAGS.SILENT (\\Flagged)");
    assert_eq!(other.say("c CLOSE"), "c OK Done.\r\n");
    other.say("s SELECT INBOX");
    other.say("d STORE 3 +FLAGS.SILENT (\\Deleted)");
    one.say("b STORE 2 +FLAGS.SILENT (\\Deleted)");
    one.say("c EXPUNGE");
    // Told of everything, but not yet that 2 and 3 are gone.
    assert!(other.say("f FETCH 1 (FLAGS)").ends_with("f OK Done.\r\n"));
    assert_eq!(other.say("g CLOSE"), "g OK Done.\r\n");
    other.say("s SELECT INBOX");
    other.say("h STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert!(other.say("i CLOSE").starts_with("i OK [HIGHESTMODSEQ "));
}

#[test]
fn what_may_not_be_removed_is_not_replaced() {
    let store = Memory::new('.');
    store.deliver("Work", b"Subject: x\n\n");
    let mut one = Server::logged_in(store.share());
    one.say("s SELECT Work");
    store.lock("Work");
    assert_eq!(one.say("a REPLACE 1 INBOX {3+}\r\nnew"), "a NO [NOPERM] You may not do this.\r\n");
    assert!(store.texts("INBOX").is_empty());
}

#[test]
fn who_does_not_want_to_know_of_flags_is_not_carried_past_them() {
    let (_, mut one, mut other) = two(3);
    other.say("e ENABLE QRESYNC");
    other.say("n NOTIFY NONE");
    other.say("a STORE 2:3 +FLAGS.SILENT (\\Deleted)");
    one.say("a STORE 1 +FLAGS.SILENT (\\Flagged)");
    assert_eq!(other.say("b UID EXPUNGE 2"), "* VANISHED 2\r\nb OK Done.\r\n");
    assert_eq!(other.say("c CLOSE"), "c OK Done.\r\n");
}
