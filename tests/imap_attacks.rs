//! Attacks on the real IMAP server: hostile messages, hostile words.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::{DOMAIN, Imap, ImapServer, PASSWORD, PATIENCE, message, tool};

use crate::fetching::well;

/// The most memory that any session has taken, in KiB.
pub(crate) fn peak(server: &ImapServer) -> u64 {
    let of = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    server.sessions().iter().filter_map(of).max().unwrap_or(0)
}

/// It must answer, with one of these words, in this time.
fn answers(imap: &mut Imap, line: &str, words: &[&str], limit: Duration) {
    let start = Instant::now();
    let answer = imap.command(line);
    let shown = &line[..line.len().min(80)];
    assert!(words.iter().any(|word| answer.tagged.starts_with(word)), "{shown}: {}", answer.tagged);
    assert!(start.elapsed() < limit, "{shown}: took {:?}", start.elapsed());
}

pub(crate) fn well_and_alive(server: &ImapServer) {
    server.login("alice").good("NOOP");
}

/// What a stranger says, and how the answer to it may begin.
fn stranger(server: &ImapServer, says: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(says);
    let _ = stream.write_all(b"\r\nzz LOGOUT\r\n");
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn strangers_get_no_memory_and_no_command_through_a_literal() {
    // I01 to I04, I06 to I08, I29, I31
    let Some(server) = ImapServer::start() else { return };
    let many = |text: &str, count: usize| text.repeat(count).into_bytes();
    let says: Vec<Vec<u8>> = vec![
        b"a LOGIN {4294967295}".to_vec(),
        b"a LOGIN {99999999999999999999}".to_vec(),
        b"a LOGIN {-1}".to_vec(),
        b"a LOGIN {abc}".to_vec(),
        b"a LOGIN {1".to_vec(),
        b"a LOGIN {10000000+}\r\nx CREATE evil".to_vec(),
        [b"a ".to_vec(), many("(", 100_000)].concat(),
        [many("t", 100_000), b" NOOP".to_vec()].concat(),
        b" NOOP".to_vec(),
        b"* NOOP".to_vec(),
        b"+ NOOP".to_vec(),
        b"\x00\x1b[31m NOOP".to_vec(),
        b"a AUTHENTICATE PLAIN\r\n!!!notbase64".to_vec(),
        b"a AUTHENTICATE PLAIN\r\n*".to_vec(),
        [b"a AUTHENTICATE PLAIN\r\n".to_vec(), many("A", 100_000)].concat(),
        b"a SELECT INBOX".to_vec(),
        b"a FETCH 1 FLAGS".to_vec(),
        b"a LOGIN \"ali\x00ce\" x".to_vec(),
        b"a LOGIN {5}\r\nal\x00ce {1}\r\nx".to_vec(),
        b"a LOGIN ../../etc/passwd x".to_vec(),
        b"a LOGIN alice@example.test \"\"".to_vec(),
        many("a BLURDY\r\n", 10_000),
    ];
    for words in says {
        let said = stranger(&server, &words);
        let shown = words[..words.len().min(60)].escape_ascii().to_string();
        let refused = ["BAD", "NO", "BYE"].iter().any(|word| said.contains(word));
        // To hang up is an answer too.
        assert!(refused || !said.contains("zz OK"), "{shown}: {said}");
        assert!(!said.contains('\x1b') && !said.contains('\0'), "{shown}: raw control octets come back");
        assert!(!said.contains("x OK") && !said.contains("a OK"), "{shown}: {said}");
    }
    well_and_alive(&server);
}

#[test]
fn names_lead_nowhere_and_patterns_take_no_time() {
    // I09 to I11
    let Some(server) = ImapServer::start() else { return };
    let mut imap = server.login("alice");
    let outside = server.maildir("alice");
    let outside = outside.parent().unwrap().parent().unwrap();
    let tree = |folder: &Path| well(Command::new("find").arg(folder).args(["-maxdepth", "2"])).stdout;
    let before = tree(outside);
    let long = format!("\"{}\"", "n".repeat(1000));
    let deep = format!("\"{}\"", "d.".repeat(200));
    for name in [
        "../../x",
        "/etc/x",
        "a/../../b",
        ".",
        "..",
        "a//b",
        "INBOX/../x",
        "\"&Jjo\"",
        "\"&&&\"",
        &long,
        &deep,
    ] {
        answers(&mut imap, &format!("CREATE {name}"), &["NO", "BAD", "OK"], PATIENCE);
    }
    let _ = imap.try_literals(&[("CREATE ", b"a\nb")], "").unwrap();
    let _ = imap.try_literals(&[("CREATE ", b"a\r\nb")], "").unwrap();
    assert_eq!(String::from_utf8_lossy(&tree(outside)), String::from_utf8_lossy(&before));
    let names = well(Command::new("find").arg(server.maildir("alice")).arg("-print0")).stdout;
    assert!(!names.contains(&b'\n'), "{}", String::from_utf8_lossy(&names));
    let stars = format!("LIST \"\" \"{}{}x\"", "*a".repeat(500), "%".repeat(500));
    imap.command("CREATE aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    answers(&mut imap, &stars, &["OK", "NO", "BAD"], Duration::from_secs(5));
    well_and_alive(&server);
}

#[test]
fn no_command_takes_more_than_its_time() {
    // I12, I13, I20, I21, I23
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    server.drop_file("new/1.a.host", message("one").as_bytes());
    let short = Duration::from_secs(10);
    let any: &[&str] = &["OK", "NO", "BAD"];
    let sections = vec!["1"; 1000].join(".");
    let keywords: Vec<String> = (0..10_000).map(|number| format!("key{number}")).collect();
    let lines = [
        format!("FETCH {} FLAGS", vec!["1:*"; 5000].join(",")),
        "FETCH 4294967295:1 FLAGS".into(),
        format!("FETCH 1 BODY[{sections}]"),
        "FETCH 1 BODY[]<4294967295.4294967295>".into(),
        "UID FETCH 1:4294967295 (FLAGS)".into(),
        format!("SEARCH {}ALL", "NOT ".repeat(1000)),
        format!("SEARCH {}ALL", "NOT ".repeat(10_000)),
        format!("SEARCH {}ALL", "OR ALL ".repeat(5000)),
        format!("SEARCH {}ALL{}", "(".repeat(5000), ")".repeat(5000)),
        "SEARCH CHARSET bogus SUBJECT x".into(),
        format!("STORE 1 +FLAGS ({})", keywords.join(" ")),
        format!("STORE 1 +FLAGS ({})", "k".repeat(10_000)),
        "STORE 1 +FLAGS (\\Recent)".into(),
        format!("FETCH 1 {}FLAGS{}", "(".repeat(10_000), ")".repeat(10_000)),
    ];
    for line in &lines {
        let mut imap = server.inbox("alice");
        // A server may also say BYE to a line that is too long.
        if let Ok(answer) = imap.try_command(line) {
            let known = any.iter().any(|word| answer.tagged.starts_with(word));
            assert!(known, "{}: {}", &line[..line.len().min(60)], answer.tagged);
        }
    }
    let mut imap = server.inbox("alice");
    for line in ["FETCH 0 FLAGS", "FETCH *:*:* FLAGS"] {
        answers(&mut imap, line, &["BAD", "NO"], short);
    }
    for line in ["FETCH 1 BODY[0]", "FETCH 1 BODY[4294967296]", "FETCH 1 BODY[]<0.0>"] {
        answers(&mut imap, line, any, short);
    }
    let long = vec![b'x'; 1 << 20];
    let _ = imap.try_literals(&[("SEARCH SUBJECT ", &long)], "");
    for options in ["(\\Seen) \"99-Xxx-9999 00:00:00 +0000\"", "(\\Seen (", "(\\Bogus \\Recent \\*)"] {
        let mut imap = server.inbox("alice");
        let answer = imap.try_append("INBOX", &format!(" {options}"), b"Subject: x\r\n\r\n");
        assert!(answer.is_err() || !answer.unwrap().is_ok(), "{options}");
    }
    well_and_alive(&server);
}

/// A hostile message, and what it is called.
fn bombs() -> Vec<(&'static str, String)> {
    let head = "From: a@b.example\nSubject: bomb\nMIME-Version: 1.0\n";
    let mut nested = head.to_owned();
    for level in 0..10_000 {
        nested += &format!("Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n");
    }
    let mut rfc822 = head.to_owned();
    (0..2000).for_each(|_| rfc822 += "Content-Type: message/rfc822\n\nSubject: inside\n");
    let mut parts = format!("{head}Content-Type: multipart/mixed; boundary=b\n\n");
    (0..100_000).for_each(|_| parts += "--b\n\nx\n");
    let parameters: String = (0..10_000).map(|number| format!(";\n name*{number}=x")).collect();
    let to: String = (0..100_000).map(|number| format!("a{number}@b.example,\n ")).collect();
    let prefixes: String = (1..2000).map(|count| format!("--{}\n\nx\n", "b".repeat(count))).collect();
    vec![
        ("nested multiparts", nested),
        ("nested messages", rfc822),
        ("100,000 parts", parts),
        ("10,000 parameters", format!("{head}Content-Type: text/plain{parameters}\n\nx\n")),
        ("100,000 addresses", format!("{head}To: {to}a@b.example\n\nx\n")),
        ("an open group", format!("{head}To: group: {}\n\nx\n", "a@b, ".repeat(50_000))),
        ("nested comments", format!("{head}To: {}x@y\n\nx\n", "(".repeat(10_000))),
        (
            "boundaries",
            format!("{head}Content-Type: multipart/mixed; boundary={}\n\n{prefixes}", "b".repeat(1000)),
        ),
        ("an empty boundary", format!("{head}Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\n--\n")),
        ("encoded words", format!("{head}Subject: {}\n\nx\n", "=?utf-8?b?".repeat(20_000))),
        ("a line without end", format!("{head}X: {}", "x".repeat(5_000_000))),
        ("nothing", String::new()),
        ("one newline", "\n".into()),
    ]
}

#[test]
fn no_message_is_a_bomb() {
    // I14 to I19
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    for (number, (what, text)) in bombs().into_iter().enumerate() {
        server.drop_file(&format!("new/{number}.bomb.host"), text.as_bytes());
        let mut imap = server.inbox("alice");
        let at = number + 1;
        for items in [
            "BODYSTRUCTURE",
            "ENVELOPE",
            "BODY.PEEK[1.1.1.1]",
            "BODY.PEEK[HEADER] RFC822.SIZE",
            "BODY.PEEK[]",
        ] {
            let start = Instant::now();
            let answer = imap.good(&format!("FETCH {at} ({items})"));
            assert!(start.elapsed() < Duration::from_secs(20), "{what}: {items} took {:?}", start.elapsed());
            assert!(!answer.fetches().is_empty(), "{what}: {items}");
        }
        for key in ["TEXT bomb", "BODY nothing", "TO a"] {
            imap.good(&format!("SEARCH {key}"));
        }
    }
    let mut imap = server.inbox("alice");
    for line in [
        "SORT (SUBJECT FROM DATE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "FETCH 1:* (ENVELOPE BODYSTRUCTURE)",
    ] {
        imap.good(line);
    }
    let most = peak(&server);
    assert!(!server.is_ours() || most < 400 << 10, "{most} KiB");
}

#[test]
fn what_is_broken_off_or_too_large_is_not_stored() {
    // I22
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    let mut imap = server.login("alice");
    imap.say(b"b APPEND INBOX {100000}\r\n").unwrap();
    assert!(imap.response().unwrap().starts_with(b"+"));
    imap.say(&b"Subject: half\r\n\r\nhalf a messa"[..]).unwrap();
    drop(imap);
    let mut imap = server.login("alice");
    let answer = imap.try_literals(&[("APPEND INBOX ", b"")], "");
    assert!(answer.is_err() || !answer.unwrap().is_ok(), "an empty message");
    let mut imap = server.login("alice");
    imap.say(b"c APPEND INBOX {99999999999}\r\n").unwrap();
    let said = imap.response().unwrap();
    assert!(!said.starts_with(b"+"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(server.login("alice").good("EXAMINE INBOX").told("EXISTS"), Some(0));
}

#[test]
fn garbage_ends_idle() {
    // I24
    let Some(server) = ImapServer::start() else { return };
    let mut imap = server.inbox("alice");
    let (tag, _) = imap.try_idle().unwrap();
    imap.say(b"garbage\r\n").unwrap();
    if let Ok(answer) = imap.answer(&tag) {
        assert!(answer.tagged.starts_with("BAD"), "{}", answer.tagged);
    }
    well_and_alive(&server);
}

#[test]
fn a_selected_mailbox_may_be_removed_or_renamed_by_another() {
    // I25
    let Some(server) = ImapServer::start() else { return };
    let mut one = server.login("alice");
    let mut two = server.login("alice");
    for name in ["Doomed", "Moving"] {
        one.good(&format!("CREATE {name}"));
        let text = message(name).replace('\n', "\r\n");
        assert!(one.try_append(name, "", text.as_bytes()).unwrap().is_ok());
        let validity = one.good(&format!("SELECT {name}")).number("UIDVALIDITY");
        match name {
            "Doomed" => two.good("DELETE Doomed"),
            _ => two.good("RENAME Moving Moved"),
        };
        // Its mail or none; never another's.
        if let Ok(answer) = one.try_command("FETCH 1 (UID BODY.PEEK[])") {
            let said = answer.lines().join("\n");
            assert!(!said.contains("Subject:") || said.contains(&format!("Subject: {name}")), "{said}");
        }
        two.good(&format!("CREATE {name}"));
        let again = two.good(&format!("SELECT {name}"));
        assert_eq!(again.told("EXISTS"), Some(0));
        assert!(again.number("UIDVALIDITY") != validity || again.number("UIDNEXT") > Some(1));
        one = server.login("alice");
    }
    well_and_alive(&server);
}

#[test]
fn compressed_commands_meet_the_same_limits() {
    // I28
    let (Some(python), Some(server)) = (tool("python3"), ImapServer::start()) else { return };
    let port = server.address().port().to_string();
    let mut imap = server.login("alice");
    if !imap.good("CAPABILITY").lines().join(" ").contains("COMPRESS=DEFLATE") {
        eprintln!("SKIPPED: this server does not compress");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/imap_bomb.py");
    let mut command = Command::new(python);
    command.arg(script).args([&port, &format!("alice@{DOMAIN}"), PASSWORD]);
    assert_eq!(String::from_utf8_lossy(&well(&mut command).stdout), "done\n");
    well_and_alive(&server);
}

const TOKENS: &[&str] = &[
    "FETCH",
    "STORE",
    "SEARCH",
    "UID",
    "COPY",
    "MOVE",
    "EXPUNGE",
    "SELECT",
    "INBOX",
    "EXAMINE",
    "LIST",
    "\"\"",
    "*",
    "1:*",
    "1",
    "4294967295",
    "0",
    "(",
    ")",
    "FLAGS",
    "+FLAGS",
    "\\Seen",
    "\\Deleted",
    "BODY[]",
    "BODY.PEEK[1.MIME]",
    "BODY[HEADER.FIELDS (SUBJECT)]",
    "ENVELOPE",
    "BODYSTRUCTURE",
    "<0.5>",
    "NOT",
    "OR",
    "ALL",
    "SUBJECT",
    "x",
    "\"quoted\"",
    "\"",
    "{3+}",
    "{5}",
    "RETURN",
    "(MIN MAX ALL COUNT)",
    "SORT",
    "(DATE)",
    "UTF-8",
    "THREAD",
    "REFERENCES",
    "STATUS",
    "(MESSAGES)",
    "CREATE",
    "DELETE",
    "RENAME",
    "a/b",
    "a.b",
    "NOOP",
    "CHECK",
    "CLOSE",
    "UNSELECT",
    "ENABLE",
    "QRESYNC",
    "CONDSTORE",
    "(CHANGEDSINCE 1)",
    "NAMESPACE",
    "ID",
    "NIL",
    "GETQUOTAROOT",
    "GETMETADATA",
    "APPEND",
    "SUBSCRIBE",
    "LSUB",
    "~{1}",
    "$",
    ",",
    ":",
    "\u{e9}",
    "",
];

#[test]
fn random_words_get_tagged_answers_or_bye() {
    // I33
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    let mut seed = 1_u64;
    let mut below = |limit: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % limit
    };
    server.drop_file("new/1.a.host", message("one").as_bytes());
    for _ in 0..60 {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut said = format!("a LOGIN alice@{DOMAIN} \"{PASSWORD}\"\r\nb SELECT INBOX\r\n");
        for number in 0..40 {
            let words: Vec<&str> = (0..below(9)).map(|_| TOKENS[below(TOKENS.len())]).collect();
            said += &format!("c{number} {}\r\n", words.join(" "));
        }
        let _ = stream.write_all(said.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        let heard = String::from_utf8_lossy(&heard);
        assert!(heard.contains("a OK"), "{said}: {heard}");
    }
    well_and_alive(&server);
    let log = server.log();
    assert!(!log.contains("panic"), "{log}");
}

#[test]
fn a_full_mailbox_takes_no_more_by_any_way() {
    // I22
    let Some(ImapServer::Ours(house)) = ImapServer::start() else { return };
    house.user("carol", &["--quota", "50K"]);
    let mut imap = Imap::login(house.imap(), &format!("carol@{DOMAIN}"), PASSWORD);
    imap.good("CREATE Other");
    let letter = |size: usize| format!("Subject: x\r\n\r\n{}\r\n", "x".repeat(size)).into_bytes();
    let answer = imap.try_append("INBOX", "", &letter(60_000)).unwrap();
    assert!(answer.tagged.starts_with("NO [OVERQUOTA]"), "{}", answer.tagged);
    assert!(imap.try_append("INBOX", "", &letter(20_000)).unwrap().is_ok());
    imap.good("SELECT INBOX");
    imap.good("COPY 1 Other");
    let said = [
        imap.command("COPY 1 Other"),
        imap.try_append("Other", "", &letter(20_000)).unwrap(),
        imap.try_literals(&[("APPEND INBOX ", &letter(5_000)), (" ", &letter(20_000))], "").unwrap(),
    ];
    for answer in said {
        assert!(answer.tagged.starts_with("NO [OVERQUOTA]"), "{}", answer.tagged);
    }
    // What moves takes no more room.
    imap.good("MOVE 1 Other");
    assert_eq!(imap.good("STATUS Other (MESSAGES)").lines(), ["STATUS Other (MESSAGES 2)"]);
    assert_eq!(imap.good("STATUS INBOX (MESSAGES)").lines(), ["STATUS INBOX (MESSAGES 0)"]);
    assert!(imap.good("GETQUOTAROOT INBOX").lines().iter().any(|line| line.starts_with("QUOTA ")));
}
