//! NOTIFY: RFC 5465.

use super::Server;
use crate::memory::Memory;

fn watcher(notify: &str) -> (Memory, Server, Server) {
    let store = Memory::new('.');
    store.deliver("INBOX", b"Subject: 1\n\n");
    store.deliver("Work", b"Subject: 2\n\n");
    let (other, mut watcher) = (Server::logged_in(store.share()), Server::logged_in(store.share()));
    watcher.say("s SELECT INBOX");
    let answer = watcher.say(notify);
    assert!(answer.ends_with("n OK Done.\r\n"), "{answer}");
    assert_eq!(watcher.news(), "");
    (store, other, watcher)
}

#[test]
fn new_mail_in_another_mailbox_is_told_of() {
    let (store, _, mut watcher) = watcher("n NOTIFY SET (PERSONAL (MessageNew MessageExpunge))");
    store.deliver("Work", b"Subject: 3\n\n");
    let news = watcher.news();
    assert!(news.starts_with("* STATUS Work (MESSAGES 2 UIDNEXT 3 UIDVALIDITY "), "{news}");
    assert_eq!(watcher.news(), "");
    // Of the open mailbox nothing is wanted, so nothing is told.
    store.deliver("INBOX", b"Subject: 4\n\n");
    assert_eq!(watcher.news(), "");
    assert_eq!(watcher.say("a NOOP"), "a OK Done.\r\n");
}

#[test]
fn the_state_of_what_is_watched_is_told_first_to_who_wants_that() {
    let store = Memory::new('.');
    store.deliver("Work", b"Subject: 2\n\n");
    let mut watcher = Server::logged_in(store.share());
    let answer = watcher.say("n NOTIFY SET STATUS (MAILBOXES Work (MessageNew MessageExpunge FlagChange))");
    assert!(answer.starts_with("* STATUS Work (MESSAGES 1 UIDNEXT 2 UIDVALIDITY "), "{answer}");
    assert_eq!(answer.matches("STATUS").count(), 1);
}

#[test]
fn of_the_open_mailbox_is_told_at_once_and_what_is_new_is_fetched() {
    let (store, mut other, mut watcher) =
        watcher("n NOTIFY SET (SELECTED (MessageNew (UID ENVELOPE) MessageExpunge FlagChange))");
    store.deliver("INBOX", b"Subject: three\n\n");
    let news = watcher.news();
    assert!(
        news.starts_with("* 2 EXISTS\r\n* 2 RECENT\r\n* 2 FETCH (UID 2 ENVELOPE (NIL \"three\""),
        "{news}"
    );
    other.say("s SELECT INBOX");
    other.say("a STORE 1 +FLAGS (\\Deleted)");
    assert_eq!(watcher.news(), "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent))\r\n");
    other.say("b EXPUNGE");
    assert_eq!(watcher.news(), "* 1 EXPUNGE\r\n");
}

#[test]
fn delayed_means_that_numbers_stay_until_a_command_allows_it() {
    let (_, mut other, mut watcher) = watcher("n NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge))");
    other.say("s SELECT INBOX");
    other.say("a STORE 1 +FLAGS (\\Deleted)");
    other.say("b EXPUNGE");
    assert_eq!(watcher.news(), "");
    assert_eq!(watcher.say("c NOOP"), "* 1 EXPUNGE\r\nc OK Done.\r\n");
}

#[test]
fn who_wants_nothing_sees_the_mailbox_as_it_was() {
    let (store, _, mut watcher) = watcher("n NOTIFY NONE");
    store.deliver("INBOX", b"Subject: 3\n\n");
    assert_eq!(watcher.say("a NOOP"), "a OK Done.\r\n");
    watcher.say("b STORE 1 +FLAGS.SILENT (\\Deleted)");
    // What he does himself he is told of, and what goes before it.
    assert!(watcher.say("c EXPUNGE").starts_with("* 1 EXPUNGE\r\n"));
}

#[test]
fn names_and_subscriptions_are_told_of() {
    let (_, mut other, mut watcher) = watcher("n NOTIFY SET (PERSONAL (MailboxName SubscriptionChange))");
    other.say("a CREATE New");
    assert_eq!(watcher.news(), "* LIST () \".\" New\r\n");
    other.say("b SUBSCRIBE New");
    assert_eq!(watcher.news(), "* LIST (\\Subscribed) \".\" New\r\n");
    other.say("c UNSUBSCRIBE New");
    assert_eq!(watcher.news(), "* LIST () \".\" New\r\n");
    other.say("d RENAME New Newer");
    assert_eq!(watcher.news(), "* LIST () \".\" Newer (\"OLDNAME\" (New))\r\n");
    other.say("e DELETE Newer");
    assert_eq!(watcher.news(), "* LIST (\\NonExistent \\Noselect) \".\" Newer\r\n");
    assert_eq!(watcher.news(), "");
}

#[test]
fn annotations_are_told_of_by_name() {
    let (_, mut other, mut watcher) =
        watcher("n NOTIFY SET (SUBTREE Work (MailboxMetadataChange ServerMetadataChange))");
    other.say("a SETMETADATA Work (/private/comment \"x\")");
    other.say("b SETMETADATA \"\" (/private/comment \"x\")");
    other.say("c SETMETADATA INBOX (/private/comment \"x\")");
    other.say("d APPEND Work {1+}\r\nx");
    assert_eq!(
        watcher.news(),
        "* METADATA Work \"/private/comment\"\r\n* METADATA \"\" \"/private/comment\"\r\n"
    );
    other.say("e SETMETADATA Work (/private/comment NIL)");
    assert_eq!(watcher.news(), "* METADATA Work \"/private/comment\"\r\n");
}

#[test]
fn half_of_the_events_is_refused_and_so_are_others_of_the_open_mailbox() {
    let mut one = Server::logged_in(Memory::new('.'));
    for bad in [
        "(PERSONAL (MessageNew))",
        "(PERSONAL (FlagChange))",
        "(SELECTED (MailboxName))",
        "(SELECTED (MessageNew MessageExpunge)) (SELECTED-DELAYED (MessageNew MessageExpunge))",
    ] {
        assert!(one.say(&format!("n NOTIFY SET {bad}")).starts_with("n BAD "), "{bad}");
    }
    let answer = one.say("n NOTIFY SET (PERSONAL (MessageNew MessageExpunge AnnotationChange))");
    assert!(answer.starts_with("n NO [BADEVENT (MessageNew "), "{answer}");
}

#[test]
fn a_result_that_is_kept_up_to_date_can_come_with_what_is_new_in_it() {
    let (store, _, mut watcher) = watcher("n NOOP");
    watcher.say("a UID SEARCH RETURN (ALL UPDATE (FLAGS)) SUBJECT new");
    store.deliver("INBOX", b"Subject: new\n\n");
    let news = watcher.say("b NOOP");
    let expected = "* 2 EXISTS\r\n* 2 RECENT\r\n* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n* ESEARCH (TAG \"a\") UID ADDTO (0 2)\r\n";
    assert_eq!(news, format!("{expected}b OK Done.\r\n"));
}
