//! What clients in the wild say, odd forms and all: none of it may be answered BAD.

use super::appending;
use super::tests::read;

/// Thunderbird, SeaMonkey.
const MOZILLA: &[&str] = &[
    "ID (\"name\" \"Thunderbird\" \"version\" \"128.5.0\")",
    "ENABLE CONDSTORE UTF8=ACCEPT",
    "lsub \"\" \"*\"",
    "list (subscribed) \"\" \"*\" return (special-use)",
    "list (special-use) \"\" \"*\"",
    "list \"\" \"INBOX\"",
    "select \"INBOX\" (CONDSTORE)",
    "getquotaroot \"INBOX\"",
    "UID fetch 1:* (FLAGS) (CHANGEDSINCE 12)",
    "UID fetch 5:* (FLAGS)",
    "UID fetch 5,7:9 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID \
     Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])",
    "UID fetch 5 (UID RFC822.SIZE BODY.PEEK[]<0.12288>)",
    "UID fetch 5 (BODYSTRUCTURE BODY.PEEK[1.MIME] BODY.PEEK[2.HEADER])",
    "uid store 5 +Flags (\\Seen NonJunk)",
    "uid store 5 -Flags (Junk)",
    "uid store 5 +FLAGS ($MDNSent $label1 $Forwarded)",
    "UID SEARCH UNDELETED HEADER Message-ID <a.b@example.org>",
    "UID SEARCH CHARSET UTF-8 UNDELETED (OR (SUBJECT \"a\") (FROM \"b\"))",
    "uid move 5 \"Trash/2026\"",
    "status \"Work\" (UIDNEXT MESSAGES UNSEEN RECENT)",
];

/// Outlook, Outlook Express, Windows Mail.
const MICROSOFT: &[&str] = &[
    "LIST \"\" \"\"",
    "LIST \"\" \"Inbox/%\"",
    "LSUB \"\" *",
    "UID FETCH 1:* (UID FLAGS)",
    "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (References X-Ref X-Priority X-MSMail-Priority X-MSOESRec Newsgroups)] \
     ENVELOPE RFC822.SIZE UID FLAGS INTERNALDATE)",
    "UID FETCH 3 (RFC822.HEADER RFC822.SIZE UID FLAGS INTERNALDATE)",
    "UID STORE 3 +FLAGS.SILENT (\\Deleted \\Seen)",
    "UID SEARCH SINCE 1-Nov-2026 NOT DELETED ",
    "STATUS \"Drafts\" (MESSAGES UNSEEN )",
    "FETCH 1 BODY[TEXT]",
    "UID SEARCH UNSEEN UID 12:*",
];

/// Mail of macOS and iOS.
const APPLE: &[&str] = &[
    "ID (\"name\" \"Mac OS X Mail\" \"version\" \"16.0\" \"os\" \"Mac OS X\" \"os-version\" \"14.4\" \"vendor\" \"Apple Inc.\")",
    "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)",
    "FETCH 1:10 (INTERNALDATE UID RFC822.SIZE FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (date subject from to cc \
     message-id in-reply-to references x-priority list-id list-unsubscribe bimi-indicator content-type)])",
    "SELECT INBOX (QRESYNC (7 20 1:300))",
    "SELECT INBOX (QRESYNC (7 20 1:300 (1,5 3,9)))",
    "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 20 VANISHED)",
    "UID SEARCH 1:* NOT DELETED",
    "UID SEARCH RETURN (ALL) UNDELETED SINCE 01-Oct-2026",
    "UID FETCH 9 (PREVIEW (LAZY) BODYSTRUCTURE BODY.PEEK[HEADER])",
    "UID STORE 9 +FLAGS.SILENT ($NotJunk NotJunk JunkRecorded $MailFlagBit0)",
    "LIST (SPECIAL-USE) \"\" \"*\" RETURN (SUBSCRIBED CHILDREN)",
    "CREATE \"Sent Messages\" (USE (\\Sent))",
];

/// K-9, FairEmail and others by JavaMail, Samsung's.
const ANDROID: &[&str] = &[
    "ID NIL",
    "UID SEARCH 1:24 SINCE 29-Oct-2026 NOT DELETED",
    "UID SEARCH HEADER MESSAGE-ID \"<a@example.org>\"",
    "UID FETCH 5 (UID BODY.PEEK[]<0.32768>)",
    "FETCH 1:50 (ENVELOPE INTERNALDATE RFC822.SIZE FLAGS BODYSTRUCTURE UID BODY.PEEK[HEADER.FIELDS (Message-ID)])",
    "SEARCH OR (FROM \"a\") (OR (TO \"a\") (SUBJECT \"a\")) ALL",
    "SEARCH (SINCE 1-Nov-2026) ALL",
    "STORE 1,3 +FLAGS (\\Answered $Forwarded)",
    "UID SEARCH RETURN (COUNT) UNSEEN",
    "UID EXPUNGE 5",
    "LIST \"\" \"%\" RETURN (CHILDREN SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UNSEEN SIZE))",
];

/// mutt, mbsync, pine, imaplib, c-client of PHP.
const UNIX: &[&str] = &[
    "SELECT \"INBOX\" (QRESYNC (1 5 1:9))",
    "FETCH 1:9 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER X-LABEL)])",
    "UID FETCH 1:1000 (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-TUID MESSAGE-ID)])",
    "UID STORE 4 +FLAGS.SILENT (\\Seen old)",
    "STORE 1 +FLAGS \\Deleted",
    "STORE 1 +Flags (\\SEEN)",
    "FETCH 1 RFC822",
    "FETCH 1:* FAST",
    "LIST \"\" INBOX",
    "SORT (REVERSE DATE) US-ASCII ALL",
    "THREAD REFERENCES US-ASCII ALL",
    "SEARCH HEADER X-OfflineIMAP-1 77",
    "FETCH 1 (UID ENVELOPE BODY.PEEK[HEADER.FIELDS (Path Message-ID Followup-To)] INTERNALDATE RFC822.SIZE FLAGS)",
    "FETCH 1 (BODY[HEADER.FIELDS (\"Subject\" \"From\")]<0.100>)",
];

/// Evolution, Geary, KMail.
const DESKTOP: &[&str] = &[
    "NOTIFY SET (selected (MessageNew (UID RFC822.SIZE RFC822.HEADER FLAGS) MessageExpunge FlagChange)) \
     (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))",
    "UID FETCH 1:* (FLAGS)",
    "LIST \"\" \"*\" RETURN (CHILDREN SUBSCRIBED)",
    "ID (\"name\" \"Geary\" \"version\" \"44.1\" )",
    "UID FETCH 5 (BODY.PEEK[HEADER.FIELDS (BCC CC DATE FROM)] BODY.PEEK[1]<0.128> ENVELOPE)",
    "EXAMINE INBOX (CONDSTORE)",
];

/// Roundcube, SOGo and other web mail.
const WEB: &[&str] = &[
    "LIST (SUBSCRIBED) \"\" \"*\" RETURN (STATUS (MESSAGES))",
    "UID SORT RETURN (ALL COUNT) (REVERSE ARRIVAL) UTF-8 ALL UNDELETED",
    "UID SEARCH RETURN (MIN MAX COUNT) UNDELETED",
    "UID THREAD REFS UTF-8 ALL UNDELETED",
    "UID FETCH 1,3 (UID RFC822.SIZE FLAGS INTERNALDATE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (DATE FROM TO)])",
    "UID FETCH 5 (BINARY.PEEK[2.1])",
    "GETMETADATA \"\" (/shared/comment /private/comment)",
    "GETMETADATA (DEPTH infinity) INBOX (/private)",
    "SETMETADATA \"x\" (\"/private/vendor/kolab/color\" NIL)",
    "SETACL INBOX.x anyone +lrs",
    "UID COPY 1:3,7 INBOX.Trash",
];

#[test]
fn what_clients_say_is_read() {
    for said in [MOZILLA, MICROSOFT, APPLE, ANDROID, UNIX, DESKTOP, WEB].concat() {
        if let Err(fault) = read(said) {
            panic!("{said}: {}", fault.line());
        }
    }
}

#[test]
fn messages_of_clients_are_taken() {
    for said in [
        "append \"Sent\" (\\Seen) {3}",
        "APPEND \"Sent Items\" (\\Seen $MDNSent) \" 1-Nov-2026 12:00:00 +0100\" {3}",
        "APPEND Sent (\\Seen) \"1-Nov-2026 12:00:00 +0000\" {3+}",
        "APPEND INBOX () {3}",
        "APPEND INBOX {3+}",
        "APPEND \"Drafts\" (\\Draft \\Seen) \"01-nov-2026 12:00:00 -0730\" UTF8 (~{3}",
        "UID REPLACE 5 Drafts (\\Draft) {3}",
    ] {
        let mut frames = crate::frame::Frames::new(crate::frame::Limits::AFTER_LOGIN);
        let line = format!("t {said}\r\n");
        assert!(matches!(frames.take(&mut line.as_bytes()), Some(crate::frame::Taken::Literal(_))), "{said}");
        let appending = appending(frames.head(), false).unwrap();
        assert_eq!(appending.fault, None, "{said}");
    }
}
