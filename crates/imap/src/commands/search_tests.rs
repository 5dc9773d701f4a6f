//! SEARCH, SORT and THREAD as a client sees them.

use super::trial::Trial;

fn letter(subject: &str, from: &str, body: &str) -> Vec<u8> {
    format!("Subject: {subject}\nFrom: {from}\nX-Mark: {}\n\n{body}\n", subject.len()).into_bytes()
}

fn trial() -> Trial {
    let letters = [
        letter("Lunch", "Ann <ann@example.org>", "at noon"),
        letter("Re: Lunch", "bob@example.com", "rather at ONE"),
        letter("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Carl <carl@example.net>", "nothing else"),
        letter("Report", "ann@example.org", "noon\nand noon"),
    ];
    Trial::with(&letters.each_ref().map(Vec::as_slice))
}

#[test]
fn keys_of_every_price_find_what_they_should() {
    let mut trial = trial();
    trial.say("STORE 2 +FLAGS (\\Seen $Work)");
    for (keys, found) in [
        ("ALL", " 1 2 3 4"),
        ("SEEN", " 2"),
        ("UNSEEN", " 1 3 4"),
        ("KEYWORD $work", " 2"),
        ("UNKEYWORD $Work", " 1 3 4"),
        ("KEYWORD none", ""),
        ("2:3", " 2 3"),
        ("UID 3:*", " 3 4"),
        ("NOT 1:2 NOT SEEN", " 3 4"),
        ("SUBJECT lunch", " 1 2"),
        ("SUBJECT \"re: l\"", " 2"),
        ("FROM ANN@", " 1 4"),
        ("HEADER x-mark \"\"", " 1 2 3 4"),
        ("HEADER X-Mark 6", " 4"),
        ("HEADER x-none \"\"", ""),
        ("HEADER message-id 2@", ""),
        ("BODY \"\"", " 1 2 3 4"),
        ("BODY noon", " 1 4"),
        ("BODY one", " 2"),
        ("TEXT LUNCH", " 1 2"),
        ("BODY lunch", ""),
        ("OR BODY one BODY nothing", " 2 3"),
        ("OR SEEN BODY noon", " 1 2 4"),
        ("NOT BODY noon", " 2 3"),
        ("FROM ann BODY noon NOT SUBJECT report", " 1"),
        ("OR (FROM carl BODY absent) (SEEN TEXT one)", " 2"),
        ("LARGER 10", " 1 2 3 4"),
        ("SMALLER 10", ""),
        ("SINCE 9-Sep-2001", " 1 2 3 4"),
        ("BEFORE 9-Sep-2001", ""),
        ("ON 9-Sep-2001", " 1 2 3 4"),
        ("SAVEDON 9-Sep-2001", " 1 2 3 4"),
        ("SAVEDATESUPPORTED", " 1 2 3 4"),
        ("YOUNGER 10", " 1 2 3 4"),
        ("OLDER 10", ""),
        ("SENTSINCE 1-Jan-1990", ""),
        ("RECENT", " 1 2 3 4"),
    ] {
        assert_eq!(trial.say(&format!("SEARCH {keys}")), [format!("SEARCH{found}")], "{keys}");
    }
}

#[test]
fn text_is_found_decoded_and_without_case() {
    let mut trial = trial();
    let mut found = |key: &str| {
        let mut out = Vec::new();
        let word = "GRÜß";
        let command = format!("t SEARCH CHARSET UTF-8 {key} {{{}+}}\r\n{word}\r\n", word.len());
        trial.session.feed(command.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(found("SUBJECT").starts_with("* SEARCH 3\r\n"));
    assert!(found("TEXT").starts_with("* SEARCH 3\r\n"));
    assert!(found("BODY").starts_with("* SEARCH\r\n"));
    assert!(trial.ending("SEARCH CHARSET BOGUS TEXT x").starts_with("NO [BADCHARSET"));
}

#[test]
fn results_come_as_they_are_asked_for() {
    let mut trial = trial();
    for (command, answer) in [
        ("SEARCH RETURN (MIN COUNT) FROM ann", "ESEARCH (TAG \"t\") MIN 1 COUNT 2"),
        ("SEARCH RETURN () FROM ann", "ESEARCH (TAG \"t\") ALL 1,4"),
        ("UID SEARCH RETURN (MIN MAX ALL) ALL", "ESEARCH (TAG \"t\") UID MIN 1 MAX 4 ALL 1:4"),
        ("SEARCH RETURN (MIN MAX ALL COUNT) DELETED", "ESEARCH (TAG \"t\") COUNT 0"),
        ("UID SEARCH RETURN (PARTIAL 2:3) ALL", "ESEARCH (TAG \"t\") UID PARTIAL (2:3 2:3)"),
        ("UID SEARCH RETURN (PARTIAL -1:-2) ALL", "ESEARCH (TAG \"t\") UID PARTIAL (-1:-2 3:4)"),
        ("UID SEARCH RETURN (PARTIAL 9:12) ALL", "ESEARCH (TAG \"t\") UID PARTIAL (9:12 NIL)"),
        ("SORT RETURN (ALL COUNT) (REVERSE ARRIVAL) UTF-8 ALL", "ESEARCH (TAG \"t\") COUNT 4 ALL 1:4"),
        ("SORT RETURN (ALL MIN) (REVERSE SUBJECT) UTF-8 ALL", "ESEARCH (TAG \"t\") MIN 4 ALL 4,1:3"),
    ] {
        assert_eq!(trial.say(command), [answer], "{command}");
    }
    trial.say("ENABLE IMAP4REV2");
    assert_eq!(trial.say("SEARCH FROM ann"), ["ESEARCH (TAG \"t\") ALL 1,4"]);
}

#[test]
fn a_result_is_kept_for_the_next_command() {
    let mut trial = trial();
    assert_eq!(trial.say("SEARCH RETURN (SAVE) FROM ann"), [""; 0]);
    assert_eq!(trial.say("FETCH $ UID"), ["1 FETCH (UID 1)", "4 FETCH (UID 4)"]);
    assert_eq!(trial.say("SEARCH $ SUBJECT report"), ["SEARCH 4"]);
    assert_eq!(trial.say("SEARCH RETURN (SAVE MIN) FROM ann"), ["ESEARCH (TAG \"t\") MIN 1"]);
    assert_eq!(trial.say("UID SEARCH $"), ["SEARCH 1"]);
    trial.say("SEARCH RETURN (SAVE MIN COUNT) ALL");
    assert_eq!(trial.say("UID SEARCH NOT $"), ["SEARCH"]);
}

#[test]
fn who_asks_by_modseq_is_told_the_highest() {
    let mut trial = trial();
    trial.say("STORE 3 +FLAGS (\\Flagged)");
    let line = trial.say("SEARCH MODSEQ 1").pop().unwrap();
    assert!(line.starts_with("SEARCH 1 2 3 4 (MODSEQ "), "{line}");
    let all = trial.say("SEARCH RETURN (ALL) MODSEQ 1").pop().unwrap();
    let first = trial.say("SEARCH RETURN (MIN) MODSEQ 1").pop().unwrap();
    assert!(
        all.contains(" MODSEQ ")
            && first.contains("MIN 1 MODSEQ ")
            && !first.ends_with(&all[all.len() - 1..])
    );
}

#[test]
fn sorting_is_by_base_subject_by_local_part_and_by_date() {
    let dated = |date: &str, from: &str, subject: &str| {
        format!("Date: {date}\nFrom: {from}\nTo: z@example.org\nSubject: {subject}\n\nx\n").into_bytes()
    };
    let letters = [
        dated("Wed, 3 Jan 2001 10:00:00 +0000", "Zoe <bert@example.org>", "Re: beta"),
        dated("Wed, 3 Jan 2001 10:00:00 -0500", "Ann <carl@example.org>", "alpha"),
        dated("nonsense", "adam@example.org", "[list] gamma (fwd)"),
        dated("Tue, 2 Jan 2001 10:00:00 +0000", "Mia <dora@example.org>", "Beta"),
    ];
    let mut trial = Trial::with(&letters.each_ref().map(Vec::as_slice));
    for (keys, order) in [
        ("SUBJECT", "2 1 4 3"),
        ("SUBJECT DATE", "2 4 1 3"),
        ("REVERSE SUBJECT", "3 1 4 2"),
        ("FROM", "3 1 2 4"),
        ("DISPLAYFROM", "3 2 4 1"),
        ("DATE", "4 1 2 3"),
        ("REVERSE DATE", "3 2 1 4"),
        ("TO REVERSE ARRIVAL", "1 2 3 4"),
        ("SIZE", "3 4 2 1"),
    ] {
        assert_eq!(trial.say(&format!("SORT ({keys}) UTF-8 ALL")), [format!("SORT {order}")], "{keys}");
    }
    assert_eq!(trial.say("UID SORT (DATE) UTF-8 1:2 SUBJECT alpha"), ["SORT 2"]);
    assert_eq!(trial.say("SORT (DATE) UTF-8 DELETED"), ["SORT"]);
}

#[test]
fn threads_are_told() {
    let threaded = |id: u32, references: &str, subject: &str| {
        format!("Message-ID: <{id}@x>\nReferences: {references}\nSubject: {subject}\n\n").into_bytes()
    };
    let letters = [
        threaded(1, "", "one"),
        threaded(2, "<1@x>", "Re: one"),
        threaded(3, "<1@x> <2@x>", "Re: one"),
        threaded(4, "<1@x> <2@x>", "Re: one"),
        threaded(5, "", "two"),
    ];
    let mut trial = Trial::with(&letters.each_ref().map(Vec::as_slice));
    assert_eq!(trial.say("THREAD REFERENCES UTF-8 ALL"), ["THREAD (1 2 (3)(4))(5)"]);
    assert_eq!(trial.say("UID THREAD ORDEREDSUBJECT UTF-8 ALL"), ["THREAD (1 (2)(3)(4))(5)"]);
    assert_eq!(trial.say("THREAD REFS UTF-8 ALL"), ["THREAD (1 2 (3)(4))(5)"]);
    assert_eq!(trial.say("THREAD REFERENCES UTF-8 DELETED"), ["THREAD"]);
    assert_eq!(trial.say("SEARCH HEADER Message-ID <3@X>"), ["SEARCH 3"]);
    assert_eq!(trial.say("SEARCH HEADER Message-ID @x"), ["SEARCH 1 2 3 4 5"]);
}

#[test]
fn a_result_that_is_watched_is_kept_up_to_date() {
    let mut trial = trial();
    assert_eq!(trial.say("UID SEARCH RETURN (UPDATE COUNT) UNSEEN"), ["ESEARCH (TAG \"t\") UID COUNT 4"]);
    let mut other = Trial::another(&trial.memory);
    other.say("SELECT INBOX");
    other.say("STORE 2 +FLAGS (\\Seen)");
    trial.memory.deliver("INBOX", b"Subject: new\n\n");
    let lines = trial.say("NOOP");
    assert!(lines.contains(&"ESEARCH (TAG \"t\") UID REMOVEFROM (0 2)".to_owned()), "{lines:?}");
    assert!(lines.contains(&"ESEARCH (TAG \"t\") UID ADDTO (0 5)".to_owned()), "{lines:?}");
    trial.say("CANCELUPDATE \"t\"");
    other.say("STORE 3 +FLAGS (\\Seen)");
    assert!(!trial.say("NOOP").iter().any(|line| line.starts_with("ESEARCH")));
}

#[test]
fn who_watches_by_number_is_told_before_the_numbers_change() {
    let mut trial = trial();
    trial.say("SORT RETURN (UPDATE COUNT) (SUBJECT) UTF-8 NOT DELETED");
    trial.say("STORE 2 +FLAGS.SILENT (\\Seen)");
    let mut other = Trial::another(&trial.memory);
    other.say("SELECT INBOX");
    other.say("STORE 1,3 +FLAGS.SILENT (\\Deleted)");
    other.say("EXPUNGE");
    assert_eq!(trial.say("NOOP"), ["ESEARCH (TAG \"t\") REMOVEFROM (2 1 1 3)", "3 EXPUNGE", "1 EXPUNGE"]);
}
