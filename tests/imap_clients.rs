//! The mail programs of others read, change and bring back mail by IMAP: each a whole round trip.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tests::{DOMAIN, ImapServer, PASSWORD, files, tool};

use crate::fetching::{nobody, well, write};

const LETTER: &str = "From: bob@example.test\nTo: alice@example.test\nSubject: to be fetched\nMessage-ID: <1@example.test>\n\
                      Date: Thu, 1 Jan 2026 10:00:00 +0000\n\n.one dot\n.\nUmlaute \u{e4}\u{f6}\u{fc}\nlast line\n";

fn letter(subject: &str) -> String {
    LETTER.replace("to be fetched", subject).replace("<1@", &format!("<{}@", subject.replace(' ', "-")))
}

fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// A server with one message for alice.
fn server() -> Option<ImapServer> {
    let server = ImapServer::start()?;
    server.login("alice").good("NOOP");
    server.drop_file("new/1.first.host", LETTER.as_bytes());
    Some(server)
}

/// Programs add header lines of their own; the body is as it was.
fn is_the_letter(fetched: &[u8]) {
    let text = String::from_utf8_lossy(fetched).replace("\r\n", "\n");
    let body = |text: &str| text.split_once("\n\n").map(|(_, body)| body.trim_end().to_owned());
    assert_eq!(body(&text), body(LETTER), "{text}");
    assert!(text.contains("\nSubject: to be fetched\n"), "{text}");
}

/// Subjects and flags of what is in `mailbox` on the server, sorted; a session of its own.
fn far(server: &ImapServer, mailbox: &str) -> Vec<(String, Vec<String>)> {
    let mut imap = server.login("alice");
    if imap.good(&format!("EXAMINE {mailbox}")).told("EXISTS") == Some(0) {
        return Vec::new();
    }
    let answer = imap.good("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
    let mut all: Vec<_> = answer
        .fetches()
        .iter()
        .map(|(_, items)| {
            let subject = items.iter().find(|(name, _)| name.starts_with("BODY[")).unwrap().1.word();
            let flags = items["FLAGS"].list().iter().map(tests::imap::Value::word);
            let flags = flags.filter(|flag| flag != "\\Recent").collect();
            (subject.trim().trim_start_matches("Subject: ").to_owned(), flags)
        })
        .collect();
    all.sort();
    all
}

fn subjects(all: &[(String, Vec<String>)]) -> Vec<&str> {
    all.iter().map(|(subject, _)| subject.as_str()).collect()
}

/// The files of a local Maildir with their subjects.
fn near(maildir: &Path) -> Vec<(String, PathBuf)> {
    let all = ["new", "cur"].map(|folder| files(&maildir.join(folder)));
    let subject = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().find_map(|line| Some(line.strip_prefix("Subject: ")?.to_owned())).unwrap()
    };
    let mut all: Vec<_> = all.into_iter().flatten().map(|path| (subject(&path), path)).collect();
    all.sort();
    all
}

fn near_subjects(maildir: &Path) -> Vec<String> {
    near(maildir).into_iter().map(|(subject, _)| subject).collect()
}

fn find(maildir: &Path, subject: &str) -> PathBuf {
    near(maildir).into_iter().find(|(known, _)| known == subject).unwrap().1
}

/// Adds a flag to a file of a local Maildir.
fn mark(maildir: &Path, subject: &str, flag: char) {
    let path = find(maildir, subject);
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let (base, flags) = name.split_once(":2,").unwrap_or((&name, ""));
    let mut flags: Vec<char> = flags.chars().chain([flag]).collect();
    flags.sort_unstable();
    let flags: String = flags.into_iter().collect();
    fs::rename(&path, maildir.join("cur").join(format!("{base}:2,{flags}"))).unwrap();
}

/// What both that keep a Maildir in step with a mailbox have to do. `sync` runs once, `inbox` is the near Maildir.
fn keeps_in_step(server: &ImapServer, inbox: &Path, sync: &mut dyn FnMut()) {
    server.drop_file("new/2.second.host", letter("second").as_bytes());
    sync();
    assert_eq!(near_subjects(inbox), ["second", "to be fetched"]);
    is_the_letter(&fs::read(find(inbox, "to be fetched")).unwrap());
    // Offline on both sides: flags here and there, a new message here and there.
    mark(inbox, "second", 'F');
    fs::write(inbox.join("cur/3.near.host:2,S"), letter("from near")).unwrap();
    let mut imap = server.inbox("alice");
    let uid = imap.good("UID SEARCH SUBJECT fetched").found("SEARCH")[0];
    imap.good(&format!("UID STORE {uid} +FLAGS (\\Answered)"));
    assert!(imap.try_append("INBOX", "", &wire(&letter("from far"))).unwrap().is_ok());
    sync();
    assert_eq!(near_subjects(inbox), ["from far", "from near", "second", "to be fetched"]);
    assert!(find(inbox, "to be fetched").to_str().unwrap().contains('R'));
    let there = far(server, "INBOX");
    assert_eq!(subjects(&there), ["from far", "from near", "second", "to be fetched"]);
    assert_eq!(there[1].1, ["\\Seen"]);
    assert_eq!(there[2].1, ["\\Flagged"]);
    // Removed here, removed there.
    fs::remove_file(find(inbox, "from near")).unwrap();
    imap.good(&format!("UID STORE {uid} +FLAGS (\\Deleted)"));
    imap.good("EXPUNGE");
    sync();
    sync();
    assert_eq!(near_subjects(inbox), ["from far", "second"]);
    assert_eq!(subjects(&far(server, "INBOX")), ["from far", "second"]);
}

#[test]
fn mbsync_keeps_a_maildir_in_step() {
    let (Some(mbsync), Some(server)) = (tool("mbsync"), server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (rc, home) = (folder.path().join("mbsyncrc"), folder.path().display().to_string());
    let port = server.address().port();
    write(
        &rc,
        &format!(
            "IMAPAccount a\nHost 127.0.0.1\nPort {port}\nUser alice@{DOMAIN}\nPass \"{PASSWORD}\"\nSSLType None\n\
             AuthMechs LOGIN\n\nIMAPStore far\nAccount a\n\nMaildirStore near\nPath {home}/boxes/\n\
             Inbox {home}/inbox\nSubFolders Maildir++\n\nChannel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\n\
             Remove Both\nExpunge Both\nCopyArrivalDate yes\nSyncState *\n"
        )
        .replace("Path ", "#Path "),
    );
    let sync = || drop(well(Command::new(&mbsync).arg("-c").arg(&rc).arg("-a").env("HOME", &home)));
    keeps_in_step(&server, &folder.path().join("inbox"), &mut { sync });
    // A folder that is made here is made there, with what is in it.
    let made = folder.path().join("inbox/.Made");
    for name in ["", "new", "cur", "tmp"] {
        fs::create_dir(made.join(name)).unwrap();
    }
    fs::write(made.join("cur/9.near.host:2,"), letter("in a folder")).unwrap();
    sync();
    let list = server.login("alice").good("LIST \"\" *").lines().join("\n");
    let name = if list.contains("INBOX.Made") { "INBOX.Made" } else { "Made" };
    assert_eq!(subjects(&far(&server, name)), ["in a folder"], "{list}");
}

#[test]
fn offlineimap_keeps_a_maildir_in_step() {
    let (Some(offlineimap), Some(server)) = (tool("offlineimap"), server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (rc, home) = (folder.path().join("rc"), folder.path().display().to_string());
    let port = server.address().port();
    write(
        &rc,
        &format!(
            "[general]\naccounts = a\nmetadata = {home}/meta\nui = basic\n[Account a]\nlocalrepository = l\n\
             remoterepository = r\n[Repository l]\ntype = Maildir\nlocalfolders = {home}/mail\n[Repository r]\n\
             type = IMAP\nremotehost = 127.0.0.1\nremoteport = {port}\nremoteuser = alice@{DOMAIN}\n\
             remotepass = {PASSWORD}\nssl = no\nstarttls = no\nauth_mechanisms = PLAIN, LOGIN\n"
        ),
    );
    let mut sync = || drop(well(Command::new(&offlineimap).arg("-c").arg(&rc).arg("-o").env("HOME", &home)));
    keeps_in_step(&server, &folder.path().join("mail/INBOX"), &mut sync);
}

#[test]
fn mutt_reads_saves_and_deletes() {
    let (Some(mutt), Some(script), Some(server)) = (tool("mutt"), tool("script"), server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let rc = folder.path().join("rc");
    let home = folder.path().display();
    let url = format!("imap://127.0.0.1:{}", server.address().port());
    server.drop_file("new/2.second.host", letter("second").as_bytes());
    write(
        &rc,
        &format!(
            "set imap_user=\"alice@{DOMAIN}\"\nset imap_pass=\"{PASSWORD}\"\nset ssl_starttls=no\n\
             set ssl_force_tls=no\nset folder=\"{url}/\"\nset spoolfile=\"{url}/INBOX\"\nset record=\"{url}/Sent\"\nset copy=yes\n\
             set sendmail=/bin/true\nset from=alice@{DOMAIN}\nset header_cache={home}/cache\nset mbox_type=mbox\nset confirmappend=no\nset wait_key=no\n\
             set confirmcreate=no\nset delete=yes\nset quit=yes\nset move=no\nset save_empty=no\nset imap_idle=yes\n"
        ),
    );
    // Saves the first into a file and into a folder, which deletes it here; flags the second.
    let keys = format!(
        "<limit>~A<enter><first-entry><copy-message><kill-line>{home}/saved<enter><save-message><kill-line>=Archive<enter>\
         <last-entry><flag-message><sync-mailbox><quit>"
    );
    let line = format!("{} -n -F {} -e 'push \"{keys}\"'", mutt.display(), rc.display());
    let mut command = Command::new(script);
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("HOME", folder.path());
    well(command.stdin(Stdio::null()));
    let saved = fs::read_to_string(folder.path().join("saved")).unwrap();
    assert!(saved.contains("Umlaute \u{e4}\u{f6}\u{fc}\nlast line\n"), "{saved}");
    let there = far(&server, "INBOX");
    assert_eq!(there.len(), 1, "{there:?}");
    assert!(there[0].1.contains(&"\\Flagged".to_owned()), "{there:?}");
    assert_eq!(far(&server, "Archive").len(), 1);
    // What it sends it puts into Sent, by APPEND.
    let mut command = Command::new(mutt);
    command.arg("-n").arg("-F").arg(&rc).args(["-s", "sent by mutt", "bob@example.test"]);
    well(command.env("HOME", folder.path()).stdin(Stdio::null()));
    assert_eq!(subjects(&far(&server, "Sent")), ["sent by mutt"]);
}

#[test]
fn curl_lists_fetches_searches_and_uploads() {
    let (Some(curl), Some(server)) = (tool("curl"), server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let url = format!("imap://{}", server.address());
    let user = format!("alice@{DOMAIN}:{PASSWORD}");
    let curl = |words: &[&str]| {
        let output = well(Command::new(&curl).args(["-sS", "--user", &user]).args(words));
        String::from_utf8(output.stdout).unwrap()
    };
    is_the_letter(curl(&[&format!("{url}/INBOX;MAILINDEX=1")]).as_bytes());
    let file = folder.path().join("letter");
    fs::write(&file, wire(&letter("uploaded"))).unwrap();
    curl(&["-T", file.to_str().unwrap(), &format!("{url}/INBOX")]);
    assert!(curl(&[&format!("{url}/INBOX?SUBJECT%20uploaded")]).contains("* SEARCH 2"));
    let header = curl(&[&format!("{url}/INBOX;MAILINDEX=2;SECTION=HEADER.FIELDS%20(SUBJECT)")]);
    assert_eq!(header.trim(), "Subject: uploaded");
    assert!(curl(&[&format!("{url}/")]).contains("INBOX"));
    curl(&["-X", "STORE 1 +FLAGS \\Deleted", &format!("{url}/INBOX")]);
    curl(&["-X", "EXPUNGE", &format!("{url}/INBOX")]);
    assert_eq!(subjects(&far(&server, "INBOX")), ["uploaded"]);
}

/// Killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn fetchmail_fetches_deletes_and_waits_for_more() {
    let (Some(fetchmail), Some(server)) = (tool("fetchmail"), server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (rc, mail) = (folder.path().join("rc"), folder.path().join("mail"));
    let port = server.address().port();
    let config = |more: &str| {
        format!(
            "poll 127.0.0.1 protocol imap port {port} user \"alice@{DOMAIN}\" password \"{PASSWORD}\" \
             fetchall sslproto '' {more} mda \"cat >> {}\"\n",
            mail.display()
        )
    };
    let command = || {
        let mut command = Command::new(&fetchmail);
        // Of root's there is else one at a time on a machine.
        command.arg("--pidfile").arg(folder.path().join("pid"));
        command.arg("-f").arg(&rc).arg("--nosyslog").env("FETCHMAILHOME", folder.path());
        command
    };
    write(&rc, &config(""));
    well(&mut command());
    is_the_letter(&fs::read(&mail).unwrap());
    assert!(far(&server, "INBOX").is_empty(), "fetchmail deletes what it has fetched");
    write(&rc, &config("idle"));
    let _idling = Running(command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    for number in 2..5 {
        server.drop_file(&format!("new/{number}.later.host"), letter(&format!("later {number}")).as_bytes());
        let wanted = format!("Subject: later {number}");
        server.until("fetchmail to wake", || {
            fs::read_to_string(&mail).ok().filter(|text| text.contains(&wanted))
        });
    }
    server.until("an empty inbox", || far(&server, "INBOX").is_empty().then_some(()));
}

#[test]
fn getmail_fetches_deletes_and_waits_for_more() {
    let (Some(getmail), Some(server)) = (tool("getmail"), server()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let maildir = folder.path().join("Maildir");
    for name in ["", "new", "cur", "tmp"] {
        fs::create_dir(maildir.join(name)).unwrap();
    }
    let port = server.address().port();
    write(
        &folder.path().join("getmailrc"),
        &format!(
            "[retriever]\ntype = SimpleIMAPRetriever\nserver = 127.0.0.1\nport = {port}\n\
             username = alice@{DOMAIN}\npassword = {PASSWORD}\nmailboxes = (\"INBOX\",)\n\
             [destination]\ntype = Maildir\npath = {}/\n[options]\ndelete = true\nread_all = true\n",
            maildir.display()
        ),
    );
    // It refuses to deliver as root.
    let mut command = nobody(folder.path());
    command.arg(&getmail).arg("--getmaildir").arg(folder.path()).env("HOME", folder.path());
    well(&mut command);
    assert_eq!(near_subjects(&maildir), ["to be fetched"]);
    is_the_letter(&fs::read(find(&maildir, "to be fetched")).unwrap());
    assert!(far(&server, "INBOX").is_empty());
    command.arg("--idle=INBOX").stdout(Stdio::null()).stderr(Stdio::null());
    let _idling = Running(command.spawn().unwrap());
    server.drop_file("new/2.later.host", letter("later").as_bytes());
    server.until("getmail to wake", || near_subjects(&maildir).contains(&"later".to_owned()).then_some(()));
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

#[test]
fn imaplib_goes_the_whole_round() {
    let (Some(python), Some(server)) = (tool("python3"), ImapServer::start()) else { return };
    let port = server.address().port().to_string();
    let mut command = Command::new(python);
    command.arg(script("imaplib_round.py")).args([&port, &format!("alice@{DOMAIN}"), PASSWORD]);
    assert_eq!(String::from_utf8_lossy(&well(&mut command).stdout), "done\n");
}

#[test]
fn imapflow_goes_the_whole_round() {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/imapflow/node_modules");
    let Some(node) = tool("node") else { return };
    if !modules.is_dir() {
        eprintln!(
            "SKIPPED: imapflow is not in target/peers; scripts/test fetches it with npm when run as root"
        );
        return;
    }
    let Some(server) = ImapServer::start() else { return };
    let port = server.address().port().to_string();
    let mut command = Command::new(node);
    command.arg(script("imapflow_round.mjs")).arg(modules.canonicalize().unwrap());
    command.args([&port, &format!("alice@{DOMAIN}"), PASSWORD]);
    assert_eq!(String::from_utf8_lossy(&well(&mut command).stdout), "done\n");
}
