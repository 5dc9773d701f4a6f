//! STORE, EXPUNGE, COPY and MOVE as a client sees them.

use super::trial::Trial;

fn trial(count: usize) -> Trial {
    let letter: &[u8] = b"Subject: x\n\ntext\n";
    let trial = Trial::with(&vec![letter; count]);
    trial.memory.deliver("Old", letter);
    trial
}

#[test]
fn flags_are_set_taken_away_and_replaced() {
    let mut trial = trial(2);
    assert_eq!(trial.say("STORE 1 FLAGS (\\Seen \\Draft)"), ["1 FETCH (FLAGS (\\Seen \\Draft \\Recent))"]);
    assert_eq!(trial.say("STORE 1 -FLAGS \\Draft"), ["1 FETCH (FLAGS (\\Seen \\Recent))"]);
    assert_eq!(trial.say("UID STORE 1:2 +FLAGS.SILENT (\\Flagged)"), [""; 0]);
    assert_eq!(trial.say("UID STORE 9 +FLAGS (\\Flagged)"), [""; 0]);
    let lines = trial.say("UID STORE 2 FLAGS ($New)");
    assert_eq!(lines.last().unwrap(), "2 FETCH (UID 2 FLAGS ($New \\Recent))");
    assert!(lines[0].starts_with("FLAGS (") && lines[0].contains("$New"), "{lines:?}");
    assert_eq!(trial.say("STORE 1 FLAGS ()"), ["1 FETCH (FLAGS (\\Recent))"]);
}

#[test]
fn a_mailbox_open_for_reading_takes_no_flags() {
    let mut trial = trial(1);
    trial.say("EXAMINE INBOX");
    for command in ["STORE 1 FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Old", "UID EXPUNGE 1"] {
        assert!(trial.ending(command).starts_with("NO "), "{command}");
    }
    assert!(trial.ending("COPY 1 Old").starts_with("OK [COPYUID"));
}

#[test]
fn what_others_have_changed_is_not_changed_and_named() {
    let mut trial = trial(3);
    trial.say("ENABLE CONDSTORE");
    let line = trial.say("FETCH 3 MODSEQ").pop().unwrap();
    let since = line.trim_start_matches("3 FETCH (MODSEQ (").trim_end_matches("))").to_owned();
    let mut other = Trial::another(&trial.memory);
    other.say("SELECT INBOX");
    other.say("STORE 2 +FLAGS (\\Answered)");
    let lines = trial.lines(&format!("STORE 1:3 (UNCHANGEDSINCE {since}) +FLAGS (\\Seen)"));
    assert!(lines.last().unwrap().starts_with("t OK [MODIFIED 2]"), "{lines:?}");
    assert!(lines[0].starts_with("* 1 FETCH (FLAGS (\\Seen \\Recent) MODSEQ ("), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("* 2 FETCH (FLAGS (\\Answered \\Recent) MODSEQ (")),
        "{lines:?}"
    );
    // A silent one tells the new MODSEQ all the same.
    let lines = trial.say("STORE 1 (UNCHANGEDSINCE 99999) +FLAGS.SILENT (\\Flagged)");
    assert!(lines[0].starts_with("1 FETCH (MODSEQ ("), "{lines:?}");
}

#[test]
fn only_what_is_deleted_goes_and_numbers_follow() {
    let mut trial = trial(4);
    trial.say("STORE 2,4 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(trial.say("UID EXPUNGE 1:2"), ["2 EXPUNGE"]);
    assert_eq!(trial.say("EXPUNGE"), ["3 EXPUNGE"]);
    assert_eq!(trial.say("EXPUNGE"), [""; 0]);
    assert_eq!(trial.say("UID SEARCH ALL"), ["SEARCH 1 3"]);
}

#[test]
fn copies_are_named() {
    let mut trial = trial(3);
    assert!(trial.ending("COPY 1,3 Old").contains("[COPYUID 1000005 1,3 2:3]"));
    assert!(trial.ending("UID COPY 2:9 Old").contains(" 2:3 4:5]"));
    assert!(trial.ending("UID COPY 7 Old").starts_with("OK Done"));
    assert!(trial.ending("COPY 1 Nowhere").starts_with("NO [TRYCREATE]"));
    assert!(trial.ending("COPY 9 Old").starts_with("BAD"));
    assert_eq!(trial.memory.texts("Old").len(), 5);
}

#[test]
fn where_messages_have_moved_is_told_before_they_go() {
    let mut trial = trial(3);
    let lines = trial.say("MOVE 1,3 Old");
    assert_eq!(lines, ["OK [COPYUID 1000005 1,3 2:3] Moved.", "3 EXPUNGE", "1 EXPUNGE"]);
    assert!(trial.ending("MOVE 1 Nowhere").starts_with("NO [TRYCREATE]"));
    trial.say("ENABLE QRESYNC");
    assert_eq!(trial.say("UID MOVE 2 Old")[1..], ["VANISHED 2"]);
    assert_eq!(trial.memory.texts("INBOX").len(), 0);
}

#[test]
fn what_is_gone_is_neither_copied_nor_taken_for_another() {
    let mut trial = trial(3);
    let mut other = Trial::another(&trial.memory);
    other.say("SELECT INBOX");
    other.say("STORE 2 +FLAGS.SILENT (\\Deleted)");
    other.say("EXPUNGE");
    assert!(trial.lines("STORE 2:3 +FLAGS (\\Flagged)").last().unwrap().starts_with("t NO [EXPUNGEISSUED]"));
    assert_eq!(trial.memory.texts("Old").len(), 1);
    assert!(trial.lines("NOOP").contains(&"* 2 EXPUNGE".to_owned()));
}
