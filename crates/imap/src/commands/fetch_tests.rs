//! FETCH as a client sees it.

use super::trial::Trial;

const PLAIN: &[u8] = b"From: Ann <ann@example.org>\nTo: bob@example.com\nSubject: Hello\n\
    Date: Wed, 17 Jul 1996 02:23:25 -0700\nMessage-ID: <1@example.org>\n\nHi Bob,\nhow are you?\n";
const MIXED: &[u8] = b"From: ann@example.org\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMIME-Version: 1.0\n\
    References: <1@example.org>\nMessage-ID: <2@example.org>\n\
    Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\
    Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\n\
    --b\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\nAAECAwA=\n\
    --b\nContent-Type: text/plain\nContent-Transfer-Encoding: x-odd\n\nodd\n--b--\n";

fn trial() -> Trial {
    Trial::with(&[PLAIN, MIXED])
}

#[test]
fn what_stands_in_the_list_is_told_in_the_order_that_was_asked_for() {
    let mut trial = trial();
    assert_eq!(
        trial.say("FETCH 1:* (UID FLAGS)"),
        ["1 FETCH (UID 1 FLAGS (\\Recent))", "2 FETCH (UID 2 FLAGS (\\Recent))"]
    );
    assert_eq!(trial.say("UID FETCH 2 FLAGS"), ["2 FETCH (UID 2 FLAGS (\\Recent))"]);
    assert_eq!(trial.say("UID FETCH 77 FLAGS"), [""; 0]);
    let line = trial.say("FETCH 1 (INTERNALDATE RFC822.SIZE SAVEDATE)").remove(0);
    let date = "\" 9-Sep-2001 01:46:40 +0000\"";
    let size = PLAIN.len() + 8;
    assert_eq!(line, format!("1 FETCH (INTERNALDATE {date} RFC822.SIZE {size} SAVEDATE {date})"));
}

#[test]
fn envelope_and_structure_come_from_the_digest_and_are_made_once() {
    let mut trial = trial();
    let first = trial.say("FETCH 1:2 (ENVELOPE BODY BODYSTRUCTURE PREVIEW)");
    assert!(first[0].contains(
        "ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" \"Hello\" ((\"Ann\" NIL \"ann\" \"example.org\"))"
    ));
    assert!(first[0].contains("BODY (\"text\" \"plain\""), "{}", first[0]);
    assert!(first[0].contains("PREVIEW \"Hi Bob, how are you?\""), "{}", first[0]);
    assert_eq!(trial.say("FETCH 1:2 (ENVELOPE BODY BODYSTRUCTURE PREVIEW)"), first);
}

#[test]
fn a_lazy_preview_is_what_is_there_already() {
    let mut trial = trial();
    assert_eq!(trial.say("FETCH 1 (PREVIEW (LAZY))"), ["1 FETCH (PREVIEW NIL)"]);
    trial.say("FETCH 1 ENVELOPE");
    assert_eq!(trial.say("FETCH 1 (PREVIEW (LAZY))"), ["1 FETCH (PREVIEW \"Hi Bob, how are you?\")"]);
}

#[test]
fn answers_to_a_message_are_of_its_thread() {
    let mut trial = trial();
    let lines = trial.say("FETCH 1:2 THREADID");
    let id = lines[0].strip_prefix("1 FETCH (THREADID (").unwrap();
    assert_eq!(lines[1], format!("2 FETCH (THREADID ({id}"));
    trial.memory.deliver("INBOX", b"Subject: no ID\n\n");
    trial.say("NOOP");
    assert_eq!(trial.say("FETCH 3 THREADID"), ["3 FETCH (THREADID NIL)"]);
    assert!(trial.say("FETCH 1 EMAILID")[0].starts_with("1 FETCH (EMAILID ("));
}

#[test]
fn sections_are_literals_with_the_name_as_it_was_asked_for() {
    let mut trial = trial();
    assert_eq!(
        trial.say("FETCH 1 BODY.PEEK[HEADER.FIELDS (subject To)]"),
        ["1 FETCH (BODY[HEADER.FIELDS (subject To)] {39}", "To: bob@example.com", "Subject: Hello", "", ")"]
    );
    assert_eq!(trial.say("FETCH 1 BODY.PEEK[TEXT]<3.6>"), ["1 FETCH (BODY[TEXT]<3> {6}", "Bob,", ")"]);
    assert_eq!(trial.say("FETCH 1 BODY.PEEK[TEXT]<4294967295.4294967295>").len(), 2);
    assert_eq!(trial.say("FETCH 2 BODY.PEEK[1]"), ["2 FETCH (BODY[1] {15}", "Gr=C3=BC=C3=9Fe)"]);
    assert_eq!(trial.say("FETCH 2 BODY.PEEK[9]"), ["2 FETCH (BODY[9] NIL)"]);
    let deep = vec!["1"; 1000].join(".");
    assert!(trial.lines(&format!("FETCH 2 BODY.PEEK[{deep}]")).last().unwrap().starts_with("t "));
    let whole = trial.octets("FETCH 1 RFC822.HEADER");
    assert!(whole.starts_with(b"* 1 FETCH (RFC822.HEADER {"));
}

#[test]
fn what_is_read_is_seen_and_the_client_is_told() {
    let mut trial = trial();
    let lines = trial.say("FETCH 1:2 BODY[1.MIME]");
    assert_eq!(lines.last().unwrap(), " FLAGS (\\Seen \\Recent))");
    assert_eq!(trial.say("FETCH 1 BODY[TEXT]<0.2>"), ["1 FETCH (BODY[TEXT]<0> {2}", "Hi)"]);
    assert_eq!(trial.say("NOOP"), [""; 0]);
    trial.say("EXAMINE INBOX");
    assert_eq!(trial.say("STATUS INBOX (UNSEEN)"), ["STATUS INBOX (UNSEEN 0)"]);
}

#[test]
fn who_may_not_change_a_mailbox_reads_without_a_mark() {
    let mut trial = trial();
    trial.say("EXAMINE INBOX");
    assert_eq!(trial.say("FETCH 1 BODY[TEXT]<0.2>"), ["1 FETCH (BODY[TEXT]<0> {2}", "Hi)"]);
    assert_eq!(trial.say("FETCH 1 FLAGS"), ["1 FETCH (FLAGS ())"]);
}

#[test]
fn binary_parts_come_without_their_encoding() {
    let mut trial = trial();
    let octets = trial.octets("FETCH 2 (BINARY.SIZE[2] BINARY.PEEK[2] BINARY.SIZE[1])");
    assert_eq!(
        octets,
        b"* 2 FETCH (BINARY.SIZE[2] 5 BINARY[2] ~{5}\r\n\x00\x01\x02\x03\x00 BINARY.SIZE[1] 7)\r\nt OK Done.\r\n"
    );
    let octets = trial.octets("FETCH 2 BINARY.PEEK[2]<1.2>");
    assert!(octets.starts_with(b"* 2 FETCH (BINARY[2]<1> ~{2}\r\n\x01\x02)\r\n"));
    assert_eq!(
        trial.lines("FETCH 2 BINARY.PEEK[3]"),
        ["t NO [UNKNOWN-CTE] A part has a transfer encoding that is not known."]
    );
    assert_eq!(
        trial.say("FETCH 2 (BINARY.PEEK[7] BINARY.SIZE[7])"),
        ["2 FETCH (BINARY[7] NIL BINARY.SIZE[7] 0)"]
    );
}

#[test]
fn a_message_that_is_gone_is_passed_over_and_no_other_is_given_for_it() {
    let mut trial = trial();
    let mut other = Trial::another(&trial.memory);
    other.say("SELECT INBOX");
    other.say("STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(other.say("EXPUNGE"), ["1 EXPUNGE"]);
    let lines = trial.lines("FETCH 1:2 (UID ENVELOPE)");
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("* 2 FETCH (UID 2 ENVELOPE"));
    assert!(lines[1].starts_with("t NO [EXPUNGEISSUED]"), "{lines:?}");
    let lines = trial.say("UID FETCH 1:2 (FLAGS)");
    assert_eq!(lines, ["2 FETCH (UID 2 FLAGS (\\Recent))", "1 EXPUNGE"]);
    assert!(trial.say("FETCH 1 (UID)")[0].starts_with("1 FETCH (UID 2)"));
}

#[test]
fn only_what_has_changed_is_told_with_changedsince() {
    let mut trial = trial();
    trial.say("ENABLE CONDSTORE");
    let modseq = |lines: &[String]| {
        let line = lines.last().unwrap();
        line[line.find("MODSEQ (").unwrap() + 8..].trim_end_matches(')').parse::<u64>().unwrap()
    };
    let since = modseq(&trial.say("FETCH 2 MODSEQ"));
    trial.say("STORE 1 +FLAGS (\\Flagged)");
    let lines = trial.say(&format!("FETCH 1:* (FLAGS) (CHANGEDSINCE {since})"));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("1 FETCH (FLAGS (\\Flagged \\Recent) MODSEQ ("), "{lines:?}");
    assert!(trial.ending("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)").starts_with("BAD"));
    trial.say("ENABLE QRESYNC");
    trial.say("STORE 1 +FLAGS.SILENT (\\Deleted)");
    assert_eq!(trial.say("UID EXPUNGE 1:2"), ["VANISHED 1"]);
    let lines = trial.say(&format!("UID FETCH 1:* (FLAGS) (CHANGEDSINCE {since} VANISHED)"));
    assert_eq!(lines, ["VANISHED (EARLIER) 1"]);
}

#[test]
fn a_part_of_the_answer_is_told_with_partial() {
    let letter: &[u8] = b"Subject: x\n\n";
    let mut trial = Trial::with(&[letter; 9]);
    let numbers = |lines: Vec<String>| -> Vec<String> {
        lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(numbers(trial.say("UID FETCH 3:* (UID) (PARTIAL 2:3)")), ["4", "5"]);
    assert_eq!(numbers(trial.say("UID FETCH 1:* (UID) (PARTIAL -1:-2)")), ["8", "9"]);
    assert_eq!(numbers(trial.say("UID FETCH 1:* (UID) (PARTIAL 20:30)")), [""; 0]);
}

#[test]
fn without_numbers_there_are_uids_alone() {
    let mut trial = trial();
    trial.say("ENABLE UIDONLY");
    assert!(trial.ending("FETCH 1 FLAGS").starts_with("BAD [UIDREQUIRED]"));
    assert_eq!(trial.say("UID FETCH 2 (FLAGS)"), ["2 UIDFETCH (FLAGS (\\Recent))"]);
    assert_eq!(trial.say("UID FETCH 2 (UID)"), ["2 UIDFETCH (UID 2)"]);
}

#[test]
fn a_large_message_is_poured_out_whole_and_in_parts() {
    let mut letter = b"Subject: large\n\n".to_vec();
    for line in 0..200_000 {
        letter.extend_from_slice(format!("line {line}\n").as_bytes());
    }
    let mut wire = Vec::new();
    mime::to_wire(&letter, &mut wire);
    let mut trial = Trial::with(&[&letter]);
    let answer = |name: &str, octets: &[u8]| {
        let head = format!("* 1 FETCH (UID 1 {name} {{{}}}\r\n", octets.len());
        [head.as_bytes(), octets, b" RFC822.SIZE ", wire.len().to_string().as_bytes(), b")\r\nt OK Done.\r\n"]
            .concat()
    };
    let mut fetch = |item: &str| {
        trial.octets(&format!("UID FETCH 1 ({} RFC822.SIZE)", item.replace("BODY", "BODY.PEEK")))
    };
    assert!(fetch("BODY[]") == answer("BODY[]", &wire));
    assert!(fetch("BODY[TEXT]") == answer("BODY[TEXT]", &wire[18..]));
    assert!(fetch("BODY[HEADER]") == answer("BODY[HEADER]", &wire[..18]));
    assert!(fetch("BODY[1]") == answer("BODY[1]", &wire[18..]));
    assert!(
        fetch("BODY[]<1000000.70000>").ends_with(&answer("BODY[]<1000000>", &wire[1_000_000..1_070_000]))
    );
    assert!(fetch("BODY[TEXT]<5.10>").ends_with(&answer("BODY[TEXT]<5>", &wire[23..33])));
    assert!(fetch("BODY[]<99999999.10>").ends_with(&answer("BODY[]<99999999>", b"")));
}

#[test]
fn text_that_looks_like_the_protocol_changes_nothing_around_it() {
    let mut trial = Trial::with(&[b"Subject: x\n\nends with (", b"Subject: NUL\n\na\0b\n"]);
    let lines = trial.say("FETCH 1 (BODY.PEEK[TEXT] FLAGS)");
    assert_eq!(lines, ["1 FETCH (BODY[TEXT] {11}", "ends with ( FLAGS (\\Recent))"]);
    assert_eq!(trial.say("FETCH 2 (BODY.PEEK[TEXT])"), ["2 FETCH (BODY[TEXT] {5}", "a b", ")"]);
}

#[test]
fn many_items_of_one_message_are_handed_on_as_they_come_and_the_line_is_ended() {
    let body = "x".repeat(999_999) + "\n";
    let letter = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n{body}\n--b\n\
         Content-Transfer-Encoding: x-odd\n\n?\n--b--\n"
    );
    let mut trial = Trial::with(&[letter.as_bytes()]);
    let octets = trial.octets("FETCH 1 (BODY.PEEK[1] BODY.PEEK[1] BINARY.PEEK[2] FLAGS)");
    assert_eq!(octets.iter().filter(|octet| **octet == b'x').count(), 2 * 999_999);
    let end = String::from_utf8_lossy(&octets[octets.len() - 90..]).into_owned();
    assert!(end.contains("\r\n)\r\nt NO [UNKNOWN-CTE]"), "{end}");
}

#[test]
fn flags_that_reading_has_changed_come_with_their_modseq() {
    let mut trial = Trial::with(&[b"Subject: x\n\ntext\n"]);
    trial.say("ENABLE CONDSTORE");
    let lines = trial.say("FETCH 1 (FLAGS BODY[TEXT]<0.1>)");
    assert!(lines[1].contains(" MODSEQ ("), "{lines:?}");
    assert!(lines[0].starts_with("1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT]<0> {1}"), "{lines:?}");
    // Nothing has changed now.
    assert!(!trial.say("FETCH 1 (FLAGS BODY[TEXT]<0.1>)")[1].contains("MODSEQ"));
}

#[test]
fn a_message_that_is_fetched_in_slices_is_kept_until_the_client_is_silent() {
    let mut trial = trial();
    let kept = |trial: &Trial| trial.session.open.as_ref().is_some_and(|open| open.body.is_some());
    trial.say("FETCH 1 BODY.PEEK[TEXT]<0.3>");
    assert!(kept(&trial));
    trial.session.rest();
    assert!(!kept(&trial));
    assert!(trial.say("FETCH 1 BODY.PEEK[TEXT]<3.3>")[1].starts_with("Bob"));
}
