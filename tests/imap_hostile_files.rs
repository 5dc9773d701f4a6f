//! Hostile files in a Maildir, and damaged ones that the server keeps beside the mail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tests::{ImapServer, PATIENCE, give, message};

use crate::fetching::well;
use crate::imap_attacks::{peak, well_and_alive};

#[test]
fn only_regular_files_are_mail_whatever_else_lies_in_the_maildir() {
    // I26
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    let maildir = server.maildir("alice");
    let cur = maildir.join("cur");
    server.drop_file("new/1.good.host", message("good").as_bytes());
    well(Command::new("mkfifo").arg(cur.join("2.fifo.host:2,S")));
    std::os::unix::fs::symlink("/etc/passwd", cur.join("3.link.host:2,S")).unwrap();
    std::os::unix::fs::symlink("/nowhere", cur.join("4.dangling.host:2,S")).unwrap();
    fs::create_dir(cur.join("5.folder.host:2,S")).unwrap();
    if nix::unistd::geteuid().is_root() {
        well(Command::new("mknod").arg(cur.join("6.zero.host:2,S")).args(["c", "1", "5"]));
        // Root's own: the user may not read it.
        fs::write(cur.join("7.secret.host:2,S"), message("secret")).unwrap();
        well(Command::new("chmod").arg("600").arg(cur.join("7.secret.host:2,S")));
    }
    let _socket = std::os::unix::net::UnixListener::bind(cur.join("8.socket.host:2,S")).unwrap();
    server.drop_file("cur/9.odd\nname\u{e9}.host:2,S", message("odd name").as_bytes());
    let mut imap = server.inbox("alice");
    for line in
        ["FETCH 1:* (UID FLAGS ENVELOPE)", "FETCH 1:* (BODY.PEEK[])", "SEARCH TEXT root:", "SEARCH ALL"]
    {
        let start = Instant::now();
        let answer = imap.command(line);
        let said = answer.lines().join("\n");
        assert!(!said.contains("/bin/bash"), "{said}");
        assert!(start.elapsed() < PATIENCE / 2, "{line} took {:?}", start.elapsed());
        assert!(!answer.tagged.starts_with("BAD"), "{line}: {}", answer.tagged);
    }
    let said = imap.command("FETCH 1:* (BODY.PEEK[])").lines().join("\n");
    assert!(said.contains("Subject: good") && said.contains("Subject: odd name"), "{said}");
    well_and_alive(&server);
}

#[test]
fn a_message_of_ten_gigabytes_takes_neither_memory_nor_patience() {
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    let path = server.drop_file("cur/1.huge.host:2,S", message("huge").as_bytes());
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10 << 30).unwrap();
    server.drop_file("new/2.good.host", message("good").as_bytes());
    let mut imap = server.inbox("alice");
    for line in [
        "FETCH 1:* (FLAGS ENVELOPE)",
        "FETCH 1:* (BODYSTRUCTURE)",
        "FETCH 1:* (BODY.PEEK[]<0.100>)",
        "FETCH 2 (BODY.PEEK[] RFC822.SIZE)",
        "SEARCH TEXT good",
        "SEARCH SUBJECT huge",
    ] {
        let start = Instant::now();
        let answer = imap.command(line);
        assert!(answer.is_ok(), "{line}: {}", answer.tagged);
        assert!(start.elapsed() < PATIENCE / 2, "{line} took {:?}", start.elapsed());
    }
    let most = peak(&server);
    assert!(!server.is_ours() || most < 400 << 10, "{most} KiB");
    well_and_alive(&server);
}

#[test]
fn files_with_the_same_base_never_share_a_uid() {
    // I26
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    for (name, subject) in [
        ("cur/1.twin.host:2,", "one"),
        ("cur/1.twin.host:2,S", "two"),
        ("new/1.twin.host", "three"),
        ("cur/2.x.host:2,", "four"),
    ] {
        server.drop_file(name, message(subject).as_bytes());
    }
    let mut known = BTreeMap::new();
    for _ in 0..4 {
        let mut imap = server.login("alice");
        let validity = imap.good("SELECT INBOX").number("UIDVALIDITY").unwrap();
        let answer = imap.command("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        for (_, items) in answer.fetches() {
            let uid = items["UID"].number().unwrap();
            let subject = items.iter().find(|(name, _)| name.starts_with("BODY")).unwrap().1.word();
            let first = known.entry((validity, uid)).or_insert_with(|| subject.clone());
            assert_eq!(*first, subject, "UID {uid} names two messages");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let subjects: BTreeSet<&String> = known.values().collect();
    assert!(subjects.iter().any(|subject| subject.contains("four")), "{subjects:?}");
    let mail = ["new", "cur"].map(|part| tests::files(&server.maildir("alice").join(part)).len());
    assert_eq!(mail[0] + mail[1], 4, "no mail is lost");
}

/// Damage, and what it is called.
type Damage = (&'static str, fn(&Path));

const DAMAGES: &[Damage] = &[
    ("gone", |path| fs::remove_file(path).unwrap()),
    ("empty", |path| fs::write(path, "").unwrap()),
    ("cut", |path| cut(path, 2)),
    ("cut by one octet", |path| {
        let size = fs::metadata(path).unwrap().len();
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size.saturating_sub(1)).unwrap();
    }),
    ("garbage", |path| fs::write(path, [0xa5_u8; 5000]).unwrap()),
    ("of another version", |path| {
        let mut octets = fs::read(path).unwrap();
        octets.iter_mut().take(16).for_each(|octet| *octet = octet.wrapping_add(1));
        fs::write(path, octets).unwrap();
    }),
    ("a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        give(path, path.parent().unwrap());
    }),
    ("a FIFO", |path| {
        fs::remove_file(path).unwrap();
        well(Command::new("mkfifo").arg(path));
        give(path, path.parent().unwrap());
    }),
    ("a link elsewhere", |path| {
        fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
    }),
];

fn cut(path: &Path, part: u64) {
    let size = fs::metadata(path).unwrap().len();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(size / part).unwrap();
}

#[test]
fn a_damaged_index_costs_no_mail_and_no_uid_names_another_message() {
    // I27
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    for number in 0..20 {
        server
            .drop_file(&format!("new/{number}.first.host"), message(&format!("letter {number}")).as_bytes());
    }
    let mut known = BTreeMap::new();
    learn(&server, &mut known, "nothing", false);
    let ours = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        path.is_file() && (name.starts_with("fulmar-") || name.starts_with("dovecot"))
    };
    let files: Vec<_> = tests::files(&server.maildir("alice")).into_iter().filter(ours).collect();
    assert!(!files.is_empty());
    for path in files {
        for (what, damage) in DAMAGES.iter().take(if server.is_ours() { 9 } else { 5 }) {
            let odd = fs::symlink_metadata(&path).is_ok_and(|seen| !seen.is_file());
            if odd {
                let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
                learn(&server, &mut known, "repair", false);
            }
            if !path.is_file() {
                continue;
            }
            damage(&path);
            let what = format!("{} is {what}", path.display());
            // What is no file any more may be a reason to say NO; then it is mended by hand.
            match server.try_login("alice") {
                Ok(imap) => imap.log_out(),
                Err(_) => {
                    assert!(fs::symlink_metadata(&path).is_ok_and(|seen| !seen.is_file()), "{what}");
                    continue;
                }
            }
            let odd = fs::symlink_metadata(&path).is_ok_and(|seen| !seen.is_file());
            learn(&server, &mut known, &what, odd);
        }
        let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
        learn(&server, &mut known, "the last repair", false);
    }
}

/// All is there; each UID is the message it was.
fn learn(server: &ImapServer, known: &mut BTreeMap<(u64, u64), String>, what: &str, may_refuse: bool) {
    let mut imap = server.login("alice");
    let answer = imap.command("SELECT INBOX");
    if may_refuse && answer.tagged.starts_with("NO") {
        return imap.log_out();
    }
    assert!(answer.is_ok(), "{what}: {}", answer.tagged);
    let validity = answer.number("UIDVALIDITY").unwrap();
    let answer = imap.command("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)] ENVELOPE)");
    assert!(answer.is_ok(), "{what}: {}", answer.tagged);
    let mut subjects = BTreeSet::new();
    for (_, items) in answer.fetches() {
        let uid = items["UID"].number().unwrap();
        let subject = items["ENVELOPE"].list()[1].word();
        let header = items.iter().find(|(name, _)| name.starts_with("BODY")).unwrap().1.word();
        assert_eq!(header.trim(), format!("Subject: {subject}"), "{what}");
        let first = known.entry((validity, uid)).or_insert_with(|| subject.clone());
        assert_eq!(*first, subject, "{what}: UID {uid} names another message");
        subjects.insert(subject);
    }
    assert_eq!(subjects.len(), 20, "{what}: mail is missing");
    for line in ["STORE 1:* +FLAGS (\\Seen mark)", "STORE 3 -FLAGS (\\Seen mark)"] {
        let answer = imap.command(line);
        // With a link for a lock, say, nothing can be changed.
        assert!(answer.is_ok() || may_refuse, "{what}: {line}: {}", answer.tagged);
    }
    // A session that is still ending would write what is damaged next.
    imap.log_out();
}

#[test]
fn flags_that_another_program_sets_cost_no_message_its_uid() {
    // I26: a folder that is read while names change shows some names twice and others not at all.
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    let count = 300;
    for number in 0..count {
        server.drop_file(
            &format!("cur/{number}.first.host:2,"),
            message(&format!("letter {number}")).as_bytes(),
        );
    }
    server.inbox("alice").good("NOOP");
    let uids = |imap: &mut tests::Imap| imap.good("UID SEARCH ALL").found("SEARCH");
    let first = uids(&mut server.inbox("alice"));
    assert_eq!(first.len(), count);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| mark_all(&server.maildir("alice").join("cur"), &over));
        let watchers: Vec<_> = (0..3).map(|_| scope.spawn(|| watch(&server, count))).collect();
        let results: Vec<_> = watchers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        over.store(true, std::sync::atomic::Ordering::SeqCst);
        results.into_iter().for_each(|result| result.unwrap());
    });
    assert_eq!(uids(&mut server.inbox("alice")), first);
}

/// Sets and takes away a flag of each file, round and round.
fn mark_all(cur: &Path, over: &std::sync::atomic::AtomicBool) {
    for flags in ["F", "FS", "S", ""].iter().cycle() {
        for path in tests::files(cur) {
            if over.load(std::sync::atomic::Ordering::SeqCst) {
                return;
            }
            let name = path.to_str().unwrap();
            let base = name.rsplit_once(":2,").map_or(name, |(base, _)| base);
            let _ = fs::rename(&path, format!("{base}:2,{flags}"));
        }
    }
}

fn watch(server: &ImapServer, count: usize) {
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        let mut imap = server.login("alice");
        assert_eq!(imap.good("SELECT INBOX").told("EXISTS"), Some(count as u32));
        for _ in 0..20 {
            let answer = imap.good("NOOP");
            let said = answer.lines().join("\n");
            assert!(!said.contains("EXPUNGE") && !said.contains("EXISTS"), "{said}");
        }
        let answer = imap.good("FETCH 1:* (FLAGS BODY.PEEK[HEADER])");
        assert!(answer.fetches().len() >= count, "{} of {count}", answer.fetches().len());
    }
}

#[test]
fn what_list_shows_can_be_selected_whatever_folders_lie_in_the_maildir() {
    // I11
    let Some(server) = ImapServer::start() else { return };
    well_and_alive(&server);
    let deep = format!(".{}", ["l"; 100].join("."));
    for name in [".a..b", "...x", ".~x", ".trail.", "..", ".inbox", ".&bad", ".*", ".nl\nx", ".good", &deep] {
        for below in ["cur", "new", "tmp"] {
            let _ = fs::create_dir_all(server.maildir("alice").join(name).join(below));
        }
    }
    if nix::unistd::geteuid().is_root() {
        well(
            Command::new("chown")
                .arg("-R")
                .arg("--reference")
                .arg(server.maildir("alice").join("cur"))
                .arg(server.maildir("alice")),
        );
    }
    let mut imap = server.inbox("alice");
    let listed = imap.command("LIST \"\" *");
    let mut count = 0;
    for line in listed.lines() {
        let Some((attributes, name)) = line.split_once("\".\" ") else { continue };
        if !attributes.contains("\\Noselect") {
            let selected = imap.command(&format!("EXAMINE {}", name.trim_end()));
            assert!(selected.is_ok(), "{line}: {}", selected.tagged);
            count += 1;
        }
    }
    assert!(count >= 2, "{:?}", listed.lines());
    well_and_alive(&server);
}

#[test]
fn a_folder_that_the_owner_can_not_enter_is_named_in_the_log_with_the_cure() {
    let Some(server) = ImapServer::start().filter(ImapServer::is_ours) else { return };
    drop(server.inbox("alice"));
    let bits = |name: &str, bits| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(bits);
        std::fs::set_permissions(server.maildir("alice").join(name), permissions).unwrap();
    };
    bits("fulmar-special", 0);
    let mut imap = server.inbox("alice");
    assert_eq!(imap.good("LIST \"\" *").lines().len(), 6);
    bits("fulmar-special", 0o600);
    let said = |word: &str| server.until(word, || server.log().contains(word).then_some(()));
    said("Maildir/fulmar-special: can't read it: Permission denied");
    bits("new", 0);
    assert!(server.try_login("alice").is_err());
    bits("new", 0o700);
    said("new: Permission denied (os error 13); cure: give it to the mailbox's owner");
    drop(server.inbox("alice"));
}
