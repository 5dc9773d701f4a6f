use super::said::say;
use super::*;
use crate::flags::{FlagWord, Flags};
use crate::frame::{Frames, Limits, Taken};
use crate::sequence::Set;
use crate::syntax::*;

/// What is read of `said`; messages (and nothing else) are spooled.
fn read_as(said: &[u8], utf8: bool) -> Result<Request, Fault> {
    let (mut frames, mut input) = (Frames::new(Limits::AFTER_LOGIN), said);
    while let Some(taken) = frames.take(&mut input) {
        match taken {
            Taken::Command(frame) => return parse(&frame, utf8).map(|command| command.request),
            Taken::Literal(_) if appending(frames.head(), utf8).is_some_and(|it| it.fault.is_none()) => {
                assert!(frames.accept_spooled());
            }
            Taken::Literal(_) => assert!(frames.accept()),
            Taken::Octets(_) | Taken::LiteralEnd => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("no command: {}", said.escape_ascii());
}

pub(super) fn read(said: &str) -> Result<Request, Fault> {
    read_as(format!("a {said}\r\n").as_bytes(), false)
}

/// What is read, and read again when it is said as a client might.
fn ok(said: &str) -> Request {
    let request = read(said).unwrap_or_else(|fault| panic!("{said}: {fault:?}"));
    for utf8 in [false, true] {
        let again = [b"b ", &say(&request, utf8)[..], b"\r\n"].concat();
        assert_eq!(read_as(&again, utf8).as_ref(), Ok(&request), "{}", again.escape_ascii());
    }
    request
}

fn refused(said: &str) -> FaultKind {
    match read(said) {
        Err(fault) => {
            assert_eq!(fault.tag, "a");
            fault.kind
        }
        Ok(request) => panic!("{said}: {request:?}"),
    }
}

fn key(said: &str) -> SearchKey {
    let Request::Search { key, .. } = ok(&format!("SEARCH {said}")) else { panic!() };
    key
}

fn items(said: &str) -> Vec<FetchItem> {
    let Request::Fetch { items, .. } = ok(&format!("FETCH 1 {said}")) else { panic!() };
    items
}

fn set(first: u32, last: u32) -> Set {
    Set::Ranges(vec![(Some(first), Some(last))])
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

#[test]
fn a_tag_that_cannot_be_read_is_not_said_back() {
    let long = format!("{} NOOP", "t".repeat(100_000));
    for line in
        ["", " NOOP", "* NOOP", "+ NOOP", "a+b NOOP", "\u{e9} NOOP", "a\0 NOOP", "a\x1b[1m NOOP", &long]
    {
        let frame = Frame { line: line.as_bytes().to_vec(), literals: Vec::new() };
        let fault = parse(&frame, false).unwrap_err();
        assert_eq!((fault.tag.as_str(), fault.kind), ("*", FaultKind::Bad), "{line}");
    }
    let frame = Frame { line: b"A.1]x".to_vec(), literals: Vec::new() };
    assert_eq!(parse(&frame, false).unwrap_err().line(), "A.1]x BAD A command was expected behind the tag");
}

#[test]
fn simple_commands_are_read_in_any_case_and_blanks_at_the_end_passed_over() {
    assert_eq!(ok("noop"), Request::Noop);
    assert_eq!(ok("Capability  "), Request::Capability);
    assert_eq!(ok("CLOSE"), Request::Close);
    assert_eq!(ok("enable condstore Utf8=accept"), Request::Enable(strings(&["CONDSTORE", "UTF8=ACCEPT"])));
    assert_eq!(ok("ID NIL"), Request::Id(vec![]));
    let pair = ("name".to_owned(), None);
    assert_eq!(ok("ID (\"name\" NIL)"), Request::Id(vec![pair]));
    assert_eq!(refused("NOOP x"), FaultKind::Bad);
    assert_eq!(refused("XYZZY"), FaultKind::Unknown);
    assert_eq!(refused("UID NOOP"), FaultKind::Unknown);
    assert_eq!(refused(""), FaultKind::Unknown);
}

#[test]
fn names_and_passwords_come_as_atoms_quoted_or_in_literals() {
    let login =
        |user: &[u8], password: &[u8]| Request::Login { user: user.to_vec(), password: password.to_vec() };
    assert_eq!(ok("LOGIN joe pass]word"), login(b"joe", b"pass]word"));
    assert_eq!(ok("LOGIN \"joe\" \"a\\\"b\\\\c\""), login(b"joe", b"a\"b\\c"));
    assert_eq!(ok("LOGIN {3}\r\njoe {4+}\r\na\r\nb"), login(b"joe", b"a\r\nb"));
    assert_eq!(ok("LOGIN \"\" \"\""), login(b"", b""));
    let said = b"a LOGIN \"j\xc3\xb6\" \"\xff\"\r\n";
    assert_eq!(read_as(said, false), Ok(login(b"j\xc3\xb6", b"\xff")));
    for said in
        ["LOGIN joe", "LOGIN joe  x", "LOGIN \"joe x", "LOGIN joe \"\\n\"", "LOGIN joe x y", "LOGIN joe(x y"]
    {
        assert_eq!(refused(said), FaultKind::Bad, "{said}");
    }
}

#[test]
fn a_nul_stands_nowhere_but_in_a_binary_literal() {
    for said in [
        "LOGIN \"a\0b\" x",
        "LOGIN {3}\r\na\0b x",
        "SELECT a\0b",
        "SELECT \"\0\"",
        "LIST \"\" {1}\r\n\0",
        "LOGIN ~{1}\r\na x",
    ] {
        assert_eq!(refused(said), FaultKind::Bad, "{}", said.escape_debug());
    }
    let said = "SETMETADATA INBOX (/private/x ~{3}\r\na\0b)";
    let entries = vec![("/private/x".to_owned(), Some(b"a\0b".to_vec()))];
    assert_eq!(ok(said), Request::SetMetadata { mailbox: "INBOX".to_owned(), entries });
}

#[test]
fn an_initial_response_is_base64_or_an_equals_sign() {
    let with = |initial: Option<&[u8]>| Request::Authenticate {
        mechanism: "SCRAM-SHA-256".to_owned(),
        initial: initial.map(<[u8]>::to_vec),
    };
    assert_eq!(ok("AUTHENTICATE scram-sha-256"), with(None));
    assert_eq!(ok("AUTHENTICATE scram-sha-256 ="), with(Some(b"")));
    assert_eq!(ok("AUTHENTICATE scram-sha-256 bsOk"), with(Some(b"n\xc3\xa4")));
    assert_eq!(refused("AUTHENTICATE scram-sha-256 bsO!"), FaultKind::Bad);
    assert_eq!(refused("AUTHENTICATE"), FaultKind::Bad);
}

#[test]
fn mailbox_names_are_decoded() {
    assert_eq!(ok("DELETE inBox"), Request::Delete("INBOX".to_owned()));
    assert_eq!(ok("DELETE Entw&APw-rfe"), Request::Delete("Entwürfe".to_owned()));
    assert_eq!(ok("DELETE {2}\r\nxy"), Request::Delete("xy".to_owned()));
    let utf8 = |said: &str| read_as(format!("a DELETE {said}\r\n").as_bytes(), true);
    assert_eq!(utf8("\"Entw\u{fc}rfe\""), Ok(Request::Delete("Entwürfe".to_owned())));
    assert_eq!(utf8("A&AOk-"), Ok(Request::Delete("A&AOk-".to_owned())));
    for said in [
        "&Jjo",
        "&&&",
        "\"\u{fc}\"",
        "\u{fc}",
        "{3}\r\na\nb",
        "{3}\r\na\rb",
        "\"a\tb\"",
        "&AAo-",
        "\"a\x7f\"",
    ] {
        assert_eq!(refused(&format!("CREATE {said}")), FaultKind::Bad, "{said}");
    }
    assert_eq!(refused(&format!("CREATE {}", "x".repeat(3000))), FaultKind::Cannot);
    assert!(utf8("\"a\u{85}b\"").is_err());
}

#[test]
fn sets_are_numbers_from_one_on_to_32_bits() {
    let copy = |said: &str| match ok(&format!("COPY {said} x")) {
        Request::Copy { set, .. } => set,
        other => panic!("{other:?}"),
    };
    assert_eq!(copy("1"), set(1, 1));
    assert_eq!(copy("1:4294967295"), set(1, u32::MAX));
    assert_eq!(copy("*:4,7"), Set::Ranges(vec![(None, Some(4)), (Some(7), Some(7))]));
    assert_eq!(copy("$"), Set::Saved);
    for said in
        ["0", "1:0", "4294967296", "*:*:*", "1,", ",1", "", "-1", "1:", "$,1", "99999999999999999999", "a"]
    {
        assert_eq!(refused(&format!("FETCH {said} FLAGS")), FaultKind::Bad, "{said}");
    }
    assert!(read(&format!("FETCH 1:*{} FLAGS", ",1:*".repeat(10_000))).is_ok());
    assert_eq!(refused(&format!("FETCH 1{} FLAGS", ",1".repeat(25_000))), FaultKind::Limit);
}

#[test]
fn fetch_items_are_read_and_macros_spelled_out() {
    use FetchItem::*;
    assert_eq!(items("ALL"), [Flags, InternalDate, Rfc822Size, Envelope]);
    assert_eq!(items("fast"), [Flags, InternalDate, Rfc822Size]);
    assert_eq!(items("FULL"), [Flags, InternalDate, Rfc822Size, Envelope, Body]);
    assert_eq!(
        items(
            "(uid BODY BODYSTRUCTURE RFC822 RFC822.HEADER RFC822.TEXT MODSEQ SAVEDATE EMAILID THREADID PREVIEW)"
        ),
        [
            Uid,
            Body,
            BodyStructure,
            Rfc822,
            Rfc822Header,
            Rfc822Text,
            ModSeq,
            SaveDate,
            EmailId,
            ThreadId,
            Preview { lazy: false }
        ]
    );
    assert_eq!(items("(UID FLAGS )"), [Uid, Flags]);
    assert_eq!(items("PREVIEW (LAZY)"), [Preview { lazy: true }]);
    assert_eq!(items("(PREVIEW (LAZY) UID)"), [Preview { lazy: true }, Uid]);
    assert_eq!(items("BINARY.SIZE[1.2]"), [BinarySize(vec![1, 2])]);
    assert_eq!(items("BINARY.PEEK[]<0.5>"), [Binary { part: vec![], partial: Some((0, 5)), peek: true }]);
    for said in
        ["(ALL)", "()", "(UID FLAGS", "(UID  FLAGS)", "UID FLAGS", "FOO", "BODY.PEEK", "BINARY.SIZE[1]<0.1>"]
    {
        assert_eq!(refused(&format!("FETCH 1 {said}")), FaultKind::Bad, "{said}");
    }
}

#[test]
fn sections_have_parts_and_names_and_bounds() {
    let section = |part: &[u32], what| Section { part: part.to_vec(), what };
    for (said, wanted) in [
        ("[]", section(&[], What::Whole)),
        ("[1.2.3]", section(&[1, 2, 3], What::Whole)),
        ("[HEADER]", section(&[], What::Header)),
        ("[1.MIME]", section(&[1], What::Mime)),
        ("[4.text]", section(&[4], What::Text)),
        ("[HEADER.FIELDS (Subject \"To\")]", section(&[], What::HeaderFields(strings(&["Subject", "To"])))),
        ("[2.HEADER.FIELDS.NOT (X]Y)]", section(&[2], What::HeaderFieldsNot(strings(&["X]Y"])))),
        ("[HEADER.FIELDS ({2}\r\nTo)]", section(&[], What::HeaderFields(strings(&["To"])))),
    ] {
        let item = FetchItem::Section { section: wanted, partial: None, peek: true };
        assert_eq!(items(&format!("BODY.PEEK{said}")), [item], "{said}");
    }
    assert!(matches!(items("BODY[]<4294967295.4294967295>")[0], FetchItem::Section { partial: Some(_), .. }));
    let deep = format!("[1{}]", ".1".repeat(1000));
    for said in [
        &deep,
        "[0]",
        "[1.0]",
        "[4294967296]",
        "[1.]",
        "[.1]",
        "[MIME]",
        "[1",
        "[HEADER.FIELDS]",
        "[HEADER.FIELDS ()]",
        "[]<0.0>",
        "[]<1>",
        "[]<4294967296.1>",
        "[HEADER.FIELDS ({4}\r\na\r\nb)]",
        "[HEADER.FIELDS (a:)]",
        "[TEXT.1]",
    ] {
        assert_eq!(refused(&format!("FETCH 1 BODY{said}")), FaultKind::Bad, "{said}");
    }
}

#[test]
fn modifiers_of_fetch_and_store_are_read() {
    let fetch = ok("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED PARTIAL -1:-30)");
    let Request::Fetch { by_uid: true, changed_since: Some(12345), vanished: true, partial, .. } = fetch
    else {
        panic!()
    };
    assert_eq!(partial, Some((-1, -30)));
    for said in [
        "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
        "UID FETCH 1 FLAGS (VANISHED)",
        "FETCH 1 FLAGS (CHANGEDSINCE -1)",
        "FETCH 1 FLAGS (PARTIAL 1:-1)",
        "FETCH 1 FLAGS (PARTIAL 0:1)",
        "FETCH 1 FLAGS ()",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
    ] {
        assert_eq!(refused(said), FaultKind::Bad, "{said}");
    }
    let flags = vec![FlagWord::System(Flags::SEEN), FlagWord::Keyword("$Junk".to_owned())];
    let store = |unchanged_since, change, silent| Request::Store {
        by_uid: false,
        set: set(1, 1),
        change,
        silent,
        flags: flags.clone(),
        unchanged_since,
    };
    assert_eq!(
        ok("STORE 1 (UNCHANGEDSINCE 9) +FLAGS.SILENT (\\seen $Junk)"),
        store(Some(9), Change::Add, true)
    );
    assert_eq!(ok("STORE 1 flags \\Seen $Junk"), store(None, Change::Replace, false));
    assert!(matches!(ok("STORE 1 -FLAGS ()"), Request::Store { change: Change::Remove, .. }));
}

#[test]
fn flags_are_known_few_and_short() {
    for said in ["\\Recent", "\\Foo", "\\*", "(\\Seen", "a(b", "", "\\", "(a  b)"] {
        assert_eq!(refused(&format!("STORE 1 FLAGS {said}")), FaultKind::Bad, "{said}");
    }
    assert_eq!(refused(&format!("STORE 1 FLAGS {}", "x".repeat(10_000))), FaultKind::Limit);
    assert_eq!(refused(&format!("STORE 1 FLAGS (x{})", " y".repeat(10_000))), FaultKind::Limit);
    assert_eq!(refused(&format!("STORE 1 FLAGS x{}", " y".repeat(10_000))), FaultKind::Limit);
}

#[test]
fn search_keys_are_read() {
    let seen = || SearchKey::Flag(FlagWord::System(Flags::SEEN));
    let not = |key| SearchKey::Not(Box::new(key));
    assert_eq!(key("ALL"), SearchKey::All);
    assert_eq!(key("unseen"), not(seen()));
    assert_eq!(key("NEW"), SearchKey::And(vec![SearchKey::Recent, not(seen())]));
    assert_eq!(
        key("(SEEN) (1:2 $)"),
        SearchKey::And(vec![seen(), SearchKey::And(vec![SearchKey::Sequence(set(1, 2)), SearchKey::Saved]),])
    );
    assert_eq!(
        key("OR NOT SEEN UID 7"),
        SearchKey::Or(Box::new(not(seen())), Box::new(SearchKey::Uid(set(7, 7))))
    );
    assert_eq!(key("FROM \"a b\""), SearchKey::Header("From".to_owned(), "a b".to_owned()));
    assert_eq!(key("HEADER x-y \"\""), SearchKey::Header("x-y".to_owned(), String::new()));
    assert_eq!(key("CHARSET utf-8 TEXT {3}\r\n\u{fc}x"), SearchKey::Text("üx".to_owned()));
    assert_eq!(key("SINCE 1-Feb-1994"), SearchKey::Since(8797));
    assert_eq!(key("SENTON \"29-feb-2024\""), SearchKey::SentOn(19782));
    assert_eq!(key("BEFORE 1-Jan-1970"), SearchKey::Before(0));
    assert_eq!(key("LARGER 9223372036854775807"), SearchKey::Larger(i64::MAX as u64));
    assert_eq!(
        key("YOUNGER 60 SAVEDATESUPPORTED"),
        SearchKey::And(vec![SearchKey::Younger(60), SearchKey::SaveDateSupported,])
    );
    assert_eq!(key("MODSEQ \"/flags/\\\\draft\" all 620162338"), SearchKey::ModSeq(620_162_338));
    assert_eq!(key("EMAILID M6d99ac3275bb4e"), SearchKey::EmailId("M6d99ac3275bb4e".to_owned()));
    assert_eq!(key("UNKEYWORD x"), not(SearchKey::Flag(FlagWord::Keyword("x".to_owned()))));
    for said in [
        "",
        "FOO",
        "NOT",
        "OR SEEN",
        "()",
        "(SEEN",
        "BEFORE 30-Feb-2024",
        "BEFORE 29-Feb-2023",
        "BEFORE 0-Jan-2000",
        "BEFORE 1-Foo-2000",
        "BEFORE 1-Jan-99",
        "SEEN  SEEN",
        "FROM",
        "OLDER 0",
        "EMAILID a.b",
        "BEFORE -Jan-2000",
    ] {
        assert_eq!(refused(&format!("SEARCH {said}")), FaultKind::Bad, "{said}");
    }
    assert_eq!(read_as(b"a SEARCH TEXT {1}\r\n\xff\r\n", false).unwrap_err().kind, FaultKind::Bad);
    assert_eq!(refused("SEARCH CHARSET bogus TEXT x"), FaultKind::BadCharset);
    let said = b"a SEARCH CHARSET iso-8859-1 TEXT {2}\r\n\xfcx BODY a\r\n";
    let Ok(Request::Search { key, .. }) = read_as(said, false) else { panic!() };
    assert_eq!(key, SearchKey::And(vec![SearchKey::Text("üx".to_owned()), SearchKey::Body("a".to_owned())]));
}

#[test]
fn a_search_is_not_nested_without_end() {
    for word in ["NOT ", "OR ALL ", "(", "OR "] {
        assert_eq!(refused(&format!("SEARCH {}ALL", word.repeat(8_000))), FaultKind::Bad);
    }
    assert!(read(&format!("SEARCH {}ALL", "OR ALL ".repeat(190))).is_ok());
    let large = "x".repeat(1_000_000);
    assert_eq!(key(&format!("TEXT {{1000000}}\r\n{large}")), SearchKey::Text(large));
    assert_eq!(refused(&format!("FETCH 1 {}", "(".repeat(60_000))), FaultKind::Bad);
}

#[test]
fn a_search_has_a_thousand_keys_at_most() {
    assert!(read(&format!("SEARCH{}", " SEEN".repeat(999))).is_ok());
    assert_eq!(refused(&format!("SEARCH{}", " SEEN".repeat(1000))), FaultKind::Limit);
    assert_eq!(refused(&format!("SEARCH ({} ALL)", "BODY a ".repeat(5000).trim_end())), FaultKind::Limit);
}

#[test]
fn results_orders_and_threads_are_read() {
    let Request::Search { results: Some(returns), by_uid: true, .. } = ok("UID SEARCH RETURN () ALL") else {
        panic!()
    };
    assert_eq!(returns, Returns { all: true, ..Returns::default() });
    let Request::Search { results: Some(returns), charset, .. } =
        ok("SEARCH RETURN (MIN COUNT SAVE PARTIAL 1:100) CHARSET UTF-8 ALL")
    else {
        panic!()
    };
    assert_eq!(
        returns,
        Returns { min: true, count: true, save: true, partial: Some((1, 100)), ..Returns::default() }
    );
    assert_eq!(charset.as_deref(), Some("UTF-8"));
    assert_eq!(refused("SEARCH RETURN (ALL PARTIAL 1:2) ALL"), FaultKind::Bad);
    assert_eq!(refused("SEARCH RETURN (FOO) ALL"), FaultKind::Bad);
    let Request::Sort { order, .. } = ok("SORT (REVERSE DATE DISPLAYFROM) UTF-8 ALL") else { panic!() };
    assert_eq!(order, [(SortKey::Date, true), (SortKey::DisplayFrom, false)]);
    assert!(matches!(
        ok("UID SORT RETURN (COUNT) (SIZE) us-ascii ALL"),
        Request::Sort { results: Some(_), .. }
    ));
    assert_eq!(refused("SORT () UTF-8 ALL"), FaultKind::Bad);
    assert_eq!(refused("SORT (DATE) KOI8-Z ALL"), FaultKind::BadCharset);
    assert!(matches!(ok("THREAD refs UTF-8 ALL"), Request::Thread { algorithm: Algorithm::Refs, .. }));
    assert_eq!(refused("THREAD X UTF-8 ALL"), FaultKind::Bad);
    assert_eq!(ok("CANCELUPDATE \"a1\" \"a2\""), Request::CancelUpdate(strings(&["a1", "a2"])));
}

#[test]
fn parameters_of_select_are_read() {
    let Request::Select { mailbox, read_only: true, condstore: true, qresync: None } =
        ok("EXAMINE inbox (CONDSTORE)")
    else {
        panic!()
    };
    assert_eq!(mailbox, "INBOX");
    let said = "SELECT x (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 5:6)))";
    let Request::Select { qresync: Some(qresync), condstore: false, .. } = ok(said) else { panic!() };
    assert_eq!((qresync.uid_validity, qresync.modseq), (67_890_007, 90_060_115_194_045_000));
    assert!(qresync.known.is_some());
    assert_eq!(qresync.matching.map(|(_, uids)| uids), Some(set(5, 6)));
    assert!(read("SELECT x (QRESYNC (1 2 (1 1)) CONDSTORE)").is_ok());
    for said in [
        "(QRESYNC (0 1))",
        "(QRESYNC (1 1 1:*))",
        "(FOO)",
        "()",
        "(QRESYNC)",
        "(QRESYNC (1 1 ))",
        "CONDSTORE",
    ] {
        assert_eq!(refused(&format!("SELECT x {said}")), FaultKind::Bad, "{said}");
    }
}

#[test]
fn lists_are_read_with_all_their_options() {
    let list = |said: &str| match ok(&format!("LIST {said}")) {
        Request::List(list) => list,
        other => panic!("{other:?}"),
    };
    let plain = list("\"\" %/*&-");
    assert_eq!((plain.patterns, plain.extended), (strings(&["%/*&"]), false));
    let full = list(
        "(SUBSCRIBED RECURSIVEMATCH SPECIAL-USE REMOTE) \"\" (a \"b c*\") RETURN (SUBSCRIBED CHILDREN SPECIAL-USE \
         MYRIGHTS STATUS (MESSAGES SIZE) METADATA (/shared/comment))",
    );
    assert!(full.extended && full.select_subscribed && full.select_recursive && full.return_rights);
    assert_eq!(full.patterns, ["a", "b c*"]);
    assert_eq!(full.return_status, [StatusItem::Messages, StatusItem::Size]);
    assert_eq!(full.return_metadata, ["/shared/comment"]);
    assert!(list("() \"\" *").extended);
    for said in
        ["(RECURSIVEMATCH) \"\" *", "\"\"", "\"\" ()", "(FOO) \"\" *", "\"\" * RETURN (FOO)", "\"\" * x"]
    {
        assert_eq!(refused(&format!("LIST {said}")), FaultKind::Bad, "{said}");
    }
    assert!(matches!(ok("LSUB \"\" *"), Request::Lsub { .. }));
    let items = vec![StatusItem::DeletedStorage, StatusItem::MailboxId];
    assert_eq!(
        ok("STATUS x (deleted-storage MAILBOXID)"),
        Request::Status { mailbox: "x".to_owned(), items }
    );
    assert_eq!(refused("STATUS x ()"), FaultKind::Bad);
    let create = Request::Create { mailbox: "x".to_owned(), special: strings(&["\\Sent", "\\Foo"]) };
    assert_eq!(ok("CREATE x (USE (\\sent \\Foo))"), create);
}

#[test]
fn messages_are_spooled_and_numbered() {
    let seen = vec![FlagWord::System(Flags::SEEN)];
    let said =
        "APPEND Sent (\\Seen) \" 1-Jan-1970 02:00:01 +0200\" {5}\r\nhello {3+}\r\nabc UTF8 (~{1}\r\nx)";
    let plain = |number| Append { flags: vec![], date: None, text: Text::Spooled(number) };
    let messages = vec![Append { flags: seen, date: Some(1), text: Text::Spooled(0) }, plain(1), plain(2)];
    assert_eq!(ok(said), Request::Append { mailbox: "Sent".to_owned(), messages });
    let said = "APPEND {1}\r\nx CATENATE (URL \"/INBOX/;UID=1\" TEXT {2}\r\nab URL {2}\r\n/y)";
    let parts = vec![
        Piece::Url("/INBOX/;UID=1".to_owned()),
        Piece::Text(Text::Spooled(0)),
        Piece::Url("/y".to_owned()),
    ];
    let message = Append { text: Text::Parts(parts), ..plain(0) };
    assert_eq!(ok(said), Request::Append { mailbox: "x".to_owned(), messages: vec![message] });
    let replace =
        Request::Replace { by_uid: true, message: "4".to_owned(), mailbox: "x".to_owned(), with: plain(0) };
    assert_eq!(ok("UID REPLACE 4 x {1}\r\ny"), replace);
    for said in [
        "APPEND x",
        "APPEND x \"99-Xxx-9999 00:00:00 +0000\" {0}\r\n",
        "APPEND x (\\Foo) {0}\r\n",
        "APPEND x \" 1-Jan-2000 24:00:00 +0000\" {0}\r\n",
        "APPEND x \" 1-Jan-2000 00:00:00\" {0}\r\n",
        "APPEND x abc",
        "APPEND x {0}\r\nx",
        "APPEND x UTF8 {0}\r\n",
        "REPLACE 0 x {0}\r\n",
        "APPEND x CATENATE ()",
        "APPEND x (garbage(( {0}\r\n",
    ] {
        assert_eq!(refused(said), FaultKind::Bad, "{said}");
    }
}

#[test]
fn what_is_wrong_with_a_message_is_known_before_it_comes() {
    let announced = |line: &str| {
        let line = format!("a {line}").into_bytes();
        appending(&Frame { line, literals: Vec::new() }, false)
    };
    for said in [
        "APPEND x {5}",
        "APPEND x (\\Seen) ~{5+}",
        "UID REPLACE 1 x {5}",
        "APPEND x CATENATE (TEXT {5}",
        "APPEND x UTF8 (~{5}",
    ] {
        assert_eq!(announced(said), Some(Appending { mailbox: "x".to_owned(), fault: None }), "{said}");
    }
    for said in [
        "APPEND {5}",
        "APPEND x CATENATE (URL {5}",
        "LOGIN {5}",
        "UID APPEND x {5}",
        "REPLACE {5}",
        "APPEND &&& {5}",
        "REPLACE 1 {5}",
    ] {
        assert_eq!(announced(said), None, "{said}");
    }
    for said in [
        "APPEND x \"99-Xxx-9999\" {5}",
        "APPEND x (\\Foo) {5}",
        "APPEND x (\\Seen {5}",
        "APPEND x y {5}",
        "REPLACE 0 x {5}",
        "APPEND x  {5}",
        "APPEND x \"{5}",
        "APPEND x CATENATE {5}",
    ] {
        let fault = announced(said).and_then(|appending| appending.fault);
        assert_eq!(
            fault.map(|fault| (fault.tag, fault.kind)),
            Some(("a".to_owned(), FaultKind::Bad)),
            "{said}"
        );
    }
}

#[test]
fn notify_metadata_rights_and_quota_are_read() {
    assert_eq!(ok("NOTIFY NONE"), Request::Notify(None));
    let said =
        "NOTIFY SET STATUS (selected MessageNew (UID FLAGS) MessageExpunge) (subtree (a b) (MailboxName)) \
                (mailboxes INBOX NONE)"
            .replace(
                "selected MessageNew (UID FLAGS) MessageExpunge",
                "selected (MessageNew (UID FLAGS) MessageExpunge)",
            );
    let Request::Notify(Some(notify)) = ok(&said) else { panic!() };
    assert!(notify.status);
    assert_eq!(
        notify.groups,
        [
            (
                Watched::Selected,
                vec![Event::MessageNew(vec![FetchItem::Uid, FetchItem::Flags]), Event::MessageExpunge,]
            ),
            (Watched::Subtree(strings(&["a", "b"])), vec![Event::MailboxName]),
            (Watched::Mailboxes(strings(&["INBOX"])), vec![]),
        ]
    );
    assert_eq!(refused("NOTIFY SET (personal (MessageNew (UID)))"), FaultKind::Bad);
    assert_eq!(refused("NOTIFY SET"), FaultKind::Bad);
    let metadata = Request::GetMetadata {
        mailbox: String::new(),
        entries: strings(&["/shared/comment"]),
        max_size: Some(10),
        depth: Depth::Infinity,
    };
    assert_eq!(ok("GETMETADATA (MAXSIZE 10 DEPTH infinity) \"\" /shared/comment"), metadata);
    assert_eq!(ok("GETMETADATA \"\" (MAXSIZE 10 DEPTH infinity) (/shared/comment)"), metadata);
    for entry in ["x", "/x/", "/a//b", "/a*", "/\u{fc}"] {
        assert_eq!(refused(&format!("GETMETADATA \"\" \"{entry}\"")), FaultKind::Bad);
    }
    let acl = |change, rights: &str| Request::SetAcl {
        mailbox: "x".to_owned(),
        who: "joe".to_owned(),
        change,
        rights: rights.to_owned(),
    };
    assert_eq!(ok("SETACL x joe +lrs"), acl('+', "lrs"));
    assert_eq!(ok("SETACL x joe \"\""), acl('=', ""));
    assert_eq!(refused("SETACL x joe LRS"), FaultKind::Bad);
    assert_eq!(refused("SETACL x \"\" l"), FaultKind::Bad);
    assert_eq!(ok("SETQUOTA \"\" (STORAGE 10)"), Request::SetQuota);
    assert_eq!(ok("GETQUOTAROOT x"), Request::GetQuotaRoot("x".to_owned()));
    assert_eq!(ok("COMPRESS deflate"), Request::Compress);
    assert_eq!(refused("COMPRESS LZ4"), FaultKind::Bad);
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_said_makes_it_panic(said in "[ -~\\r\\n\u{0}\u{fc}]{0,60}") {
        let frame = Frame { line: format!("a {said}").into_bytes(), literals: Vec::new() };
        let _ = parse(&frame, false);
        let _ = appending(&frame, true);
    }
}
